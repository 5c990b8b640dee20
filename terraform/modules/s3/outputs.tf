output "bucket" {
  description = "Name of the bucket."
  value       = aws_s3_bucket.data.bucket
}

output "arn" {
  description = "ARN of the bucket; the same after a recovery."
  value       = aws_s3_bucket.data.arn
}
