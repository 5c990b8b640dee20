variable "table_name" {
  description = "Name of the table."
  type        = string
  default     = "AiOpsDataTable"
}

variable "hash_key" {
  description = "Name of the partition key, a string."
  type        = string
  default     = "id"
}

variable "point_in_time_recovery" {
  description = "Whether changes of the last 35 days can be undone; also leaves a backup when the table is deleted."
  type        = bool
  default     = true
}

variable "tags" {
  description = "Tags of the table."
  type        = map(string)
  default     = {}
}

variable "kms_key_arn" {
  description = "ARN of the customer key of the table; null is a key of AWS's own. Reforge's builds must be let use it: kms_key_arns of the workspace."
  type        = string
  default     = null
}
