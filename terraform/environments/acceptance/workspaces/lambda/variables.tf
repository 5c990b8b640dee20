variable "name" {
  description = "Prefix of what the run makes."
  type        = string
}

variable "run" {
  description = "Id of the run."
  type        = string
}

variable "region" {
  description = "The region of the run."
  type        = string
}
