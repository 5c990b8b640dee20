variable "region" {
  description = "The region of the resources."
  type        = string
  default     = "us-east-1"
}

# Set for an emulated AWS.

variable "skip_credentials_validation" {
  description = "Don't ask STS whether the credentials are good."
  type        = bool
  default     = true
}

variable "skip_metadata_api_check" {
  description = "Don't look for credentials at the instance metadata service."
  type        = bool
  default     = true
}

variable "s3_use_path_style" {
  description = "Put the bucket into the path: an emulated AWS has one host for all buckets."
  type        = bool
  default     = true
}
