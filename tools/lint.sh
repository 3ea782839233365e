#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# lint.sh runs golangci-lint, pinned in tools/go.mod; --fix puts files into form instead.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
need_go
lint=$(tool golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint)
if [ "${1:-}" = --fix ]; then
  shift
  exec "$lint" fmt "$@"
fi
"$lint" run --allow-parallel-runners "$@"
(cd tools && "$lint" run --allow-parallel-runners --config ../.golangci.yml ./testrun/...)
