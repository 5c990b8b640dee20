# What AWS takes, asked of plans that no AWS is needed for. The names are as long as they may be.

provider "aws" {
  region                      = "ap-southeast-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

override_data {
  target = data.aws_caller_identity.current
  values = { account_id = "111122223333" }
}

override_resource {
  target          = aws_iam_role.this
  override_during = plan
  values          = { arn = "arn:aws:iam::111122223333:role/a23456789012345678901234567890-forwarder-ap-southeast-1" }
}

variables {
  name           = "a234567890123456789012345678901"
  bus_arn        = "arn:aws:events:eu-west-1:444455556666:event-bus/reforge-hub"
  event_patterns = [jsonencode({ source = ["aws.ec2"] })]
}

run "every_name_and_pattern_is_one_that_aws_takes" {
  command = plan

  variables {
    projects      = [for i in range(100) : format("%s-%03d", join("", [for j in range(146) : "p"]), i)]
    config_events = true
  }

  assert {
    condition     = alltrue([for rule in aws_cloudwatch_event_rule.this : length(rule.name) <= 64 && length(rule.event_pattern) <= 2048])
    error_message = "A rule's name has more than 64 characters, or its pattern more than 2,048."
  }

  assert {
    condition     = length(toset(flatten([for key, pattern in local.rules : jsondecode(pattern).detail.project-name if startswith(key, "builds")]))) == 100
    error_message = "The builds of some projects would not be forwarded."
  }

  assert {
    condition     = length(aws_iam_role.this.name) <= 64
    error_message = "The role's name has more than 64 characters."
  }

  assert {
    condition     = length(jsonencode(jsondecode(data.aws_iam_policy_document.trust.json))) <= 2048
    error_message = "The trust policy is longer than IAM takes."
  }
}

run "nothing_is_put_on_another_bus" {
  command = plan

  assert {
    condition     = jsondecode(data.aws_iam_policy_document.forward.json).Statement[0].Resource == "arn:aws:events:eu-west-1:444455556666:event-bus/reforge-hub"
    error_message = data.aws_iam_policy_document.forward.json
  }
}

run "a_project_that_is_named_by_its_arn_is_refused" {
  command = plan

  variables {
    projects = ["arn:aws:codebuild:eu-west-1:111122223333:project/aiops-orders-plan"]
  }

  expect_failures = [var.projects]
}

run "what_is_no_bus_is_refused" {
  command = plan

  variables {
    bus_arn = "arn:aws:sqs:eu-west-1:444455556666:reforge-events"
  }

  expect_failures = [var.bus_arn]
}
