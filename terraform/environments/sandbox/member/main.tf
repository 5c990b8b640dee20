# A member account of the sandbox: projects, roles and a bucket of its own, and rules that send to the hub's bus.

module "ground" {
  source = "../ground"
}

module "reforge" {
  source = "../../../modules/reforge"

  source_repository = { type = "S3", location = "${var.source_bucket}/terraform.zip" }
  force_destroy     = true
  event_patterns    = var.event_patterns
  member_of         = var.member_of

  workspaces = {
    elsewhere = { root = "environments/sandbox/workspaces/dynamodb", services = ["dynamodb"], kms_key_arns = [module.ground.key_arn] }
  }
}

module "forwarder" {
  source = "../../../modules/forwarder"

  bus_arn        = var.bus_arn
  event_patterns = concat(module.reforge.event_patterns, module.reforge.plumbing_patterns)
  projects       = flatten([for p in module.reforge.projects : values(p)])
}
