variable "name" {
  description = "Prefix of everything that this module makes: that of the hub, whose rule for its plumbing goes by it."
  type        = string
  default     = "reforge"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.name))
    error_message = "name is 2 to 31 lower-case letters, digits and dashes, and begins with a letter."
  }
}

variable "bus_arn" {
  description = "The hub's bus: output bus_arn of the module reforge there."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:events:[a-z0-9-]+:[0-9]{12}:event-bus/[A-Za-z0-9._-]+$", var.bus_arn))
    error_message = "bus_arn is the ARN of an event bus."
  }
}

variable "event_patterns" {
  description = "EventBridge patterns of the events to forward: outputs event_patterns and plumbing_patterns of the module reforge."
  type        = list(string)

  validation {
    condition     = alltrue([for p in var.event_patterns : can(jsondecode(p)) && length(p) <= 2048])
    error_message = "event_patterns are JSON of at most 2,048 characters each."
  }

  validation {
    condition     = length(var.event_patterns) <= 250
    error_message = "event_patterns are a rule each, and EventBridge takes 300 rules on a bus: give at most 250."
  }
}

variable "projects" {
  description = "Names of the CodeBuild projects here whose builds the hub starts: their ends are forwarded. Without them the operator finds out when it asks."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for name in var.projects : can(regex("^[A-Za-z0-9][A-Za-z0-9_-]{1,149}$", name))])
    error_message = "projects are names of CodeBuild projects, not ARNs."
  }
}

variable "instance_states" {
  description = "Forward the state changes of EC2 instances, as the hub takes them."
  type        = bool
  default     = true
}

variable "config_events" {
  description = "Forward what AWS Config sees change and what breaks its rules, if the hub takes it."
  type        = bool
  default     = false
}

variable "tags" {
  description = "Tags of everything that this module makes."
  type        = map(string)
  default     = {}
}
