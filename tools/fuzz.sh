#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# fuzz.sh runs every fuzz target for FUZZTIME each, and stops after FUZZTOTAL seconds
# saying what it left. A finding is written to testdata/fuzz of its package.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
need_go
each=${FUZZTIME:-10s}
total=${FUZZTOTAL:-86400}
only=${1:-.}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cache=$(go env GOCACHE)/fuzz

ran=0 left=0 failed=()
built=
while read -r dir target; do
  if [ $SECONDS -ge "$total" ]; then
    printf 'left out: %s %s\n' "$dir" "$target"
    left=$((left + 1))
    continue
  fi
  if [ "$built" != "$dir" ]; then
    go test -c -fuzz=. -o "$work/fuzz.test" "./$dir"
    built=$dir
  fi
  printf 'fuzz %s %s: ' "$dir" "$target"
  mkdir -p "$cache/accord/$dir"
  if out=$(cd "$dir" && "$work/fuzz.test" -test.run='^$' -test.fuzz="^$target\$" -test.fuzztime="$each" -test.fuzzcachedir="$cache/accord/$dir" 2>&1); then
    execs=$(grep -o 'execs: [0-9]*' <<<"$out" | tail -1) || true
    printf '%s\n' "${execs:-only the seeds in this time}"
  else
    printf 'FAIL\n%s\n' "$out"
    failed+=("$dir $target")
  fi
  ran=$((ran + 1))
done < <(grep -rnoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' --exclude-dir=.tools . |
  sed -E 's|^\./(.*)/[^/:]*:[0-9]+:func (.*)|\1 \2|' | grep -E "$only" | sort)

[ $ran -gt 0 ] || die "no fuzz target matches $only"
[ ${#failed[@]} = 0 ] || die "fuzzing failed: ${failed[*]}"
say "$ran fuzz targets, $each each, nothing found; $left left out"
