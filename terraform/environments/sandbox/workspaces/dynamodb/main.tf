# The workspace `dynamodb` of the sandbox: the table.

module "table" {
  source = "../../../../modules/dynamodb"
  tags   = { Application = "myapp", Environment = "sandbox" }
}

output "table_name" {
  description = "Name of the table."
  value       = module.table.table_name
}
