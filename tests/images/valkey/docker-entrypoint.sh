#!/bin/sh
# What the official image's entry point does for the variables that our package sets.
set -eu
if [ "$1" = valkey-server ] && [ "$(id -u)" = 0 ]; then
  find . \! -user valkey -exec chown valkey:valkey {} +
  exec setpriv --reuid=valkey --regid=valkey --init-groups "$0" "$@"
fi
# As the official image: reachable from other containers although no address is configured.
[ "$1" != valkey-server ] || set -- "$@" --protected-mode no --bind '* -::*'
exec "$@"
