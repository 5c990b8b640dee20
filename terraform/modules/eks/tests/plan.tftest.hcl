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
  kubernetes_version = "1.34"
  subnet_ids         = ["subnet-1", "subnet-2"]
  admin_role_arns    = ["arn:aws:iam::111122223333:role/admin"]
  kms_key_arn        = "arn:aws:kms:eu-west-1:111122223333:key/11111111-2222-3333-4444-555555555555"
}

run "a_cluster_with_its_nodes" {
  command = plan

  assert {
    condition     = aws_eks_cluster.this.encryption_config[0].provider[0].key_arn == var.kms_key_arn && length(aws_eks_addon.before_nodes) == 2
    error_message = "The cluster has another key, or its add-ons are missing."
  }
}
