#!/bin/sh
# What the official image's entry point does: the volume is Ghost's, and begins with what Ghost brings.
set -eu
if [ "$(id -u)" = 0 ]; then
  find content \! -user node -exec chown node:node {} +
  exec setpriv --reuid=node --regid=node --init-groups "$0" "$@"
fi
for folder in current/content/*/; do
  [ -e "content/$(basename "$folder")" ] || cp -R "$folder" content/
done
exec "$@"
