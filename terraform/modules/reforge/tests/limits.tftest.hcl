# What AWS takes. No AWS is needed: the provider is the real one, so that the policies are as they would be sent, but every
# resource is made here, in place of AWS. The names are as long as they may be.

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
  name              = "a234567890123456789012345678901"
  source_repository = { type = "S3", location = "source/terraform.zip" }
  workspaces        = { orders = { root = "orders", services = ["dynamodb"] } }
}

run "the_buildspec_has_room" {
  command = apply

  # A tenth below the limit, so that whoever adds to the tools hears of it before AWS says so.
  assert {
    condition     = length(local.buildspec) < 0.9 * local.buildspec_limit
    error_message = "The buildspec has ${length(local.buildspec)} characters."
  }

  assert {
    condition     = alltrue([for name in fileset("build", "*") : strcontains(local.tools, file("build/${name}"))])
    error_message = "A tool is not in the buildspec as it is in build/."
  }

  assert {
    condition     = length(regexall("(?m)^END_OF_REFORGE_FILE$", local.tools)) == length(fileset("build", "*"))
    error_message = "A tool has the line in it that ends the tools."
  }
}

run "a_workspace_of_every_service_has_room" {
  command = apply

  variables {
    workspaces = {
      everything = {
        root     = "everything"
        services = ["dynamodb", "ec2", "eks", "events", "iam", "kms", "lambda", "logs", "rds", "s3", "secretsmanager", "sns", "sqs", "ssm"]
        kms_key_arns = [
          "arn:aws:kms:ap-southeast-1:111122223333:key/11111111-2222-3333-4444-555555555555",
          "arn:aws:kms:ap-southeast-1:111122223333:key/11111111-2222-3333-4444-666666666666",
        ]
      }
    }
    lock_table = true
  }

  assert {
    condition     = alltrue([for p in data.aws_iam_policy_document.build : length(jsonencode(jsondecode(p.json))) <= 9216])
    error_message = "Characters by project: ${jsonencode({ for key, p in data.aws_iam_policy_document.build : key => length(jsonencode(jsondecode(p.json))) })}."
  }

  assert {
    condition     = length(jsonencode(jsondecode(local.operator_policy))) <= 9216
    error_message = "The operator's policy has ${length(jsonencode(jsondecode(local.operator_policy)))} characters."
  }
}

run "a_hub_with_eighty_workspaces_and_what_else_there_is_has_room" {
  command = apply

  variables {
    workspaces = { for i in range(80) : format("workspace-number-%02d", i) => {
      root         = "w"
      services     = ["dynamodb", "ec2", "iam", "kms", "lambda", "logs", "rds", "s3", "sns", "sqs", "ssm"]
      plan_project = i < 10 ? format("a-project-of-another-name-%02d", i) : null
    } }
    hub                 = true
    config_events       = true
    forwarding_accounts = [for i in range(100) : format("1111222233%02d", i)]
    member_role_arns    = [for i in range(30) : format("arn:aws:iam::1111222233%02d:role/reforge-operator", i)]
    event_patterns      = [for i in range(20) : jsonencode({ source = ["aws.ec2"] })]
    trail_names         = ["management"]
  }

  assert {
    condition     = length(jsonencode(jsondecode(local.operator_policy))) <= 10240
    error_message = "The operator's policy has ${length(jsonencode(jsondecode(local.operator_policy)))} characters."
  }

  # What has another name than this module gives is still named, and what it gives is covered.
  assert {
    condition     = contains(local.project_arns, "${local.project_arn}/a-project-of-another-name-07") && contains(local.project_arns, "${local.project_arn}/aiops-*-recovery")
    error_message = "Projects are missing: ${jsonencode(local.project_arns)}."
  }

  assert {
    condition     = alltrue([for rule in concat(values(local.rules), values(local.hub_rules)) : length(rule.pattern) <= 2048])
    error_message = "Characters by pattern: ${jsonencode({ for key, rule in local.rules : key => length(rule.pattern) })}."
  }

  assert {
    condition     = toset(flatten([for p in local.builds_of : p.detail.project-name])) == toset([for p in local.projects : p.name])
    error_message = "The builds of some projects would not be told of."
  }

  assert {
    condition     = length(local.rules) <= 300 && length([for key, rule in local.hub_rules : key if startswith(key, "builds")]) == 1
    error_message = "There are ${length(local.rules)} rules, and ${length(local.hub_rules)} on the bus."
  }

  assert {
    condition     = alltrue([for p in data.aws_iam_policy_document.queue : length(jsonencode(jsondecode(p.json))) <= 8192])
    error_message = "A queue's policy has more characters than SQS takes."
  }

  assert {
    condition     = length(jsonencode(jsondecode(data.aws_iam_policy_document.bus[0].json))) <= 10240
    error_message = "The bus's policy has ${length(jsonencode(jsondecode(data.aws_iam_policy_document.bus[0].json)))} characters."
  }

  assert {
    condition     = length(jsonencode(jsondecode(data.aws_iam_policy_document.operator_trust.json))) <= 2048 && length(jsonencode(jsondecode(data.aws_iam_policy_document.build_trust.json))) <= 2048
    error_message = "A trust policy is longer than IAM takes."
  }
}

run "every_name_is_one_that_aws_takes" {
  command = apply

  variables {
    workspaces = { a2345678901234567890123456 = { root = "w", services = ["ssm"] } }
    hub        = true
    lock_table = true
  }

  assert {
    condition     = alltrue([for role in concat(values(aws_iam_role.build), [aws_iam_role.operator]) : length(role.name) <= 64])
    error_message = "A role's name has more than 64 characters."
  }

  assert {
    condition     = alltrue([for rule in concat(values(aws_cloudwatch_event_rule.this), values(aws_cloudwatch_event_rule.hub)) : length(rule.name) <= 64])
    error_message = "A rule's name has more than 64 characters."
  }

  assert {
    condition     = length(local.bucket) <= 63 && alltrue([for name in values(local.queues) : length(name) <= 80])
    error_message = "The bucket's name or a queue's is too long."
  }

  assert {
    condition     = alltrue([for p in local.projects : length(p.name) >= 2 && length(p.name) <= 150])
    error_message = "A project's name has more than 150 characters."
  }
}

run "the_fingerprint_is_of_what_the_project_has" {
  command = apply

  assert {
    condition     = alltrue([for key, p in aws_codebuild_project.this : p.source[0].buildspec == local.definitions[key].buildspec])
    error_message = "The buildspec that is hashed is not the project's."
  }
}

run "a_repository_of_codecommit_may_be_pulled_and_no_other" {
  command = apply

  variables {
    source_repository = { type = "CODECOMMIT", location = "https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/infra" }
  }

  assert {
    condition     = jsondecode(data.aws_iam_policy_document.build["orders-plan"].json).Statement[index(jsondecode(data.aws_iam_policy_document.build["orders-plan"].json).Statement[*].Sid, "SourceInCodeCommit")].Resource == "arn:aws:codecommit:eu-west-1:111122223333:infra"
    error_message = "The repository is not the one that may be pulled."
  }
}

run "github_is_reached_by_the_connection_that_is_named" {
  command = apply

  variables {
    source_repository = {
      type           = "GITHUB"
      location       = "https://github.com/example/infra"
      connection_arn = "arn:aws:codestar-connections:ap-southeast-1:111122223333:connection/11111111-2222-3333-4444-555555555555"
    }
  }

  assert {
    condition     = strcontains(data.aws_iam_policy_document.build["orders-plan"].json, "codestar-connections:GetConnectionToken") && aws_codebuild_project.this["orders-plan"].source[0].auth[0].type == "CODECONNECTIONS"
    error_message = "The connection is not used, or not granted under the prefix of its ARN."
  }
}

run "an_inference_profile_is_granted_with_its_model" {
  command = apply

  variables {
    model_ids = ["eu.amazon.nova-lite-v1:0", "amazon.nova-micro-v1:0"]
  }

  assert {
    condition = toset(local.model_arns) == toset([
      "arn:aws:bedrock:*:111122223333:inference-profile/eu.amazon.nova-lite-v1:0", "arn:aws:bedrock:*::foundation-model/amazon.nova-lite-v1:0",
      "arn:aws:bedrock:*::foundation-model/amazon.nova-micro-v1:0",
    ])
    error_message = "Granted are ${jsonencode(local.model_arns)}."
  }
}

run "roles_are_passed_to_the_services_of_the_workspace_alone" {
  command = apply

  variables {
    workspaces = { web = { root = "web", services = ["ec2", "ssm"], pass_roles = ["team/web"] } }
  }

  assert {
    condition = [for s in jsondecode(data.aws_iam_policy_document.build["web-apply"].json).Statement : [s.Resource, s.Condition.StringEquals["iam:PassedToService"]] if try(s.Action, "") == "iam:PassRole"] == [
      ["arn:aws:iam::111122223333:role/team/web", "ec2.amazonaws.com"]
    ]
    error_message = data.aws_iam_policy_document.build["web-apply"].json
  }

  assert {
    condition     = !strcontains(data.aws_iam_policy_document.build["web-plan"].json, "iam:PassRole")
    error_message = "A plan passes roles."
  }
}

run "a_key_is_used_through_the_services_of_the_workspace_alone" {
  command = apply

  variables {
    workspaces = { orders = { root = "w", services = ["dynamodb"], kms_key_arns = ["arn:aws:kms:eu-west-1:111122223333:key/mrk-1"] } }
  }

  assert {
    condition = [for s in jsondecode(data.aws_iam_policy_document.build["orders-apply"].json).Statement : [s.Resource, s.Condition.StringLike["kms:ViaService"]] if try(s.Action, "") == "kms:CreateGrant"] == [
      ["arn:aws:kms:eu-west-1:111122223333:key/mrk-1", "dynamodb.*.amazonaws.com"]
    ]
    error_message = data.aws_iam_policy_document.build["orders-apply"].json
  }
}

run "a_member_account_has_the_operator_of_the_hub_and_no_queue" {
  command = apply

  variables {
    member_of = { operator_role_arn = "arn:aws:iam::444455556666:role/reforge-operator", external_id = "f3c1a9d27b60455e8a14" }
  }

  assert {
    condition     = length(aws_sqs_queue.events) == 0 && length(aws_cloudwatch_event_rule.this) == 0 && length(aws_sns_topic.messages) == 0
    error_message = "A member has a queue, a rule or a topic."
  }

  assert {
    condition     = length(jsonencode(jsondecode(data.aws_iam_policy_document.member_trust[0].json))) <= 2048 && !strcontains(local.operator_policy, "sqs:ReceiveMessage")
    error_message = "The trust is too long, or the role may take from a queue."
  }
}
