variable "name" {
  description = "Prefix of everything that the run makes."
  type        = string
}

variable "run" {
  description = "Id of the run, which everything is tagged with."
  type        = string
}

variable "region" {
  description = "The region of the run."
  type        = string
}

variable "source_bucket" {
  description = "The bucket with the zip of the Terraform."
  type        = string
}

variable "terraform_download" {
  description = "Where the builds get Terraform."
  type = object({
    url    = string
    sha256 = string
  })
}

variable "caller_arn" {
  description = "Who runs the operator: may become its role."
  type        = string
}

variable "trail_names" {
  description = "The trail that the events come from."
  type        = set(string)
}
