#!/usr/bin/env bash
# The pictures of docs/images, from the running product (`make run` in another window). Usage: scripts/screenshots.sh [NAME…]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
scripts/install.sh --dev
exec scripts/python scripts/screenshots.py --url "${URL:-http://127.0.0.1:${PORT:-8069}}" --database "${DATABASE:-g2p}" "$@"
