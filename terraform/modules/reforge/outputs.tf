output "queue_url" {
  description = "Setting queueUrl of the chart."
  value       = aws_sqs_queue.events.url
}

output "dead_letter_queue_url" {
  description = "Setting deadLetterQueueUrl of the chart."
  value       = aws_sqs_queue.dead_letters.url
}

output "artifact_bucket" {
  description = "Setting artifactBucket of the chart, and the bucket of the Terraform states."
  value       = aws_s3_bucket.this.bucket
}

output "topic_arn" {
  description = "Setting topicArn of the chart."
  value       = aws_sns_topic.messages.arn
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
  value       = [for name, pattern in local.patterns : pattern if name != "builds"]
}
