variable "source_bucket" {
  description = "The bucket with the zip of the Terraform."
  type        = string
}

variable "source_key" {
  description = "The key of the zip."
  type        = string
  default     = "terraform.zip"
}

variable "services" {
  description = "Services whose resources any workspace may have, beside its own."
  type        = list(string)
  default     = []
}

variable "stages" {
  description = "In place of the workspaces: names of workspaces whose builds follow a script."
  type        = list(string)
  default     = []
}
