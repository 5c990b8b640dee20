# The workspace `s3` of an acceptance run: the bucket. Bucket names are global, so account and region are in it.

data "aws_caller_identity" "current" {}

module "bucket" {
  source = "../../../../modules/s3"
  bucket = "${var.name}-data-${data.aws_caller_identity.current.account_id}-${var.region}"
}

output "bucket" {
  description = "Name of the bucket."
  value       = module.bucket.bucket
}
