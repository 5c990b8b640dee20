# A role for each project. Nobody but an apply build may change a resource; no role may delete one. What no run of the
# sandbox needs is argued for where it is allowed: see permissions.tf.

data "aws_iam_policy_document" "build_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["codebuild.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

resource "aws_iam_role" "build" {
  for_each = local.projects

  name               = "${var.name}-${each.key}"
  description        = "Reforge: ${each.value.mode} builds of the workspace ${each.value.workspace}"
  assume_role_policy = data.aws_iam_policy_document.build_trust.json
  tags               = var.tags
}

data "aws_iam_policy_document" "build" {
  for_each = local.projects

  # Unseen in the sandbox: logs:CreateLogStream, logs:PutLogEvents: CodeBuild writes a build's log in the role's name, and the sandbox's writes a file
  statement {
    sid       = "Log"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.builds.arn}:*"]
  }

  # Unseen in the sandbox: kms:Decrypt, kms:GenerateDataKey: S3 encrypts and decrypts in the caller's name, and the sandbox's does without
  statement {
    sid       = "Key"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [aws_kms_key.this.arn]
  }

  # Terraform's S3 backend: the state and its lock file. A plan writes the lock and not the state.
  statement {
    sid       = "FindState"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.this.arn]
  }

  statement {
    sid       = "State"
    actions   = each.value.mode == "apply" ? ["s3:GetObject", "s3:PutObject"] : ["s3:GetObject"]
    resources = ["${aws_s3_bucket.this.arn}/${each.value.state_key}"]
  }

  statement {
    sid       = "LockFile"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    resources = ["${aws_s3_bucket.this.arn}/${each.value.state_key}.tflock"]
  }

  # Unseen in the sandbox: dynamodb:GetItem, dynamodb:PutItem, dynamodb:DeleteItem: its states are locked by a file alone
  dynamic "statement" {
    for_each = aws_dynamodb_table.lock

    content {
      sid       = "LockTable"
      actions   = ["dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem"]
      resources = [statement.value.arn]
    }
  }

  # A plan is written by plan builds and read by apply builds, never the other way round.
  statement {
    sid     = "Publish"
    actions = ["s3:PutObject"]
    resources = [for path in concat(
      ["inventory/${each.value.workspace}.json", "failures/${each.value.workspace}/*"],
      each.value.mode == "plan" ? ["plans/${each.value.workspace}/*", "keys/value-hash"] : ["claims/${each.value.workspace}/*", "results/${each.value.workspace}/*"],
    ) : "${aws_s3_bucket.this.arn}/${path}"]
  }

  statement {
    sid     = "Take"
    actions = ["s3:GetObject"]
    resources = [for path in each.value.mode == "plan" ? ["keys/value-hash", "inventory/${each.value.workspace}.json"] : ["plans/${each.value.workspace}/*"] :
      "${aws_s3_bucket.this.arn}/${path}"
    ]
  }

  # Unseen in the sandbox: s3:GetObjectVersion: CodeBuild takes the version that it resolved, in the role's name
  dynamic "statement" {
    for_each = var.source_repository.type == "S3" ? ["arn:${local.partition}:s3:::${var.source_repository.location}"] : []

    content {
      sid       = "SourceInS3"
      actions   = ["s3:GetObject", "s3:GetObjectVersion"]
      resources = [statement.value]
    }
  }

  # What CodeBuild asks of a bucket before it trusts it (CodeBuild User Guide, "Allow CodeBuild to interact with other AWS
  # services").
  # Unseen in the sandbox: s3:GetBucketAcl, s3:GetBucketLocation: the sandbox's CodeBuild takes the zip without
  dynamic "statement" {
    for_each = var.source_repository.type == "S3" ? [split("/", var.source_repository.location)[0]] : []

    content {
      sid       = "SourceBucket"
      actions   = ["s3:GetBucketAcl", "s3:GetBucketLocation"]
      resources = ["arn:${local.partition}:s3:::${statement.value}"]
    }
  }

  dynamic "statement" {
    for_each = var.source_repository.kms_key_arn[*]

    content {
      sid       = "SourceKey"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]
    }
  }

  # Unseen in the sandbox: codecommit:GitPull: its install is built from a zip in S3
  dynamic "statement" {
    for_each = var.source_repository.type == "CODECOMMIT" ? [local.repository] : []

    content {
      sid       = "SourceInCodeCommit"
      actions   = ["codecommit:GitPull"]
      resources = ["arn:${local.partition}:codecommit:${statement.value.region}:${local.account}:${statement.value.name}"]
    }
  }

  # CodeBuild User Guide, "GitHub App connections". Connections that were made before July 2024 have codestar-connections in
  # their ARN, and are asked about under either prefix.
  # Unseen in the sandbox: codeconnections:GetConnectionToken, codeconnections:GetConnection: its install is built from a zip in S3
  dynamic "statement" {
    for_each = var.source_repository.type == "GITHUB" ? [local.connection] : []

    content {
      sid       = "SourceInGitHub"
      actions   = flatten([for prefix in distinct(["codeconnections", split(":", statement.value)[2]]) : ["${prefix}:GetConnectionToken", "${prefix}:GetConnection"]])
      resources = [statement.value]
    }
  }

  statement {
    sid       = "Refresh"
    actions   = distinct(concat(flatten([for s in each.value.services : local.read_actions[s]]), local.reads_roles[each.key] ? local.own_role_read : [], lookup(var.extra_read_actions, each.value.workspace, [])))
    resources = ["*"]
  }

  # A key is found by its alias, and its ARN compared with what the resource has.
  dynamic "statement" {
    for_each = length(each.value.kms_key_arns) > 0 ? [1] : []

    content {
      sid       = "FindKeys"
      actions   = ["kms:DescribeKey"]
      resources = each.value.kms_key_arns
    }
  }

  dynamic "statement" {
    for_each = length(each.value.kms_key_arns) > 0 ? [1] : []

    content {
      sid       = "ListKeys"
      actions   = ["kms:ListAliases"]
      resources = ["*"]
    }
  }

  dynamic "statement" {
    for_each = each.value.mode == "apply" ? [1] : []

    content {
      sid       = "PutBack"
      actions   = distinct(concat(flatten([for s in each.value.services : local.write_actions[s]]), lookup(var.extra_write_actions, each.value.workspace, [])))
      resources = ["*"]
    }
  }

  # A role is power: it goes to the services whose resources the workspace declares, and to nobody else.
  dynamic "statement" {
    for_each = each.value.mode == "apply" && length(local.passes[each.key]) > 0 && length(each.value.roles) > 0 ? [1] : []

    content {
      sid       = "PassRoles"
      actions   = ["iam:PassRole"]
      resources = each.value.roles

      condition {
        test     = "StringEquals"
        variable = "iam:PassedToService"
        values   = local.passes[each.key]
      }
    }
  }

  # Who may attach policies to any role may attach an administrator's to its own: only roles that are named in full are
  # put back with what runs under them.
  dynamic "statement" {
    for_each = each.value.mode == "apply" && local.reads_roles[each.key] && length(local.named_roles[each.key]) > 0 ? [1] : []

    content {
      sid       = "PutBackRoles"
      actions   = distinct(flatten([for s in each.value.services : lookup(local.own_roles, s, [])]))
      resources = local.named_roles[each.key]
    }
  }

  # A resource with a customer key is made by its service in the caller's name, who needs the key for it (DynamoDB
  # Developer Guide, "DynamoDB encryption at rest: usage notes"; EBS, RDS and EKS ask for the same).
  # Unseen in the sandbox: kms:Encrypt, kms:Decrypt, kms:ReEncrypt*, kms:GenerateDataKey*, kms:CreateGrant: what the services do with a key in the caller's name, the sandbox's do without
  dynamic "statement" {
    for_each = each.value.mode == "apply" && length(each.value.kms_key_arns) > 0 ? [1] : []

    content {
      sid       = "UseKeys"
      actions   = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*"]
      resources = each.value.kms_key_arns

      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = [for s in each.value.services : "${s}.*.${local.dns_suffix}"]
      }
    }
  }

  dynamic "statement" {
    for_each = each.value.mode == "apply" && length(each.value.kms_key_arns) > 0 ? [1] : []

    content {
      sid       = "GrantKeys"
      actions   = ["kms:CreateGrant"]
      resources = each.value.kms_key_arns

      condition {
        test     = "Bool"
        variable = "kms:GrantIsForAWSResource"
        values   = ["true"]
      }

      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = [for s in each.value.services : "${s}.*.${local.dns_suffix}"]
      }
    }
  }
}

locals {
  # All inline policies of a role together, white space apart (IAM User Guide, "IAM and AWS STS quotas").
  inline_policy_limit = 10240

  # To whom a project may pass roles, and whether its workspace makes some of its own.
  passes      = { for key, p in local.projects : key => distinct(flatten([for s in p.services : lookup(local.passed_to, s, [])])) }
  named_roles = { for key, p in local.projects : key => [for role in p.roles : role if !strcontains(role, "*")] }
  reads_roles = { for key, p in local.projects : key => anytrue([for s in p.services : contains(keys(local.own_roles), s)]) }
}

resource "aws_iam_role_policy" "build" {
  for_each = local.projects

  name   = "build"
  role   = aws_iam_role.build[each.key].id
  policy = data.aws_iam_policy_document.build[each.key].json

  lifecycle {
    precondition {
      condition     = length(jsonencode(jsondecode(data.aws_iam_policy_document.build[each.key].json))) <= local.inline_policy_limit
      error_message = "What the ${each.value.mode} builds of ${each.value.workspace} may do is longer than the ${local.inline_policy_limit} characters that IAM takes inline in a role: split the workspace, or give it fewer extra actions, pass_roles or kms_key_arns; one wildcard takes the place of many."
    }
  }
}
