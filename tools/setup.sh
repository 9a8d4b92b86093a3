#!/usr/bin/env bash
# Brings a bare Debian 12 machine to where `python -m lab.setup` can go on: Debian packages, uv, the environment.
# It changes nothing that is right already; a second run takes seconds.
set -euo pipefail
cd "$(dirname "$0")/.."
cache="${DCSHIFT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dcshift}"
uv_version=0.13.9

say() { printf 'setup: %s\n' "$*"; }

install_packages() {
  local wanted missing=()
  mapfile -t wanted < <(sed 's/#.*//; s/[[:space:]]*$//' tools/debian-packages.txt | grep -v '^$')
  for package in "${wanted[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  if [ ${#missing[@]} -eq 0 ]; then
    say "${#wanted[@]} Debian packages are here"
    return
  fi
  if [ "$(id -u)" != 0 ]; then
    say "these Debian packages are missing, and only root can install them: ${missing[*]}" >&2
    say "next: sudo apt-get install ${missing[*]}" >&2
    exit 2
  fi
  say "installing ${#missing[@]} of ${#wanted[@]} Debian packages: ${missing[*]}"
  # A service that a package would start (haproxy, containerd) has no business here: the lab starts what it needs.
  local policy=/usr/sbin/policy-rc.d made=0
  if [ ! -e $policy ]; then printf '#!/bin/sh\nexit 101\n' > $policy; chmod 755 $policy; made=1; fi
  local done=0
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"; } \
    > "$cache/apt.log" 2>&1 && done=1
  if [ $made = 1 ]; then rm -f $policy; fi
  if [ $done = 0 ]; then
    tail -20 "$cache/apt.log" >&2
    say "apt-get failed; its whole output is in $cache/apt.log" >&2
    exit 1
  fi
}

install_environment() {
  local uv="$cache/uv-$uv_version/bin/uv"
  if [ ! -x "$uv" ]; then
    say "installing uv $uv_version"
    rm -rf "$cache/uv-$uv_version"
    python3 -m venv "$cache/uv-$uv_version"
    "$cache/uv-$uv_version/bin/pip" install --quiet "uv==$uv_version"
  fi
  say "Python environment from uv.lock"
  # The machine's own authorities, as pip and Go use: many a public body reads its traffic through a proxy of its own.
  # Compiled once, here: where Python may not write beside its modules, every command would compile all of them again.
  "$uv" sync --frozen --quiet --system-certs --compile-bytecode
}

mkdir -p "$cache"
install_packages
install_environment
exec .venv/bin/python -m lab.setup --scale "${DCSHIFT_SCALE:-tenth}"
