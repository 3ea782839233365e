// SPDX-License-Identifier: Apache-2.0

package page

import (
	"math"

	"accord"
)

// Gauge is a score as a bar: a number from 0 to 100, and whether it still counts.
type Gauge struct {
	Shown   bool
	Now     int64
	Band    int  // 0 to 10, the width of the bar
	Expired bool // below its model's threshold
}

// GaugeOf returns a score as a bar.
func GaugeOf(s accord.Score, now accord.Stamp) Gauge {
	n := min(100, max(0, math.Round(s.Now)))
	return Gauge{Shown: true, Now: int64(n), Band: int(math.Ceil(n / 10)), Expired: s.Expired(now)}
}
