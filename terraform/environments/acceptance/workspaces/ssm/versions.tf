terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }

  # Bucket, key, region and use_lockfile are given at init: by hand the first time, by the build ever after.
  backend "s3" {}
}

# The settings below change nothing on AWS; an emulated one, at AWS_ENDPOINT_URL of the environment, needs them.
provider "aws" {
  region                      = var.region
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  s3_use_path_style           = true

  default_tags {
    tags = { "reforge.dev/acceptance" = var.run, Application = var.name }
  }
}
