output "name" {
  description = "Name of the cluster."
  value       = aws_eks_cluster.this.name
}

output "arn" {
  description = "ARN of the cluster; the same after a recovery."
  value       = aws_eks_cluster.this.arn
}

output "endpoint" {
  description = "URL of the apiserver; a new one after each recovery."
  value       = aws_eks_cluster.this.endpoint
}

output "certificate_authority" {
  description = "Certificate that the apiserver is known by, base64; a new one after each recovery."
  value       = aws_eks_cluster.this.certificate_authority[0].data
}

output "oidc_issuer" {
  description = "What roles for ServiceAccounts (IRSA) trust; a new one after each recovery."
  value       = aws_eks_cluster.this.identity[0].oidc[0].issuer
}

output "node_role_arn" {
  description = "ARN of the nodes' role; the same after a recovery."
  value       = aws_iam_role.node.arn
}
