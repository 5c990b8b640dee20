output "instance_id" {
  description = "Id of the instance; a new one after each recovery."
  value       = aws_instance.web.id
}

output "arn" {
  description = "ARN of the instance."
  value       = aws_instance.web.arn
}

output "security_group_id" {
  description = "Id of the security group."
  value       = aws_security_group.web.id
}
