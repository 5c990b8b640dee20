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
  ami              = "ami-0c55b159cbfafe1f0"
  instance_profile = "aiops-web"
}

run "an_instance_with_its_profile_and_its_group" {
  command = plan

  assert {
    condition     = aws_instance.web.iam_instance_profile == "aiops-web" && aws_instance.web.metadata_options[0].http_tokens == "required"
    error_message = "The instance has not the profile, or answers without a token."
  }
}
