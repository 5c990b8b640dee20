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

# An emulated AWS: its endpoint is AWS_ENDPOINT_URL of the environment.
provider "aws" {
  region                  = "us-east-1"
  skip_metadata_api_check = true
  s3_use_path_style       = true
}
