# The workspace `lambda` of the sandbox: the function. `reforge-prebuild.sh` makes its package.

data "aws_caller_identity" "current" {}

module "function" {
  source  = "../../../../modules/lambda"
  package = "${path.root}/build/function.zip"
  tags    = { Application = "myapp", Environment = "sandbox" }

  invoked_by = {
    nightly = { principal = "events.amazonaws.com", source_arn = "arn:aws:events:us-east-1:${data.aws_caller_identity.current.account_id}:rule/nightly" }
  }
}

output "function_name" {
  description = "Name of the function."
  value       = module.function.function_name
}
