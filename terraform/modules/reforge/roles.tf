# The operator's role, and one for each project. Nobody but an apply build may change a resource; no role may delete one.

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

  lifecycle {
    precondition {
      condition     = length("${var.name}-${each.key}") <= 64
      error_message = "The role ${var.name}-${each.key} would have more than the 64 characters that IAM takes: shorten var.name or the workspace's name."
    }
  }
}

data "aws_iam_policy_document" "build" {
  for_each = local.projects

  statement {
    sid       = "Log"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.builds.arn}:*"]
  }

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

  dynamic "statement" {
    for_each = var.source_repository.type == "S3" ? ["arn:${local.partition}:s3:::${var.source_repository.location}"] : []

    content {
      sid       = "SourceInS3"
      actions   = ["s3:GetObject", "s3:GetObjectVersion"]
      resources = [statement.value]
    }
  }

  dynamic "statement" {
    for_each = var.source_repository.type == "CODECOMMIT" ? [element(split("/", var.source_repository.location), -1)] : []

    content {
      sid       = "SourceInCodeCommit"
      actions   = ["codecommit:GitPull"]
      resources = ["arn:${local.partition}:codecommit:${local.region}:${local.account}:${statement.value}"]
    }
  }

  dynamic "statement" {
    for_each = var.source_repository.type == "GITHUB" ? [1] : []

    content {
      sid       = "SourceInGitHub"
      actions   = ["codeconnections:GetConnectionToken", "codeconnections:GetConnection"]
      resources = ["arn:${local.partition}:codeconnections:${local.region}:${local.account}:connection/*"]
    }
  }

  statement {
    sid       = "Refresh"
    actions   = concat(flatten([for s in each.value.services : local.read_actions[s]]), lookup(var.extra_read_actions, each.value.workspace, []))
    resources = ["*"]
  }

  dynamic "statement" {
    for_each = each.value.mode == "apply" ? [1] : []

    content {
      sid       = "PutBack"
      actions   = concat(flatten([for s in each.value.services : local.write_actions[s]]), lookup(var.extra_write_actions, each.value.workspace, []))
      resources = ["*"]
    }
  }
}

resource "aws_iam_role_policy" "build" {
  for_each = local.projects

  name   = "build"
  role   = aws_iam_role.build[each.key].id
  policy = data.aws_iam_policy_document.build[each.key].json
}

data "aws_iam_policy_document" "operator_trust" {
  dynamic "statement" {
    for_each = var.operator_principals.pod_identity ? [1] : []

    content {
      actions = ["sts:AssumeRole", "sts:TagSession"]

      principals {
        type        = "Service"
        identifiers = ["pods.eks.amazonaws.com"]
      }

      condition {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [local.account]
      }

      condition {
        test     = "StringEquals"
        variable = "aws:RequestTag/kubernetes-namespace"
        values   = [var.operator_principals.namespace]
      }

      condition {
        test     = "StringEquals"
        variable = "aws:RequestTag/kubernetes-service-account"
        values   = [var.operator_principals.service_account]
      }
    }
  }

  dynamic "statement" {
    for_each = var.operator_principals.oidc_provider_arn[*]

    content {
      actions = ["sts:AssumeRoleWithWebIdentity"]

      principals {
        type        = "Federated"
        identifiers = [statement.value]
      }

      condition {
        test     = "StringEquals"
        variable = "${element(split("oidc-provider/", statement.value), 1)}:sub"
        values   = ["system:serviceaccount:${var.operator_principals.namespace}:${var.operator_principals.service_account}"]
      }

      condition {
        test     = "StringEquals"
        variable = "${element(split("oidc-provider/", statement.value), 1)}:aud"
        values   = ["sts.amazonaws.com"]
      }
    }
  }
}

# In a member account the hub's operator and nobody else, and only with the external id, which stands beside this role in
# the hub's settings: an operator that was given another role's ARN does not get in. With EKS Pod Identity the hub's
# session has tags that pass on; a tag alone opens nothing.
data "aws_iam_policy_document" "member_trust" {
  count = local.member ? 1 : 0

  statement {
    sid     = "HubsOperator"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = [var.member_of.operator_role_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "sts:ExternalId"
      values   = [var.member_of.external_id]
    }
  }

  statement {
    sid     = "ItsTags"
    actions = ["sts:TagSession"]

    principals {
      type        = "AWS"
      identifiers = [var.member_of.operator_role_arn]
    }
  }
}

resource "aws_iam_role" "operator" {
  name               = "${var.name}-operator"
  description        = local.member ? "Reforge: the hub's operator in this account" : "Reforge: the operator in the cluster"
  assume_role_policy = local.member ? data.aws_iam_policy_document.member_trust[0].json : data.aws_iam_policy_document.operator_trust.json
  tags               = var.tags
}

# What the operator may do in each account whose workspaces it recovers.
data "aws_iam_policy_document" "operator" {
  # Starting a build is power: it may override the commit and these variables, and nothing else. Keys by the Service
  # Authorization Reference of CodeBuild; the timeout has none, and shortening or lengthening a build harms nobody.
  statement {
    sid       = "Start"
    actions   = ["codebuild:StartBuild"]
    resources = [for p in aws_codebuild_project.this : p.arn]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "codebuild:environment.environmentVariables.name"
      values   = ["REFORGE_INCIDENT", "REFORGE_ATTEMPT", "REFORGE_TARGETS", "REFORGE_UNDO", "REFORGE_RESTORE", "REFORGE_PLAN_BUILD", "REFORGE_PLAN_DIGEST"]
    }

    dynamic "condition" {
      for_each = toset([
        "artifacts", "buildBatchConfig", "cache", "encryptionKey", "environment.certificate", "environment.computeType",
        "environment.fleet.fleetArn", "environment.image", "environment.imagePullCredentialsType", "environment.privilegedMode",
        "environment.registryCredential", "environment.type", "logsConfig", "secondaryArtifacts", "secondarySources", "serviceRole",
        "source.auth.resource", "source.auth.type", "source.buildspec", "source.insecureSsl", "source.location",
      ])

      content {
        test     = "Null"
        variable = "codebuild:${condition.value}"
        values   = ["true"]
      }
    }
  }

  statement {
    sid       = "Watch"
    actions   = ["codebuild:BatchGetBuilds", "codebuild:ListBuildsForProject", "codebuild:BatchGetProjects"]
    resources = [for p in aws_codebuild_project.this : p.arn]
  }

  # Summaries, inventories, results and failures hold no values. The plans and states beside them are out of reach.
  statement {
    sid     = "Read"
    actions = ["s3:GetObject"]
    resources = [for path in ["plans/*/summary.json", "inventory/*", "results/*", "failures/*"] :
      "${aws_s3_bucket.this.arn}/${path}"
    ]
  }

  statement {
    sid       = "Decrypt"
    actions   = ["kms:Decrypt"]
    resources = [aws_kms_key.this.arn]
  }

  # What no rule has sent is found by looking it up. The API knows no resources.
  statement {
    sid       = "Sweep"
    actions   = ["cloudtrail:LookupEvents"]
    resources = ["*"]
  }

  statement {
    sid = "Verify"
    actions = concat(var.verify_actions, [
      "dynamodb:DescribeTable", "ec2:DescribeInstances", "lambda:GetFunctionConfiguration", "s3:ListBucket",
      "s3:GetBucketVersioning", "s3:GetBucketLocation", "ssm:GetParameter",
      # Cloud Control reads with the caller's own rights: var.verify_actions gives those for further types.
      "cloudformation:GetResource",
    ])
    resources = ["*"]
  }
}

# What it may do beside that in its own account.
data "aws_iam_policy_document" "operator_home" {
  count = local.member ? 0 : 1

  source_policy_documents = [data.aws_iam_policy_document.operator.json]

  statement {
    sid       = "Take"
    actions   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"]
    resources = [aws_sqs_queue.events[0].arn]
  }

  statement {
    sid       = "PutAside"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.dead_letters[0].arn]
  }

  statement {
    sid       = "Tell"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.messages[0].arn]
  }

  statement {
    sid       = "TellEncrypted"
    actions   = ["kms:GenerateDataKey"]
    resources = [aws_kms_key.this.arn]
  }

  statement {
    sid       = "Canary"
    actions   = ["ssm:PutParameter"]
    resources = [aws_ssm_parameter.canary[0].arn]
  }

  dynamic "statement" {
    for_each = length(var.member_role_arns) > 0 ? [1] : []

    content {
      sid       = "Members"
      actions   = ["sts:AssumeRole", "sts:TagSession"]
      resources = var.member_role_arns
    }
  }

  dynamic "statement" {
    for_each = length(var.model_ids) > 0 ? [1] : []

    content {
      sid       = "Ask"
      actions   = ["bedrock:InvokeModel"]
      resources = [for id in var.model_ids : "arn:${local.partition}:bedrock:*::foundation-model/${id}"]
    }
  }
}

resource "aws_iam_role_policy" "operator" {
  name   = "operator"
  role   = aws_iam_role.operator.id
  policy = local.member ? data.aws_iam_policy_document.operator.json : data.aws_iam_policy_document.operator_home[0].json
}
