output "function_name" {
  description = "Name of the function."
  value       = aws_lambda_function.monitored.function_name
}

output "arn" {
  description = "ARN of the function; the same after a recovery."
  value       = aws_lambda_function.monitored.arn
}

output "role_arn" {
  description = "ARN of the function's role."
  value       = aws_iam_role.function.arn
}
