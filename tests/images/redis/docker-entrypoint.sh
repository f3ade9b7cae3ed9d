#!/bin/sh
# What the official image's entry point does for the variables that our package sets.
set -eu
if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then
  find . \! -user redis -exec chown redis:redis {} +
  exec setpriv --reuid=redis --regid=redis --init-groups "$0" "$@"
fi
# As the official image: reachable from other containers although no address is configured.
[ "$1" != redis-server ] || set -- "$@" --protected-mode no --bind '* -::*'
exec "$@"
