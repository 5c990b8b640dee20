# The workspace `s3` of the sandbox: the bucket. Bucket names are global, so the account's id is in it.

data "aws_caller_identity" "current" {}

data "aws_kms_alias" "data" {
  name = "alias/platform-data"
}

module "bucket" {
  source      = "../../../../modules/s3"
  bucket      = "aiops-data-bucket-${data.aws_caller_identity.current.account_id}"
  kms_key_arn = data.aws_kms_alias.data.target_key_arn
  tags        = { Application = "myapp", Environment = "sandbox" }
}

output "bucket" {
  description = "Name of the bucket."
  value       = module.bucket.bucket
}
