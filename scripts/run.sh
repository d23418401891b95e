#!/usr/bin/env bash
# The product on demo data, from nothing to a page in the browser. Usage: scripts/run.sh  (PORT=8069, DATABASE=g2p)
# G2P_BULK_WORKERS=4 runs so many chunks of large steps at a time, whatever odoo.conf says.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
port=${PORT:-8069}
database=${DATABASE:-g2p}
pid_file=.run/odoo.pid

logins() {
  cat <<TEXT

  http://localhost:$port   (demo passwords: each is the login's own name)

  login       may
  ---------   ----------------------------------------------------------------
$(.venv/bin/python - <<'PY'
import ast, pathlib, re
source = pathlib.Path("addons/g2p_demo/models/demo_users.py").read_text()
for user in ast.literal_eval(re.search(r"DEMO_USERS = (\(.*?^\))", source, re.S | re.M).group(1)):
    print(f"  {user['login']:<9}   {user['may']}")
PY
)

  Log: .run/odoo.log · stop with Ctrl-C or 'make stop'
TEXT
}

scripts/install.sh
if alive "$pid_file" "$root/.venv/bin/python"; then
  say "already running as process $(cat "$pid_file") ('make stop' ends it)"
  logins
  exit 0
fi
port_is_free "$port" || die "port $port is taken by another program: choose another with 'make run PORT=…'"
scripts/postgres.sh start
use_postgres
scripts/database.sh ensure "$database" g2p_pbms g2p_demo
scripts/python scripts/main_job.py --database "$database" --once

[ -z "${G2P_BULK_WORKERS:-}" ] || export ODOO_QUEUE_JOB_CHANNELS="root:$G2P_BULK_WORKERS"
say "starting Odoo"
"$root/.venv/bin/python" -m odoo -d "$database" --db-filter "^$database\$" --http-port "$port" \
  --data-dir "$ODOO_DATA_DIR" --logfile "$root/.run/odoo.log" "$@" &
odoo=$!
echo "$odoo" >"$pid_file"
trap 'kill "$odoo" 2>/dev/null || true' INT TERM
for second in $(seq 120); do
  kill -0 "$odoo" 2>/dev/null || { tail -20 .run/odoo.log >&2; rm -f "$pid_file"; die "Odoo ended at once, see .run/odoo.log"; }
  port_is_free "$port" || break
  [ "$second" != 120 ] || die "Odoo does not answer on port $port, see .run/odoo.log"
  sleep 0.5
done
logins
status=0
wait "$odoo" || status=$?
# A signal ends the first wait: let Odoo finish what it was doing.
if kill -0 "$odoo" 2>/dev/null; then wait "$odoo" || status=$?; fi
rm -f "$pid_file"
case $status in 0 | 130 | 143) say "stopped" ;; *) die "Odoo ended with status $status, see .run/odoo.log" ;; esac
