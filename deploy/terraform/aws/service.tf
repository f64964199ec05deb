locals {
  assume = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
  settings = {
    PUBLIC_URL          = var.public_url
    FORWARDED_ALLOW_IPS = aws_vpc.this.cidr_block
    REDIS_URL           = "rediss://${aws_elasticache_replication_group.this.primary_endpoint_address}:6379/0"
    FILES_URL           = "s3://${aws_s3_bucket.files.bucket}?region=${var.region}"
    GRACE               = tostring(var.grace)
    LOG_FORMAT          = "json"
  }
  container = {
    name                   = "chat"
    image                  = var.image
    essential              = true
    user                   = "10001:10001"
    readonlyRootFilesystem = true
    # Longer than GRACE.
    stopTimeout     = var.grace + 10
    linuxParameters = { initProcessEnabled = true, capabilities = { drop = ["ALL"] } }
    portMappings    = [{ containerPort = 8000, protocol = "tcp" }]
    mountPoints     = [{ sourceVolume = "tmp", containerPath = "/tmp" }]
    environment     = [for name in sort(keys(local.settings)) : { name = name, value = local.settings[name] }]
    secrets         = [for name in sort(local.secrets) : { name = name, valueFrom = aws_secretsmanager_secret.this[name].arn }]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this.name
        awslogs-region        = var.region
        awslogs-stream-prefix = "chat"
      }
    }
  }
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158: A key of AWS encrypts it.
  #checkov:skip=CKV_AWS_338: Its lines name addresses of members, so they are not kept for a year.
  name              = "/${var.name}"
  retention_in_days = 90
}

# Fetches the image and the secrets, before the chat runs.
resource "aws_iam_role" "execution" {
  name_prefix        = "${var.name}-start-"
  assume_role_policy = local.assume
}

resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.execution.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

resource "aws_iam_role_policy" "secrets" {
  role = aws_iam_role.execution.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = "secretsmanager:GetSecretValue"
      Resource = [for secret in aws_secretsmanager_secret.this : secret.arn]
    }]
  })
}

# The chat's own.
resource "aws_iam_role" "chat" {
  name_prefix        = "${var.name}-chat-"
  assume_role_policy = local.assume
}

resource "aws_iam_role_policy" "files" {
  role = aws_iam_role.chat.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
        Resource = "${aws_s3_bucket.files.arn}/*"
      },
      {
        # Without it S3 refuses to say that an object is not there.
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = aws_s3_bucket.files.arn
      },
    ]
  })
}

resource "aws_ecs_cluster" "this" {
  name = var.name
  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_ecs_task_definition" "this" {
  for_each                 = { chat = ["serve"], migrate = ["migrate"] }
  family                   = "${var.name}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 1024
  memory                   = 2048
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.chat.arn
  container_definitions    = jsonencode([merge(local.container, { command = each.value })])
  volume {
    name = "tmp"
  }
}

resource "aws_ecs_service" "chat" {
  name            = var.name
  cluster         = aws_ecs_cluster.this.id
  task_definition = aws_ecs_task_definition.this["chat"].arn
  launch_type     = "FARGATE"
  desired_count   = var.processes.least
  # New processes serve before old ones go.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = 60
  availability_zone_rebalancing      = "ENABLED"
  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }
  network_configuration {
    subnets         = aws_subnet.private[*].id
    security_groups = [aws_security_group.chat.id]
  }
  load_balancer {
    target_group_arn = aws_lb_target_group.chat.arn
    container_name   = "chat"
    container_port   = 8000
  }
  depends_on = [aws_lb_listener.https]
  lifecycle {
    # The autoscaler's.
    ignore_changes = [desired_count]
  }
}

resource "aws_appautoscaling_target" "chat" {
  service_namespace  = "ecs"
  resource_id        = "service/${aws_ecs_cluster.this.name}/${aws_ecs_service.chat.name}"
  scalable_dimension = "ecs:service:DesiredCount"
  min_capacity       = var.processes.least
  max_capacity       = var.processes.most
}

resource "aws_appautoscaling_policy" "load" {
  for_each           = { ECSServiceAverageCPUUtilization = 50, ECSServiceAverageMemoryUtilization = 70 }
  name               = each.key
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.chat.service_namespace
  resource_id        = aws_appautoscaling_target.chat.resource_id
  scalable_dimension = aws_appautoscaling_target.chat.scalable_dimension
  target_tracking_scaling_policy_configuration {
    target_value       = each.value
    scale_out_cooldown = 30
    # Each process that goes lets its pages reconnect.
    scale_in_cooldown = 600
    predefined_metric_specification {
      predefined_metric_type = each.key
    }
  }
}
