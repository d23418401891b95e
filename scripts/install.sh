#!/usr/bin/env bash
# Installs everything the product needs: system packages, Odoo 19.0, a virtual environment.
# Safe to run again: what is there is kept. Usage: scripts/install.sh [--dev]
# Sources of Odoo, in order: $ODOO_SOURCE (a checkout), Debian's package odoo-19, a shallow clone of the 19.0 branch.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
odoo_dir=$root/.odoo
venv=$root/.venv
dev=${1:-}

say() { printf '\033[1m[install]\033[0m %s\n' "$*"; }
die() { printf '[install] %s\n' "$*" >&2; exit 1; }
as_root() { [ "$(id -u)" = 0 ]; }

missing_packages() {
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || echo "$package"
  done
}

apt_updated=
apt_install() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -eq 0 ] && return 0
  as_root || die "these packages are missing, please install them as root: ${missing[*]}"
  if [ -z "$apt_updated" ]; then
    say "refreshing the package lists"
    apt-get update -q >/dev/null
    apt_updated=1
  fi
  say "installing ${missing[*]}"
  DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends "${missing[@]}" >"$root/.run/apt.log" 2>&1 \
    || { tail -20 "$root/.run/apt.log" >&2; die "apt-get install failed"; }
}

system_packages() {
  command -v apt-get >/dev/null || { say "no apt-get here: PostgreSQL, a C compiler and libpq must be present already"; return 0; }
  apt_install ca-certificates gcc libc6-dev python3 python3-venv python3-dev libpq-dev libjpeg-dev zlib1g-dev git
  # The server only when no running one is named; Debian's package would otherwise start a cluster of its own.
  if [ -z "${PGHOST:-}" ] && ! ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; then
    apt_install postgresql postgresql-contrib
  fi
  if [ "$dev" = --dev ]; then
    apt_install chromium
  fi
}

# A private apt configuration that sees Debian's unstable suite beside the machine's own, on the mirror the machine uses.
# Nothing is installed from it: packages are downloaded and unpacked into .odoo/.
odoo_from_debian() {
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
  local mirror stable scratch
  [ -n "$apt_updated" ] || { as_root && apt-get update -q >/dev/null && apt_updated=1; } || true
  read -r mirror stable < <(apt-get indextargets 'Created-By: Packages' 'Origin: Debian' --format '$(REPO_URI) $(CODENAME)' \
    | awk '$2 !~ /-/ {print; exit}') || return 1
  [ -n "$mirror" ] || return 1
  scratch=$(mktemp -d)
  chmod 755 "$scratch"
  mkdir -p "$scratch"/{lists/partial,cache/archives/partial,debs,parts}
  local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  for suite in "$stable" sid; do
    printf 'deb [signed-by=%s arch=%s] %s %s main\n' "$keyring" "$(dpkg --print-architecture)" "$mirror" "$suite"
  done >"$scratch/sources.list"
  local options=(-o "Dir::Etc::SourceList=$scratch/sources.list" -o "Dir::Etc::SourceParts=$scratch/parts"
    -o "Dir::Etc::Preferences=/dev/null" -o "Dir::Etc::PreferencesParts=$scratch/parts"
    -o "Dir::State::Lists=$scratch/lists" -o "Dir::Cache=$scratch/cache" -o "Dir::State::status=/var/lib/dpkg/status"
    -o "APT::Sandbox::User=root")
  say "reading the index of Debian's unstable suite"
  apt-get "${options[@]}" update -q >"$scratch/log" 2>&1 || { tail -5 "$scratch/log" >&2; rm -rf "$scratch"; return 1; }
  say "downloading Odoo 19.0 (about 130 MB)"
  (cd "$scratch/debs" && apt-get "${options[@]}" download -q \
    odoo-19/sid fonts-montserrat/sid \
    "libjs-jquery/$stable" "libjs-jquery-form/$stable" "libjs-underscore/$stable" "fonts-roboto-unhinted/$stable" \
    "fonts-inconsolata/$stable" "fonts-ocr-b/$stable" "fonts-font-awesome/$stable") >>"$scratch/log" 2>&1 \
    || { tail -5 "$scratch/log" >&2; rm -rf "$scratch"; return 1; }
  say "unpacking"
  rm -rf "$odoo_dir.new"
  mkdir -p "$odoo_dir.new"
  for deb in "$scratch"/debs/*.deb; do dpkg-deb -x "$deb" "$odoo_dir.new"; done
  rm -rf "$scratch"
  relink "$odoo_dir.new"
  rm -rf "$odoo_dir"
  mv "$odoo_dir.new" "$odoo_dir"
  echo "Debian's package odoo-19" >"$odoo_dir/SOURCE"
}

# The package's static files link to absolute paths of an installed system: point them into the unpacked root.
relink() {
  local tree=$1 link target
  while IFS= read -r -d '' link; do
    target=$(readlink "$link")
    case "$target" in
      /*) if [ -e "$tree$target" ]; then ln -sfn "$(realpath -m --relative-to="$(dirname "$link")" "$tree$target")" "$link"; fi ;;
    esac
  done < <(find "$tree" -type l -print0)
}

odoo_source() {
  if [ -n "${ODOO_SOURCE:-}" ]; then
    [ -f "$ODOO_SOURCE/odoo/release.py" ] || die "ODOO_SOURCE=$ODOO_SOURCE holds no Odoo checkout (odoo/release.py is missing)"
    mkdir -p "$odoo_dir"
    echo "the checkout named by ODOO_SOURCE" >"$odoo_dir/SOURCE"
    odoo_paths=("$ODOO_SOURCE" "$ODOO_SOURCE/addons")
  else
    if [ ! -f "$odoo_dir/SOURCE" ] && ! odoo_from_debian; then
      say "Debian's package is not to be had, cloning the 19.0 branch"
      git clone --quiet --depth 1 --branch 19.0 https://github.com/odoo/odoo "$odoo_dir/src" \
        || die "Odoo 19.0 could not be fetched. Set ODOO_SOURCE=/path/to/an/odoo-19.0/checkout and try again."
      echo "a clone of the 19.0 branch" >"$odoo_dir/SOURCE"
    fi
    if [ -d "$odoo_dir/src" ]; then
      odoo_paths=("$odoo_dir/src" "$odoo_dir/src/addons")
    else
      odoo_paths=("$odoo_dir/usr/lib/python3/dist-packages")
    fi
  fi
  say "Odoo 19.0 from $(cat "$odoo_dir/SOURCE")"
}

python_environment() {
  local requirements=(-r "$root/requirements.txt") stamp wanted
  [ "$dev" = --dev ] && requirements+=(-r "$root/requirements-dev.txt")
  if [ ! -x "$venv/bin/python" ]; then
    local python=python3
    for candidate in python3.13 python3.12 python3.11; do
      if command -v "$candidate" >/dev/null && "$candidate" -c 'import venv, ensurepip' 2>/dev/null; then python=$candidate; break; fi
    done
    [ "$("$python" -c 'import sys; print(sys.version_info >= (3, 10))')" = True ] || die "Python 3.10 or newer is needed"
    say "creating the virtual environment with $("$python" --version)"
    "$python" -m venv "$venv"
  fi
  printf '%s\n' "${odoo_paths[0]}" >"$("$venv/bin/python" -c 'import site; print(site.getsitepackages()[0])')/odoo-source.pth"
  stamp=$venv/.installed$dev
  wanted=$(cat "$root"/requirements*.txt "$odoo_dir/SOURCE" | sha256sum)
  if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    say "installing Python packages"
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check "${requirements[@]}"
    printf '%s' "$wanted" >"$stamp"
  fi
  "$venv/bin/python" -c 'import odoo.release as r; assert r.version.startswith("19.0"), r.version' || die "the Odoo found is not 19.0"
}

mkdir -p "$root/.run"
system_packages
odoo_source
python_environment
say "ready"
