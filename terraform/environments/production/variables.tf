variable "region" {
  description = "The region of the install."
  type        = string
}

variable "global_region" {
  description = "The region where the calls to IAM come up: us-gov-west-1 in GovCloud, cn-north-1 in China."
  type        = string
  default     = "us-east-1"
}

variable "repository_url" {
  description = "The clone URL of the CodeCommit repository with the teams' Terraform."
  type        = string
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
