variable "region" {
  description = "The region of the install."
  type        = string
}

variable "global_region" {
  description = "The region where the calls to IAM come up: us-gov-west-1 in GovCloud, cn-north-1 in China."
  type        = string
  default     = "us-east-1"
}

variable "source_repository" {
  description = <<-EOT
    Where the teams' Terraform is, as modules/reforge has it:
    { type = "GITHUB", location = "https://github.com/example/infra", connection_arn = "arn:aws:codeconnections:..." } or
    { type = "CODECOMMIT", location = "https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/infra" }.
    A connection to GitHub is made in the console, since its owner has to agree there.
  EOT
  type = object({
    type           = string
    location       = string
    connection_arn = optional(string)
    kms_key_arn    = optional(string)
  })
}

variable "terraform_download" {
  description = "The Terraform of the builds: the URL of its zip for linux_amd64 and its SHA-256, as the release lists it."
  type = object({
    url    = string
    sha256 = string
  })
}

variable "data_key_arns" {
  description = "ARNs of the customer keys that tables, buckets, databases and clusters are encrypted with."
  type        = list(string)
  default     = []
}

variable "alert_emails" {
  description = "Who gets every message."
  type        = set(string)
}

variable "trail_names" {
  description = "The trails that the events come from."
  type        = set(string)
  default     = []
}

variable "config_events" {
  description = "Take what AWS Config sees too."
  type        = bool
  default     = false
}

variable "member_accounts" {
  description = "Ids of further accounts whose resources are recovered from here."
  type        = set(string)
  default     = []
}
