# SPDX-License-Identifier: Apache-2.0
# What the scripts share: where they are, and what they need. Sourced, not run.

cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
bin=$root/.tools/bin

say() { printf '== %s\n' "$*"; }
die() { printf 'accord: %s\n' "$*" >&2; exit 1; }

# need_go ends the script unless Go is there in go.mod's version, or can fetch it.
need_go() {
  local want have
  want=$(sed -n 's/^go //p' go.mod)
  command -v go >/dev/null || die "Go $want is not installed: see https://go.dev/doc/install"
  have=$(go env GOVERSION 2>&1) || die "Go $want is needed ($have): see https://go.dev/doc/install, or set GOTOOLCHAIN=auto"
  have=${have#go}
  [ "$(printf '%s\n' "$want" "${have%%[-\ ]*}" | sort -V | head -1)" = "$want" ] ||
    die "Go $want is needed, this is $have: see https://go.dev/doc/install"
}

# need_c ends the script unless the race detector can be linked.
need_c() {
  command -v "${CC:-gcc}" >/dev/null || command -v clang >/dev/null ||
    die "the race detector needs a C compiler: run make tools, or install gcc"
}

# tool builds a pinned tool of tools/go.mod once per version and prints its path.
tool() {
  local name=$1 pkg=$2
  if [ ! -x "$bin/$name" ] || [ "$(cat "$bin/$name.sum" 2>/dev/null)" != "$(tool_key)" ]; then
    printf '== build %s\n' "$name" >&2
    mkdir -p "$bin"
    go -C tools build -o "$bin/$name" "$pkg" >&2
    tool_key >"$bin/$name.sum"
  fi
  printf '%s\n' "$bin/$name"
}

tool_key() { { go env GOVERSION; cat tools/go.mod; } | cksum; }

# testrun runs go test with its arguments and says what failed and what was skipped.
testrun() {
  mkdir -p "$bin"
  go -C tools build -o "$bin/testrun" ./testrun
  if [ -z "${ACCORD_PYPEERS:-}" ] && [ -x .tools/pypeers/bin/python ]; then
    export ACCORD_PYPEERS=$root/.tools/pypeers
  fi
  if [ -z "${ACCORD_DATA:-}" ] && [ -d ../shared/data ]; then
    ACCORD_DATA=$(cd ../shared/data && pwd)
    export ACCORD_DATA
  fi
  "$bin/testrun" -allow tools/skips.txt "$@"
}
