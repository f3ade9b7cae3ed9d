#!/usr/bin/env bash
# What the official image's entry point does for the variables that our package sets.
set -euo pipefail
data=/var/lib/mysql
if [ "$1" = mariadbd ] && [ "$(id -u)" = 0 ]; then
  mkdir -p "$data" /run/mysqld
  find "$data" /run/mysqld \! -user mysql -exec chown mysql:mysql {} +
  exec setpriv --reuid=mysql --regid=mysql --init-groups "$0" "$@"
fi
quoted() { printf "%s" "$1" | sed "s/\\\\/\\\\\\\\/g; s/'/''/g"; }
if [ "$1" = mariadbd ] && [ ! -d "$data/mysql" ]; then
  : "${MARIADB_ROOT_PASSWORD:?Database is uninitialized and password option is not specified.}"
  mariadb-install-db --datadir="$data" --auth-root-authentication-method=normal --skip-test-db --skip-name-resolve >/dev/null
  mariadbd --datadir="$data" --skip-networking --socket=/run/mysqld/init.sock &
  server=$!
  until mariadb-admin --socket=/run/mysqld/init.sock --user root ping >/dev/null 2>&1; do kill -0 "$server"; sleep 0.1; done
  mariadb --socket=/run/mysqld/init.sock --user root <<SQL
create database if not exists \`$MARIADB_DATABASE\`;
create user '$MARIADB_USER'@'%' identified by '$(quoted "$MARIADB_PASSWORD")';
grant all on \`$MARIADB_DATABASE\`.* to '$MARIADB_USER'@'%';
create user 'root'@'%' identified by '$(quoted "$MARIADB_ROOT_PASSWORD")';
grant all on *.* to 'root'@'%' with grant option;
set password for 'root'@'localhost' = password('$(quoted "$MARIADB_ROOT_PASSWORD")');
SQL
  kill "$server"
  wait "$server" || true
fi
exec "$@"
