#!/usr/bin/env bash
# The tests. Usage: scripts/test.sh [pytest arguments]; without any, everything under addons/*/tests and tests/ in several
# processes at a time (scripts/run_tests.py).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
database=${DATABASE:-g2p_test}
scripts/install.sh --dev
scripts/postgres.sh start
use_postgres
export FAST=1
scripts/database.sh base
if [ $# -eq 0 ]; then
  say "running the tests"
  DATABASE=$database exec .venv/bin/python scripts/run_tests.py
fi
scripts/database.sh copy g2p_base "$database"

free_port() { .venv/bin/python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
paths=()
for argument in "$@"; do case "$argument" in -*) ;; *) paths+=("$argument") ;; esac; done
[ ${#paths[@]} -gt 0 ] || set -- "$@" addons/*/tests tests
say "running the tests"
exec .venv/bin/python -m pytest --odoo-database="$database" --odoo-log-level=error \
  --odoo-extra "http-port=$(free_port)" --odoo-extra "db-filter=^$database\$" --odoo-extra "data-dir=$ODOO_DATA_DIR" "$@"
