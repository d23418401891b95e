#!/usr/bin/env bash
# Installs the suite into the database at the first start, then serves. HOST, USER and PASSWORD come from compose.yaml.
set -euo pipefail
database=${DATABASE:-g2p}
connection=(--db_host "$HOST" --db_port "${PORT:-5432}" --db_user "$USER" --db_password "$PASSWORD" -d "$database")
modules=g2p_pbms
[ "${DEMO:-}" != 1 ] || modules=g2p_pbms,g2p_demo
export PGHOST=$HOST PGPORT=${PORT:-5432} PGUSER=$USER PGPASSWORD=$PASSWORD
installed=$(psql -d "$database" -Atc "SELECT 1 FROM ir_module_module WHERE name = 'g2p_pbms' AND state = 'installed'" 2>/dev/null || true)
if [ "$installed" != 1 ]; then
  odoo "${connection[@]}" -i "$modules" --skip-auto-install --stop-after-init
fi
exec odoo "${connection[@]}" --db-filter "^$database\$"
