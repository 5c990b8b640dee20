# What AWS would refuse is refused before anything is made, with what to do. As in limits.tftest.hcl no AWS is needed.

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
  target = aws_kms_key.this
  values = { arn = "arn:aws:kms:ap-southeast-1:111122223333:key/11111111-2222-3333-4444-555555555555" }
}

override_resource {
  target = aws_s3_bucket.this
  values = {
    arn = "arn:aws:s3:::a2345678901234567890123456789012-111122223333-ap-southeast-1"
    id  = "a2345678901234567890123456789012-111122223333-ap-southeast-1"
  }
}

override_resource {
  target = aws_cloudwatch_log_group.builds
  values = { arn = "arn:aws:logs:ap-southeast-1:111122223333:log-group:/reforge/a2345678901234567890123456789012/builds" }
}

override_resource {
  target = aws_dynamodb_table.lock
  values = { arn = "arn:aws:dynamodb:ap-southeast-1:111122223333:table/a2345678901234567890123456789012-lock" }
}

override_resource {
  target = aws_sqs_queue.events
  values = { arn = "arn:aws:sqs:ap-southeast-1:111122223333:a2345678901234567890123456789012-events", url = "https://sqs.ap-southeast-1.amazonaws.com/111122223333/e" }
}

override_resource {
  target = aws_sqs_queue.dead_letters
  values = { arn = "arn:aws:sqs:ap-southeast-1:111122223333:a2345678901234567890123456789012-dead-letters", url = "https://sqs.ap-southeast-1.amazonaws.com/111122223333/d" }
}

override_resource {
  target = aws_sns_topic.messages
  values = { arn = "arn:aws:sns:ap-southeast-1:111122223333:a2345678901234567890123456789012-messages" }
}

override_resource {
  target = aws_ssm_parameter.canary
  values = { arn = "arn:aws:ssm:ap-southeast-1:111122223333:parameter/a2345678901234567890123456789012/canary" }
}

override_resource {
  target = aws_cloudwatch_event_bus.hub
  values = { arn = "arn:aws:events:ap-southeast-1:111122223333:event-bus/a2345678901234567890123456789012-hub" }
}

override_resource {
  target = aws_iam_role.build
  values = { arn = "arn:aws:iam::111122223333:role/a2345678901234567890123456789012-orders-apply" }
}

override_resource {
  target = aws_cloudwatch_event_bus_policy.hub
}

override_resource {
  target = aws_cloudwatch_event_rule.this
}

override_resource {
  target = aws_cloudwatch_event_rule.hub
}

override_resource {
  target = aws_cloudwatch_event_target.queue
}

override_resource {
  target = aws_cloudwatch_event_target.hub
}

override_resource {
  target = aws_codebuild_project.this
}

override_resource {
  target = aws_iam_role.operator
}

override_resource {
  target = aws_iam_role_policy.build
}

override_resource {
  target = aws_iam_role_policy.operator
}

override_resource {
  target = aws_kms_alias.this
}

override_resource {
  target = aws_s3_bucket_versioning.this
}

override_resource {
  target = aws_s3_bucket_server_side_encryption_configuration.this
}

override_resource {
  target = aws_s3_bucket_public_access_block.this
}

override_resource {
  target = aws_s3_bucket_lifecycle_configuration.this
}

override_resource {
  target = aws_s3_bucket_policy.this
}

override_resource {
  target = aws_sns_topic_subscription.email
}

override_resource {
  target = aws_sqs_queue_policy.this
}

variables {
  source_repository = { type = "S3", location = "source/terraform.zip" }
  workspaces        = { orders = { root = "orders", services = ["dynamodb"] } }
}

run "a_workspace_whose_role_would_have_too_long_a_name_is_refused" {
  command = plan

  variables {
    name       = "a234567890123456789012345678901"
    workspaces = { a23456789012345678901234567 = { root = "w", services = ["ssm"] } }
  }

  expect_failures = [var.workspaces]
}

run "a_name_that_parameter_store_keeps_for_itself_is_refused" {
  command = plan

  variables {
    name = "aws-recovery"
  }

  expect_failures = [var.name]
}

run "two_workspaces_with_one_project_are_refused" {
  command = plan

  variables {
    workspaces = {
      one = { root = "w", services = ["ssm"], project = "ours" }
      two = { root = "w", services = ["ssm"], project = "ours" }
    }
  }

  expect_failures = [var.workspaces]
}

run "a_project_with_a_name_of_151_characters_is_refused" {
  command = plan

  variables {
    workspaces = { one = { root = "w", services = ["ssm"], project = join("", [for i in range(151) : "p"]) } }
  }

  expect_failures = [var.workspaces]
}

run "a_service_that_is_not_known_is_refused" {
  command = plan

  variables {
    workspaces = { one = { root = "w", services = ["glue"] } }
  }

  expect_failures = [var.workspaces]
}

run "the_alias_of_a_key_is_refused" {
  command = plan

  variables {
    workspaces = { one = { root = "w", services = ["s3"], kms_key_arns = ["arn:aws:kms:eu-west-1:111122223333:alias/data"] } }
  }

  expect_failures = [var.workspaces]
}

run "a_repository_of_codecommit_over_ssh_is_refused" {
  command = plan

  variables {
    source_repository = { type = "CODECOMMIT", location = "ssh://git-codecommit.eu-west-1.amazonaws.com/v1/repos/infra" }
  }

  expect_failures = [var.source_repository]
}

run "a_repository_with_a_token_in_its_url_is_refused" {
  command = plan

  variables {
    source_repository = { type = "GITHUB", location = "https://token@github.com/example/infra" }
  }

  expect_failures = [var.source_repository]
}

run "a_zip_without_its_bucket_is_refused" {
  command = plan

  variables {
    source_repository = { type = "S3", location = "terraform.zip" }
  }

  expect_failures = [var.source_repository]
}

run "a_url_that_a_shell_would_read_is_refused" {
  command = plan

  variables {
    terraform_download = { url = "https://example.com/$(id)", sha256 = "0000000000000000000000000000000000000000000000000000000000000000" }
  }

  expect_failures = [var.terraform_download]
}

run "a_pattern_of_2049_characters_is_refused" {
  command = plan

  variables {
    event_patterns = [jsonencode({ source = [format("%02034d", 0)] })]
  }

  expect_failures = [var.event_patterns]
}

run "more_patterns_than_a_bus_has_rules_are_refused" {
  command = plan

  variables {
    event_patterns = [for i in range(251) : jsonencode({ source = ["aws.ec2"] })]
  }

  expect_failures = [var.event_patterns]
}

# On what was made already: a plan knows then what it would send.
run "an_install_is_made" {
  command = apply
}

run "more_rights_than_a_role_takes_are_refused" {
  command = plan

  variables {
    extra_write_actions = { orders = [for i in range(400) : "service:ActionNumber${i}"] }
  }

  expect_failures = [aws_iam_role_policy.build]
}

run "more_members_than_the_operators_role_takes_are_refused" {
  command = plan

  variables {
    member_role_arns = [for i in range(200) : format("arn:aws:iam::111122223%03d:role/reforge-operator", i)]
  }

  expect_failures = [aws_iam_role_policy.operator]
}

run "an_external_id_of_1225_characters_is_refused" {
  command = plan

  variables {
    member_of = { operator_role_arn = "arn:aws:iam::444455556666:role/reforge-operator", external_id = format("%01225d", 0) }
  }

  expect_failures = [var.member_of]
}

run "a_state_key_that_leaves_no_room_for_its_lock_is_refused" {
  command = plan

  variables {
    workspaces = { one = { root = "w", services = ["ssm"], state_key = format("%01018d", 0) } }
  }

  expect_failures = [var.workspaces]
}
