// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"fmt"

	"accord"
)

// Counts returns the totals. Items are counted in their newest versions, the
// withdrawn apart; Received are gifts held; Protections are distinct values by
// zone. They are kept as rows of their own, so this is fast at any size.
func (d *DB) Counts(ctx context.Context) (accord.Counts, error) {
	c := accord.Counts{
		Protections: map[string]int64{}, Disclosed: map[string]int64{}, Withheld: map[string]int64{}, Receipted: map[string]int64{},
		Retracted: map[string]int64{}, Confirmed: map[string]int64{}, Received: map[string]int64{},
		ByType: map[string]int64{}, BySource: map[string]int64{},
	}
	totals := map[string]*int64{
		"items": &c.Items, "withdrawn": &c.Withdrawn, "held": &c.Held, "matches": &c.Matches, "matched": &c.MatchCount,
	}
	groups := map[string]map[string]int64{
		"type": c.ByType, "source": c.BySource, "disclosed": c.Disclosed, "withheld": c.Withheld, "receipted": c.Receipted,
		"retracted": c.Retracted, "confirmed": c.Confirmed, "received": c.Received,
	}
	rows, err := d.query(ctx, "SELECT kind, name, n FROM tally WHERE n <> 0")
	if err == nil {
		err = all(rows, func(r *sql.Rows) error {
			var kind, name string
			var n int64
			err := r.Scan(&kind, &name, &n)
			if total := totals[kind]; total != nil {
				*total += n
			} else if group := groups[kind]; group != nil {
				group[name] += n
			}
			return err
		})
	}
	if err == nil {
		rows, err = d.query(ctx, "SELECT name, entries FROM zone")
	}
	if err == nil {
		err = all(rows, func(r *sql.Rows) error {
			var zone string
			var n int64
			err := r.Scan(&zone, &n)
			c.Protections[zone] = n
			return err
		})
	}
	if err == nil {
		c.Seq, err = d.LastSeq(ctx)
	}
	if err != nil {
		return accord.Counts{}, fmt.Errorf("counts: %w", err)
	}
	c.Indicators = c.ByType["indicator"]
	return c, nil
}
