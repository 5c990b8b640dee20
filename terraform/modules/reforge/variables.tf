variable "name" {
  description = "Prefix of everything that this module makes."
  type        = string
  default     = "reforge"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.name))
    error_message = "name is 2 to 31 lower-case letters, digits and dashes, and begins with a letter."
  }

  # The canary's path begins with it (Systems Manager User Guide, "About requirements and constraints for parameter names").
  validation {
    condition     = !can(regex("^(aws|ssm)", var.name))
    error_message = "name begins with aws or ssm, and Parameter Store keeps such names for itself: choose another."
  }
}

variable "workspaces" {
  description = <<-EOT
    The Terraform states that Reforge may recover, by name. `root` is the root module's folder in the source; `services`
    are those whose resources the workspace declares (they decide what its builds may do); `state_key` is where its
    state is in the bucket of this module, `state/<name>/terraform.tfstate` if not given. `pass_roles` are the roles that
    its resources run under (instance profiles, functions, clusters), by ARN or by name with their path, as in
    ["web", "team/*"]; any of the account if not given, and in no case to others than the services. `kms_key_arns` are the
    customer keys that its resources are encrypted with.
  EOT
  type = map(object({
    root           = string
    services       = set(string)
    state_key      = optional(string)
    source_version = optional(string)
    project        = optional(string)
    plan_project   = optional(string)
    pass_roles     = optional(set(string), ["*"])
    kms_key_arns   = optional(list(string), [])
  }))

  validation {
    condition     = alltrue([for name, w in var.workspaces : can(regex("^[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?$", name))])
    error_message = "A workspace's name is up to 42 lower-case letters, digits and dashes."
  }

  validation {
    condition     = alltrue([for name, w in var.workspaces : length("${var.name}-${name}-apply") <= 64])
    error_message = "The role of a workspace's builds is called <name>-<workspace>-apply, and IAM takes 64 characters: shorten name or the names of the workspaces, to 57 characters together."
  }

  validation {
    condition     = alltrue(flatten([for w in var.workspaces : [for s in w.services : contains(["dynamodb", "ec2", "eks", "events", "iam", "kms", "lambda", "logs", "rds", "s3", "secretsmanager", "sns", "sqs", "ssm"], s)]]))
    error_message = "services are of: dynamodb, ec2, eks, events, iam, kms, lambda, logs, rds, s3, secretsmanager, sns, sqs, ssm. For others give the actions in extra_read_actions and extra_write_actions."
  }

  validation {
    condition     = alltrue(flatten([for w in var.workspaces : [for p in [w.project, w.plan_project] : p == null || can(regex("^[A-Za-z0-9][A-Za-z0-9_-]{1,149}$", p))]]))
    error_message = "project and plan_project are 2 to 150 letters, digits, dashes and underscores, and begin with a letter or a digit."
  }

  validation {
    condition     = length(distinct(flatten([for name, w in var.workspaces : [coalesce(w.project, "aiops-${name}-recovery"), coalesce(w.plan_project, "aiops-${name}-plan")]]))) == 2 * length(var.workspaces)
    error_message = "Each project and plan_project is one workspace's own: two have the same name."
  }

  validation {
    condition     = alltrue([for w in var.workspaces : w.state_key == null || try(!startswith(w.state_key, "/") && length(w.state_key) <= 1017, false)])
    error_message = "state_key is up to 1,017 characters, so that S3 takes the key of its lock file too, and does not begin with a slash."
  }

  validation {
    condition     = alltrue(flatten([for w in var.workspaces : [for role in w.pass_roles : can(regex("^(arn:aws[a-z-]*:iam::[0-9]{12}:role/)?[A-Za-z0-9_+=,.@/*-]+$", role))]]))
    error_message = "pass_roles are names of roles with their path, or their ARNs; * stands for any text."
  }

  validation {
    condition     = alltrue(flatten([for w in var.workspaces : [for key in w.kms_key_arns : can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", key))]]))
    error_message = "kms_key_arns are ARNs of keys. That of an alias does not do: rights are given on keys."
  }
}

variable "event_patterns" {
  description = "EventBridge patterns of the events to take, as `reforge event-pattern --policies DIR` prints them; without any, those of the seven types that the module began with."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for p in var.event_patterns : can(jsondecode(p)) && length(p) <= 2048])
    error_message = "event_patterns are JSON of at most 2,048 characters each."
  }

  # A rule each, on the default bus and on the hub's; the others of this module are fewer than 50.
  validation {
    condition     = length(var.event_patterns) <= 250
    error_message = "event_patterns are a rule each, and EventBridge takes 300 rules on a bus: give at most 250."
  }
}

variable "instance_states" {
  description = "Take the state changes of EC2 instances too: they tell of instances that end without a call, as on a Spot interruption."
  type        = bool
  default     = true
}

variable "config_events" {
  description = "Take what AWS Config sees change and what breaks its rules. A recorder must run, and a busy account makes many."
  type        = bool
  default     = false
}

variable "trail_names" {
  description = "The trails of this account that the events come from: changes to them raise an alert."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for name in var.trail_names : can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{1,126}[A-Za-z0-9]$", name))])
    error_message = "trail_names are names, not ARNs."
  }
}

variable "hub" {
  description = "Make a bus for the forwarders of this account's other regions."
  type        = bool
  default     = false

  validation {
    condition     = !(var.hub && var.member_of != null)
    error_message = "A member account is no hub: leave out hub or member_of."
  }
}

variable "forwarding_accounts" {
  description = "Ids of the accounts whose forwarders may send to the bus. With any, this account is a hub."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for account in var.forwarding_accounts : can(regex("^[0-9]{12}$", account))])
    error_message = "An account's id is 12 digits."
  }

  validation {
    condition     = length(var.forwarding_accounts) == 0 || var.member_of == null
    error_message = "A member account is no hub: leave out forwarding_accounts or member_of."
  }
}

variable "member_role_arns" {
  description = "Roles in member accounts that the operator may assume: the output operator_role_arn of the module there."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.member_role_arns : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$", arn))])
    error_message = "member_role_arns are ARNs of IAM roles, each named in full."
  }

  validation {
    condition     = length(var.member_role_arns) == 0 || var.member_of == null
    error_message = "A member account's operator role assumes no other: leave out member_role_arns or member_of."
  }
}

variable "member_of" {
  description = <<-EOT
    Makes this a member account: builds, bucket and roles without queue, rules and topic. `operator_role_arn` is the
    operator's role in the hub, `external_id` what it must know to assume the role here: random, and of no other account.
  EOT
  type = object({
    operator_role_arn = string
    external_id       = string
  })
  default = null

  validation {
    condition     = var.member_of == null || can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$", var.member_of.operator_role_arn))
    error_message = "member_of.operator_role_arn is the ARN of an IAM role."
  }

  # What STS takes, but no shorter than 16. It takes 1,224 characters at most.
  validation {
    condition     = var.member_of == null || try(can(regex("^[A-Za-z0-9_+=,.@:/-]{16,}$", var.member_of.external_id)) && length(var.member_of.external_id) <= 1224, false)
    error_message = "member_of.external_id is 16 to 1,224 letters, digits and of _+=,.@:/-."
  }
}

variable "verify_actions" {
  description = "IAM actions that the operator needs to read resources through Cloud Control, beside those for the services of the workspaces, as in ecs:DescribeServices. Reading only."
  type        = list(string)
  default     = []
}

variable "extra_read_actions" {
  description = "IAM actions that the plan and apply builds of a workspace need beside those of its services, by workspace."
  type        = map(list(string))
  default     = {}
}

variable "extra_write_actions" {
  description = "IAM actions that the apply builds of a workspace need beside those of its services, by workspace."
  type        = map(list(string))
  default     = {}
}

variable "source_repository" {
  description = <<-EOT
    Where the Terraform is: CODECOMMIT (clone URL), GITHUB (https URL) or S3 (bucket/key of a zip). `connection_arn` is
    the CodeConnections connection that GitHub is reached by; without it that of the account's default source credential
    is used, which must exist. `kms_key_arn` is the customer key of the zip or the repository, if it has one.
  EOT
  type = object({
    type           = string
    location       = string
    connection_arn = optional(string)
    kms_key_arn    = optional(string)
  })

  validation {
    condition     = contains(["CODECOMMIT", "GITHUB", "S3"], var.source_repository.type)
    error_message = "source_repository.type is CODECOMMIT, GITHUB or S3."
  }

  validation {
    condition     = var.source_repository.type != "CODECOMMIT" || can(regex("^https://git-codecommit[.][a-z0-9-]+[.]amazonaws[.](com|com[.]cn)/v1/repos/[A-Za-z0-9._-]+$", var.source_repository.location))
    error_message = "source_repository.location is the clone URL of a CodeCommit repository over HTTPS: https://git-codecommit.<region>.amazonaws.com/v1/repos/<name>."
  }

  validation {
    condition     = var.source_repository.type != "GITHUB" || can(regex("^https://[^/@]+/[^/]+/[^/]+$", var.source_repository.location))
    error_message = "source_repository.location is the URL of a GitHub repository over HTTPS, without a user in it: https://github.com/<owner>/<name>."
  }

  validation {
    condition     = var.source_repository.type != "S3" || can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/.+$", var.source_repository.location))
    error_message = "source_repository.location is the bucket and the key of a zip: <bucket>/<key>."
  }

  validation {
    condition     = var.source_repository.connection_arn == null || (var.source_repository.type == "GITHUB" && can(regex("^arn:aws[a-z-]*:(codeconnections|codestar-connections):[a-z0-9-]+:[0-9]{12}:connection/[0-9a-f-]+$", var.source_repository.connection_arn)))
    error_message = "source_repository.connection_arn is the ARN of a CodeConnections connection, for a source of type GITHUB."
  }
}

variable "build_image" {
  description = "The image of the builds. It must have jq, tar, zip, unzip, flock, base64, gunzip and the AWS CLI."
  type        = string
  default     = "aws/codebuild/amazonlinux-x86_64-standard:5.0"
}

variable "build_compute_type" {
  description = "CodeBuild's compute type."
  type        = string
  default     = "BUILD_GENERAL1_SMALL"
}

variable "build_timeout_minutes" {
  description = "After this long a build is stopped, in minutes, 5 to 480."
  type        = number
  default     = 60
}

variable "terraform_download" {
  description = "Where builds get Terraform if their image has none: the URL of a zip and its SHA-256."
  type = object({
    url    = string
    sha256 = string
  })
  default = { url = "", sha256 = "" }

  validation {
    condition     = var.terraform_download.url == "" || (can(regex("^https?://[^\"'$`\\\\\\s]+$", var.terraform_download.url)) && can(regex("^[0-9a-f]{64}$", var.terraform_download.sha256)))
    error_message = "terraform_download is the URL of a zip, without quotes, dollars, backslashes or spaces, and its SHA-256 in hexadecimal: both go into a shell command."
  }
}

variable "lock_table" {
  description = "Make a DynamoDB lock table beside the lock file in S3, for Terraform older than 1.11."
  type        = bool
  default     = false
}

variable "operator_principals" {
  description = "Who may become the operator's role: `pods.eks.amazonaws.com` for EKS Pod Identity, the ARN of an IAM OIDC provider, or `arns` of principals that run the operator outside of a cluster in AWS."
  type = object({
    pod_identity      = optional(bool, true)
    oidc_provider_arn = optional(string)
    arns              = optional(set(string), [])
    namespace         = optional(string, "reforge")
    service_account   = optional(string, "reforge")
  })
  default = {}

  validation {
    condition     = alltrue([for arn in var.operator_principals.arns : can(regex("^arn:aws[a-z-]*:(iam|sts)::[0-9]{12}:(user|role|assumed-role)/[A-Za-z0-9_+=,.@/-]+$", arn))])
    error_message = "operator_principals.arns are ARNs of users, roles and sessions of roles, each named in full."
  }
}

variable "model_ids" {
  description = "Models on Amazon Bedrock that the operator may invoke, by the id of the model or of its inference profile (us.amazon.nova-lite-v1:0). Empty: none."
  type        = set(string)
  default     = ["amazon.nova-lite-v1:0"]
}

variable "alert_emails" {
  description = "Addresses that get every message. Each has to be confirmed by its owner."
  type        = set(string)
  default     = []
}

variable "force_destroy" {
  description = "Let `terraform destroy` delete the bucket with all states, plans and records in it. For throw-away installs only."
  type        = bool
  default     = false
}

variable "tags" {
  description = "Tags of everything that this module makes."
  type        = map(string)
  default     = {}
}
