variable "bucket" {
  description = "Name of the bucket."
  type        = string
}

variable "tags" {
  description = "Tags of the bucket."
  type        = map(string)
  default     = {}
}

variable "kms_key_arn" {
  description = "ARN of the customer key of the objects; null is a key of S3's own. Reforge's builds must be let use it: kms_key_arns of the workspace."
  type        = string
  default     = null
}
