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
      kms_key_arns   = w.kms_key_arns
      roles          = [for role in w.pass_roles : startswith(role, "arn:") ? role : "arn:${local.partition}:iam::${local.account}:role/${role}"]
    }
  }]...)

  # The tools as one shell text that writes each into a file: packed together they take less than half of what CodeBuild
  # lets a buildspec have. They are read in a project by what unpacks them there:
  #     aws codebuild batch-get-projects --names aiops-orders-plan --query 'projects[0].source.buildspec' --output text |
  #       grep -A 1 END_OF_TOOLS | sed -n '2s/^ *//p' | base64 -d | gunzip
  tools = join("", [for name in sort(fileset("${path.module}/build", "*")) : <<-EOT
    cat >${name} <<'END_OF_REFORGE_FILE'
    ${trimsuffix(file("${path.module}/build/${name}"), "\n")}
    END_OF_REFORGE_FILE
  EOT
  ])

  buildspec = templatefile("${path.module}/buildspec.yml", {
    terraform_url    = var.terraform_download.url
    terraform_sha256 = var.terraform_download.sha256
    tools            = base64gzip(local.tools)
    tools_sha256     = sha256(local.tools)
  })

  # Where a CodeCommit repository is, by its clone URL; and which connection GitHub is reached by: the one that is named, or
  # any that the account's default source credential has.
  repository = one([for found in regexall("^https://git-codecommit[.]([a-z0-9-]+)[.][a-z.]+/v1/repos/([A-Za-z0-9._-]+)$", var.source_repository.location) : { region = found[0], name = found[1] }])
  connection = coalesce(var.source_repository.connection_arn, "arn:${local.partition}:codeconnections:${local.region}:${local.account}:connection/*")

  # Characters of an inline buildspec, over which CreateProject and UpdateProject fail; found in aws-cdk, issues 14974 and
  # 30326, and in no guide.
  buildspec_limit = 25600

  # What decides what a build does and may do: the projects are made of it, and so are their fingerprints.
  definitions = { for key, project in local.projects : key => {
    service_role    = aws_iam_role.build[key].arn
    source_type     = var.source_repository.type
    source_location = var.source_repository.location
    image           = var.build_image
    type            = "LINUX_CONTAINER"
    privileged      = false
    # One writer for a state. Over the limit StartBuild fails; it does not queue.
    limit          = project.mode == "apply" ? 1 : null
    buildspec      = local.buildspec
    source_version = project.source_version == null ? "" : project.source_version
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

  # The operator computes the same from BatchGetProjects: SHA-256, in hexadecimal, of the SHA-256s of these lines with a line
  # feed between them: the service role's ARN, the source's type, its location, the environment's image, its privileged mode
  # (`true` or `false`), the buildspec's text, the source version, the number of secondary sources, the VPC's id, the cache's
  # type, the environment's type, its fleet, certificate and registry credential, the number of file systems, the limit on
  # builds at once, then each environment variable as TYPE NAME=VALUE, these sorted by their bytes.
  fingerprints = { for key, d in local.definitions : local.projects[key].name => sha256(join("\n", [for line in concat(
    [d.service_role, d.source_type, d.source_location, d.image, tostring(d.privileged), d.buildspec],
    [d.source_version, "0", "", "NO_CACHE", d.type, "", "", "", "0", d.limit == null ? "" : tostring(d.limit)],
    sort([for name, value in d.environment : "PLAINTEXT ${name}=${value}"]),
  ) : sha256(line)])) }
}

resource "aws_codebuild_project" "this" {
  for_each = local.projects

  name           = each.value.name
  description    = "Reforge: ${each.value.mode} of the workspace ${each.value.workspace}"
  service_role   = local.definitions[each.key].service_role
  build_timeout  = var.build_timeout_minutes
  source_version = each.value.source_version
  tags           = var.tags

  concurrent_build_limit = local.definitions[each.key].limit

  artifacts {
    type = "NO_ARTIFACTS"
  }

  lifecycle {
    precondition {
      condition     = length(local.buildspec) <= local.buildspec_limit
      error_message = "The buildspec has ${length(local.buildspec)} characters and CodeBuild takes ${local.buildspec_limit}: shorten the tools in ${path.module}/build, or put them into the build image and let buildspec.yml take them from there."
    }
  }

  source {
    type      = local.definitions[each.key].source_type
    location  = local.definitions[each.key].source_location
    buildspec = local.definitions[each.key].buildspec

    dynamic "auth" {
      for_each = var.source_repository.connection_arn[*]

      content {
        type     = "CODECONNECTIONS"
        resource = auth.value
      }
    }
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
