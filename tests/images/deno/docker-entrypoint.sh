#!/bin/sh
# As the official image's: a command of Deno's, or a program.
set -eu
case ${1:-} in
  eval | run | serve | task | test | install | cache | check | fmt | lint | info | repl | upgrade | --version | -*) exec deno "$@" ;;
esac
exec "$@"
