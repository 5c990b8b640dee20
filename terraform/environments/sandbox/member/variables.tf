variable "source_bucket" {
  description = "The bucket of this account with the zip of the Terraform."
  type        = string
}

variable "event_patterns" {
  description = "Those of the hub."
  type        = list(string)
}

variable "bus_arn" {
  description = "The hub's bus."
  type        = string
}

variable "member_of" {
  description = "The hub's operator and what it must know."
  type = object({
    operator_role_arn = string
    external_id       = string
  })
}
