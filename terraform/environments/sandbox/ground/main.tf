# What a platform team has made before any workspace: the key of everybody's data, and the role that web servers run under.
# The workspaces find the key by its alias and the instance profile by its name.

resource "aws_kms_key" "data" {
  description             = "Data of all workspaces"
  enable_key_rotation     = true
  deletion_window_in_days = 7
}

resource "aws_kms_alias" "data" {
  name          = "alias/platform-data"
  target_key_id = aws_kms_key.data.key_id
}

resource "aws_iam_role" "web" {
  name = "aiops-web"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.amazonaws.com" }
    }]
  })
}

resource "aws_iam_instance_profile" "web" {
  name = "aiops-web"
  role = aws_iam_role.web.name
}
