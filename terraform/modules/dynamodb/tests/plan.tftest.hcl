# The module is planned as its description says. No AWS is needed.

provider "aws" {
  region                      = "eu-west-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

run "a_table_with_a_key_of_aws" {
  command = plan

  assert {
    condition     = aws_dynamodb_table.data.point_in_time_recovery[0].enabled
    error_message = "The items could not be had back."
  }
}

run "a_table_with_a_key_of_ones_own" {
  command = plan

  variables {
    kms_key_arn = "arn:aws:kms:eu-west-1:111122223333:key/11111111-2222-3333-4444-555555555555"
  }

  assert {
    condition     = aws_dynamodb_table.data.server_side_encryption[0].kms_key_arn == var.kms_key_arn
    error_message = "The table has another key."
  }
}
