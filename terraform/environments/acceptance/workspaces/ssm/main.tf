# The workspace `ssm` of an acceptance run: the parameter.

module "mode" {
  source = "../../../../modules/ssm"
  name   = "/${var.name}/mode"
}

output "name" {
  description = "Name of the parameter."
  value       = module.mode.name
}
