#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# demo.sh builds the program and lets two nations on this machine play the main job.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
tools/build.sh
exec bin/accord demo "$@"
