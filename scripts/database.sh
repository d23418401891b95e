#!/usr/bin/env bash
# Databases with the suite in them.
#   scripts/database.sh ensure NAME MODULE…   create NAME with the modules, or update it when the addons changed since
#   scripts/database.sh fresh NAME MODULE…    the same, but from nothing whenever the addons changed
#   scripts/database.sh base                  all addons, no people: the database g2p_base
#   scripts/database.sh demo NAME HOUSEHOLDS  all addons and a demo country of that size (kept while the addons stay the same)
#   scripts/database.sh odoo NAME MODULE…     Odoo's own modules without the suite (kept while Odoo stays the same)
#   scripts/database.sh copy FROM TO          TO becomes a copy of FROM, filestore included
#   scripts/database.sh drop NAME
# What an installation was made of is noted inside the database as a hash of the addons, so nothing is done twice.
# FAST=1 gives up durability of that database (synchronous_commit off): for tests, not for data.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
use_postgres

# Everything an installed database depends on: code, data and views; not tests, not texts, templates and descriptions.
addons_hash() {
  { find addons -type f -not -path '*/tests/*' -not -path '*/__pycache__/*' -not -path '*/static/description/*' \
      -not -name '*.md' -not -name '*.pot' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
    cat requirements.txt .odoo/SOURCE; echo "${G2P_DEMO_HOUSEHOLDS:-}" "$@"; } | sha256sum | cut -c1-32
}

exists() { [ "$(psql -d postgres -Atc "SELECT 1 FROM pg_database WHERE datname = '$1'")" = 1 ]; }

noted_hash() {
  psql -d "$1" -Atc "SELECT value FROM ir_config_parameter WHERE key = 'g2p_pbms.addons_hash'" 2>/dev/null || true
}

note_hash() {
  psql -d "$1" -q -v ON_ERROR_STOP=1 -c "INSERT INTO ir_config_parameter (key, value) VALUES ('g2p_pbms.addons_hash', '$2')
    ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value"
}

drop() {
  exists "$1" && dropdb --force "$1"
  rm -rf "$ODOO_DATA_DIR/filestore/$1"
}

# Shows each module as it is loaded, and every warning or error as it is (but not remarks on the READMEs' mark-up).
progress() {
  grep --line-buffered -v -e '^<string>:[0-9]*: (' -e '^Running as user' | awk '/ INFO / { if (match($0, /Loading module .*/)) { printf "  %s\n", substr($0, RSTART + 8, RLENGTH - 8); fflush() } next } { print; fflush() }'
}

odoo_modules() { # NAME -i|-u MODULES
  scripts/odoo -d "$1" "$2" "$3" --skip-auto-install --stop-after-init --no-http \
    --log-level=warn --log-handler=odoo.modules.loading:INFO 2>&1 | progress
}

install() { # NAME HASH MODULES
  say "creating database $1 with ${3//,/, } (a minute or two)"
  drop "$1" || true
  createdb -T template0 -E UTF8 --lc-collate=C --lc-ctype=C.UTF-8 "$1"
  [ -z "${FAST:-}" ] || psql -d postgres -qc "ALTER DATABASE \"$1\" SET synchronous_commit = off"
  odoo_modules "$1" -i "$3"
  verify "$1" "$3"
  note_hash "$1" "$2"
}

# Odoo may end with status 0 although a module could not be installed.
verify() { # NAME MODULES
  local missing
  missing=$(psql -d "$1" -Atc "SELECT string_agg(wanted, ', ') FROM unnest(string_to_array('$2', ',')) wanted
    WHERE NOT EXISTS (SELECT FROM ir_module_module WHERE name = wanted AND state = 'installed')")
  [ -z "$missing" ] || die "not installed in $1: $missing"
}

ensure() { # fresh|update NAME MODULE…
  local how=$1 name=$2 hash modules
  shift 2
  modules=$(IFS=,; echo "$*")
  hash=$(addons_hash "$@")
  if ! exists "$name" || [ -z "$(noted_hash "$name")" ]; then
    install "$name" "$hash" "$modules"
  elif [ "$(noted_hash "$name")" = "$hash" ]; then
    say "database $name is up to date"
  elif [ "$how" = fresh ]; then
    install "$name" "$hash" "$modules"
  else
    say "the addons changed: updating database $name"
    odoo_modules "$name" -u "g2p_bulk,$modules"
    verify "$name" "$modules"
    note_hash "$name" "$hash"
  fi
}

odoo() { # NAME MODULE…
  local name=$1 hash modules
  shift
  modules=$(IFS=,; echo "$*")
  hash=$({ cat requirements.txt .odoo/SOURCE; echo "$modules"; } | sha256sum | cut -c1-32)
  if exists "$name" && [ "$(noted_hash "$name")" = "$hash" ]; then
    say "database $name is up to date"
  else
    install "$name" "$hash" "$modules"
  fi
}

copy() { # FROM TO
  drop "$2" || true
  createdb -T "$1" "$2"
  [ -z "${FAST:-}" ] || psql -d postgres -qc "ALTER DATABASE \"$2\" SET synchronous_commit = off"
  if [ -d "$ODOO_DATA_DIR/filestore/$1" ]; then cp -rl "$ODOO_DATA_DIR/filestore/$1" "$ODOO_DATA_DIR/filestore/$2"; fi
}

# All addons without people: what tests and benchmarks copy. Named once, so that it is installed once.
base() {
  local modules=() manifest
  for manifest in addons/*/__manifest__.py; do modules+=("$(basename "$(dirname "$manifest")")"); done
  G2P_DEMO_HOUSEHOLDS=0 ensure fresh "$base" "${modules[@]}"
}

demo() { # NAME HOUSEHOLDS
  local hash
  base
  hash=$(noted_hash "$base")-$2
  if exists "$1" && [ "$(noted_hash "$1")" = "$hash" ]; then
    say "database $1 is up to date"
    return
  fi
  say "creating database $1 with $2 households"
  copy "$base" "$1"
  scripts/python scripts/demo.py --database "$1" --households "$2"
  note_hash "$1" "$hash"
}

base=${BASE:-g2p_base}
# Two runs at once must not build the same database.
mkdir -p .run
exec 9>.run/database.lock
flock 9
case "${1:-}" in
  base) base ;;
  demo) demo "$2" "$3" ;;
  ensure) shift; ensure update "$@" ;;
  fresh) shift; ensure fresh "$@" ;;
  odoo) shift; odoo "$@" ;;
  copy) copy "$2" "$3" ;;
  drop) drop "$2" || true ;;
  *) die "usage: $0 ensure|fresh|odoo NAME MODULE… | base | demo NAME HOUSEHOLDS | copy FROM TO | drop NAME" ;;
esac
