locals {
  secrets = toset(["DATABASE_URL", "SECRET_KEY"])
}

resource "aws_secretsmanager_secret" "this" {
  #checkov:skip=CKV_AWS_149: A key of AWS encrypts them.
  #checkov:skip=CKV2_AWS_57: A new SECRET_KEY signs everybody out. Raise secrets_version to write new ones.
  for_each    = local.secrets
  name_prefix = "${var.name}-${lower(replace(each.key, "_", "-"))}-"
}

resource "aws_secretsmanager_secret_version" "database_url" {
  secret_id = aws_secretsmanager_secret.this["DATABASE_URL"].id
  secret_string_wo = format(
    "postgresql://simplechat:%s@%s/simplechat?sslmode=require", var.database_password, aws_db_instance.this.endpoint
  )
  secret_string_wo_version = var.secrets_version
}

resource "aws_secretsmanager_secret_version" "secret_key" {
  secret_id                = aws_secretsmanager_secret.this["SECRET_KEY"].id
  secret_string_wo         = var.secret_key
  secret_string_wo_version = var.secrets_version
}
