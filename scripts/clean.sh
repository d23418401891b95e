#!/usr/bin/env bash
# Deletes what the scripts made, except the downloaded Odoo: the private database cluster with ALL its databases, logs, the environment.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
scripts/stop.sh
scripts/postgres.sh destroy
rm -rf .run .venv .pytest_cache .ruff_cache .hypothesis
find addons tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +
say "removed .run/ and .venv/ (.odoo/ is kept; delete it to download Odoo anew)"
