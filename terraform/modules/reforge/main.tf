# The AWS side of an install, in the order of an event's way: rules -> queue -> (the operator) -> builds -> bucket -> topic.
# patterns.tf says what the rules let through; hub.tf what comes from other accounts and regions; operator.tf what the
# operator may do, roles.tf what the builds may, and permissions.tf what that is by service. A member account has the
# builds, the bucket and the roles only.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account     = data.aws_caller_identity.current.account_id
  partition   = data.aws_partition.current.partition
  dns_suffix  = data.aws_partition.current.dns_suffix
  region      = data.aws_region.current.region
  member      = var.member_of != null
  bucket      = "${var.name}-${local.account}-${local.region}"
  canary_name = "/${var.name}/canary"
  queues      = { events = "${var.name}-events", dead_letters = "${var.name}-dead-letters" }
}

resource "aws_cloudwatch_event_rule" "this" {
  for_each = local.rules

  name          = "${var.name}-${each.key}"
  description   = each.value.description
  event_pattern = each.value.pattern
  tags          = var.tags
}

resource "aws_cloudwatch_event_target" "queue" {
  for_each = aws_cloudwatch_event_rule.this

  rule = each.value.name
  arn  = aws_sqs_queue.events[0].arn

  # What can't be delivered is kept as well, with EventBridge's reason.
  dead_letter_config {
    arn = aws_sqs_queue.dead_letters[0].arn
  }

  # What the install itself sets off is not lost on the way.
  depends_on = [aws_sqs_queue_policy.this]
}

resource "aws_sqs_queue" "dead_letters" {
  count = local.member ? 0 : 1

  name                      = local.queues.dead_letters
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
  tags                      = var.tags
}

resource "aws_sqs_queue" "events" {
  count = local.member ? 0 : 1

  name                       = local.queues.events
  message_retention_seconds  = 1209600
  visibility_timeout_seconds = 60
  sqs_managed_sse_enabled    = true
  tags                       = var.tags

  # The operator moves what it can't read by itself; this is for what makes it end before it can.
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters[0].arn
    maxReceiveCount     = 1000
  })
}

locals {
  queue_arns = local.member ? {} : { events = aws_sqs_queue.events[0].arn, dead_letters = aws_sqs_queue.dead_letters[0].arn }
  queue_urls = local.member ? {} : { events = aws_sqs_queue.events[0].url, dead_letters = aws_sqs_queue.dead_letters[0].url }
}

# The rules of this install may send, and nobody else: what is in the queue is believed. They are told by what their names
# begin with, which calls on rules are watched by: a queue's policy has no room for many names, and a rule that is added
# may send from its first event on.
data "aws_iam_policy_document" "queue" {
  for_each = local.queue_arns

  statement {
    sid       = "RulesOfThisInstall"
    actions   = ["sqs:SendMessage"]
    resources = [each.value]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = [for bus in concat([""], local.hub ? ["${local.bus_name}/"] : []) : "arn:${local.partition}:events:${local.region}:${local.account}:rule/${bus}${var.name}-*"]
    }
  }
}

resource "aws_sqs_queue_policy" "this" {
  for_each = local.queue_urls

  queue_url = each.value
  policy    = data.aws_iam_policy_document.queue[each.key].json
}

# The operator writes the time into it; that the event of this comes back proves the whole way from CloudTrail.
resource "aws_ssm_parameter" "canary" {
  count = local.member ? 0 : 1

  name        = local.canary_name
  description = "Reforge's canary: the operator writes it and waits for the event"
  type        = "String"
  value       = "-"
  tags        = var.tags

  lifecycle {
    ignore_changes = [value]
  }
}

resource "aws_sns_topic" "messages" {
  count = local.member ? 0 : 1

  name              = "${var.name}-messages"
  kms_master_key_id = aws_kms_key.this.arn
  tags              = var.tags
}

resource "aws_sns_topic_subscription" "email" {
  for_each = local.member ? toset([]) : var.alert_emails

  topic_arn = aws_sns_topic.messages[0].arn
  protocol  = "email"
  endpoint  = each.value
}
