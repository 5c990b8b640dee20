output "identifier" {
  description = "Name of the instance."
  value       = aws_db_instance.data.identifier
}

output "arn" {
  description = "ARN of the instance; the same after a recovery."
  value       = aws_db_instance.data.arn
}

output "resource_id" {
  description = "RDS's own id of the instance, which its backups are filed under; a new one after each recovery."
  value       = aws_db_instance.data.resource_id
}

output "address" {
  description = "Host name of the instance. Take it from here rather than copy it."
  value       = aws_db_instance.data.address
}

output "master_user_secret_arn" {
  description = "ARN of the secret with the master user's password; a new one after each recovery."
  value       = aws_db_instance.data.master_user_secret[0].secret_arn
}
