terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }

  # This state is the platform team's own; it is not one that Reforge recovers.
  backend "s3" {}
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { ManagedBy = "terraform", Application = "reforge" }
  }
}

provider "aws" {
  alias  = "global"
  region = var.global_region

  default_tags {
    tags = { ManagedBy = "terraform", Application = "reforge" }
  }
}
