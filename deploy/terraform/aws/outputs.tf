output "address" {
  description = "Where the name in public_url must point: a CNAME or an alias."
  value       = aws_lb.this.dns_name
}

output "files_bucket" {
  value = aws_s3_bucket.files.bucket
}

output "migrate" {
  description = "Brings the tables to the version of `image`. Run it after each apply with a new image."
  value = join(" ", [
    "aws ecs run-task --region ${var.region} --cluster ${aws_ecs_cluster.this.name} --launch-type FARGATE",
    "--task-definition ${aws_ecs_task_definition.this["migrate"].family} --network-configuration",
    "'awsvpcConfiguration={subnets=[${join(",", aws_subnet.private[*].id)}],securityGroups=[${aws_security_group.chat.id}]}'",
  ])
}
