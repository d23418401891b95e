#!/usr/bin/env bash
# Writes the templates of translations (addons/*/i18n/*.pot) from the base database. --check only says which are not current.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
scripts/postgres.sh start
use_postgres
FAST=1 scripts/database.sh base
exec scripts/python scripts/pot.py --database "${BASE:-g2p_base}" "$@"
