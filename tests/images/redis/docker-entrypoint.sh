#!/bin/sh
# What the official images' entry points do for the variables that our packages set: that of Redis, and of Valkey, too.
set -eu
name=${1%-server}
if [ "$1" = "$name-server" ]; then
  if [ "$(id -u)" = 0 ]; then
    find . \! -user "$name" -exec chown "$name:$name" {} +
    exec setpriv --reuid="$name" --regid="$name" --init-groups "$0" "$@"
  fi
  # As the official image: reachable from other containers although no address is configured.
  set -- "$@" --protected-mode no --bind '* -::*'
fi
exec "$@"
