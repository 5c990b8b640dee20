# The workspace `dynamodb` of the sandbox: the table.

data "aws_kms_alias" "data" {
  name = "alias/platform-data"
}

module "table" {
  source      = "../../../../modules/dynamodb"
  kms_key_arn = data.aws_kms_alias.data.target_key_arn
  tags        = { Application = "myapp", Environment = "sandbox" }
}

output "table_name" {
  description = "Name of the table."
  value       = module.table.table_name
}
