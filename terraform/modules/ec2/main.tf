# A web server that Reforge can bring back: one instance with its security group.
#
# A terminated instance comes back under a new id with the same image, type, instance profile, security group, user data
# and tags. What was on its disk is gone. A stopped instance is not started by an apply: Terraform does not look at the power state.

resource "aws_security_group" "web" {
  name        = "${var.name}-web"
  description = "Web traffic to ${var.name}"
  vpc_id      = var.vpc_id
  tags        = var.tags
}

# Rules of their own, so that a rule that was revoked is one change and not a rewrite of the group.
resource "aws_vpc_security_group_ingress_rule" "http" {
  for_each = toset(var.allowed_cidrs)

  security_group_id = aws_security_group.web.id
  description       = "HTTP"
  cidr_ipv4         = each.value
  from_port         = 80
  to_port           = 80
  ip_protocol       = "tcp"
}

resource "aws_vpc_security_group_egress_rule" "all" {
  security_group_id = aws_security_group.web.id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}

resource "aws_instance" "web" {
  ami                    = var.ami
  instance_type          = var.instance_type
  subnet_id              = var.subnet_id
  vpc_security_group_ids = [aws_security_group.web.id]
  iam_instance_profile   = var.instance_profile
  user_data              = var.user_data
  tags                   = merge(var.tags, { Name = var.name })

  dynamic "metadata_options" {
    for_each = var.require_imdsv2 ? [1] : []

    content {
      http_endpoint = "enabled"
      http_tokens   = "required"
    }
  }
}
