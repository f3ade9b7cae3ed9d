#!/usr/bin/env bash
# What the official image's entry point does for the variables that our package sets.
set -euo pipefail
case $1 in
  rabbitmq*)
    if [ "$(id -u)" = 0 ]; then
      find /var/lib/rabbitmq \! -user rabbitmq -exec chown rabbitmq:rabbitmq {} +
      # Debian's wrappers insist on root or the user itself; the programs behind them do not.
      exec setpriv --reuid=rabbitmq --regid=rabbitmq --init-groups "$0" "$@"
    fi
    umask 077
    printf 'default_user = %s\ndefault_pass = %s\nloopback_users.guest = false\nlog.console = true\n' \
      "${RABBITMQ_DEFAULT_USER:-guest}" "${RABBITMQ_DEFAULT_PASS:-guest}" >/tmp/rabbitmq.conf
    export RABBITMQ_CONFIG_FILE=/tmp/rabbitmq.conf RABBITMQ_LOGS=-
    program=$1; shift
    exec "/usr/lib/rabbitmq/bin/$program" "$@"
    ;;
esac
exec "$@"
