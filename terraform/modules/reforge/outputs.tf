output "queue_url" {
  description = "Setting queueUrl of the chart."
  value       = one(aws_sqs_queue.events[*].url)
}

output "dead_letter_queue_url" {
  description = "Setting deadLetterQueueUrl of the chart."
  value       = one(aws_sqs_queue.dead_letters[*].url)
}

output "artifact_bucket" {
  description = "Setting artifactBucket of the chart, and the bucket of the Terraform states."
  value       = aws_s3_bucket.this.bucket
}

output "topic_arn" {
  description = "Setting topicArn of the chart."
  value       = one(aws_sns_topic.messages[*].arn)
}

output "operator_role_arn" {
  description = "The role of the operator's ServiceAccount."
  value       = aws_iam_role.operator.arn
}

output "recovery_role_arns" {
  description = "Setting recoveryRoles of the chart: the roles of the builds."
  value       = [for role in aws_iam_role.build : role.arn]
}

output "projects" {
  description = "By workspace: the project and planProject of a RecoveryPolicy."
  value = { for name, w in var.workspaces : name => {
    project     = aws_codebuild_project.this["${name}-apply"].name
    planProject = aws_codebuild_project.this["${name}-plan"].name
  } }
}

output "event_patterns" {
  description = "Patterns of the rules for what happens to resources: the chart's settings.eventPatterns."
  value       = values(local.resource_patterns)
}

output "plumbing_patterns" {
  description = "The pattern for calls on what Reforge stands on: for the forwarders, beside event_patterns."
  value       = [jsonencode(local.plumbing)]
}

output "plumbing" {
  description = "What Reforge stands on, by the types and ids of the catalogue: settings.plumbing of the chart."
  value = [for thing in concat(
    [for name in var.trail_names : { type = "trail", id = name }],
    [for rule in aws_cloudwatch_event_rule.this : { type = "event-rule", id = rule.name }],
    [for bus in aws_cloudwatch_event_bus.hub : { type = "event-bus", id = bus.name }],
    [for rule in aws_cloudwatch_event_rule.hub : { type = "event-rule", id = "${rule.event_bus_name}/${rule.name}" }],
    [for queue in concat(aws_sqs_queue.events, aws_sqs_queue.dead_letters) : { type = "sqs", id = queue.name }],
    [for project in aws_codebuild_project.this : { type = "codebuild-project", id = project.name }],
    [for role in aws_iam_role.build : { type = "iam-role", id = role.name }],
    [{ type = "iam-role", id = aws_iam_role.operator.name }],
  ) : merge(thing, { accountId = local.account })]
}

output "canary_parameter" {
  description = "Setting canary.parameter of the chart."
  value       = one(aws_ssm_parameter.canary[*].name)
}

output "project_fingerprints" {
  description = "What the projects are made of, by name, as SHA-256: settings.projects of the chart. No build of a project that differs is started."
  value       = local.fingerprints
}

output "bus_arn" {
  description = "The bus that the forwarders of other accounts and regions send to."
  value       = one(aws_cloudwatch_event_bus.hub[*].arn)
}

output "account" {
  description = "In a member account its entry for settings.accounts of the hub's chart."
  value = local.member ? {
    id             = local.account
    roleArn        = aws_iam_role.operator.arn
    externalId     = var.member_of.external_id
    artifactBucket = aws_s3_bucket.this.bucket
    region         = local.region
    projects       = local.fingerprints
  } : null
}
