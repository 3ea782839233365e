#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# test.sh runs every test. Arguments go to go test: tools/test.sh -run DNS ./protect/...
set -euo pipefail
. "$(dirname "$0")/lib.sh"
need_go
[ $# -gt 0 ] || set -- ./...
testrun "$@"
