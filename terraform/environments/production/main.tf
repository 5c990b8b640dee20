# An install to start from: one workspace for each kind of resource, from one repository. docs/accounts.md says how further
# accounts and regions come in.

module "reforge" {
  source = "../../modules/reforge"

  source_repository = var.source_repository
  alert_emails      = var.alert_emails
  trail_names       = var.trail_names
  config_events     = var.config_events

  # The images of CodeBuild have no Terraform.
  terraform_download = var.terraform_download

  hub                 = true
  forwarding_accounts = var.member_accounts
  member_role_arns    = [for account in var.member_accounts : "arn:${data.aws_partition.current.partition}:iam::${account}:role/reforge-operator"]

  # What is encrypted with a key of yours, or runs under a role, says so: the builds may use these keys and pass these
  # roles, and no others.
  workspaces = {
    web      = { root = "web", services = ["ec2"], pass_roles = ["aiops-web"] }
    function = { root = "function", services = ["lambda"], pass_roles = ["aiops-monitored-function-role"] }
    orders   = { root = "orders", services = ["dynamodb"], kms_key_arns = var.data_key_arns }
    data     = { root = "data", services = ["s3"], kms_key_arns = var.data_key_arns }
    config   = { root = "config", services = ["ssm"] }
    database = { root = "database", services = ["rds", "ssm"], kms_key_arns = var.data_key_arns }
    cluster  = { root = "cluster", services = ["eks", "logs"], pass_roles = ["aiops-workloads-*"], kms_key_arns = var.data_key_arns }
  }
}

data "aws_partition" "current" {}

# The calls to IAM, CloudFront, Route 53 and Organizations come up in one region only, wherever the hub is: changes to
# Reforge's own roles among them.
module "global" {
  source = "../../modules/forwarder"
  count  = var.region == var.global_region ? 0 : 1

  bus_arn         = module.reforge.bus_arn
  event_patterns  = concat(module.reforge.event_patterns, module.reforge.plumbing_patterns)
  instance_states = false

  providers = { aws = aws.global }
}

output "chart" {
  description = "`settings` of the chart's values, but for the grants and the member accounts."
  value = {
    queueUrl           = module.reforge.queue_url
    deadLetterQueueUrl = module.reforge.dead_letter_queue_url
    artifactBucket     = module.reforge.artifact_bucket
    region             = var.region
    topicArn           = module.reforge.topic_arn
    recoveryRoles      = module.reforge.recovery_role_arns
    eventPatterns      = module.reforge.event_patterns
    plumbing           = concat(module.reforge.plumbing, flatten(module.global[*].plumbing))
    canary             = { parameter = module.reforge.canary_parameter }
    projects           = module.reforge.project_fingerprints
  }
}

output "operator_role_arn" {
  description = "The role for the ServiceAccount reforge in the namespace reforge, and member_of.operator_role_arn of the member accounts."
  value       = module.reforge.operator_role_arn
}

output "bus_arn" {
  description = "Where the forwarders of other accounts and regions send to."
  value       = module.reforge.bus_arn
}

output "projects" {
  description = "The projects that RecoveryPolicies name, by workspace."
  value       = module.reforge.projects
}
