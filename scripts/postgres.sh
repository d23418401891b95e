#!/usr/bin/env bash
# The database server. Usage: scripts/postgres.sh start [--private] | stop | destroy | env
# A server that is named is used, and nothing is started: by PGHOST (PGPORT, PGUSER, PGPASSWORD) of the environment, else by
# db_host (db_port, db_user, db_password) of odoo.conf (ODOO_RC). Where none is named, a private cluster under .run/ is
# created from the system's PostgreSQL binaries and run as a user who is not root, on a Unix socket only.
# A named server that does not answer is an error: a mistyped name must not silently start another one. Whoever wants the
# private cluster then says so, by `start --private` or G2P_PRIVATE_POSTGRES=1; it is said aloud, and holds until `stop`.
# `env` prints PGHOST, PGPORT, PGUSER and PGPASSWORD for the shell to evaluate; for Odoo they go before its odoo.conf.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
run=$root/.run
mkdir -p "$run"
say() { printf '\033[1m[postgres]\033[0m %s\n' "$*" >&2; }
die() { printf '[postgres] %s\n' "$*" >&2; exit 1; }

# The user the cluster runs as: ourselves, or postgres when we are root.
if [ "$(id -u)" = 0 ]; then
  owner=postgres
  id "$owner" >/dev/null 2>&1 || die "the user postgres is missing: install the package postgresql"
  as_owner() { (cd / && runuser -u "$owner" -- "$@"); }
else
  owner=$(id -un)
  as_owner() { (cd / && "$@"); }
fi

bindir() {
  local dir
  dir=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
  [ -n "$dir" ] || dir=$(dirname "$(command -v postgres || true)")
  [ -x "$dir/initdb" ] || die "no PostgreSQL server binaries found: install the package postgresql"
  echo "$dir"
}

# The cluster lives under .run/ unless its owner can't reach that folder, or its path is too long for a socket (107 bytes).
place() {
  if [ -f "$run/postgres.place" ]; then cat "$run/postgres.place"; return; fi
  local dir=$run/postgres
  mkdir -p "$dir"
  [ "$(id -u)" != 0 ] || chown "$owner" "$dir"
  if [ ${#dir} -gt 80 ] || ! as_owner test -w "$dir"; then
    rmdir "$dir"
    dir=$(mktemp -d /var/tmp/g2p-postgres-XXXXXX)
    [ "$(id -u)" != 0 ] || chown "$owner" "$dir"
  fi
  chmod 700 "$dir"
  echo "$dir" | tee "$run/postgres.place"
}

# A setting of odoo.conf's [options]; Odoo writes False where there is none.
setting() {
  local value
  value=$(sed -n '/^\[options\]/,/^\[/{s/^[[:space:]]*'"$1"'[[:space:]]*=[[:space:]]*\(.*[^[:space:]]\)[[:space:]]*$/\1/p}' "${ODOO_RC:-$root/odoo.conf}" 2>/dev/null | tail -1)
  case $value in False | None | "") ;; *) printf '%s' "$value" ;; esac
}

# The named server: the environment's first, then odoo.conf's; libpq reads it from the environment.
named_by="PGHOST=${PGHOST:-}"
if [ -z "${PGHOST:-}" ]; then
  PGHOST=$(setting db_host)
  if [ -n "$PGHOST" ]; then
    named_by="db_host=$PGHOST in ${ODOO_RC:-odoo.conf}"
    for pair in PGPORT:db_port PGUSER:db_user PGPASSWORD:db_password; do
      name=${pair%%:*}
      value=$(setting "${pair##*:}")
      [ -n "${!name:-}" ] || [ -z "$value" ] || export "$name=$value"
    done
    export PGHOST
  fi
fi

# The private cluster was asked for although a server is named: until `stop`, every script uses it.
private_mark=$run/postgres.private
external() { [ -n "${PGHOST:-}" ] && [ ! -f "$private_mark" ] && [ -z "${G2P_PRIVATE_POSTGRES:-}" ]; }

start() {
  if external; then
    PGCONNECT_TIMEOUT=5 psql -d postgres -Atc 'SELECT 1' >/dev/null 2>&1 || die "$named_by does not answer. Start it, correct the name, or ask for a private cluster: scripts/postgres.sh start --private"
    say "using the server at $PGHOST"
    return
  fi
  if [ -n "${PGHOST:-}" ]; then
    say "$named_by is not used: a private cluster is, because it was asked for; 'make stop' ends that"
    touch "$private_mark"
    unset PGHOST PGPORT PGUSER PGPASSWORD
  fi
  local bin dir
  bin=$(bindir)
  dir=$(place)
  if [ ! -f "$dir/data/PG_VERSION" ]; then
    say "creating a private cluster"
    as_owner "$bin/initdb" -D "$dir/data" -U odoo --auth=trust -E UTF8 --locale=C.UTF-8 >"$run/initdb.log" 2>&1 || { cat "$run/initdb.log" >&2; die "initdb failed"; }
    as_owner tee -a "$dir/data/postgresql.conf" >/dev/null <<CONF

# Reached through the socket of this folder only (mode 0700); nothing listens on the network.
listen_addresses = ''
unix_socket_directories = '$dir'
unix_socket_permissions = 0700
max_connections = 120
shared_buffers = 1GB
work_mem = 64MB
maintenance_work_mem = 512MB
effective_cache_size = 4GB
max_wal_size = 8GB
checkpoint_timeout = 15min
random_page_cost = 1.1
jit = off
log_min_duration_statement = 5s
CONF
  fi
  if ! as_owner "$bin/pg_ctl" -D "$dir/data" status >/dev/null 2>&1; then
    as_owner "$bin/pg_ctl" -D "$dir/data" -l "$dir/server.log" -w -t 60 start >/dev/null || { as_owner tail -20 "$dir/server.log" >&2; die "PostgreSQL did not start"; }
    say "started (stopped by 'make stop')"
  fi
}

stop() {
  external && return 0
  rm -f "$private_mark"
  [ -f "$run/postgres.place" ] || return 0
  local dir bin
  dir=$(place); bin=$(bindir)
  [ -d "$dir/data" ] || return 0
  as_owner "$bin/pg_ctl" -D "$dir/data" -m fast -w stop >/dev/null 2>&1 && say "stopped" || true
}

case "${1:-}" in
  start)
    case "${2:-}" in --private) G2P_PRIVATE_POSTGRES=1 ;; "") ;; *) die "usage: $0 start [--private]" ;; esac
    start ;;
  stop) stop ;;
  destroy) stop; if [ -f "$run/postgres.place" ]; then rm -rf "$(cat "$run/postgres.place")" "$run/postgres.place"; fi ;;
  env)
    external || { PGHOST=$(place) PGPORT=5432 PGUSER=odoo PGPASSWORD=; }
    PGPORT=${PGPORT:-5432} PGUSER=${PGUSER:-$(id -un)}
    printf 'export PGHOST=%q PGPORT=%q PGUSER=%q\n' "$PGHOST" "$PGPORT" "$PGUSER"
    [ -z "${PGPASSWORD:-}" ] || printf 'export PGPASSWORD=%q\n' "$PGPASSWORD" ;;
  *) die "usage: $0 start [--private]|stop|destroy|env" ;;
esac
