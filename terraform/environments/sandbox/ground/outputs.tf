output "key_arn" {
  description = "The key of everybody's data."
  value       = aws_kms_key.data.arn
}
