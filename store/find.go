// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"accord"
)

// rowsBy returns the item rows that a statement ending in "IN" selects.
func rowsBy[K any](ctx context.Context, q querier, full bool, head, tail string, keys []K) (out []row, err error) {
	columns := itemHead
	if full {
		columns = itemFull
	}
	err = each(ctx, q, "SELECT "+columns+" FROM item WHERE "+head+" IN ", tail, nil, keys, func(r *sql.Rows) error {
		var x row
		err := x.scan(r, full)
		out = append(out, x)
		return err
	})
	return out, err
}

// How much is read at once of items with their bytes, which may be many.
const (
	readBytes = 16 << 20
	readRows  = 256
)

// sized is an item and how many bytes it has.
type sized struct{ n, size int64 }

// parts cuts a list where the items come to rows, or their bytes to readBytes.
func parts(list []sized, rows int) (out [][]int64) {
	total := int64(0)
	for _, s := range list {
		last := len(out) - 1
		if last < 0 || len(out[last]) == rows || total+s.size > readBytes {
			out, total, last = append(out, nil), 0, last+1
		}
		out[last] = append(out[last], s.n)
		total += s.size
	}
	return out
}

// bySize cuts the numbers of items into parts that may be read at once.
func bySize(ctx context.Context, q querier, ns []int64) ([][]int64, error) {
	var list []sized
	ns = slices.Compact(slices.Sorted(slices.Values(ns)))
	err := each(ctx, q, "SELECT n, length(bytes) FROM item WHERE n IN ", "", nil, ns, func(r *sql.Rows) error {
		var s sized
		err := r.Scan(&s.n, &s.size)
		list = append(list, s)
		return err
	})
	return parts(list, readRows), err
}

// Items returns those of keys that are stored, in the order of keys, with bytes.
func (d *DB) Items(ctx context.Context, keys []accord.ItemKey) ([]accord.Item, error) {
	ids := idsOf(keys)
	slices.Sort(ids)
	rows, err := rowsBy(ctx, d, true, "id", "", slices.Compact(ids))
	if err != nil {
		return nil, fmt.Errorf("items: %w", err)
	}
	byKey := make(map[accord.ItemKey]accord.Item, len(rows))
	for _, r := range rows {
		byKey[r.ItemKey] = r.Item
	}
	var out []accord.Item
	for _, k := range keys {
		if it, ok := byKey[k]; ok {
			out = append(out, it)
		}
	}
	return out, nil
}

// Latest returns the newest version of each of these ids that is stored, with bytes.
func (d *DB) Latest(ctx context.Context, ids []string) (map[string]accord.Item, error) {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	rows, err := rowsBy(ctx, d, true, "id", " AND latest = 1", ids)
	if err != nil {
		return nil, fmt.Errorf("latest: %w", err)
	}
	out := make(map[string]accord.Item, len(rows))
	for _, r := range rows {
		out[r.ID] = r.Item
	}
	return out, nil
}

// Item returns the newest version of an item, or ErrNotFound.
func (d *DB) Item(ctx context.Context, id string) (accord.Item, error) {
	rows, err := rowsBy(ctx, d, true, "id", " AND latest = 1", []string{id})
	if err == nil && len(rows) == 0 {
		err = accord.ErrNotFound
	}
	if err != nil {
		return accord.Item{}, fmt.Errorf("item %s: %w", id, err)
	}
	return rows[0].Item, nil
}

// Versions returns every version of an item, newest first, with bytes.
func (d *DB) Versions(ctx context.Context, id string) ([]accord.Item, error) {
	rows, err := rowsBy(ctx, d, true, "id", " ORDER BY id, version", []string{id})
	if err != nil {
		return nil, fmt.Errorf("versions of %s: %w", id, err)
	}
	out := make([]accord.Item, 0, len(rows))
	for _, r := range slices.Backward(rows) {
		out = append(out, r.Item)
	}
	return out, nil
}

// Authors reports which of these ids some other item that lives names as its
// author, in its newest version.
func (d *DB) Authors(ctx context.Context, ids []string) (map[string]bool, error) {
	out := map[string]bool{}
	err := each(ctx, d, "SELECT id FROM author WHERE id IN ", " AND n > 0", nil, ids, func(r *sql.Rows) error {
		var id string
		err := r.Scan(&id)
		out[id] = true
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("authors: %w", err)
	}
	return out, nil
}

// Referrers returns up to limit items, in their newest version, that refer to one
// of these ids other than as their author.
func (d *DB) Referrers(ctx context.Context, ids []string, limit int) ([]accord.ItemKey, error) {
	var out []accord.ItemKey
	seen := map[accord.ItemKey]bool{}
	for part := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(ids))), 256) {
		err := each(ctx, d, "SELECT i.id, i.version FROM ref r JOIN item i ON i.n = r.item WHERE r.target IN ",
			fmt.Sprintf(" LIMIT %d", limit), nil, part, func(r *sql.Rows) error {
				var k accord.ItemKey
				err := r.Scan(&k.ID, &k.Version)
				if !seen[k] && len(out) < limit {
					out = append(out, k)
				}
				seen[k] = true
				return err
			})
		if err != nil {
			return nil, fmt.Errorf("referrers: %w", err)
		}
	}
	return out, nil
}
