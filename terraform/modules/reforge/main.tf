# The AWS side of an install, in the order of an event's way: rules -> queue -> (the operator) -> builds -> bucket -> topic.
# roles.tf says who may do what; permissions.tf what builds may do by service.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.region
  bucket    = "${var.name}-${local.account}-${local.region}"

  # Each pattern a rule; EventBridge takes 2,048 characters of each.
  patterns = merge(
    length(var.event_patterns) > 0 ? { for i, pattern in var.event_patterns : "events-${i}" => pattern } : { events = jsonencode(local.seed) },
    { builds = jsonencode(local.builds) },
  )

  # What is asked for without var.event_patterns. Lambda's event names carry the version of its API, so they are matched
  # by what they begin with.
  seed = {
    source      = ["aws.ec2", "aws.lambda", "aws.dynamodb", "aws.s3", "aws.ssm", "aws.rds", "aws.eks"]
    detail-type = ["AWS API Call via CloudTrail"]
    detail = {
      eventName = [
        "TerminateInstances", "StopInstances",
        { prefix = "DeleteFunction20" }, { prefix = "UpdateFunctionConfiguration20" },
        "DeleteTable",
        "DeleteBucket", "PutBucketPolicy",
        "PutParameter", "DeleteParameter",
        "DeleteDBInstance",
        "DeleteCluster",
      ]
    }
  }

  builds = {
    source      = ["aws.codebuild"]
    detail-type = ["CodeBuild Build State Change"]
    detail      = { project-name = [for p in local.projects : p.name] }
  }
}

resource "aws_cloudwatch_event_rule" "this" {
  for_each = local.patterns

  name          = "${var.name}-${each.key}"
  description   = each.key == "builds" ? "Builds of Reforge that started or ended" : "What happened to resources"
  event_pattern = each.value
  tags          = var.tags
}

resource "aws_cloudwatch_event_target" "queue" {
  for_each = aws_cloudwatch_event_rule.this

  rule = each.value.name
  arn  = aws_sqs_queue.events.arn

  # What can't be delivered is kept as well, with EventBridge's reason.
  dead_letter_config {
    arn = aws_sqs_queue.dead_letters.arn
  }
}

resource "aws_sqs_queue" "dead_letters" {
  name                      = "${var.name}-dead-letters"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
  tags                      = var.tags
}

resource "aws_sqs_queue" "events" {
  name                       = "${var.name}-events"
  message_retention_seconds  = 1209600
  visibility_timeout_seconds = 60
  sqs_managed_sse_enabled    = true
  tags                       = var.tags

  # The operator moves what it can't read by itself; this is for what makes it end before it can.
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
    maxReceiveCount     = 1000
  })
}

# The rules may send, and nobody else: what is in the queue is believed.
data "aws_iam_policy_document" "queue" {
  for_each = { events = aws_sqs_queue.events.arn, dead_letters = aws_sqs_queue.dead_letters.arn }

  statement {
    sid       = "RulesOfThisInstall"
    actions   = ["sqs:SendMessage"]
    resources = [each.value]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [for rule in aws_cloudwatch_event_rule.this : rule.arn]
    }
  }
}

resource "aws_sqs_queue_policy" "this" {
  for_each = { events = aws_sqs_queue.events.url, dead_letters = aws_sqs_queue.dead_letters.url }

  queue_url = each.value
  policy    = data.aws_iam_policy_document.queue[each.key].json
}

resource "aws_sns_topic" "messages" {
  name              = "${var.name}-messages"
  kms_master_key_id = aws_kms_key.this.arn
  tags              = var.tags
}

resource "aws_sns_topic_subscription" "email" {
  for_each = var.alert_emails

  topic_arn = aws_sns_topic.messages.arn
  protocol  = "email"
  endpoint  = each.value
}
