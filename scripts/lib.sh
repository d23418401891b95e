# Shared by the other scripts: `source scripts/lib.sh` sets $root, goes there, and names the database server.
# shellcheck shell=bash
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
export ODOO_RC=${ODOO_RC:-$root/odoo.conf}
export ODOO_DATA_DIR=${ODOO_DATA_DIR:-$root/.run/data}
export PYTHONWARNINGS=${PYTHONWARNINGS:-ignore}

say() { printf '\033[1m[%s]\033[0m %s\n' "$(basename "$0" .sh)" "$*"; }
die() { printf '[%s] %s\n' "$(basename "$0" .sh)" "$*" >&2; exit 1; }

# Names PGHOST, PGPORT and PGUSER; the server itself is started by `scripts/postgres.sh start`.
use_postgres() { eval "$(scripts/postgres.sh env)"; }

# True while the process whose id stands in file $1 lives and is ours (its command line holds $2).
alive() {
  local pid
  pid=$(cat "$1" 2>/dev/null) && [ -n "$pid" ] && tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "$2"
}

# Ends the process named in file $1 (see alive): politely, and after 20 seconds for good.
end_process() {
  local pid
  if alive "$1" "$2"; then
    pid=$(cat "$1")
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.2; done
    kill -9 "$pid" 2>/dev/null || true
    say "stopped process $pid"
  fi
  rm -f "$1"
}

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
