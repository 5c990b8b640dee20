# A bucket that Reforge can bring back: name, versioning, encryption and tags, not its objects.
#
# It has no bucket policy on purpose: one that somebody puts on it is not Terraform's, and Reforge tells a human instead
# of calling it recovered.

resource "aws_s3_bucket" "data" {
  bucket = var.bucket
  tags   = var.tags
}

resource "aws_s3_bucket_versioning" "data" {
  bucket = aws_s3_bucket.data.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "data" {
  bucket = aws_s3_bucket.data.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "data" {
  bucket                  = aws_s3_bucket.data.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}
