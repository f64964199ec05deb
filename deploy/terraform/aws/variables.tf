variable "name" {
  description = "Name of everything that is made."
  type        = string
  default     = "simplechat"
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}$", var.name))
    error_message = "At most 20 small letters, digits and hyphens, a letter first."
  }
}

variable "region" {
  description = "AWS region."
  type        = string
}

variable "zones" {
  description = "Availability zones, at least two."
  type        = list(string)
  validation {
    condition     = length(var.zones) >= 2
    error_message = "The load balancer and the database need at least two zones."
  }
}

variable "public_url" {
  description = "The address people use, such as https://chat.example.org."
  type        = string
  validation {
    condition     = startswith(var.public_url, "https://")
    error_message = "It must begin with https://."
  }
}

variable "certificate_arn" {
  description = "The ACM certificate of that address."
  type        = string
}

variable "image" {
  description = "The image with its version."
  type        = string
}

variable "database_password" {
  description = "Letters and digits, for a new database. It is not kept in the state."
  type        = string
  ephemeral   = true
  sensitive   = true
}

variable "secret_key" {
  description = "Signs sign-in tokens: openssl rand -hex 32. It is not kept in the state."
  type        = string
  ephemeral   = true
  sensitive   = true
}

variable "secrets_version" {
  description = "Raise it to write a new password or key."
  type        = number
  default     = 1
}

variable "processes" {
  description = "Fewest and most processes, one to a task."
  type        = object({ least = number, most = number })
  default     = { least = 3, most = 12 }
}

variable "grace" {
  description = "Seconds a process may take to shut down (GRACE)."
  type        = number
  default     = 20
  validation {
    condition     = var.grace >= 8 && var.grace <= 110
    error_message = "From 8 to 110: Fargate waits two minutes at most."
  }
}

variable "database_class" {
  type    = string
  default = "db.m7g.large"
}

variable "cache_class" {
  type    = string
  default = "cache.t4g.small"
}

variable "alarm_email" {
  description = "Gets the alarms; empty for nobody."
  type        = string
  default     = ""
}
