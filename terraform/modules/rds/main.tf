# A PostgreSQL instance that Reforge can bring back, with its subnet group and its parameter group: its shape, and its
# data where a backup of it is left.
#
# For a lost resource that held data Reforge's plan builds export TF_VAR_reforge_restore_time (the second before the
# event) and, where the policy names one, TF_VAR_reforge_restore_snapshot. Terraform ignores both where the variable is
# not declared, and hands them to root modules only: the root module that calls this one declares the two and passes
# them on.
#
#     variable "reforge_restore_time" { default = null }
#     variable "reforge_restore_snapshot" { default = null }
#
#     module "database" {
#       source                   = "../../modules/rds"
#       reforge_restore_time     = var.reforge_restore_time
#       reforge_restore_snapshot = var.reforge_restore_snapshot
#     }
#
# What there is to restore from is decided by whoever calls DeleteDBInstance, and not by this code: without
# --no-delete-automated-backups the automated backups go with the instance, and with --skip-final-snapshot there is no
# last snapshot either. A restore whose source is gone fails and says so, rather than leave an empty database behind;
# then name a snapshot in the policy.

locals {
  # A snapshot was named by a person, the time is always offered: the snapshot goes first. The provider takes one only.
  from_snapshot = var.reforge_restore_snapshot != null
  from_backups  = var.reforge_restore_time != null && !local.from_snapshot
  restores      = local.from_snapshot || local.from_backups

  resource_id_note = "/reforge/rds/${var.identifier}/resource-id"
}

resource "aws_db_subnet_group" "data" {
  name        = var.identifier
  description = "Subnets of ${var.identifier}"
  subnet_ids  = var.subnet_ids
  tags        = var.tags
}

resource "aws_db_parameter_group" "data" {
  name        = var.identifier
  description = "Parameters of ${var.identifier}"
  family      = "postgres${split(".", var.engine_version)[0]}"
  tags        = var.tags

  dynamic "parameter" {
    for_each = var.parameters

    content {
      name  = parameter.key
      value = parameter.value
    }
  }
}

resource "aws_db_instance" "data" {
  identifier     = var.identifier
  engine         = "postgres"
  engine_version = var.engine_version
  instance_class = var.instance_class
  username       = var.username
  # RDS keeps the password in Secrets Manager: it is neither in the state nor in a saved plan.
  manage_master_user_password = true

  # A restored instance has both from its backup: a database that has grown would refuse the smaller size, and a name is
  # for a new one.
  db_name           = local.restores ? null : var.db_name
  allocated_storage = local.restores ? null : var.allocated_storage

  max_allocated_storage  = var.max_allocated_storage
  storage_type           = "gp3"
  storage_encrypted      = true
  kms_key_id             = var.kms_key_id
  multi_az               = var.multi_az
  db_subnet_group_name   = aws_db_subnet_group.data.name
  parameter_group_name   = aws_db_parameter_group.data.name
  vpc_security_group_ids = var.vpc_security_group_ids
  tags                   = var.tags

  backup_retention_period = var.backup_retention_days
  copy_tags_to_snapshot   = true
  # These bind Terraform's own destroy, and nobody who calls the API.
  delete_automated_backups  = false
  skip_final_snapshot       = var.skip_final_snapshot
  final_snapshot_identifier = var.skip_final_snapshot ? null : "${var.identifier}-final"

  # A deletion then takes two calls, of which the first (ModifyDBInstance) is in CloudTrail too.
  deletion_protection = var.deletion_protection
  # What was tampered with is put back now, not in the next maintenance window.
  apply_immediately = true

  snapshot_identifier = var.reforge_restore_snapshot

  dynamic "restore_to_point_in_time" {
    for_each = local.from_backups ? [var.reforge_restore_time] : []

    content {
      source_dbi_resource_id     = data.aws_ssm_parameter.resource_id[0].insecure_value
      restore_time               = var.restore_latest ? null : restore_to_point_in_time.value
      use_latest_restorable_time = var.restore_latest ? true : null
    }
  }

  timeouts {
    create = var.create_timeout
  }

  lifecycle {
    # Where the data came from counts once, when the instance is created. The next plan is made without it, and the
    # provider replaces an instance whose block is gone (hashicorp/terraform-provider-aws, issue 34522): Reforge would
    # refuse every later plan, as one that destroys. The database's name can't be changed either, and not every backup
    # gives it back.
    ignore_changes = [restore_to_point_in_time, snapshot_identifier, db_name]
  }
}

# Retained backups are found by the resource id (db-...) of the instance that is gone. Terraform forgets it with the
# instance, so it is noted here, and read back by name rather than by reference: at plan time this is still the old one.
# Whoever can write the note can choose what is restored, so protect it as you protect the backups.
resource "aws_ssm_parameter" "resource_id" {
  name           = local.resource_id_note
  description    = "Resource id of the RDS instance ${var.identifier}, whose backups a recovery restores"
  type           = "String"
  insecure_value = aws_db_instance.data.resource_id
  tags           = var.tags
}

data "aws_ssm_parameter" "resource_id" {
  count = local.from_backups ? 1 : 0

  name = local.resource_id_note

  lifecycle {
    postcondition {
      condition     = can(regex("^db-[A-Z0-9]+$", self.insecure_value))
      error_message = "${local.resource_id_note} is not the resource id of an RDS instance; look who wrote it."
    }
  }
}
