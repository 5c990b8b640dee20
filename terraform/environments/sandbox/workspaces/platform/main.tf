# The workspace `platform` of the sandbox: what a team's services stand on, one resource of each type that the emulated AWS
# carries beside the five of the scenarios.

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "worker" {
  name               = "platform-worker"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_policy" "read" {
  name   = "platform-read"
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "s3:GetObject", Resource = "*" }] })
}

resource "aws_sqs_queue" "jobs" {
  name = "platform-jobs"
}

resource "aws_sns_topic" "news" {
  name = "platform-news"
}

resource "aws_security_group" "web" {
  name        = "platform-web"
  description = "HTTPS from everywhere"

  ingress {
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_cloudwatch_log_group" "app" {
  name              = "/platform/app"
  retention_in_days = 30
}

resource "aws_secretsmanager_secret" "token" {
  name = "platform/token"
}

resource "aws_kms_key" "data" {
  description             = "Data of the platform"
  deletion_window_in_days = 7
}

resource "aws_cloudwatch_event_rule" "nightly" {
  name                = "platform-nightly"
  schedule_expression = "rate(1 day)"
}
