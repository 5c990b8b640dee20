variable "name" {
  description = "Name of the cluster, and prefix of its roles' names. Not that of the cluster that Reforge runs on."
  type        = string
  default     = "aiops-workloads"
}

variable "kubernetes_version" {
  description = "Kubernetes version, as in 1.34. Pin one, and keep up: EKS creates no cluster of a version that it no longer supports, and so recovers none."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of the control plane and the nodes, in two availability zones at least, from which the nodes reach EKS and the image registry."
  type        = list(string)
}

variable "public_access_cidrs" {
  description = "Who reaches the apiserver from the internet; empty: nobody, it is reached from the VPC alone."
  type        = list(string)
  default     = []
}

variable "admin_role_arns" {
  description = "ARNs of the IAM roles that administrate the cluster. With none nobody can enter it, not even its creator."
  type        = list(string)
}

variable "kms_key_arn" {
  description = "ARN of a KMS key that Kubernetes Secrets are encrypted with; null is a key of AWS's own."
  type        = string
  default     = null
}

variable "log_types" {
  description = "Logs of the control plane: api, audit, authenticator, controllerManager, scheduler."
  type        = list(string)
  default     = ["api", "audit", "authenticator"]
}

variable "log_retention_days" {
  description = "How many days they are kept."
  type        = number
  default     = 365
}

variable "deletion_protection" {
  description = "Whether EKS refuses to delete the cluster until this is turned off."
  type        = bool
  default     = true
}

variable "ami_type" {
  description = "The nodes' kind of image; must suit the instance types."
  type        = string
  default     = "AL2023_x86_64_STANDARD"
}

variable "instance_types" {
  description = "Instance types of the nodes."
  type        = list(string)
  default     = ["t3.medium"]
}

variable "node_count" {
  description = "How many nodes there are: at least, at most, and to begin with."
  type = object({
    min     = number
    max     = number
    desired = number
  })
  default = { min = 2, max = 4, desired = 2 }
}

variable "addon_versions" {
  description = "Versions of vpc-cni, kube-proxy and coredns, by name. One that is not given is EKS's default for the Kubernetes version, after a recovery perhaps a newer one."
  type        = map(string)
  default     = {}
}

variable "tags" {
  description = "Tags of everything that this module makes."
  type        = map(string)
  default     = {}
}
