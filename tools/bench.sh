#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bench.sh runs benchmarks: BENCH is a pattern, BENCHTIME and COUNT go to go test.
# With BASE=old.txt, benchstat compares; the run is written to OUT.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
need_go
if [ $# = 0 ]; then
  mapfile -t packages < <(grep -rlE --include='*_test.go' '^func Benchmark' --exclude-dir=.tools . | xargs -n1 dirname | sort -u)
  set -- "${packages[@]}"
fi
out=${OUT:-$(mktemp)}
go test -run '^$' -bench "${BENCH:-.}" -benchtime "${BENCHTIME:-1s}" -count "${COUNT:-1}" -benchmem "$@" | tee "$out"
if [ -n "${BASE:-}" ]; then
  "$(tool benchstat golang.org/x/perf/cmd/benchstat)" "$BASE" "$out"
fi
