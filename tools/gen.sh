#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# gen.sh writes anew what is generated. With --check it fails if that changes anything.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
need_go

generated=(
  cmd/accord/reference.md
  docs/reference/api.md
  docs/reference/config.md
  docs/reference/misp-types.md
  docs/reference/stix-checks.md
  docs/reference/stix-disagreements.md
  protect/suffix_parents.txt
)

if [ "${1:-}" = --check ]; then
  before=$(mktemp -d)
  trap 'rm -rf "$before"' EXIT
  cp --parents "${generated[@]}" "$before"
fi

go generate ./...
go test -count=1 ./cmd/accord ./api ./format/stix ./format/misp -run TheReferenceSays -update >/dev/null

if [ "${1:-}" = --check ]; then
  stale=0
  for f in "${generated[@]}"; do
    diff -u "$before/$f" "$f" || stale=1
  done
  [ $stale = 0 ] || die "generated files were not up to date; they are now: commit them"
fi
