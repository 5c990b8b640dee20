# The workspace `lambda` of an acceptance run: the function. `reforge-prebuild.sh` makes its package.

module "function" {
  source        = "../../../../modules/lambda"
  function_name = "${var.name}-function"
  package       = "${path.root}/build/function.zip"
}

output "function_name" {
  description = "Name of the function."
  value       = module.function.function_name
}
