# A parameter that Reforge can put back: a value that was changed is overwritten with the one declared here.
#
# The value is in the state and in saved plans in clear. Keep secrets in Secrets Manager, or give SecureString values by
# `value_wo`, which is in neither (and whose tampering Terraform therefore does not see).

resource "aws_ssm_parameter" "mode" {
  name        = var.name
  description = "Mode of the application; watched by Reforge"
  type        = "String"
  value       = var.value
  tags        = var.tags
}
