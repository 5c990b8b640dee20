# What builds may do, by service: enough for the modules beside this one, and reading for every refresh.

locals {
  read_actions = {
    dynamodb = ["dynamodb:Describe*", "dynamodb:ListTagsOfResource"]
    ec2      = ["ec2:Describe*", "ec2:GetLaunchTemplateData"]
    eks      = ["eks:Describe*", "eks:List*", "iam:GetRole", "iam:ListAttachedRolePolicies"]
    iam      = ["iam:Get*", "iam:List*"]
    kms      = ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListAliases", "kms:ListResourceTags"]
    lambda = [
      "lambda:GetFunction*", "lambda:GetPolicy", "lambda:ListVersionsByFunction", "lambda:ListTags",
      "iam:GetRole", "iam:GetRolePolicy", "iam:ListRolePolicies", "iam:ListAttachedRolePolicies",
    ]
    logs = ["logs:DescribeLogGroups", "logs:ListTagsForResource", "logs:ListTagsLogGroup"]
    rds  = ["rds:Describe*", "rds:ListTagsForResource"]
    s3   = ["s3:GetBucket*", "s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration", "s3:GetReplicationConfiguration", "s3:GetAccelerateConfiguration", "s3:ListBucket", "s3:ListTagsForResource"]
    # The description of a secret, and never its value.
    secretsmanager = ["secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy", "secretsmanager:ListSecretVersionIds"]
    sns            = ["sns:GetTopicAttributes", "sns:GetSubscriptionAttributes", "sns:ListTagsForResource", "sns:ListSubscriptionsByTopic"]
    sqs            = ["sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ListQueueTags"]
    ssm            = ["ssm:DescribeParameters", "ssm:GetParameter", "ssm:GetParameters", "ssm:ListTagsForResource"]
  }

  write_actions = {
    dynamodb = ["dynamodb:CreateTable", "dynamodb:UpdateTable", "dynamodb:UpdateContinuousBackups", "dynamodb:UpdateTimeToLive", "dynamodb:TagResource", "dynamodb:UntagResource"]
    ec2 = [
      "ec2:RunInstances", "ec2:StartInstances", "ec2:ModifyInstanceAttribute", "ec2:ModifyInstanceMetadataOptions", "ec2:CreateTags", "ec2:DeleteTags",
      "ec2:CreateSecurityGroup", "ec2:AuthorizeSecurityGroupIngress", "ec2:AuthorizeSecurityGroupEgress", "ec2:RevokeSecurityGroupIngress", "ec2:RevokeSecurityGroupEgress",
    ]
    # A role that may write policies may give itself anything: name a boundary, or the few actions that are needed, in
    # extra_write_actions instead where that matters.
    iam = [
      "iam:CreateRole", "iam:UpdateRole", "iam:UpdateAssumeRolePolicy", "iam:TagRole", "iam:UntagRole", "iam:PutRolePolicy", "iam:AttachRolePolicy",
      "iam:CreatePolicy", "iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion", "iam:TagPolicy", "iam:UntagPolicy",
    ]
    kms = ["kms:CreateKey", "kms:EnableKey", "kms:EnableKeyRotation", "kms:CancelKeyDeletion", "kms:PutKeyPolicy", "kms:UpdateKeyDescription", "kms:CreateAlias", "kms:UpdateAlias", "kms:TagResource", "kms:UntagResource"]
    eks = [
      "eks:CreateCluster", "eks:CreateNodegroup", "eks:CreateAddon", "eks:CreateAccessEntry", "eks:AssociateAccessPolicy", "eks:UpdateClusterConfig",
      "eks:TagResource", "eks:UntagResource", "iam:CreateRole", "iam:AttachRolePolicy", "iam:TagRole", "iam:PassRole",
    ]
    lambda = [
      "lambda:CreateFunction", "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration", "lambda:TagResource", "lambda:UntagResource", "lambda:AddPermission",
      "iam:CreateRole", "iam:AttachRolePolicy", "iam:TagRole", "iam:PassRole",
    ]
    logs = ["logs:CreateLogGroup", "logs:PutRetentionPolicy", "logs:TagResource", "logs:UntagResource"]
    rds = [
      "rds:CreateDBInstance", "rds:RestoreDBInstanceFromDBSnapshot", "rds:RestoreDBInstanceToPointInTime", "rds:ModifyDBInstance", "rds:StartDBInstance",
      "rds:CreateDBSubnetGroup", "rds:ModifyDBSubnetGroup", "rds:CreateDBParameterGroup", "rds:ModifyDBParameterGroup", "rds:AddTagsToResource", "rds:RemoveTagsFromResource",
    ]
    s3             = ["s3:CreateBucket", "s3:PutBucketVersioning", "s3:PutEncryptionConfiguration", "s3:PutBucketPublicAccessBlock", "s3:PutBucketTagging", "s3:PutBucketPolicy", "s3:PutLifecycleConfiguration", "s3:TagResource", "s3:UntagResource"]
    secretsmanager = ["secretsmanager:CreateSecret", "secretsmanager:RestoreSecret", "secretsmanager:UpdateSecret", "secretsmanager:PutResourcePolicy", "secretsmanager:TagResource", "secretsmanager:UntagResource"]
    sns            = ["sns:CreateTopic", "sns:SetTopicAttributes", "sns:TagResource", "sns:UntagResource", "sns:Subscribe"]
    sqs            = ["sqs:CreateQueue", "sqs:SetQueueAttributes", "sqs:TagQueue", "sqs:UntagQueue"]
    ssm            = ["ssm:PutParameter", "ssm:AddTagsToResource", "ssm:RemoveTagsFromResource"]
  }
}
