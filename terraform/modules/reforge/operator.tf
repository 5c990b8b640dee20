# The operator's role: in a cluster of this account, or in a member account for the hub's operator. It reads, and starts
# builds; it changes nothing but its canary. What no run of the sandbox needs is argued for where it is allowed.

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

  dynamic "statement" {
    for_each = length(var.operator_principals.arns) > 0 ? [1] : []

    content {
      actions = ["sts:AssumeRole"]

      principals {
        type        = "AWS"
        identifiers = var.operator_principals.arns
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
  # Authorization Reference of CodeBuild; the timeout has none, and shortening or lengthening a build harms nobody. Calls
  # that read have none of these keys, so that the conditions hold for them: one list of projects does for all four.
  # Unseen in the sandbox: codebuild:ListBuildsForProject: finds the build of a StartBuild whose answer was lost
  statement {
    sid       = "Builds"
    actions   = ["codebuild:StartBuild", "codebuild:BatchGetBuilds", "codebuild:ListBuildsForProject", "codebuild:BatchGetProjects"]
    resources = local.project_arns

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
        "source.auth.resource", "source.auth.type", "source.buildspec", "source.buildStatusConfig.context",
        "source.buildStatusConfig.targetUrl", "source.insecureSsl", "source.location", "autoRetryLimit",
      ])

      content {
        test     = "Null"
        variable = "codebuild:${condition.value}"
        values   = ["true"]
      }
    }
  }

  # Summaries, inventories, results and failures hold no values. The plans and states beside them are out of reach.
  statement {
    sid     = "Read"
    actions = ["s3:GetObject"]
    resources = [for path in ["plans/*/summary.json", "inventory/*", "results/*", "failures/*"] :
      "${aws_s3_bucket.this.arn}/${path}"
    ]
  }

  # Unseen in the sandbox: s3:ListBucket: S3 says that an object is not there to who may list its bucket, and to nobody else
  statement {
    sid       = "Missing"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.this.arn]
  }

  # Unseen in the sandbox: kms:Decrypt: S3 decrypts in the caller's name, and so does SNS with what it encrypted a message for
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

  # Descriptions of resources. For five types it asks their services, in verify/; Cloud Control reads the others, with the
  # caller's own rights. A parameter is described and never read: its value may be a secret.
  statement {
    sid = "Verify"
    actions = distinct(concat(
      ["dynamodb:DescribeTable", "ec2:DescribeInstances", "lambda:GetFunctionConfiguration", "s3:GetBucketVersioning", "ssm:DescribeParameters", "cloudformation:GetResource"],
      flatten([for s in sort(distinct(flatten([for w in var.workspaces : w.services]))) : lookup(local.verify_actions, s, [])]),
      var.verify_actions,
    ))
    resources = ["*"]
  }
}

# What it may do beside that in its own account.
data "aws_iam_policy_document" "operator_home" {
  count = local.member ? 0 : 1

  source_policy_documents = [data.aws_iam_policy_document.operator.json]

  # Unseen in the sandbox: sqs:ChangeMessageVisibility: gives a message back that can't be handled now
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

  # Beside kms:Decrypt above (SNS Developer Guide, "Managing Amazon SNS encryption keys and costs").
  # Unseen in the sandbox: kms:GenerateDataKey: SNS encrypts in the publisher's name, and the sandbox's does without
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
      # Unseen in the sandbox: sts:TagSession: with EKS Pod Identity the operator's session has tags that pass on
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
      resources = local.model_arns
    }
  }
}

locals {
  # A model, or an inference profile: a model behind several regions, for which both are asked about (Bedrock User Guide,
  # "Prerequisites for inference profiles").
  of_regions = "^(us|us-gov|eu|apac|jp|au|ca|sa|global)[.]"
  model_arns = distinct(flatten([for id in var.model_ids : concat(
    ["arn:${local.partition}:bedrock:*::foundation-model/${replace(id, "/${local.of_regions}/", "")}"],
    can(regex(local.of_regions, id)) ? ["arn:${local.partition}:bedrock:*:${local.account}:inference-profile/${id}"] : [],
  )]))

  # Its projects by their names, as long as the names have room in the policy; else by what the names of this module
  # begin and end with. (Those that var.workspaces names itself are always named.) The operator starts no project that
  # its settings have no fingerprint of, in either case.
  project_arn  = "arn:${local.partition}:codebuild:${local.region}:${local.account}:project"
  named        = [for p in local.projects : p.name]
  named_apart  = [for name in local.named : name if !can(regex("^aiops-.*-(plan|recovery)$", name))]
  fits         = length(join("", local.named)) + length(local.named) * (length(local.project_arn) + 4) <= local.project_arns_limit
  project_arns = [for name in(local.fits ? local.named : concat(["aiops-*-plan", "aiops-*-recovery"], local.named_apart)) : "${local.project_arn}/${name}"]

  # What the rest of the policy leaves of what IAM takes.
  project_arns_limit = 4500

  operator_policy = local.member ? data.aws_iam_policy_document.operator.json : data.aws_iam_policy_document.operator_home[0].json
}

resource "aws_iam_role_policy" "operator" {
  name   = "operator"
  role   = aws_iam_role.operator.id
  policy = local.operator_policy

  lifecycle {
    precondition {
      condition     = length(jsonencode(jsondecode(local.operator_policy))) <= local.inline_policy_limit
      error_message = "The operator's policy is longer than the ${local.inline_policy_limit} characters that IAM takes inline in a role: give it fewer verify_actions, model_ids, member_role_arns or projects with names of their own."
    }
  }
}
