# The workspace `ec2` of an acceptance run: the web server, which serves nobody.

module "web" {
  source        = "../../../../modules/ec2"
  name          = "${var.name}-web"
  ami           = var.ami
  instance_type = "t3.nano"
  vpc_id        = var.vpc_id
  subnet_id     = var.subnet_id
  user_data     = "#!/bin/sh\n"

  # An emulated AWS does not know the setting.
  require_imdsv2 = !var.emulated
}

output "instance_id" {
  description = "Id of the web server."
  value       = module.web.instance_id
}
