# The way in from other accounts and regions: their forwarders -> bus -> the same rules -> the same queue. The canary is
# the hub's own and comes no other way than its events do.

locals {
  hub      = var.hub || length(var.forwarding_accounts) > 0
  bus_name = "${var.name}-hub"

  # Whose builds are sent is for the forwarders to say: only they know the projects there.
  hub_rules = local.hub ? {
    for key, rule in local.rules : key => key == "builds" ? merge(rule, { pattern = jsonencode(local.builds) }) : rule
    if key != "canary" && (key == "builds" || !contains(keys(local.builds_of), key))
  } : {}
}

resource "aws_cloudwatch_event_bus" "hub" {
  count = local.hub ? 1 : 0

  name        = local.bus_name
  description = "Reforge: events of other accounts and regions"
  tags        = var.tags
}

# What is on the bus is believed, so nobody may make it up: no caller of PutEvents can name a source that begins with
# `aws.`; such events come from a rule only.
data "aws_iam_policy_document" "bus" {
  count = local.hub ? 1 : 0

  statement {
    sid       = "Forwarders"
    actions   = ["events:PutEvents"]
    resources = [aws_cloudwatch_event_bus.hub[0].arn]

    principals {
      type        = "AWS"
      identifiers = [for account in setunion(var.forwarding_accounts, [local.account]) : "arn:${local.partition}:iam::${account}:root"]
    }

    condition {
      test     = "ForAllValues:StringLike"
      variable = "events:source"
      values   = ["aws.*"]
    }

    condition {
      test     = "StringEquals"
      variable = "events:detail-type"
      values = concat(
        [local.api_call],
        local.builds.detail-type,
        var.instance_states ? local.instance_states.detail-type : [],
        var.config_events ? concat(local.config_items.detail-type, local.config_compliance.detail-type) : [],
      )
    }
  }
}

resource "aws_cloudwatch_event_bus_policy" "hub" {
  count = local.hub ? 1 : 0

  event_bus_name = aws_cloudwatch_event_bus.hub[0].name
  policy         = data.aws_iam_policy_document.bus[0].json
}

resource "aws_cloudwatch_event_rule" "hub" {
  for_each = local.hub_rules

  name           = "${var.name}-${each.key}"
  event_bus_name = aws_cloudwatch_event_bus.hub[0].name
  description    = each.value.description
  event_pattern  = each.value.pattern
  tags           = var.tags
}

resource "aws_cloudwatch_event_target" "hub" {
  for_each = aws_cloudwatch_event_rule.hub

  rule           = each.value.name
  event_bus_name = each.value.event_bus_name
  arn            = aws_sqs_queue.events[0].arn

  dead_letter_config {
    arn = aws_sqs_queue.dead_letters[0].arn
  }

  # What the install itself sets off is not lost on the way.
  depends_on = [aws_sqs_queue_policy.this]
}
