# The AWS side of the sandbox's install: one workspace for each of the five scenarios, their source a zip in S3.

module "reforge" {
  source = "../../../modules/reforge"

  source_repository = { type = "S3", location = "${var.source_bucket}/${var.source_key}" }
  force_destroy     = true

  workspaces = {
    for name, services in {
      dynamodb = ["dynamodb"]
      ec2      = ["ec2"]
      lambda   = ["lambda"]
      s3       = ["s3"]
      ssm      = ["ssm"]
    } : name => { root = "environments/sandbox/workspaces/${name}", services = services }
  }
}
