output "plumbing" {
  description = "What the forwarder stands on, by the types and ids of the catalogue: for settings.plumbing of the hub's chart, beside the hub's own."
  value = [for thing in concat(
    [for rule in aws_cloudwatch_event_rule.this : { type = "event-rule", id = rule.name }],
    [{ type = "iam-role", id = aws_iam_role.this.name }],
  ) : merge(thing, { accountId = local.account })]
}
