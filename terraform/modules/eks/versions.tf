terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source = "hashicorp/aws"
      # The first with deletion_protection of a cluster.
      version = "~> 6.9"
    }
  }
}
