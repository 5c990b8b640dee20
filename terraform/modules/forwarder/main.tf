# The events of one account and region for a hub elsewhere: rules on the default bus -> the hub's bus. For further regions
# of the hub's own account, and for member accounts. The hub's own region needs none: its rules send to the queue.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.region

  # Each pattern a rule, by what its name ends with. The hub's rules look at each event again.
  rules = merge(
    { for i, pattern in var.event_patterns : "events-${i}" => pattern },
    # A dozen names of 150 characters have room in a pattern, which has 2,048 at most.
    { for i, names in chunklist(sort(var.projects), 12) : i == 0 ? "builds" : "builds-${i}" => jsonencode({
      source      = ["aws.codebuild"]
      detail-type = ["CodeBuild Build State Change"]
      detail      = { project-name = names }
    }) },
    var.instance_states ? {
      instance-states = jsonencode({
        source      = ["aws.ec2"]
        detail-type = ["EC2 Instance State-change Notification"]
        detail      = { state = ["shutting-down", "stopping"] }
      })
    } : {},
    var.config_events ? {
      config-items = jsonencode({
        source      = ["aws.config"]
        detail-type = ["Config Configuration Item Change"]
        detail = {
          messageType       = ["ConfigurationItemChangeNotification"]
          configurationItem = { configurationItemStatus = ["ResourceDeleted", "ResourceDeletedNotRecorded", "OK"] }
        }
      })
      config-compliance = jsonencode({
        source      = ["aws.config"]
        detail-type = ["Config Rules Compliance Change"]
        detail = {
          messageType         = ["ComplianceChangeNotification"]
          newEvaluationResult = { complianceType = ["NON_COMPLIANT"] }
        }
      })
    } : {},
  )
}

resource "aws_cloudwatch_event_rule" "this" {
  for_each = local.rules

  name          = "${var.name}-forward-${each.key}"
  description   = "Events for Reforge's hub"
  event_pattern = each.value
  tags          = var.tags
}

resource "aws_cloudwatch_event_target" "bus" {
  for_each = aws_cloudwatch_event_rule.this

  rule     = each.value.name
  arn      = var.bus_arn
  role_arn = aws_iam_role.this.arn
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:${local.partition}:events:${local.region}:${local.account}:rule/${var.name}-forward-*"]
    }
  }
}

# Roles are the account's, not the region's: the region is in the name.
resource "aws_iam_role" "this" {
  name               = "${var.name}-forwarder-${local.region}"
  description        = "Reforge: sends events to the hub"
  assume_role_policy = data.aws_iam_policy_document.trust.json
  tags               = var.tags
}

data "aws_iam_policy_document" "forward" {
  statement {
    actions   = ["events:PutEvents"]
    resources = [var.bus_arn]
  }
}

resource "aws_iam_role_policy" "this" {
  name   = "forward"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.forward.json
}
