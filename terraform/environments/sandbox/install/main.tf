# The AWS side of the sandbox's install: one workspace for each of the five scenarios, and one with further types; their
# source is a zip in S3. Or, in their place, workspaces of one parameter each whose builds follow a test's script.

module "ground" {
  source = "../ground"
}

module "reforge" {
  source = "../../../modules/reforge"

  source_repository = { type = "S3", location = "${var.source_bucket}/${var.source_key}" }
  force_destroy     = true
  hub               = true

  # The account that the tests have join.
  forwarding_accounts = ["444455556666"]
  member_role_arns    = ["arn:aws:iam::444455556666:role/reforge-operator"]

  # The scenarios' own events, and what `cargo xtask codegen` finds in the catalogue for the types of the platform.
  event_patterns = concat(
    [jsonencode({
      detail-type = ["AWS API Call via CloudTrail"]
      source      = ["aws.ec2", "aws.lambda", "aws.dynamodb", "aws.s3", "aws.ssm"]
      detail = {
        eventName = [
          "TerminateInstances", "StopInstances", { prefix = "DeleteFunction20" }, { prefix = "UpdateFunctionConfiguration20" },
          "DeleteTable", "DeleteBucket", "PutBucketPolicy", "PutBucketCors", "PutParameter", "DeleteParameter",
        ]
      }
    })],
    jsondecode(file("${path.module}/platform-event-patterns.json")),
  )

  workspaces = { for name, w in merge({
    dynamodb = { services = ["dynamodb"], keys = [module.ground.key_arn] }
    ec2      = { services = ["ec2"], roles = ["aiops-web"] }
    lambda   = { services = ["lambda"], roles = ["aiops-monitored-function-role"] }
    s3       = { services = ["s3"], keys = [module.ground.key_arn] }
    ssm      = { services = ["ssm"] }
    platform = { services = ["ec2", "events", "iam", "kms", "logs", "secretsmanager", "sns", "sqs"] }
    }, { for stage in var.stages : stage => { root = "ssm", services = ["ssm"] } }) : name => {
    root         = "environments/sandbox/workspaces/${try(w.root, name)}"
    services     = distinct(concat(w.services, var.services))
    pass_roles   = try(w.roles, [])
    kms_key_arns = try(w.keys, [])
  } if length(var.stages) == 0 || contains(var.stages, name) }
}
