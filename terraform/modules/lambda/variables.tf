variable "function_name" {
  description = "Name of the function."
  type        = string
  default     = "aiops-monitored-function"
}

variable "package" {
  description = "Path of the zip with the code, relative to the root module."
  type        = string
}

variable "runtime" {
  description = "The runtime."
  type        = string
  default     = "python3.11"
}

variable "memory_size" {
  description = "Memory in MiB."
  type        = number
  default     = 128
}

variable "timeout" {
  description = "Longest run in seconds."
  type        = number
  default     = 10
}

variable "environment" {
  description = "Environment of the function."
  type        = map(string)
  default     = { MODE = "secure" }
}

variable "tags" {
  description = "Tags of the function and its role."
  type        = map(string)
  default     = {}
}

variable "alias" {
  description = "Name of the alias that callers use: it is the version that was published last."
  type        = string
  default     = "live"
}

variable "invoked_by" {
  description = "Services that may invoke the function, by the id of the statement: the service, and the ARN of what calls there."
  type = map(object({
    principal  = string
    source_arn = string
  }))
  default = {}
}
