output "reforge" {
  description = "What the hub's chart needs."
  value       = module.reforge
}
