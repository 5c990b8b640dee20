# An install to start from: one workspace for each kind of resource, from one repository.

module "reforge" {
  source = "../../modules/reforge"

  source_repository = { type = "CODECOMMIT", location = var.repository_url }
  alert_emails      = var.alert_emails

  workspaces = {
    web      = { root = "web", services = ["ec2"] }
    function = { root = "function", services = ["lambda"] }
    orders   = { root = "orders", services = ["dynamodb"] }
    data     = { root = "data", services = ["s3"] }
    config   = { root = "config", services = ["ssm"] }
  }
}

output "chart" {
  description = "`settings` of the chart's values, but for the grants."
  value = {
    queueUrl           = module.reforge.queue_url
    deadLetterQueueUrl = module.reforge.dead_letter_queue_url
    artifactBucket     = module.reforge.artifact_bucket
    region             = var.region
    topicArn           = module.reforge.topic_arn
    recoveryRoles      = module.reforge.recovery_role_arns
  }
}

output "operator_role_arn" {
  description = "The role for the ServiceAccount reforge in the namespace reforge."
  value       = module.reforge.operator_role_arn
}

output "projects" {
  description = "The projects that RecoveryPolicies name, by workspace."
  value       = module.reforge.projects
}
