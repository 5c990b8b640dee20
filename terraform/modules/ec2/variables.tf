variable "name" {
  description = "Name tag of the instance, and prefix of its security group's name."
  type        = string
  default     = "aiops-web"
}

variable "ami" {
  description = "The image. Pin one: a lookup of the newest would replace the instance at the next plan."
  type        = string
}

variable "instance_type" {
  description = "The instance type."
  type        = string
  default     = "t2.micro"
}

variable "vpc_id" {
  description = "The VPC of the security group; null is the default VPC."
  type        = string
  default     = null
}

variable "subnet_id" {
  description = "The subnet of the instance; null lets EC2 choose one of the default VPC."
  type        = string
  default     = null
}

variable "allowed_cidrs" {
  description = "Who may reach port 80."
  type        = list(string)
  default     = ["10.0.0.0/8"]
}

variable "user_data" {
  description = "What the instance runs at its first start."
  type        = string
  default     = <<-EOT
    #!/bin/bash
    dnf install -y httpd
    echo "<h1>aiops-web</h1>" >/var/www/html/index.html
    systemctl enable --now httpd
  EOT
}

variable "tags" {
  description = "Tags of the instance and its security group."
  type        = map(string)
  default     = {}
}

variable "require_imdsv2" {
  description = "Whether the instance metadata service answers with a session token only. An emulated AWS may not know the setting."
  type        = bool
  default     = true
}

variable "instance_profile" {
  description = "Name of the instance profile that the instance runs with; null is none. Reforge's builds must be let pass its role: pass_roles of the workspace."
  type        = string
  default     = null
}
