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
  package    = "src/index.py"
  invoked_by = { nightly = { principal = "events.amazonaws.com", source_arn = "arn:aws:events:eu-west-1:111122223333:rule/nightly" } }
}

run "a_function_with_its_alias_and_its_permission" {
  command = plan

  assert {
    condition     = aws_lambda_alias.live.name == "live" && aws_lambda_permission.invoke["nightly"].principal == "events.amazonaws.com"
    error_message = "The alias or the permission is missing."
  }
}
