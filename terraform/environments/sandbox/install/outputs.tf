output "reforge" {
  description = "What the chart and the policies need."
  value       = module.reforge
}
