#!/usr/bin/env bash
# Installs Boathouse. Run `install.sh --help` for what it can do.
#
# Works from a checkout, from an unpacked release archive, and piped from curl. Everything is a function and the last line
# calls main: a download that breaks off does nothing. Other scripts of the project source this file for its functions.
set -euo pipefail

release_url=https://github.com/boathouse-dev/boathouse/releases/latest/download
here=
case ${BASH_SOURCE[0]:-} in '' | bash | /dev/*) ;; *) here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd) ;; esac
repository=
if [ -n "$here" ] && [ -f "$here/Cargo.toml" ] && [ -f "$here/app/Cargo.toml" ]; then repository=$here; fi

usage() {
  cat <<'EOF'
Installs Boathouse, a self-hosted deployment platform, as one binary.

  install.sh                     install, or upgrade in place: binary, data directory, service; ports 80 and 443
  install.sh --demo              try it: high ports on loopback, an administrator and an example project, all under ~/.boathouse-demo
  install.sh --uninstall         stop and remove the service and the binary; the data stays unless --purge is given
  install.sh --demo --uninstall  remove the demo and its data
  install.sh --engine            only make sure that a container engine runs
  install.sh --print-unit        print the systemd unit that would be installed

Where the binary comes from, first match: --archive, --from, an archive or a binary beside this script, the checkout that
this script is in (compiled here), the latest release.

  --archive FILE      a release archive; verified when a SHA256SUMS lies beside it
  --from URL          the folder that holds the archives and SHA256SUMS        (environment: BOATHOUSE_RELEASE)
  --prefix DIR        the binary goes to DIR/bin; anything but /usr/local installs no service   (default /usr/local)
  --data-dir DIR      state, secrets, logs                (default /var/lib/boathouse; with --demo ~/.boathouse-demo)
  --http-port N       (default 80; with --demo 18080)
  --https-port N      (default 443; with --demo 18443)
  --bind ADDRESS      the address that both ports listen on          (default: all; with --demo 127.0.0.1)
  --console-host NAME the console's host name             (default: this machine's; with --demo boathouse.localhost)
  --no-start          install the files only
  --purge             with --uninstall: remove the data as well
EOF
}

main() {
  arguments "$@"
  scratch=$(mktemp -d "${TMPDIR:-/tmp}/boathouse.XXXXXX") || die "no temporary folder can be made in ${TMPDIR:-/tmp}" "free some space there, or set TMPDIR"
  trap 'rm -rf "$scratch"' EXIT
  case $action in
    help) usage ;;
    print-unit) systemd_unit ;;
    engine) supported_machine && ensure_engine ;;
    demo) demo ;;
    demo-uninstall) demo_uninstall ;;
    install) install_for_real ;;
    uninstall) uninstall ;;
  esac
}

arguments() {
  action=install archive= from=${BOATHOUSE_RELEASE:-} prefix=/usr/local data_dir= http_port= https_port= bind= console_host= start=yes purge=
  local demo=
  while [ $# -gt 0 ]; do
    case $1 in
      --archive | --from | --prefix | --data-dir | --http-port | --https-port | --bind | --console-host)
        [ $# -ge 2 ] && [ -n "$2" ] || die "$1 needs a value" "see install.sh --help" ;;
    esac
    case $1 in
      --demo) demo=yes ;;
      --uninstall) action=uninstall ;;
      --engine) action=engine ;;
      --print-unit) action=print-unit ;;
      -h | --help) action=help ;;
      --no-start) start= ;;
      --purge) purge=yes ;;
      --archive) archive=$2; shift ;;
      --from) from=$2; shift ;;
      --prefix) prefix=$(absolute "$2"); shift ;;
      --data-dir) data_dir=$(absolute "$2"); shift ;;
      --http-port) http_port=$2; shift ;;
      --https-port) https_port=$2; shift ;;
      --bind) bind=$2; shift ;;
      --console-host) console_host=$2; shift ;;
      *) die "$1 is not an option" "see install.sh --help" ;;
    esac
    shift
  done
  if [ -n "$demo" ]; then
    case $action in install) action=demo ;; uninstall) action='demo-uninstall' ;; esac
    data_dir=${data_dir:-$HOME/.boathouse-demo} http_port=${http_port:-18080} https_port=${https_port:-18443}
    bind=${bind:-127.0.0.1} console_host=${console_host:-boathouse.localhost}
  else
    as_installed
    data_dir=${data_dir:-/var/lib/boathouse} http_port=${http_port:-80} https_port=${https_port:-443}
    bind=${bind:-[::]} console_host=${console_host:-$(own_name)}
    valid_for_a_unit
  fi
  valid_port --http-port "$http_port"
  valid_port --https-port "$https_port"
  [ "$http_port" != "$https_port" ] || die "--http-port and --https-port are both $http_port" "give two different ports"
}

# An upgrade keeps what the installation was told, except what it is told anew.
as_installed() {
  local http https
  http=$(told HTTP) https=$(told HTTPS)
  data_dir=${data_dir:-$(told DATA_DIR)} console_host=${console_host:-$(told CONSOLE_HOST)}
  http_port=${http_port:-${http##*:}} https_port=${https_port:-${https##*:}} bind=${bind:-${http%:*}}
}

# told SETTING: what the installed unit or, where there is none, the process in the background was given; else nothing
told() {
  local flag pid
  if [ "$prefix" = /usr/local ] && [ -r "$unit" ]; then
    sed -n "s/^Environment=\"BOATHOUSE_$1=\(.*\)\"\$/\1/p" "$unit" | tail -n 1
    return
  fi
  flag=--$(printf '%s' "$1" | tr '[:upper:]_' '[:lower:]-')
  pid=$(binary=$prefix/bin/boathouse pid_file=${data_dir:-/var/lib/boathouse}/boathouse.pid background_pid)
  [ -z "$pid" ] || tr '\0' '\n' <"/proc/$pid/cmdline" | awk -v flag="$flag" 'next_is_it { print; exit } $0 == flag { next_is_it = 1 }'
}

# This machine's full name; a bare one is completed to the name that multicast DNS gives it.
own_name() {
  local name
  name=$(hostname -f 2>/dev/null || uname -n)
  case $name in localhost | localhost.* | '') name=boathouse.localhost ;; *.*) ;; *) name=$name.local ;; esac
  printf '%s\n' "$name" | tr '[:upper:]_' '[:lower:]-'
}

# What becomes part of the unit may hold nothing that means something there.
valid_for_a_unit() {
  local path='A-Za-z0-9/._+@:, -' choose="choose one of letters, digits, spaces and / . _ + @ : , -"
  valid --prefix "$prefix" "$path" "$choose"
  valid --data-dir "$data_dir" "$path" "$choose"
  valid DOCKER_HOST "$(engine_socket)" "$path" "$choose"
  valid --bind "$bind" ']0-9A-Fa-f.:[' "give an IPv4 address, an IPv6 address in brackets, or [::] for all"
  valid --console-host "$console_host" 'a-z0-9.-' "give a host name like console.example.com, in lower case"
}

# valid OPTION VALUE CHARACTERS REMEDY
valid() {
  local LC_ALL=C
  # shellcheck disable=SC2295 # a pattern is meant
  case $2 in *[!$3]*) die "$1 cannot be $(printf %q "$2")" "$4" ;; esac
}

absolute() { case $1 in /*) printf '%s\n' "$1" ;; *) printf '%s\n' "$PWD/$1" ;; esac; }

valid_port() {
  case $2 in *[!0-9]* | '' | ??????*) die "$1 $2 is not a port" "give a number from 1 to 65535" ;; esac
  [ "$2" -ge 1 ] && [ "$2" -le 65535 ] || die "$1 $2 is not a port" "give a number from 1 to 65535"
}

# ---------------------------------------------------------------------------------------------------- the demo

demo() {
  supported_machine
  bundle=$repository
  binary=$data_dir/boathouse server_data=$data_dir/data log=$data_dir/boathouse.log pid_file=$data_dir/boathouse.pid
  free_ports
  mkdir -p "$data_dir" || die "$data_dir cannot be made" "give another folder: --data-dir DIR"
  chmod 700 "$data_dir"
  require_space "$data_dir" 500 "the demo's data"
  ensure_engine
  obtain_binary
  if ! cmp -s "$new_binary" "$binary"; then
    stop_background
    cp "$new_binary" "$binary.new" && chmod 755 "$binary.new" && mv "$binary.new" "$binary"
  fi
  start_background
  demo_administrator
  demo_project
  demo_check
  cat <<EOF

console:   https://$console_host:$https_port/
sign-in:   $(sed 's/ / · password: /;s/^/name: /' "$data_dir/sign-in")
app:       $app_url and $(component_url api)
root:      $data_dir/root.pem (the internal CA; import it, and browsers trust both addresses)
stop:      ./install.sh --demo --uninstall

demo: ok
EOF
}

demo_administrator() {
  local name=admin password
  if [ ! -s "$data_dir/sign-in" ]; then
    password=$(od -An -N15 -tx1 /dev/urandom | tr -d ' \n')
    (umask 077 && echo "$name $password" >"$data_dir/sign-in.new")
    say "creating the administrator"
    printf '%s\n' "$password" | boathouse setup --name "$name" --password-stdin >"$scratch/setup" 2>&1 ||
      { cat "$scratch/setup" >&2; die "the administrator could not be created" "remove the old demo: ./install.sh --demo --uninstall"; }
    mv "$data_dir/sign-in.new" "$data_dir/sign-in"
  fi
}

# The example's server component is this very binary in an image FROM scratch: nothing is pulled.
demo_project() {
  rm -rf "${data_dir:?}/hello"
  cp -R "$bundle/examples/hello" "$data_dir/hello"
  cp "$binary" "$data_dir/hello/api/boathouse"
  say "deploying the example project"
  boathouse deploy "$data_dir/hello" --project hello --create --wait || die "the example project did not go live" "the build log above and $log say why"
}

demo_check() {
  local api_url
  boathouse ca >"$data_dir/root.pem" || die "the internal CA has no root" "see $log"
  app_url=$(component_url web) api_url=$(component_url api)
  say "fetching $app_url and $api_url"
  fetch "$app_url" >"$scratch/web" || die "$app_url does not answer over verified HTTPS" "see $log"
  cmp -s "$scratch/web" "$bundle/examples/hello/web/index.html" || die "$app_url does not answer with the example's page" "it answered: $(head -c 300 "$scratch/web")"
  fetch "$api_url" >"$scratch/api" || die "$api_url does not answer over verified HTTPS" "see $log"
  grep -q 'Hello from Boathouse' "$scratch/api" || die "$api_url does not answer with the greeting" "it answered: $(head -c 300 "$scratch/api")"
}

# The address of a component of the example project.
component_url() {
  local url
  url=$(boathouse domain list --project hello | awk -v component="$1" '$2 == component { print $1; exit }')
  case $url in https://*) echo "$url" ;; *) die "the component $1 of the example project has no address" "see $log" ;; esac
}

# Through the edge, the certificate verified against the internal CA and nothing else; the name resolves to where we listen.
fetch() {
  local host=${1#https://}
  host=${host%%/*}; host=${host%%:*}
  curl --fail --silent --show-error --noproxy '*' --max-time 20 --retry 5 --retry-connrefused --cacert "$data_dir/root.pem" \
    --resolve "$host:$https_port:$(reachable_bind)" "$1"
}

demo_uninstall() {
  binary=$data_dir/boathouse server_data=$data_dir/data log=$data_dir/boathouse.log pid_file=$data_dir/boathouse.pid
  [ -d "$data_dir" ] || { say "there is no demo in $data_dir"; return; }
  [ -x "$binary" ] && [ -d "$server_data" ] || die "$data_dir does not hold a demo" "remove it yourself if it is not needed"
  start_background
  delete_projects
  stop_background
  rm -rf "${data_dir:?}"
  say "the demo is removed"
}

# ---------------------------------------------------------------------------------------------------- the installation

install_for_real() {
  supported_machine
  binary=$prefix/bin/boathouse server_data=$data_dir log=$data_dir/boathouse.log pid_file=$data_dir/boathouse.pid
  if [ "$(id -u)" != 0 ] && { [ "$prefix" = /usr/local ] || [ "$http_port" -lt 1024 ] || [ "$https_port" -lt 1024 ]; }; then
    die "installing needs root" "run it with sudo: sudo ./install.sh, or: curl -fsSL … | sudo bash"
  fi
  [ -z "$start" ] || running || free_ports
  mkdir -p "$prefix/bin" "$data_dir" || die "$prefix/bin and $data_dir cannot be made" "check the permissions, or give --prefix and --data-dir"
  chmod 700 "$data_dir"
  require_space "$prefix/bin" 100 "the binary"
  require_space "$data_dir" 1000 "the state and the builds"
  obtain_binary
  [ -z "$start" ] || ensure_engine
  local before=
  if [ -e "$binary" ]; then
    before=$("$binary" --version 2>/dev/null || echo 'boathouse (unknown)')
    cp -p "$binary" "$binary.previous"
  fi
  # A rename: the running server keeps its file, and no half-written binary is ever found under the name.
  cp "$new_binary" "$binary.new" && chmod 755 "$binary.new" && mv "$binary.new" "$binary" || die "$binary cannot be written" "check the space and the permissions of $prefix/bin"
  if has_service; then
    [ ! -e "$unit" ] || cp "$unit" "$scratch/unit"
    systemd_unit >"$unit.new" && mv "$unit.new" "$unit" || die "$unit cannot be written" "check the space and the permissions of ${unit%/*}"
    systemctl daemon-reload
    overruled
  fi
  [ -z "$start" ] || start_server "$before"
  say "installed: $binary, $("$binary" --version)${before:+, before it $before}"
  say "data:      $data_dir"
  [ -n "$start" ] || { say "start it:  $(serve_line)"; return; }
  say "console:   https://$console_host$([ "$https_port" = 443 ] || echo ":$https_port")/"
  local token
  token=$(boathouse setup-token 2>/dev/null || true)
  if [ -n "$token" ]; then
    say "set-up:    open the console and enter this one-time token: $token"
  else
    say "sign in as before: the set-up is done already"
  fi
  has_service || say "no systemd here: it runs in the background. To start it with the machine, let your init run: $(serve_line)"
}

# Starts or restarts; a new version that does not come up makes room for the one before it, with the state of that.
start_server() {
  touch "$scratch/began"
  ! has_service || systemctl enable --quiet boathouse
  restart_server && wait_until_up && return
  if has_service; then journalctl -u boathouse -n 20 --no-pager >&2; else tail -n 20 "$log" >&2; fi
  [ -n "$1" ] || die "the server does not come up" "its last lines are above"
  stop_server
  mv "$binary.previous" "$binary"
  if [ -e "$scratch/unit" ]; then cp "$scratch/unit" "$unit"; systemctl daemon-reload; fi
  state_before_upgrade
  restart_server && wait_until_up || die "neither the new version nor $1 comes up" "the log is above; the state before the upgrade is in $data_dir/backups"
  die "the new version does not come up; $1 is back in its place and running" "its last lines are above"
}

# With systemd this ends when the server answers or has failed: it says so itself (Type=notify).
restart_server() {
  if has_service; then systemctl restart boathouse 2>/dev/null; else stop_background; start_background_process; fi
}

stop_server() { if has_service; then systemctl stop boathouse; else stop_background; fi; }

# What the new version made of the database means nothing to the old one. It was copied before it was changed.
state_before_upgrade() {
  local copy
  copy=$(find "$server_data/backups" -name 'boathouse-schema*.db' -newer "$scratch/began" 2>/dev/null | sort | head -n 1)
  [ -n "$copy" ] || return 0
  say "the database goes back to its state before the upgrade: $copy"
  cp -p "$copy" "$server_data/boathouse.db.new"
  rm -f "$server_data/boathouse.db-wal" "$server_data/boathouse.db-shm"
  mv "$server_data/boathouse.db.new" "$server_data/boathouse.db"
}

# The administrator's own file is stronger than what was asked for here, so it is said where they differ.
overruled() {
  local line name
  [ -r "$settings" ] || return 0
  for line in "BOATHOUSE_HTTP=$bind:$http_port" "BOATHOUSE_HTTPS=$bind:$https_port" "BOATHOUSE_CONSOLE_HOST=$console_host"; do
    name=${line%%=*}
    if grep -q "^$name=" "$settings" && ! grep -qxF "$line" "$settings"; then
      say "warning: $settings sets $(grep "^$name=" "$settings" | tail -n 1), which wins over $line"
    fi
  done
}

uninstall() {
  binary=$prefix/bin/boathouse server_data=$data_dir log=$data_dir/boathouse.log pid_file=$data_dir/boathouse.pid
  if [ "$(id -u)" != 0 ] && [ "$prefix" = /usr/local ]; then die "uninstalling needs root" "run it with sudo"; fi
  if [ -n "$purge" ] && [ -x "$binary" ] && up; then delete_projects; fi
  if has_service && [ -e "$unit" ]; then
    systemctl disable --now --quiet boathouse || true
    rm -f "$unit"
    systemctl daemon-reload
    systemctl reset-failed boathouse 2>/dev/null || true
  fi
  stop_background
  rm -f "$binary" "$binary.previous"
  say "removed:   $binary"
  if [ -z "$purge" ]; then
    say "kept:      $data_dir (install again to use it, or remove it with --uninstall --purge)"
    say "containers of deployed apps keep running until the engine stops them"
    return
  fi
  if [ -d "$data_dir" ]; then
    [ -e "$data_dir/boathouse.db" ] || [ -z "$(ls -A "$data_dir")" ] || die "$data_dir holds no Boathouse data" "it was not touched; is --data-dir right?"
    rm -rf "${data_dir:?}"
    say "removed:   $data_dir"
  fi
  # Settings and drop-ins belong to the service, so they go with the data.
  if [ "$prefix" = /usr/local ]; then rm -rf "${settings%/*}" "$unit.d"; fi
}

# The server itself removes what it made at the engine, in the background: it alone knows what that is.
delete_projects() {
  local name instance deadline=$((SECONDS + 90))
  instance=$(boathouse project list --json | grep -o '"bh-[0-9a-z]*-' | head -n 1 | tr -d '"' || true)
  for name in $(boathouse project list | awk 'NR > 1 { print $1 }' | sort -u); do
    say "removing the project $name"
    boathouse project delete "$name" --yes --now >/dev/null || say "the project $name could not be removed: look for its containers at the engine"
  done
  [ -n "$instance" ] || return 0
  while engine_has containers "all=1&filters={\"name\":[\"$instance\"]}" || engine_has networks "filters={\"name\":[\"$instance\"]}" ||
    engine_has images "filters={\"reference\":[\"boathouse-$(echo "$instance" | cut -d- -f2)/*\"]}"; do
    if [ $SECONDS -ge $deadline ]; then say "some objects named $instance… are still at the engine: remove them there"; return; fi
    sleep 0.3
  done
}

# engine_has KIND QUERY: a list of objects that is not empty
engine_has() {
  local path=$1/json found
  [ "$1" != networks ] || path=networks
  found=$(curl --silent --globoff --max-time 10 --unix-socket "$(engine_socket)" "http://engine/$path?$2") || return 1
  [ "$found" != '[]' ] && [ -n "${found//[[:space:]]/}" ] && case $found in '['*) true ;; *) false ;; esac
}

# ---------------------------------------------------------------------------------------------------- the binary

# Sets new_binary, and bundle: the folder that holds the examples.
obtain_binary() {
  local name
  if [ -n "$archive" ]; then
    unpack_archive "$archive"
  elif [ -n "$from" ]; then
    download "$from"
  elif [ -n "$here" ] && [ -z "$repository" ] && [ -x "$here/boathouse" ]; then
    new_binary=$here/boathouse bundle=$here
  elif [ -n "$here" ] && name=$(newest_archive "$here") && [ -n "$name" ]; then
    unpack_archive "$name"
  elif [ -n "$repository" ]; then
    compile
  else
    download "$release_url"
  fi
  "$new_binary" --version >/dev/null 2>&1 || die "$new_binary does not run on this machine" "is it made for $(uname -m)?"
}

newest_archive() { find "$1" -maxdepth 1 -name "boathouse-*-$(processor).tar.gz" 2>/dev/null | sort -V | tail -n 1; }

compile() {
  require_space "$repository" 5000 "compiling"
  . "$repository/.ci/toolchain.sh"
  toolchain_native
  "$repository/frontend/build" || die "the console does not build" "the messages above say why"
  say "compiling the server (some minutes the first time)"
  new_binary=$(build_static "$([ "$action" = demo ] && echo demo || echo release)") || exit 1
  bundle=$repository
}

download() {
  local url=${1%/} name machine
  machine=$(processor)
  case $url in
    https://* | http://127.0.0.1:* | http://localhost:* | http://\[::1\]:*) ;;
    http://*) [ -n "${BOATHOUSE_ALLOW_HTTP:-}" ] || die "$url is not encrypted: neither archive nor checksum would be protected" "use https, or set BOATHOUSE_ALLOW_HTTP=1 in a network that you trust" ;;
    *) die "$url is not an address to download from" "give https://…" ;;
  esac
  say "downloading from $url"
  get "$url/SHA256SUMS" "$scratch/SHA256SUMS" || die "$url/SHA256SUMS cannot be fetched" "check the address and the connection, or install offline: --archive FILE"
  name=$(sed -n "s/^[0-9a-f]\{64\}  \(boathouse-[0-9A-Za-z.+-]*-$machine\.tar\.gz\)\$/\1/p" "$scratch/SHA256SUMS" | sort -V | tail -n 1)
  [ -n "$name" ] || die "the release at $url has no archive for $machine" "see what it offers: $(cut -c67- "$scratch/SHA256SUMS" | tr '\n' ' ')"
  get "$url/$name" "$scratch/$name" || die "$url/$name cannot be fetched" "try again, or install offline: --archive FILE"
  unpack_archive "$scratch/$name"
}

get() { curl --fail --silent --show-error --location --retry 3 --max-time 1800 --output "$2" "$1"; }

unpack_archive() {
  local archive=$1 name sums expected actual
  name=$(basename "$archive") sums=$(dirname "$archive")/SHA256SUMS
  [ -f "$archive" ] || die "there is no archive $archive" "check the path"
  if [ -f "$sums" ]; then
    expected=$(awk -v name="$name" '$2 == name || $2 == "*" name { print $1 }' "$sums")
    actual=$(sha256sum "$archive" | cut -d' ' -f1)
    [ -n "$expected" ] || die "$sums does not name $name" "fetch the SHA256SUMS of the same release"
    [ "$expected" = "$actual" ] || die "the checksum of $name is wrong: it is $actual, SHA256SUMS says $expected" "the file is damaged or not the released one: do not use it, fetch it again"
  else
    say "warning: no SHA256SUMS beside $archive, so it is not verified"
  fi
  mkdir -p "$scratch/archive"
  tar -xzf "$archive" -C "$scratch/archive" --strip-components=1 --no-same-owner 2>"$scratch/tar" || die "$archive cannot be unpacked: $(head -n 1 "$scratch/tar")" "fetch it again"
  new_binary=$scratch/archive/boathouse bundle=$scratch/archive
  [ -x "$new_binary" ] || die "$name holds no boathouse binary" "fetch a release archive"
}

# ---------------------------------------------------------------------------------------------------- the server

# The server of this data directory, whatever server the user's environment names.
boathouse() { env -u BOATHOUSE_URL -u BOATHOUSE_TOKEN -u BOATHOUSE_SOCKET "$binary" --data-dir "$server_data" "$@"; }

serve_arguments() {
  printf '%s\n' serve --data-dir "$server_data" --http "$bind:$http_port" --https "$bind:$https_port" --console-host "$console_host" --docker "$(engine_socket)"
}

serve_line() { echo "$binary $(serve_arguments | tr '\n' ' ')"; }

reachable_bind() { case $bind in 0.0.0.0) echo 127.0.0.1 ;; '[::]') echo 127.0.0.1 ;; *) echo "$bind" ;; esac; }

unit=/etc/systemd/system/boathouse.service
settings=/etc/boathouse/environment

has_service() { [ "$prefix" = /usr/local ] && [ "$action" != demo ] && [ -d /run/systemd/system ] && command -v systemctl >/dev/null 2>&1; }

# The engine's socket is root's in all but name, so the service runs as root and gives up what it does not need. It needs the
# control groups: that is where the limits of a build are set, because the engine takes none. A server that fails is started
# again and again, for ever: what was in its way, a port or a disk, may be gone by then.
systemd_unit() {
  binary=${binary:-$prefix/bin/boathouse} server_data=${server_data:-$data_dir}
  cat <<EOF
[Unit]
Description=Boathouse, a self-hosted deployment platform
Documentation=https://github.com/boathouse-dev/boathouse
After=network-online.target docker.service
Wants=network-online.target docker.service
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart="$binary" serve
Environment="BOATHOUSE_DATA_DIR=$server_data"
Environment="BOATHOUSE_DOCKER=$(engine_socket)"
Environment="BOATHOUSE_HTTP=$bind:$http_port"
Environment="BOATHOUSE_HTTPS=$bind:$https_port"
Environment="BOATHOUSE_CONSOLE_HOST=$console_host"
EnvironmentFile=-$settings
Restart=always
RestartSec=1
TimeoutStartSec=300
TimeoutStopSec=90
KillMode=mixed
LimitNOFILE=1048576
OOMScoreAdjust=-500
UMask=0077
CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_KILL
NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths="$server_data" -/sys/fs/cgroup
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
EOF
}

running() { has_service && systemctl is-active --quiet boathouse || [ -n "$(background_pid)" ]; }

# The process of the pid file, if it still is ours: a number may have gone to another program since.
background_pid() {
  local pid
  [ -s "$pid_file" ] || return 0
  pid=$(cat "$pid_file")
  case $(readlink "/proc/$pid/exe" 2>/dev/null) in "$binary" | "$binary (deleted)") echo "$pid" ;; esac
}

# Runs with the wanted arguments already: nothing to do. Else starts it.
start_background() {
  local pid
  pid=$(background_pid)
  if [ -n "$pid" ]; then
    if [ "$(tr '\0' '\n' <"/proc/$pid/cmdline" | tail -n +2)" = "$(serve_arguments)" ] && up; then
      say "the server runs already"
      return
    fi
    stop_background
  fi
  start_background_process
  wait_until_up && return
  tail -n 20 "$log" >&2
  die "the server does not come up" "its last lines are above; the whole log: $log"
}

start_background_process() {
  local arguments
  mapfile -t arguments < <(serve_arguments)
  mkdir -p "$server_data"
  say "starting the server"
  (ulimit -n "$(ulimit -Hn)"; umask 077; exec setsid "$binary" "${arguments[@]}" >>"$log" 2>&1 </dev/null) &
  echo $! >"$pid_file"
}

stop_background() {
  local pid waited=0
  pid=$(background_pid)
  [ -n "$pid" ] || return 0
  say "stopping the server that runs"
  kill "$pid" 2>/dev/null || true
  while [ -n "$(background_pid)" ]; do
    [ "$waited" -lt 600 ] || { kill -KILL "$pid" 2>/dev/null || true; break; }
    waited=$((waited + 1)); sleep 0.1
  done
  rm -f "$pid_file"
}

up() { curl --silent --fail --max-time 5 --output /dev/null --unix-socket "$server_data/boathouse.sock" http://boathouse/healthz 2>/dev/null; }

# False at once when the process that was started is gone; a service is restarted by systemd, so it gets its whole time.
wait_until_up() {
  local deadline=$((SECONDS + 60))
  until up; do
    [ $SECONDS -lt $deadline ] || return 1
    has_service || kill -0 "$(cat "$pid_file")" 2>/dev/null || return 1
    sleep 0.1
  done
}

# ---------------------------------------------------------------------------------------------------- the machine

supported_machine() {
  [ "$(uname -s)" = Linux ] || die "Boathouse runs on Linux; this is $(uname -s)" "use a Linux machine or a virtual one"
  processor >/dev/null
  command -v curl >/dev/null 2>&1 || packages curl ca-certificates
}

# The processor as the archives are named after it; some systems call it otherwise.
processor() {
  case $(uname -m) in
    x86_64 | amd64) echo x86_64 ;;
    aarch64 | arm64) echo aarch64 ;;
    *) die "there is no Boathouse for the processor $(uname -m)" "it runs on x86_64 and aarch64 (64 bits)" ;;
  esac
}

# Ports that our own server holds are no obstacle.
free_ports() {
  [ -z "$(background_pid)" ] || return 0
  local port
  for port in "$http_port" "$https_port"; do
    [ -z "$(listener "$port")" ] ||
      die "port $port is taken$(owner "$port")" "stop that program, or choose other ports: --http-port N --https-port N"
  done
}

# The inode of the socket that listens on a port, on any address.
listener() {
  local hex
  hex=$(printf ':%04X' "$1")
  cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v port="$hex" '$4 == "0A" && substr($2, length($2) - 4) == port { print $10; exit }'
}

owner() {
  local inode fd pid
  inode=$(listener "$1")
  fd=$(find /proc/[0-9]*/fd -lname "socket:\[$inode\]" -print -quit 2>/dev/null || true)
  [ -n "$fd" ] || return 0
  pid=${fd#/proc/}; pid=${pid%%/*}
  echo " by $(cat "/proc/$pid/comm") (process $pid)"
}

require_space() {
  local free
  free=$(df -Pk "$1" | awk 'NR == 2 { print int($4 / 1024) }')
  [ "$free" -ge "$2" ] || die "only $free MB are free in $1, and $3 needs $2 MB" "free some space there and run this again"
}

engine_socket() {
  case ${DOCKER_HOST:-} in unix://*) echo "${DOCKER_HOST#unix://}" ;; *) echo /var/run/docker.sock ;; esac
}

engine_answers() { [ "$(curl --silent --max-time 5 --unix-socket "$(engine_socket)" http://engine/_ping 2>/dev/null)" = OK ]; }

# The server asks for that API version (Docker Engine 20.10).
oldest_engine_api=1.41

# What speaks an older API would fail at the first deployment, so it is refused now.
engine_is_recent() {
  local version
  version=$(curl --silent --max-time 5 --unix-socket "$(engine_socket)" http://engine/version 2>/dev/null | sed -n 's/.*"ApiVersion":"\([0-9.]*\)".*/\1/p')
  [ -z "$version" ] || [ "$(printf '%s\n' "$oldest_engine_api" "$version" | sort -V | head -n 1)" = "$oldest_engine_api" ] ||
    die "the container engine at $(engine_socket) is too old: it speaks API $version, Boathouse needs $oldest_engine_api" "update it to Docker Engine 20.10 or later"
}

# A running container engine, else the distribution's, installed and started.
ensure_engine() {
  if engine_answers; then engine_is_recent; return; fi
  local socket
  socket=$(engine_socket)
  if [ -S "$socket" ] && [ ! -w "$socket" ]; then
    die "you may not use the container engine at $socket" "run this as root, or join its group: sudo usermod -aG docker $(id -un), then sign in again"
  fi
  if ! command -v dockerd >/dev/null 2>&1; then
    [ "$(id -u)" = 0 ] || die "there is no container engine, and installing one needs root" "run this as root, or install Docker first: apt-get install docker.io"
    require_space /var 1500 "the container engine"
    say "no container engine here: installing Debian's docker.io"
    packages docker.io iptables
  fi
  [ "$(id -u)" = 0 ] || die "the container engine does not run, and starting it needs root" "start it: sudo systemctl start docker"
  start_engine
}

start_engine() {
  local engine_log=${BOATHOUSE_ENGINE_LOG:-/var/log/dockerd.log} process= deadline=$((SECONDS + 90))
  if [ -d /run/systemd/system ]; then
    systemctl enable --now --quiet docker || die "the container engine does not start" "see: journalctl -u docker"
    engine_log="journalctl -u docker"
  else
    say "starting the container engine (no systemd here; log: $engine_log)"
    # A stale pid file of an engine that was killed would stop the new one.
    [ -e /var/run/docker.pid ] && ! kill -0 "$(cat /var/run/docker.pid)" 2>/dev/null && rm -f /var/run/docker.pid
    setsid dockerd >>"$engine_log" 2>&1 </dev/null &
    process=$!
  fi
  until engine_answers; do
    if [ $SECONDS -ge $deadline ] || { [ -n "$process" ] && ! kill -0 "$process" 2>/dev/null; }; then
      [ -z "$process" ] || tail -n 15 "$engine_log" >&2
      die "the container engine does not start" "its log says why: $engine_log"
    fi
    sleep 0.3
  done
}

# Installs the packages of a list that are missing.
packages() {
  local missing=() package
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null 2>&1 || die "these are missing: ${missing[*]}" "install them with your package manager (the names are Debian's) and run this again"
  local as_root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null || die "these packages are missing, and installing them needs root: ${missing[*]}" "run: sudo apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  require_space /var 1000 "installing packages"
  local log
  log=$(mktemp)
  say "installing ${missing[*]}"
  if ! { [ -n "${package_lists_fresh:-}" ] || ${as_root[@]+"${as_root[@]}"} apt-get update -q >"$log" 2>&1; } ||
    ! ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get install -y -q -o DPkg::Lock::Timeout=300 --no-install-recommends "${missing[@]}" >>"$log" 2>&1; then
    tail -n 15 "$log" >&2; rm -f "$log"
    die "the packages could not be installed: ${missing[*]}" "apt-get's last lines are above"
  fi
  package_lists_fresh=yes
  rm -f "$log"
}

say() { printf '%s\n' "$*"; }

# die WHAT REMEDY: what happened, and what to do about it
die() {
  printf 'boathouse: %s\n  → %s\n' "$1" "$2" >&2
  exit 1
}

(return 0 2>/dev/null) || { main "$@"; exit; }
