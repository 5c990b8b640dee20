output "table_name" {
  description = "Name of the table."
  value       = aws_dynamodb_table.data.name
}

output "arn" {
  description = "ARN of the table; the same after a recovery."
  value       = aws_dynamodb_table.data.arn
}
