locals {
  balancer = { LoadBalancer = aws_lb.this.arn_suffix }
  target   = { LoadBalancer = aws_lb.this.arn_suffix, TargetGroup = aws_lb_target_group.chat.arn_suffix }
  database = { DBInstanceIdentifier = aws_db_instance.this.identifier }
  cache    = { CacheClusterId = "${var.name}-001" }
  alarms = {
    processes-unhealthy = ["AWS/ApplicationELB", "UnHealthyHostCount", local.target, "Maximum", ">", 0, 5]
    too-few-processes   = ["AWS/ApplicationELB", "HealthyHostCount", local.target, "Minimum", "<", var.processes.least, 5]
    errors              = ["AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", local.target, "Sum", ">", 10, 3]
    refused             = ["AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", local.balancer, "Sum", ">", 10, 3]
    slow                = ["AWS/ApplicationELB", "TargetResponseTime", local.target, "Average", ">", 0.5, 5]
    database-busy       = ["AWS/RDS", "CPUUtilization", local.database, "Average", ">", 80, 10]
    database-full       = ["AWS/RDS", "FreeStorageSpace", local.database, "Minimum", "<", 5000000000, 5]
    database-commits    = ["AWS/RDS", "WriteLatency", local.database, "Average", ">", 0.02, 10]
    broker-busy         = ["AWS/ElastiCache", "EngineCPUUtilization", local.cache, "Average", ">", 80, 10]
  }
  operators = { ">" = "GreaterThanThreshold", "<" = "LessThanThreshold" }
}

resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  kms_master_key_id = "alias/aws/sns"
}

resource "aws_sns_topic_subscription" "email" {
  count     = var.alarm_email == "" ? 0 : 1
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.alarm_email
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each            = local.alarms
  alarm_name          = "${var.name}-${each.key}"
  namespace           = each.value[0]
  metric_name         = each.value[1]
  dimensions          = each.value[2]
  statistic           = each.value[3]
  comparison_operator = local.operators[each.value[4]]
  threshold           = each.value[5]
  period              = 60
  evaluation_periods  = each.value[6]
  treat_missing_data  = each.key == "too-few-processes" ? "breaching" : "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}
