# The module is planned as its description says. No AWS is needed.

provider "aws" {
  region                      = "eu-west-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

run "a_parameter" {
  command = plan

  assert {
    condition     = aws_ssm_parameter.mode.name == "/myapp/config/mode"
    error_message = "The parameter has another name."
  }
}
