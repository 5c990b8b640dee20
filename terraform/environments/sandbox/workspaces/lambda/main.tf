# The workspace `lambda` of the sandbox: the function. `reforge-prebuild.sh` makes its package.

module "function" {
  source  = "../../../../modules/lambda"
  package = "${path.root}/build/function.zip"
  tags    = { Application = "myapp", Environment = "sandbox" }
}

output "function_name" {
  description = "Name of the function."
  value       = module.function.function_name
}
