#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# audit.sh looks up known holes in the modules used, and that they are what go.sum says.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
need_go
go mod verify
"$(tool govulncheck golang.org/x/vuln/cmd/govulncheck)" ./...
