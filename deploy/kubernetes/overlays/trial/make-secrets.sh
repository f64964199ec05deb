#!/bin/sh
# Write secrets.env, with new passwords, unless it is there.
set -eu
cd "$(dirname "$0")"
[ -e secrets.env ] && exit 0
umask 077
password=$(openssl rand -hex 24)
printf '%s\n' "POSTGRES_PASSWORD=$password" "SECRET_KEY=$(openssl rand -hex 32)" REDIS_URL=redis://broker:6379/0 \
  "DATABASE_URL=postgresql://simplechat:$password@database/simplechat" > secrets.env
