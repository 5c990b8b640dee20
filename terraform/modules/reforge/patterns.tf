# What the rules let through. A pattern has 2,048 characters at most; the operator looks at each event again.

locals {
  api_call = "AWS API Call via CloudTrail"

  # What the policies ask for; the only rules that settings.eventPatterns knows.
  resource_patterns = length(var.event_patterns) > 0 ? {
    for i, pattern in var.event_patterns : "events-${i}" => pattern
  } : { events = jsonencode(local.seed) }

  # What is asked for without var.event_patterns. Lambda's event names carry the version of its API, so they are matched
  # by what they begin with.
  seed = {
    source      = ["aws.ec2", "aws.lambda", "aws.dynamodb", "aws.s3", "aws.ssm", "aws.rds", "aws.eks"]
    detail-type = [local.api_call]
    detail = {
      eventName = [
        "TerminateInstances", "StopInstances",
        { prefix = "DeleteFunction20" }, { prefix = "UpdateFunctionConfiguration20" },
        "DeleteTable",
        "DeleteBucket", "PutBucketPolicy",
        "PutParameter", "DeleteParameter",
        "DeleteDBInstance",
        "DeleteCluster",
      ]
    }
  }

  builds = {
    source      = ["aws.codebuild"]
    detail-type = ["CodeBuild Build State Change"]
  }

  # A dozen names of 150 characters have room in a pattern.
  builds_of = { for i, names in chunklist(sort([for p in local.projects : p.name]), 12) : i == 0 ? "builds" : "builds-${i}" => merge(local.builds, { detail = { project-name = names } }) }

  # Calls on what Reforge itself stands on. Trails and projects may be named by their ARN, so those calls are let through
  # whatever they name; they are rare.
  plumbing = {
    source      = ["aws.cloudtrail", "aws.codebuild", "aws.events", "aws.iam", "aws.sqs"]
    detail-type = [local.api_call]
    detail = { "$or" = concat(local.rule_changes, [
      { eventName = ["StopLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors", "UpdateProject", "DeleteProject"] },
      {
        eventName         = ["SetQueueAttributes", "AddPermission", "RemovePermission", "DeleteQueue", "PurgeQueue"]
        requestParameters = { queueUrl = [for queue in local.queues : { suffix = "/${local.account}/${queue}" }] }
      },
      {
        eventName         = ["DeleteRole", "UpdateAssumeRolePolicy", "PutRolePolicy", "DeleteRolePolicy", "AttachRolePolicy", "DetachRolePolicy", "PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary"]
        requestParameters = { roleName = local.own }
      },
    ]) }
  }

  # A rule can't tell that it was disabled itself: the rule of the canary watches that of the plumbing, and the other way
  # round. Without both, the canary is missed.
  canary = {
    source      = ["aws.events", "aws.ssm"]
    detail-type = [local.api_call]
    detail = { "$or" = concat(local.rule_changes, [
      { eventName = ["PutParameter"], requestParameters = { name = [local.canary_name] } },
    ]) }
  }

  # The hub's bus is deleted under its own name, and opened to others under `eventBusName`, a name or an ARN.
  rule_changes = [
    { eventName = ["DisableRule", "DeleteRule", "PutRule", "DeleteEventBus"], requestParameters = { name = local.own } },
    { eventName = ["RemoveTargets", "PutTargets"], requestParameters = { rule = local.own } },
    { eventName = ["PutPermission", "RemovePermission"], requestParameters = { eventBusName = [{ suffix = local.bus_name }] } },
  ]
  own = [{ prefix = "${var.name}-" }]

  instance_states = {
    source      = ["aws.ec2"]
    detail-type = ["EC2 Instance State-change Notification"]
    detail      = { state = ["shutting-down", "stopping"] }
  }

  # Developer Guide of AWS Config, "Components of a Configuration Item": a deleted resource that is not recorded any more
  # has a status of its own.
  config_items = {
    source      = ["aws.config"]
    detail-type = ["Config Configuration Item Change"]
    detail = {
      messageType       = ["ConfigurationItemChangeNotification"]
      configurationItem = { configurationItemStatus = ["ResourceDeleted", "ResourceDeletedNotRecorded", "OK"] }
    }
  }

  config_compliance = {
    source      = ["aws.config"]
    detail-type = ["Config Rules Compliance Change"]
    detail = {
      messageType         = ["ComplianceChangeNotification"]
      newEvaluationResult = { complianceType = ["NON_COMPLIANT"] }
    }
  }

  # Each pattern a rule, by what its name ends with. A member account has none: its forwarders send to the hub.
  rules = local.member ? {} : merge(
    { for key, pattern in local.resource_patterns : key => { description = "What happened to resources", pattern = pattern } },
    { for key, pattern in local.builds_of : key => { description = "Builds of Reforge that started or ended", pattern = jsonencode(pattern) } },
    {
      plumbing = { description = "Calls on what Reforge itself stands on", pattern = jsonencode(local.plumbing) }
      canary   = { description = "The canary, and calls on Reforge's rules", pattern = jsonencode(local.canary) }
    },
    var.instance_states ? {
      instance-states = { description = "Instances that stop or end", pattern = jsonencode(local.instance_states) }
    } : {},
    var.config_events ? {
      config-items      = { description = "Resources that AWS Config saw changed or gone", pattern = jsonencode(local.config_items) }
      config-compliance = { description = "Resources that break a rule of AWS Config", pattern = jsonencode(local.config_compliance) }
    } : {},
  )
}
