#!/bin/sh
# The published image serves other containers without a password, too.
exec setpriv --reuid=valkey --regid=valkey --init-groups "$@" --protected-mode no
