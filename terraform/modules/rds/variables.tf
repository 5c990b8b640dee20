variable "identifier" {
  description = "Name of the instance, of its subnet group and of its parameter group."
  type        = string
  default     = "aiops-database"
}

variable "engine_version" {
  description = "Version of PostgreSQL. With the major version alone, minor upgrades by AWS are no drift."
  type        = string
  default     = "17"
}

variable "parameters" {
  description = "Parameters that can change without a restart, by name."
  type        = map(string)
  default     = { log_min_duration_statement = "1000" }
}

variable "instance_class" {
  description = "The instance class."
  type        = string
  default     = "db.t4g.micro"
}

variable "db_name" {
  description = "Name of the first database."
  type        = string
  default     = "app"
}

variable "username" {
  description = "Name of the master user."
  type        = string
  default     = "app"
}

variable "allocated_storage" {
  description = "Storage to begin with, in GiB."
  type        = number
  default     = 20
}

variable "max_allocated_storage" {
  description = "How far the storage may grow by itself, in GiB; such growth is no drift."
  type        = number
  default     = 100
}

variable "kms_key_id" {
  description = "ARN of the KMS key of the storage; null is the account's key for RDS. Backups are worth nothing once their key is deleted."
  type        = string
  default     = null
}

variable "multi_az" {
  description = "Whether a standby runs in another availability zone."
  type        = bool
  default     = false
}

variable "subnet_ids" {
  description = "Subnets of the instance, in two availability zones at least."
  type        = list(string)
}

variable "vpc_security_group_ids" {
  description = "Security groups of the instance."
  type        = list(string)
}

variable "backup_retention_days" {
  description = "How many days automated backups are kept, 1 to 35; as long after a deletion that leaves them."
  type        = number
  default     = 14

  validation {
    condition     = var.backup_retention_days >= 1 && var.backup_retention_days <= 35
    error_message = "backup_retention_days is 1 to 35: without automated backups there is nothing to restore from."
  }
}

variable "deletion_protection" {
  description = "Whether RDS refuses to delete the instance until this is turned off."
  type        = bool
  default     = true
}

variable "skip_final_snapshot" {
  description = "Whether a destroy by Terraform leaves no last snapshot. For throw-away databases only."
  type        = bool
  default     = false
}

variable "create_timeout" {
  description = "How long a creation or a restore may take, as in 50m. Keep it below build_timeout_minutes of modules/reforge."
  type        = string
  default     = "50m"
}

variable "reforge_restore_time" {
  description = "Given by Reforge: the time, RFC 3339 in UTC, to which the data of a lost instance is restored; null restores nothing."
  type        = string
  default     = null

  validation {
    condition     = var.reforge_restore_time == null || can(regex("^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ$", var.reforge_restore_time))
    error_message = "reforge_restore_time is a time in UTC as in 2026-11-24T17:23:35Z."
  }
}

variable "reforge_restore_snapshot" {
  description = "Given by Reforge where the policy names one: the name or ARN of the snapshot that a lost instance is created from; goes before reforge_restore_time."
  type        = string
  default     = null
}

variable "restore_latest" {
  description = <<-EOT
    Restore the last moment that RDS has rather than reforge_restore_time itself. RDS refuses a time after its last
    upload of the log, which may be five minutes before the deletion. With false the time is taken as it is: for data
    that was damaged before the instance was deleted.
  EOT
  type        = bool
  default     = true
}

variable "tags" {
  description = "Tags of everything that this module makes."
  type        = map(string)
  default     = {}
}
