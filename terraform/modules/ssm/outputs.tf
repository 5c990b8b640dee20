output "name" {
  description = "Name of the parameter."
  value       = aws_ssm_parameter.mode.name
}

output "arn" {
  description = "ARN of the parameter; the same after a recovery."
  value       = aws_ssm_parameter.mode.arn
}
