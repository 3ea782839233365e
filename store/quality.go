// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"accord"
)

// FeedQualities says what sources are worth: feeds, files, parties.
func (d *DB) FeedQualities(ctx context.Context, sources []string) (map[string]accord.FeedQuality, error) {
	totals := map[metricKey]int64{}
	err := each(ctx, d, "SELECT source, metric, n FROM feed_tally WHERE source IN ", "", nil, sources, func(r *sql.Rows) error {
		var k metricKey
		var n int64
		err := r.Scan(&k.source, &k.metric, &n)
		totals[k] = n
		return err
	})
	if err == nil {
		err = each(ctx, d, "SELECT name, n FROM tally WHERE kind = 'source' AND part = '' AND name IN ", "", nil, sources, func(r *sql.Rows) error {
			var source string
			var n int64
			err := r.Scan(&source, &n)
			totals[metricKey{source, "items"}] = n
			return err
		})
	}
	var last, at int64
	if err == nil {
		last, err = d.LastSeq(ctx)
	}
	if err == nil {
		at, err = d.Cursor(ctx, stageAppraise)
	}
	if err != nil {
		return nil, fmt.Errorf("feed qualities: %w", err)
	}
	out := make(map[string]accord.FeedQuality, len(sources))
	for _, s := range sources {
		of := func(metric string) int64 { return totals[metricKey{s, metric}] }
		out[s] = accord.FeedQuality{
			Source: s, Items: of("items"), Indicators: of("indicators"), Values: of("values"), First: of("first"), Unique: of("unique"),
			Dated: of("dated"), Fresh: of("fresh"), MedianAge: median(of),
			Useful: of("useful"), Matched: of("matched"), Protected: of("protected"), Disclosed: of("disclosed"),
			Held: of("held"), FalsePositive: of("false"),
			Runs: of("runs"), Failed: of("failed"), Refused: of("refused"), Conflicts: of("conflicts"),
			Behind: max(0, last-at),
		}
	}
	return out, nil
}

// median is the upper bound of the class of ages that the middle one is in: less
// than two to the power of its number seconds.
func median(of func(string) int64) accord.FeedDuration {
	n := int64(0)
	for class := range 34 {
		if n += of(fmt.Sprintf("age:%02d", class)); n > 0 && 2*n >= of("dated") {
			return accord.FeedDuration(time.Duration(1<<class) * time.Second)
		}
	}
	return 0
}
