#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# soak.sh repeats the tests of the rooms that have goroutines, in another order each
# time and under the race detector, until SOAK is over or something fails.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
need_go
need_c
end=$((SECONDS + $(awk -v d="${SOAK:-30m}" 'BEGIN{n=d+0; print n*(d~/h$/?3600:d~/m$/?60:1)}')))
round=0
while [ $SECONDS -lt $end ]; do
  round=$((round + 1))
  say "round $round"
  testrun -race -count=1 -shuffle=on ./exchange/... ./sensor/... ./store/... ./protect/... ./retain/... ./taxii/... ./cmd/... ||
    die "round $round failed; the -shuffle line above repeats it"
done
say "$round rounds passed"
