resource "aws_lb" "this" {
  #checkov:skip=CKV_AWS_91: The chat logs every request.
  #checkov:skip=CKV2_AWS_28: The chat limits rates itself.
  name                       = var.name
  load_balancer_type         = "application"
  security_groups            = [aws_security_group.balancer.id]
  subnets                    = aws_subnet.public[*].id
  drop_invalid_header_fields = true
  enable_deletion_protection = true
  # Open pages are pinged every 15 seconds, so a minute of silence means that the page is gone.
  idle_timeout = 60
}

resource "aws_lb_target_group" "chat" {
  name        = var.name
  vpc_id      = aws_vpc.this.id
  target_type = "ip"
  port        = 8000
  protocol    = "HTTP"
  # A process that goes closes its pages itself, within `grace`. Until then the balancer lets them be.
  deregistration_delay = var.grace + 10
  # One process may be far fuller than another after an update: send new pages where fewest are.
  load_balancing_algorithm_type = "least_outstanding_requests"
  health_check {
    path                = "/readyz"
    interval            = 5
    timeout             = 4
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.this.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.certificate_arn
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.chat.arn
  }
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.this.arn
  port              = 80
  protocol          = "HTTP"
  default_action {
    type = "redirect"
    redirect {
      port        = "443"
      protocol    = "HTTPS"
      status_code = "HTTP_301"
    }
  }
}
