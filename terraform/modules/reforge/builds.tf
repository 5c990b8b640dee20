# Two projects for each workspace, with one buildspec: plan reads, apply writes.

locals {
  modes = { plan = "plan", apply = "recovery" }

  # By "<workspace>-<mode>".
  projects = merge([for mode, suffix in local.modes : {
    for name, w in var.workspaces : "${name}-${mode}" => {
      workspace      = name
      mode           = mode
      name           = coalesce(mode == "plan" ? w.plan_project : w.project, "aiops-${name}-${suffix}")
      root           = w.root
      services       = w.services
      state_key      = coalesce(w.state_key, "state/${name}/terraform.tfstate")
      source_version = w.source_version
    }
  }]...)

  buildspec = templatefile("${path.module}/buildspec.yml", {
    terraform_url    = var.terraform_download.url
    terraform_sha256 = var.terraform_download.sha256
    files            = { for name in fileset("${path.module}/build", "*") : name => file("${path.module}/build/${name}") }
  })
}

resource "aws_codebuild_project" "this" {
  for_each = local.projects

  name           = each.value.name
  description    = "Reforge: ${each.value.mode} of the workspace ${each.value.workspace}"
  service_role   = aws_iam_role.build[each.key].arn
  build_timeout  = var.build_timeout_minutes
  source_version = each.value.source_version
  tags           = var.tags

  # One writer for a state. Over the limit StartBuild fails; it does not queue.
  concurrent_build_limit = each.value.mode == "apply" ? 1 : null

  artifacts {
    type = "NO_ARTIFACTS"
  }

  source {
    type      = var.source_repository.type
    location  = var.source_repository.location
    buildspec = local.buildspec
  }

  environment {
    type         = "LINUX_CONTAINER"
    image        = var.build_image
    compute_type = var.build_compute_type

    dynamic "environment_variable" {
      for_each = merge({
        REFORGE_MODE         = each.value.mode
        REFORGE_WORKSPACE    = each.value.workspace
        REFORGE_BUCKET       = aws_s3_bucket.this.bucket
        REFORGE_STATE_BUCKET = aws_s3_bucket.this.bucket
        REFORGE_STATE_KEY    = each.value.state_key
        REFORGE_STATE_REGION = local.region
        REFORGE_ROOT         = each.value.root
        # A saved plan is good only at the path where it was made.
        REFORGE_WORKDIR = "/tmp/reforge-${var.name}/${each.value.workspace}"
      }, var.lock_table ? { REFORGE_LOCK_TABLE = aws_dynamodb_table.lock[0].name } : {})

      content {
        name  = environment_variable.key
        value = environment_variable.value
      }
    }
  }

  logs_config {
    cloudwatch_logs {
      group_name = aws_cloudwatch_log_group.builds.name
    }
  }
}

resource "aws_cloudwatch_log_group" "builds" {
  name              = "/reforge/${var.name}/builds"
  retention_in_days = 365
  tags              = var.tags
}
