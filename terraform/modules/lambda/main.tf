# A function that Reforge can bring back, with its role, its alias and who may invoke it. A function that is deleted takes
# alias and permissions with it; versions are counted from 1 again.
#
# The package is made while the plan is made, as with archive_file, and so has to travel with the plan. `code_sha256` is
# compared with what Lambda runs: code that was changed behind Terraform's back shows as drift, which the older
# `source_code_hash` (a note in the state and nothing else) does not.

data "aws_partition" "current" {}

resource "aws_iam_role" "function" {
  name = "${var.function_name}-role"
  tags = var.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "logs" {
  role       = aws_iam_role.function.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
}

resource "aws_lambda_function" "monitored" {
  function_name = var.function_name
  description   = "Watched by Reforge"
  role          = aws_iam_role.function.arn
  runtime       = var.runtime
  handler       = "index.handler"
  filename      = var.package
  code_sha256   = filebase64sha256(var.package)
  memory_size   = var.memory_size
  timeout       = var.timeout
  publish       = true
  tags          = var.tags

  environment {
    variables = var.environment
  }

  depends_on = [aws_iam_role_policy_attachment.logs]
}

resource "aws_lambda_alias" "live" {
  name             = var.alias
  function_name    = aws_lambda_function.monitored.function_name
  function_version = aws_lambda_function.monitored.version
}

resource "aws_lambda_permission" "invoke" {
  for_each = var.invoked_by

  statement_id  = each.key
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.monitored.function_name
  principal     = each.value.principal
  source_arn    = each.value.source_arn
}
