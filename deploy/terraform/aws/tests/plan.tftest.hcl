mock_provider "aws" {}

variables {
  region            = "eu-central-1"
  zones             = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
  public_url        = "https://chat.example.org"
  certificate_arn   = "arn:aws:acm:eu-central-1:123456789012:certificate/0"
  image             = "ghcr.io/example/simplechat:0.1.0"
  database_password = "placeholder"
  secret_key        = "placeholder"
  alarm_email       = "operator@example.org"
}

run "defaults" {
  command = plan

  assert {
    condition     = aws_lb.this.idle_timeout > 2 * 15
    error_message = "An open page that is pinged every 15 seconds must not be cut."
  }
  assert {
    condition     = tonumber(aws_lb_target_group.chat.deregistration_delay) > var.grace
    error_message = "Draining must last longer than GRACE."
  }
  assert {
    condition     = aws_lb_target_group.chat.health_check[0].path == "/readyz"
    error_message = "Only processes whose pages work get requests."
  }
  assert {
    condition     = aws_ecs_service.chat.deployment_minimum_healthy_percent == 100
    error_message = "New processes must serve before old ones go."
  }
  assert {
    condition     = aws_db_instance.this.multi_az && aws_db_instance.this.storage_encrypted && aws_db_instance.this.deletion_protection
    error_message = "The database must be in two zones, encrypted, and hard to delete."
  }
  assert {
    condition     = aws_elasticache_replication_group.this.transit_encryption_enabled
    error_message = "The broker must be reached over TLS."
  }
  assert {
    condition     = length(aws_subnet.private) == 3 && length(aws_nat_gateway.this) == 3
    error_message = "Each zone must stand for itself."
  }
  assert {
    condition     = aws_s3_bucket_public_access_block.files.restrict_public_buckets
    error_message = "Files must not be public."
  }
  assert {
    condition     = length(aws_cloudwatch_metric_alarm.this) == 9 && length(aws_sns_topic_subscription.email) == 1
    error_message = "Every alarm must reach somebody."
  }
}

run "files_are_in_the_bucket" {
  command = plan

  override_resource {
    target          = aws_s3_bucket.files
    override_during = plan
    values = {
      arn    = "arn:aws:s3:::simplechat-files"
      bucket = "simplechat-files"
    }
  }

  assert {
    condition     = local.settings.FILES_URL == "s3://simplechat-files?region=eu-central-1"
    error_message = "The chat must keep files in the bucket."
  }
  assert {
    condition = jsondecode(aws_iam_role_policy.files.policy).Statement[*].Resource == [
      "arn:aws:s3:::simplechat-files/*", "arn:aws:s3:::simplechat-files"
    ]
    error_message = "The chat must reach its own bucket only."
  }
}

run "one_zone_is_refused" {
  command = plan
  variables {
    zones = ["eu-central-1a"]
  }
  expect_failures = [var.zones]
}

run "plain_http_is_refused" {
  command = plan
  variables {
    public_url = "http://chat.example.org"
  }
  expect_failures = [var.public_url]
}

run "a_grace_that_fargate_cannot_give_is_refused" {
  command = plan
  variables {
    grace = 119
  }
  expect_failures = [var.grace]
}
