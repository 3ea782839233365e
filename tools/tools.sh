#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tools.sh installs what the tests talk to: resolvers, PostgreSQL, a browser, and peers
# in Python under .tools/pypeers. It installs only what is missing, on Debian and
# Ubuntu as root; elsewhere it says what to install. No service is started.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# has says whether a program is there; the servers are not in everyone's PATH.
has() { PATH=$PATH:/usr/sbin:/usr/local/sbin command -v "$1" >/dev/null; }

packages=()
has unbound || packages+=(unbound)
has named || packages+=(bind9)
has dig || packages+=(bind9-dnsutils)
has initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || packages+=(postgresql)
has chromium || has chromium-browser || has google-chrome || packages+=(chromium)
has rg || packages+=(ripgrep)
has gcc || has clang || packages+=(gcc libc6-dev)
has git || packages+=(git)
python3 -c 'import venv, ensurepip' 2>/dev/null || packages+=(python3 python3-venv)

# install_packages keeps Debian from starting the servers: the tests start their own.
install_packages() {
  local policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    trap "rm -f $policy" EXIT
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  apt-get install -q -y --no-install-recommends "$@"
}

if [ ${#packages[@]} = 0 ]; then
  say "programs: all there"
elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  say "install ${packages[*]}"
  install_packages "${packages[@]}"
else
  cat >&2 <<TEXT
accord: not installed: ${packages[*]}
These are Debian's names. On Debian or Ubuntu, which start servers once installed:
  sudo apt-get install --no-install-recommends ${packages[*]}
  sudo systemctl disable --now unbound named postgresql
Or let this script do it, starting nothing:
  sudo tools/tools.sh
Elsewhere install Unbound, BIND 9 with dig, PostgreSQL, Chromium, ripgrep, a C compiler,
git, and Python 3 with venv, so that unbound, named, dig, initdb, chromium, rg, gcc, git
and python3 are in PATH. Tests that lack one are skipped and say so.
TEXT
  exit 1
fi

# The peers are as listed in pypeers.txt when its copy in the environment says so.
peers=.tools/pypeers
if cmp -s tools/pypeers.txt $peers/pypeers.txt && $peers/bin/python -c '' 2>/dev/null; then
  say "Python peers: all there"
else
  say "Python peers into $peers"
  rm -rf $peers
  python3 -m venv $peers
  $peers/bin/python -m pip install -q --disable-pip-version-check -r tools/pypeers.txt
  cp tools/pypeers.txt $peers/
fi
