#!/usr/bin/env bash
# Stops what `make run` and the tests started: by process id, nothing else.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
for pid_file in .run/*.pid; do
  if [ -e "$pid_file" ]; then end_process "$pid_file" "$root/.venv/bin/python"; fi
done
scripts/postgres.sh stop
