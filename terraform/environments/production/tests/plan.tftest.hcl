# The whole install is planned, from either kind of repository, with a member and a region beside it. No AWS is needed.

provider "aws" {
  region                      = "eu-west-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

provider "aws" {
  alias                       = "global"
  region                      = "us-east-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

override_data {
  target = module.reforge.data.aws_caller_identity.current
  values = { account_id = "111122223333" }
}

override_data {
  target = module.global[0].data.aws_caller_identity.current
  values = { account_id = "111122223333" }
}

variables {
  region             = "eu-west-1"
  alert_emails       = ["platform@example.com"]
  trail_names        = ["management"]
  config_events      = true
  member_accounts    = ["444455556666"]
  data_key_arns      = ["arn:aws:kms:eu-west-1:111122223333:key/11111111-2222-3333-4444-555555555555"]
  terraform_download = { url = "https://releases.example.com/terraform_1.14.0_linux_amd64.zip", sha256 = "0000000000000000000000000000000000000000000000000000000000000000" }
}

run "from_github" {
  command = plan

  variables {
    source_repository = {
      type           = "GITHUB"
      location       = "https://github.com/example/infra"
      connection_arn = "arn:aws:codeconnections:eu-west-1:111122223333:connection/11111111-2222-3333-4444-555555555555"
    }
  }

  assert {
    condition     = length(module.reforge.projects) == 7 && length(module.global) == 1
    error_message = "Projects or the forwarder are missing."
  }
}

run "from_codecommit" {
  command = plan

  variables {
    source_repository = { type = "CODECOMMIT", location = "https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/infra" }
  }

  assert {
    condition     = module.reforge.projects["orders"].project == "aiops-orders-recovery"
    error_message = "The project of the orders has another name."
  }
}

run "in_the_region_where_iams_calls_come_up_nothing_is_forwarded" {
  command = plan

  variables {
    region            = "us-east-1"
    source_repository = { type = "S3", location = "infra-source/terraform.zip" }
  }

  assert {
    condition     = length(module.global) == 0
    error_message = "A forwarder would send what the hub's own rules see."
  }
}
