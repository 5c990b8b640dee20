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

  # What decides what a build does and may do: the projects are made of it, and so are their fingerprints.
  definitions = { for key, project in local.projects : key => {
    service_role    = aws_iam_role.build[key].arn
    source_type     = var.source_repository.type
    source_location = var.source_repository.location
    image           = var.build_image
    privileged      = false
    buildspec       = local.buildspec
    source_version  = project.source_version == null ? "" : project.source_version
    environment = merge({
      REFORGE_MODE         = project.mode
      REFORGE_WORKSPACE    = project.workspace
      REFORGE_BUCKET       = aws_s3_bucket.this.bucket
      REFORGE_STATE_BUCKET = aws_s3_bucket.this.bucket
      REFORGE_STATE_KEY    = project.state_key
      REFORGE_STATE_REGION = local.region
      REFORGE_ROOT         = project.root
      # A saved plan is good only at the path where it was made.
      REFORGE_WORKDIR = "/tmp/reforge-${var.name}/${project.workspace}"
    }, var.lock_table ? { REFORGE_LOCK_TABLE = aws_dynamodb_table.lock[0].name } : {})
  } }

  # The operator computes the same from BatchGetProjects: SHA-256, in hexadecimal, of these lines with a line feed between
  # them and none at the end: the service role's ARN, the source's type, its location, the environment's image, its
  # privileged mode (`true` or `false`), the SHA-256 of the buildspec's text, the source version, the number of secondary
  # sources, the VPC's id, the cache's type, then each environment variable as TYPE NAME=VALUE, these sorted by their bytes.
  fingerprints = { for key, d in local.definitions : local.projects[key].name => sha256(join("\n", concat(
    [d.service_role, d.source_type, d.source_location, d.image, tostring(d.privileged), sha256(d.buildspec)],
    [d.source_version, "0", "", "NO_CACHE"],
    sort([for name, value in d.environment : "PLAINTEXT ${name}=${value}"]),
  ))) }
}

resource "aws_codebuild_project" "this" {
  for_each = local.projects

  name           = each.value.name
  description    = "Reforge: ${each.value.mode} of the workspace ${each.value.workspace}"
  service_role   = local.definitions[each.key].service_role
  build_timeout  = var.build_timeout_minutes
  source_version = each.value.source_version
  tags           = var.tags

  # One writer for a state. Over the limit StartBuild fails; it does not queue.
  concurrent_build_limit = each.value.mode == "apply" ? 1 : null

  artifacts {
    type = "NO_ARTIFACTS"
  }

  source {
    type      = local.definitions[each.key].source_type
    location  = local.definitions[each.key].source_location
    buildspec = local.definitions[each.key].buildspec
  }

  environment {
    type            = "LINUX_CONTAINER"
    image           = local.definitions[each.key].image
    compute_type    = var.build_compute_type
    privileged_mode = local.definitions[each.key].privileged

    dynamic "environment_variable" {
      for_each = local.definitions[each.key].environment

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
