# The AWS side of an acceptance run: an install of its own beside whatever the account has, one workspace for each of the
# five scenarios, and a network for the web server. `cargo xtask aws` applies it and destroys it again; docs/acceptance.md.

module "reforge" {
  source = "../../../modules/reforge"

  name                = var.name
  source_repository   = { type = "S3", location = "${var.source_bucket}/terraform.zip" }
  terraform_download  = var.terraform_download
  operator_principals = { pod_identity = false, arns = [var.caller_arn] }
  trail_names         = var.trail_names
  force_destroy       = true

  workspaces = {
    for service in ["dynamodb", "ec2", "lambda", "s3", "ssm"] : service => {
      root         = "environments/acceptance/workspaces/${service}"
      services     = [service]
      project      = "${var.name}-${service}-recovery"
      plan_project = "${var.name}-${service}-plan"
    }
  }
}

# An account need not have a default VPC. Nothing in this one can reach the internet, or be reached from it.
resource "aws_vpc" "this" {
  cidr_block = "10.213.0.0/24"
  tags       = { Name = var.name }
}

resource "aws_subnet" "this" {
  vpc_id     = aws_vpc.this.id
  cidr_block = "10.213.0.0/28"
  tags       = { Name = var.name }
}
