output "reforge" {
  description = "What the chart and the policies need."
  value       = module.reforge
}

output "network" {
  description = "Where the web server goes."
  value       = { vpc_id = aws_vpc.this.id, subnet_id = aws_subnet.this.id }
}
