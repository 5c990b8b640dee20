# The workspace `ssm` of the sandbox: the parameter.

module "mode" {
  source = "../../../../modules/ssm"
  tags   = { Application = "myapp", Environment = "sandbox" }
}

output "name" {
  description = "Name of the parameter."
  value       = module.mode.name
}
