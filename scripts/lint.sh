#!/usr/bin/env bash
# ruff and pylint-odoo, configured in pyproject.toml, and whether what is drawn from manifests is current. --fix lets ruff repair and format.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
[ -x .venv/bin/ruff ] && [ -x .venv/bin/pylint ] || scripts/install.sh --dev
if [ "${1:-}" = --fix ]; then
  .venv/bin/ruff check --fix .
  exec .venv/bin/ruff format .
fi
say "ruff"
.venv/bin/ruff check .
.venv/bin/ruff format --check .
say "map of the modules"
.venv/bin/python scripts/module_map.py --check
say "pylint-odoo"
.venv/bin/pylint addons/*/
