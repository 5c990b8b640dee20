# The workspace `dynamodb` of an acceptance run: the table.

module "table" {
  source     = "../../../../modules/dynamodb"
  table_name = "${var.name}-table"
}

output "table_name" {
  description = "Name of the table."
  value       = module.table.table_name
}
