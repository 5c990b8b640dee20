variable "region" {
  description = "The region of the install."
  type        = string
}

variable "repository_url" {
  description = "The clone URL of the CodeCommit repository with the teams' Terraform."
  type        = string
}

variable "alert_emails" {
  description = "Who gets every message."
  type        = set(string)
}
