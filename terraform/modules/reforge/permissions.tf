# What builds may do, by service: what the AWS provider calls for the types of the modules beside this one, and no more.
# For other types give the actions in extra_read_actions and extra_write_actions. No right to delete a resource is here.
#
# A list names the resource `*`: an install knows the workspaces and not what they will declare. What can be bounded is:
# the roles that are passed, and the keys, by what var.workspaces says of them.
#
# Lines that begin with `# Unseen in the sandbox:` name actions that no run of the sandbox needs, and why they are here.

locals {
  # Every refresh needs these, and so every plan.
  read_actions = {
    # A table's key is compared with DynamoDB's own, which is found by its alias.
    dynamodb = ["dynamodb:Describe*", "dynamodb:ListTagsOfResource", "kms:DescribeKey"]
    ec2      = ["ec2:Describe*"]
    # Unseen in the sandbox: eks:DescribeCluster, eks:DescribeNodegroup, eks:DescribeAddon, eks:DescribeUpdate, eks:DescribeAccessEntry, eks:ListAssociatedAccessPolicies: the sandbox's AWS has no EKS; modules/eks needs them
    eks    = ["eks:DescribeCluster", "eks:DescribeNodegroup", "eks:DescribeAddon", "eks:DescribeUpdate", "eks:DescribeAccessEntry", "eks:ListAssociatedAccessPolicies"]
    events = ["events:DescribeRule", "events:ListTargetsByRule", "events:ListTagsForResource"]
    # Unseen in the sandbox: events:ListTargetsByRule: its rule has no target
    iam = ["iam:Get*", "iam:List*"]
    kms = ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListAliases", "kms:ListResourceTags"]
    # Unseen in the sandbox: kms:ListAliases: its key has no alias in that workspace
    # ListTags is not called: without it GetFunction leaves out the tags, and a plan would put on what is there already.
    # Unseen in the sandbox: lambda:ListTags: right beside GetFunction, and no call
    lambda = ["lambda:GetFunction*", "lambda:GetAlias", "lambda:GetPolicy", "lambda:ListVersionsByFunction", "lambda:ListTags"]
    logs   = ["logs:DescribeLogGroups", "logs:ListTagsForResource"]
    # Unseen in the sandbox: rds:Describe*, rds:ListTagsForResource: modules/rds needs them; the sandbox has no database
    rds = ["rds:Describe*", "rds:ListTagsForResource"]
    s3 = [
      "s3:GetBucket*", "s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration", "s3:GetReplicationConfiguration", "s3:GetAccelerateConfiguration",
      "s3:ListBucket", "s3:ListTagsForResource",
    ]
    # The description of a secret, and never its value.
    secretsmanager = ["secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy"]
    # Unseen in the sandbox: sns:GetSubscriptionAttributes: its topic has no subscription in Terraform
    sns = ["sns:GetTopicAttributes", "sns:GetSubscriptionAttributes", "sns:ListTagsForResource"]
    sqs = ["sqs:GetQueueAttributes", "sqs:ListQueueTags"]
    ssm = ["ssm:DescribeParameters", "ssm:GetParameter", "ssm:ListTagsForResource"]
  }

  # A function and a cluster come with roles of their own, which a refresh reads.
  # Unseen in the sandbox: iam:GetRolePolicy: its function's role has no inline policy
  own_role_read = ["iam:GetRole", "iam:GetRolePolicy", "iam:ListRolePolicies", "iam:ListAttachedRolePolicies"]

  # An apply makes what is gone and changes what was changed. What was changed in ways that the sandbox does not try
  # still has to be put back, whichever attribute it was: those that the catalogue knows events of are here.
  write_actions = {
    # Unseen in the sandbox: dynamodb:UpdateTable, dynamodb:UpdateTimeToLive: a table that was changed and not deleted
    # Unseen in the sandbox: dynamodb:TagResource, dynamodb:UntagResource: tags that were changed; TagResource is asked for by CreateTable with tags too
    dynamodb = ["dynamodb:CreateTable", "dynamodb:UpdateTable", "dynamodb:UpdateContinuousBackups", "dynamodb:UpdateTimeToLive", "dynamodb:TagResource", "dynamodb:UntagResource"]
    # A change of type or user data would stop the instance: that right is not given, and such an apply fails and says so.
    # Unseen in the sandbox: ec2:StartInstances: the verb for a stopped instance
    # Unseen in the sandbox: ec2:ModifyInstanceAttribute, ec2:ModifyInstanceMetadataOptions, ec2:ModifyNetworkInterfaceAttribute: an instance that was changed; its groups are set on its network interface
    # Unseen in the sandbox: ec2:AssociateIamInstanceProfile, ec2:ReplaceIamInstanceProfileAssociation: a profile that was taken off or exchanged
    # Unseen in the sandbox: ec2:CreateTags, ec2:DeleteTags: CreateTags is asked for by RunInstances with tags; both, where tags were changed
    # Unseen in the sandbox: ec2:CreateSecurityGroup, ec2:AuthorizeSecurityGroupIngress, ec2:AuthorizeSecurityGroupEgress, ec2:RevokeSecurityGroupIngress, ec2:RevokeSecurityGroupEgress, ec2:ModifySecurityGroupRules: a group or a rule that was deleted or changed; a new group comes with a rule for egress that Terraform revokes
    ec2 = [
      "ec2:RunInstances", "ec2:StartInstances", "ec2:ModifyInstanceAttribute", "ec2:ModifyInstanceMetadataOptions", "ec2:ModifyNetworkInterfaceAttribute",
      "ec2:AssociateIamInstanceProfile", "ec2:ReplaceIamInstanceProfileAssociation", "ec2:CreateTags", "ec2:DeleteTags", "ec2:CreateSecurityGroup",
      "ec2:AuthorizeSecurityGroupIngress", "ec2:AuthorizeSecurityGroupEgress", "ec2:RevokeSecurityGroupIngress", "ec2:RevokeSecurityGroupEgress", "ec2:ModifySecurityGroupRules",
    ]
    # Unseen in the sandbox: eks:CreateCluster, eks:CreateNodegroup, eks:CreateAddon, eks:CreateAccessEntry, eks:AssociateAccessPolicy: a cluster that was deleted, with all that hung on it
    # Unseen in the sandbox: eks:UpdateClusterConfig, eks:UpdateNodegroupConfig, eks:UpdateAddon, eks:TagResource, eks:UntagResource: one that was changed
    eks = [
      "eks:CreateCluster", "eks:CreateNodegroup", "eks:CreateAddon", "eks:CreateAccessEntry", "eks:AssociateAccessPolicy",
      "eks:UpdateClusterConfig", "eks:UpdateNodegroupConfig", "eks:UpdateAddon", "eks:TagResource", "eks:UntagResource",
    ]
    # Unseen in the sandbox: events:PutTargets, events:TagResource, events:UntagResource: its rule has neither targets nor tags
    events = ["events:PutRule", "events:PutTargets", "events:TagResource", "events:UntagResource"]
    # A role that may write policies may give itself anything: name a boundary, or the few actions that are needed, in
    # extra_write_actions instead where that matters.
    # Unseen in the sandbox: iam:UpdateRole, iam:UpdateRoleDescription, iam:UpdateAssumeRolePolicy, iam:PutRolePolicy, iam:PutRolePermissionsBoundary, iam:AttachRolePolicy, iam:CreatePolicyVersion, iam:SetDefaultPolicyVersion: a role or a policy that was changed and not deleted
    # Unseen in the sandbox: iam:TagRole, iam:UntagRole, iam:TagPolicy, iam:UntagPolicy: its role and policy have no tags
    # Unseen in the sandbox: iam:CreateInstanceProfile, iam:AddRoleToInstanceProfile, iam:TagInstanceProfile: its instance profile is another team's
    iam = [
      "iam:CreateRole", "iam:UpdateRole", "iam:UpdateRoleDescription", "iam:UpdateAssumeRolePolicy", "iam:TagRole", "iam:UntagRole",
      "iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:PutRolePermissionsBoundary",
      "iam:CreatePolicy", "iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion", "iam:TagPolicy", "iam:UntagPolicy",
      "iam:CreateInstanceProfile", "iam:AddRoleToInstanceProfile", "iam:TagInstanceProfile",
    ]
    # Unseen in the sandbox: kms:CreateKey, kms:EnableKeyRotation, kms:PutKeyPolicy, kms:UpdateKeyDescription, kms:CreateAlias, kms:UpdateAlias, kms:TagResource, kms:UntagResource: its key is kept from deletion, and not made anew or changed
    kms = [
      "kms:CreateKey", "kms:EnableKey", "kms:EnableKeyRotation", "kms:CancelKeyDeletion", "kms:PutKeyPolicy", "kms:UpdateKeyDescription",
      "kms:CreateAlias", "kms:UpdateAlias", "kms:TagResource", "kms:UntagResource",
    ]
    # Unseen in the sandbox: lambda:UpdateFunctionCode, lambda:UpdateFunctionConfiguration, lambda:UpdateAlias: a function or an alias that was changed and not deleted
    # Unseen in the sandbox: lambda:PutFunctionConcurrency, lambda:DeleteFunctionConcurrency: a limit that was taken off or put on
    # Unseen in the sandbox: lambda:PublishVersion: code that was put back is a version of its own, where the function publishes any
    # Unseen in the sandbox: lambda:TagResource, lambda:UntagResource: tags that were changed; TagResource is asked for by CreateFunction with tags too
    lambda = [
      "lambda:CreateFunction", "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration", "lambda:PublishVersion",
      "lambda:PutFunctionConcurrency", "lambda:DeleteFunctionConcurrency",
      "lambda:CreateAlias", "lambda:UpdateAlias", "lambda:AddPermission", "lambda:TagResource", "lambda:UntagResource",
    ]
    # Unseen in the sandbox: logs:TagResource, logs:UntagResource: its group has no tags
    logs = ["logs:CreateLogGroup", "logs:PutRetentionPolicy", "logs:TagResource", "logs:UntagResource"]
    # RDS keeps the master user's password in a secret that it makes in the caller's name (RDS User Guide, "Permissions
    # required for Secrets Manager integration").
    # Unseen in the sandbox: rds:CreateDBInstance, rds:RestoreDBInstanceFromDBSnapshot, rds:RestoreDBInstanceToPointInTime, rds:ModifyDBInstance, rds:StartDBInstance, rds:CreateDBSubnetGroup, rds:ModifyDBSubnetGroup, rds:CreateDBParameterGroup, rds:ModifyDBParameterGroup, rds:AddTagsToResource, rds:RemoveTagsFromResource: the sandbox has no database; modules/rds needs them
    # Unseen in the sandbox: secretsmanager:CreateSecret, secretsmanager:TagResource: the master user's password of a database
    rds = [
      "rds:CreateDBInstance", "rds:RestoreDBInstanceFromDBSnapshot", "rds:RestoreDBInstanceToPointInTime", "rds:ModifyDBInstance", "rds:StartDBInstance",
      "rds:CreateDBSubnetGroup", "rds:ModifyDBSubnetGroup", "rds:CreateDBParameterGroup", "rds:ModifyDBParameterGroup", "rds:AddTagsToResource", "rds:RemoveTagsFromResource",
      "secretsmanager:CreateSecret", "secretsmanager:TagResource",
    ]
    # Unseen in the sandbox: s3:PutLifecycleConfiguration: its bucket has none
    # Unseen in the sandbox: s3:PutBucketTagging, s3:TagResource, s3:UntagResource: tags are set by one call or the other, as the region has it, and were not changed alone
    s3 = [
      "s3:CreateBucket", "s3:PutBucketVersioning", "s3:PutEncryptionConfiguration", "s3:PutBucketPublicAccessBlock", "s3:PutBucketTagging", "s3:PutBucketPolicy",
      "s3:PutLifecycleConfiguration", "s3:TagResource", "s3:UntagResource",
    ]
    # Unseen in the sandbox: secretsmanager:CreateSecret, secretsmanager:UpdateSecret, secretsmanager:PutResourcePolicy, secretsmanager:TagResource, secretsmanager:UntagResource: its secret is kept from deletion, and not made anew or changed
    secretsmanager = ["secretsmanager:CreateSecret", "secretsmanager:RestoreSecret", "secretsmanager:UpdateSecret", "secretsmanager:PutResourcePolicy", "secretsmanager:TagResource", "secretsmanager:UntagResource"]
    # Unseen in the sandbox: sns:Subscribe, sns:TagResource, sns:UntagResource: its topic has neither subscriptions in Terraform nor tags
    sns = ["sns:CreateTopic", "sns:SetTopicAttributes", "sns:TagResource", "sns:UntagResource", "sns:Subscribe"]
    # Unseen in the sandbox: sqs:SetQueueAttributes, sqs:TagQueue, sqs:UntagQueue: its queue was not changed and has no tags
    sqs = ["sqs:CreateQueue", "sqs:SetQueueAttributes", "sqs:TagQueue", "sqs:UntagQueue"]
    # Unseen in the sandbox: ssm:AddTagsToResource, ssm:RemoveTagsFromResource: tags that were changed; AddTagsToResource is asked for by PutParameter with tags too
    ssm = ["ssm:PutParameter", "ssm:AddTagsToResource", "ssm:RemoveTagsFromResource"]
  }

  # To whom the roles of a workspace may be given, by its services. EKS gives that of the nodes to their instances.
  passed_to = {
    ec2    = ["ec2.${local.dns_suffix}"]
    eks    = ["eks.amazonaws.com", "ec2.${local.dns_suffix}"]
    events = ["events.amazonaws.com"]
    iam    = ["ec2.${local.dns_suffix}"]
    lambda = ["lambda.amazonaws.com"]
  }

  # Those of them whose modules make such a role themselves.
  # Unseen in the sandbox: iam:CreateRole, iam:AttachRolePolicy, iam:TagRole: a function's or a cluster's role that was deleted with it
  own_roles = { for service in ["eks", "lambda"] : service => ["iam:CreateRole", "iam:AttachRolePolicy", "iam:TagRole"] }

  # What Cloud Control's handlers read in the operator's name, for the types that it is asked about (schemas of the types
  # in the CloudFormation registry). A secret's handler would read its value too: that right is not given.
  # Unseen in the sandbox: ec2:DescribeSecurityGroups, eks:DescribeCluster, events:DescribeRule, events:ListTargetsByRule, iam:GetRole, iam:GetRolePolicy, iam:ListAttachedRolePolicies, iam:ListRolePolicies, iam:GetPolicy, iam:GetPolicyVersion, iam:ListEntitiesForPolicy: read by Cloud Control, whose calls the sandbox answers itself
  # Unseen in the sandbox: kms:DescribeKey, kms:GetKeyPolicy, kms:GetKeyRotationStatus, kms:ListResourceTags, logs:DescribeLogGroups, logs:ListTagsForResource, rds:DescribeDBInstances, secretsmanager:DescribeSecret, sns:GetTopicAttributes, sns:ListTagsForResource, sns:ListSubscriptionsByTopic, sqs:GetQueueAttributes, sqs:ListQueueTags: likewise
  verify_actions = {
    ec2            = ["ec2:DescribeSecurityGroups"]
    eks            = ["eks:DescribeCluster"]
    events         = ["events:DescribeRule", "events:ListTargetsByRule"]
    iam            = ["iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:GetPolicy", "iam:GetPolicyVersion", "iam:ListEntitiesForPolicy"]
    kms            = ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags"]
    logs           = ["logs:DescribeLogGroups", "logs:ListTagsForResource"]
    rds            = ["rds:DescribeDBInstances"]
    secretsmanager = ["secretsmanager:DescribeSecret"]
    sns            = ["sns:GetTopicAttributes", "sns:ListTagsForResource", "sns:ListSubscriptionsByTopic"]
    sqs            = ["sqs:GetQueueAttributes", "sqs:ListQueueTags"]
  }
}
