# The workspace `ec2` of the sandbox: the web server.

module "web" {
  source           = "../../../../modules/ec2"
  ami              = "ami-0c55b159cbfafe1f0"
  instance_profile = "aiops-web"
  require_imdsv2   = false
  tags             = { Application = "myapp", Environment = "sandbox" }
}

output "instance_id" {
  description = "Id of the web server."
  value       = module.web.instance_id
}
