# The module is planned as its description says. No AWS is needed.

provider "aws" {
  region                      = "eu-west-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

variables {
  subnet_ids             = ["subnet-1", "subnet-2"]
  vpc_security_group_ids = ["sg-1"]
}

run "a_database" {
  command = plan

  assert {
    condition     = aws_db_instance.data.db_name == "app" && aws_db_instance.data.manage_master_user_password
    error_message = "The database has another name, or a password in Terraform."
  }
}

run "a_database_from_a_snapshot" {
  command = plan

  variables {
    reforge_restore_time     = "2026-11-24T17:23:35Z"
    reforge_restore_snapshot = "rds:aiops-database-2026-11-24"
  }

  assert {
    condition     = aws_db_instance.data.snapshot_identifier == var.reforge_restore_snapshot && length(aws_db_instance.data.restore_to_point_in_time) == 0
    error_message = "The snapshot does not go before the time."
  }
}
