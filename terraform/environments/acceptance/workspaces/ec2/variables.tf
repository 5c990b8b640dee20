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

variable "ami" {
  description = "The image, as AWS's public parameter named it when the run began."
  type        = string
}

variable "vpc_id" {
  description = "The run's VPC."
  type        = string
}

variable "subnet_id" {
  description = "Its subnet."
  type        = string
}

variable "emulated" {
  description = "Whether this is an emulated AWS."
  type        = bool
}
