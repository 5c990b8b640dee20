# A table that Reforge can bring back: its shape, not its items. Point-in-time recovery keeps a deleted table's items for
# 35 days in a system backup, from which a human restores them.

resource "aws_dynamodb_table" "data" {
  name         = var.table_name
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = var.hash_key
  tags         = var.tags

  attribute {
    name = var.hash_key
    type = "S"
  }

  dynamic "server_side_encryption" {
    for_each = var.kms_key_arn[*]

    content {
      enabled     = true
      kms_key_arn = server_side_encryption.value
    }
  }

  point_in_time_recovery {
    enabled = var.point_in_time_recovery
  }
}
