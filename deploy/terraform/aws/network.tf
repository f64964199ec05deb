resource "aws_vpc" "this" {
  #checkov:skip=CKV2_AWS_11: Add flow logs if your rules ask for them: they cost more than they tell about a chat.
  cidr_block           = "10.0.0.0/16"
  enable_dns_hostnames = true
  tags                 = { Name = var.name }
}

resource "aws_default_security_group" "closed" {
  vpc_id = aws_vpc.this.id
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id
}

resource "aws_subnet" "public" {
  count             = length(var.zones)
  vpc_id            = aws_vpc.this.id
  availability_zone = var.zones[count.index]
  cidr_block        = cidrsubnet(aws_vpc.this.cidr_block, 8, count.index)
  tags              = { Name = "${var.name}-public-${var.zones[count.index]}" }
}

resource "aws_subnet" "private" {
  count             = length(var.zones)
  vpc_id            = aws_vpc.this.id
  availability_zone = var.zones[count.index]
  cidr_block        = cidrsubnet(aws_vpc.this.cidr_block, 8, 100 + count.index)
  tags              = { Name = "${var.name}-private-${var.zones[count.index]}" }
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.this.id
  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.this.id
  }
}

resource "aws_route_table_association" "public" {
  count          = length(var.zones)
  subnet_id      = aws_subnet.public[count.index].id
  route_table_id = aws_route_table.public.id
}

# One in each zone: a zone that fails takes no other with it.
resource "aws_eip" "nat" {
  count  = length(var.zones)
  domain = "vpc"
}

resource "aws_nat_gateway" "this" {
  count         = length(var.zones)
  allocation_id = aws_eip.nat[count.index].id
  subnet_id     = aws_subnet.public[count.index].id
  depends_on    = [aws_internet_gateway.this]
}

resource "aws_route_table" "private" {
  count  = length(var.zones)
  vpc_id = aws_vpc.this.id
  route {
    cidr_block     = "0.0.0.0/0"
    nat_gateway_id = aws_nat_gateway.this[count.index].id
  }
}

resource "aws_route_table_association" "private" {
  count          = length(var.zones)
  subnet_id      = aws_subnet.private[count.index].id
  route_table_id = aws_route_table.private[count.index].id
}

# From the world to the load balancer, from there to the chat, from there to the database and the broker.
resource "aws_security_group" "balancer" {
  name        = "${var.name}-balancer"
  description = "Reached by everybody"
  vpc_id      = aws_vpc.this.id
}

resource "aws_security_group" "chat" {
  name        = "${var.name}-chat"
  description = "Reached by the load balancer"
  vpc_id      = aws_vpc.this.id
}

resource "aws_security_group" "data" {
  name        = "${var.name}-data"
  description = "Reached by the chat"
  vpc_id      = aws_vpc.this.id
}

resource "aws_vpc_security_group_ingress_rule" "web" {
  #checkov:skip=CKV_AWS_260: Port 80 only leads to https.
  for_each          = toset(["80", "443"])
  description       = "Browsers"
  security_group_id = aws_security_group.balancer.id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = tonumber(each.key)
  to_port           = tonumber(each.key)
}

resource "aws_vpc_security_group_egress_rule" "balancer_to_chat" {
  description                  = "To the chat"
  security_group_id            = aws_security_group.balancer.id
  referenced_security_group_id = aws_security_group.chat.id
  ip_protocol                  = "tcp"
  from_port                    = 8000
  to_port                      = 8000
}

resource "aws_vpc_security_group_ingress_rule" "chat_from_balancer" {
  description                  = "From the load balancer"
  security_group_id            = aws_security_group.chat.id
  referenced_security_group_id = aws_security_group.balancer.id
  ip_protocol                  = "tcp"
  from_port                    = 8000
  to_port                      = 8000
}

resource "aws_vpc_security_group_egress_rule" "chat_to_data" {
  for_each                     = toset(["5432", "6379"])
  description                  = "To the database and the broker"
  security_group_id            = aws_security_group.chat.id
  referenced_security_group_id = aws_security_group.data.id
  ip_protocol                  = "tcp"
  from_port                    = tonumber(each.key)
  to_port                      = tonumber(each.key)
}

# For the image, the secrets, the bucket, the log, and pages that messages link to.
resource "aws_vpc_security_group_egress_rule" "chat_to_web" {
  for_each          = toset(["80", "443"])
  description       = "To AWS, registries and linked pages"
  security_group_id = aws_security_group.chat.id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = tonumber(each.key)
  to_port           = tonumber(each.key)
}

resource "aws_vpc_security_group_ingress_rule" "data_from_chat" {
  for_each                     = toset(["5432", "6379"])
  description                  = "From the chat"
  security_group_id            = aws_security_group.data.id
  referenced_security_group_id = aws_security_group.chat.id
  ip_protocol                  = "tcp"
  from_port                    = tonumber(each.key)
  to_port                      = tonumber(each.key)
}
