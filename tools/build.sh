#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build.sh builds bin/accord: one file, no cgo.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
need_go
CGO_ENABLED=0 go build -trimpath -o bin/accord ./cmd/accord
