#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# check.sh is the gate beside the tests: form, vet, lint, generated files, modules, races.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
need_go
need_c

say "format"
lint=$(tool golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint)
out=$("$lint" fmt --diff)
[ -z "$out" ] || { printf '%s\n' "$out"; die "not in form: run make fmt"; }

say "vet"
go vet ./...

say "lint"
tools/lint.sh

say "tools"
go -C tools vet ./testrun
go -C tools test ./testrun

say "generated files"
tools/gen.sh --check

say "modules"
go mod tidy -diff || die "go.mod is not tidy: run go mod tidy"

# Rooms with goroutines; the formats, agreements and the ledger have none. What only
# reads much in one goroutine, and the browser, are for make test.
say "race detector"
testrun -race -short -skip 'Real(Logs|Indicators|Intelligence)|NaiveMatcher' ./api/... ./cmd/... ./exchange/... \
  ./ingest/... ./match/... ./protect/... ./retain/... ./sensor/... ./store/... ./taxii/... ./web/...
say "check passed"
