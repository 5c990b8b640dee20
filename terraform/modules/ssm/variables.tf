variable "name" {
  description = "Name of the parameter."
  type        = string
  default     = "/myapp/config/mode"
}

variable "value" {
  description = "The value to keep."
  type        = string
  default     = "secure-mode"
}

variable "tags" {
  description = "Tags of the parameter."
  type        = map(string)
  default     = {}
}
