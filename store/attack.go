// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"accord"
)

// ItemsOfType returns up to limit items of a type, in their newest version and
// with bytes, in order of their last place in the feed, after place after.
func (d *DB) ItemsOfType(ctx context.Context, typ string, after int64, limit int) ([]accord.Item, error) {
	rows, err := d.query(ctx, "SELECT "+itemFull+" FROM item WHERE type = $1 AND seq > $2 AND latest = 1 ORDER BY seq LIMIT $3", typ, after, limit)
	if err != nil {
		return nil, fmt.Errorf("items of type %s: %w", typ, err)
	}
	var out []accord.Item
	err = all(rows, func(r *sql.Rows) error {
		var x row
		err := x.scan(r, true)
		out = append(out, x.Item)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("items of type %s: %w", typ, err)
	}
	return out, nil
}

// Referring calls fn once with every item, in its newest version and with bytes,
// that refers to one of these ids other than as its author.
func (d *DB) Referring(ctx context.Context, ids []string, fn func(accord.Item) error) error {
	var ns []int64
	targets := slices.Compact(slices.Sorted(slices.Values(ids)))
	err := each(ctx, d, "SELECT item FROM ref WHERE target IN ", "", nil, targets, func(r *sql.Rows) error {
		var n int64
		err := r.Scan(&n)
		ns = append(ns, n)
		return err
	})
	if err != nil {
		return fmt.Errorf("referring: %w", err)
	}
	read, err := bySize(ctx, d, ns)
	if err != nil {
		return fmt.Errorf("referring: %w", err)
	}
	for _, part := range read {
		rows, err := rowsBy(ctx, d, true, "n", " AND latest = 1", part)
		if err != nil {
			return fmt.Errorf("referring: %w", err)
		}
		for _, r := range rows {
			if err := fn(r.Item); err != nil {
				return err
			}
		}
	}
	return nil
}

// MatchesOf counts the matches of these indicators, repeats folded.
func (d *DB) MatchesOf(ctx context.Context, indicators []string) (map[string]int64, error) {
	out := map[string]int64{}
	ids := slices.Compact(slices.Sorted(slices.Values(indicators)))
	err := each(ctx, d, "SELECT indicator, COUNT(*) FROM sighting WHERE indicator IN ", " GROUP BY indicator", nil, ids, func(r *sql.Rows) error {
		var id string
		var n int64
		err := r.Scan(&id, &n)
		out[id] = n
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("matches of indicators: %w", err)
	}
	return out, nil
}
