# An EKS cluster that Reforge can bring back: the control plane, one node group, three add-ons and who may enter.
#
# What comes back is the shape, under the same name. What does not:
#   - Everything that was in etcd: workloads, Secrets, CustomResources, and the claims on volumes. GitOps puts back what
#     is in Git; for the rest take backups of the cluster.
#   - The endpoint, the certificate authority and the OIDC issuer, which are new. Each kubeconfig is made anew, and each
#     role that trusted the issuer (IRSA) has to trust the new one.
#   - Pod Identity associations and access entries that are not in Terraform.
#   - What controllers in the cluster made in AWS. Volumes and load balancers stay behind, and nobody owns them.
# The log group stays: it belongs to CloudWatch, and has the audit log of who was in the cluster last.
#
# EKS deletes no cluster that still has node groups, so the whole has gone by the time Reforge plans, and it comes back
# as one plan. The node group and the add-ons are not explained by the loss of the cluster alone: let the policy ask
# about them (plan.unexplained: Ask, as in docs/examples/cluster.yaml) instead of leaving them out.
#
# Reforge does not recover the cluster that it runs on: it is gone with it. That one needs a person, or a Reforge in
# another cluster.

data "aws_partition" "current" {}

locals {
  policies = "arn:${data.aws_partition.current.partition}:iam::aws:policy"
}

resource "aws_iam_role" "cluster" {
  name = "${var.name}-cluster"
  tags = var.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "eks.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "cluster" {
  role       = aws_iam_role.cluster.name
  policy_arn = "${local.policies}/AmazonEKSClusterPolicy"
}

# EKS would make the group by itself, and keep what is in it for ever.
resource "aws_cloudwatch_log_group" "cluster" {
  name              = "/aws/eks/${var.name}/cluster"
  retention_in_days = var.log_retention_days
  tags              = var.tags
}

resource "aws_eks_cluster" "this" {
  name                      = var.name
  version                   = var.kubernetes_version
  role_arn                  = aws_iam_role.cluster.arn
  enabled_cluster_log_types = var.log_types
  deletion_protection       = var.deletion_protection
  tags                      = var.tags

  # The add-ons below are Terraform's from the first moment; EKS installs none that nobody declares.
  bootstrap_self_managed_addons = false

  access_config {
    # Who may enter is an AWS resource, and comes back with the cluster; an aws-auth ConfigMap would be gone with etcd.
    authentication_mode = "API"
    # Whoever creates the cluster would be its administrator, and after a recovery that is the role of Reforge's builds.
    bootstrap_cluster_creator_admin_permissions = false
  }

  vpc_config {
    subnet_ids              = var.subnet_ids
    endpoint_private_access = true
    endpoint_public_access  = length(var.public_access_cidrs) > 0
    public_access_cidrs     = length(var.public_access_cidrs) > 0 ? var.public_access_cidrs : null
  }

  dynamic "encryption_config" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]

    content {
      resources = ["secrets"]

      provider {
        key_arn = encryption_config.value
      }
    }
  }

  # Without its policy the role can't clean up after a cluster that is deleted.
  depends_on = [aws_iam_role_policy_attachment.cluster, aws_cloudwatch_log_group.cluster]
}

resource "aws_eks_access_entry" "admin" {
  for_each = toset(var.admin_role_arns)

  cluster_name  = aws_eks_cluster.this.name
  principal_arn = each.value
  tags          = var.tags
}

resource "aws_eks_access_policy_association" "admin" {
  for_each = aws_eks_access_entry.admin

  cluster_name  = aws_eks_cluster.this.name
  principal_arn = each.value.principal_arn
  policy_arn    = "arn:${data.aws_partition.current.partition}:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"

  access_scope {
    type = "cluster"
  }
}

resource "aws_iam_role" "node" {
  name = "${var.name}-node"
  tags = var.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.${data.aws_partition.current.dns_suffix}" }
    }]
  })
}

# The network plug-in works with the node's role: one of its own by IRSA would trust an issuer that a recovery changes.
resource "aws_iam_role_policy_attachment" "node" {
  for_each = toset(["AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryPullOnly"])

  role       = aws_iam_role.node.name
  policy_arn = "${local.policies}/${each.value}"
}

# Nodes are not ready without a network plug-in, and a node group whose nodes are not ready fails: these come first.
resource "aws_eks_addon" "before_nodes" {
  for_each = toset(["vpc-cni", "kube-proxy"])

  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = each.value
  addon_version               = lookup(var.addon_versions, each.value, null)
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"
  tags                        = var.tags
}

resource "aws_eks_node_group" "this" {
  cluster_name    = aws_eks_cluster.this.name
  node_group_name = "default"
  node_role_arn   = aws_iam_role.node.arn
  subnet_ids      = var.subnet_ids
  ami_type        = var.ami_type
  instance_types  = var.instance_types
  tags            = var.tags

  scaling_config {
    min_size     = var.node_count.min
    max_size     = var.node_count.max
    desired_size = var.node_count.desired
  }

  update_config {
    max_unavailable = 1
  }

  lifecycle {
    # The autoscaler's to choose, as soon as there is one.
    ignore_changes = [scaling_config[0].desired_size]
  }

  depends_on = [aws_iam_role_policy_attachment.node, aws_eks_addon.before_nodes]
}

# Its pods need a node to run on: before the node group it would be degraded until Terraform gives up.
resource "aws_eks_addon" "coredns" {
  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = "coredns"
  addon_version               = lookup(var.addon_versions, "coredns", null)
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"
  tags                        = var.tags

  depends_on = [aws_eks_node_group.this]
}
