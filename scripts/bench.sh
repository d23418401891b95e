#!/usr/bin/env bash
# The benchmark of tests/bench. Usage: scripts/bench.sh 1000 10000 …
# RUNS=1 for one run each; BENCH=name for other databases than bench_…; BASE=name for another base than g2p_base.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
scripts/install.sh
scripts/postgres.sh start
use_postgres
exec .venv/bin/python tests/bench/bench.py "$@"
