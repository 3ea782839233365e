// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"accord"
)

// date gives the changes of this transaction instants of their own: a row of epoch
// says when the first was made, the others follow by a microsecond each, and none
// comes before what was made by an earlier transaction.
func (t *tx) date(ctx context.Context) error {
	at := int64(0)
	for i := insertChange.columns - 1; i < len(t.changes); i += insertChange.columns {
		at = max(at, t.changes[i].(int64)) //nolint:forcetypeassert // what change put there
	}
	rows, err := t.query(ctx, "SELECT stamp + $1 - seq FROM epoch WHERE seq <= $1 ORDER BY seq DESC LIMIT 1", t.from)
	if err != nil {
		return err
	}
	last := int64(0)
	if err := all(rows, func(r *sql.Rows) error { return r.Scan(&last) }); err != nil {
		return err
	}
	_, err = t.exec(ctx, "INSERT INTO epoch (seq, stamp) VALUES ($1, $2)", t.from+1, max(at, last+1))
	return err
}

// seqAt returns the last change made at stamp or before it.
func (d *DB) seqAt(ctx context.Context, stamp accord.Stamp) (int64, error) {
	seq, at := int64(0), int64(0)
	read := func(query string, arg int64, into ...any) error {
		rows, err := d.query(ctx, query, arg)
		if err != nil {
			return err
		}
		return all(rows, func(r *sql.Rows) error { return r.Scan(into...) })
	}
	if err := read("SELECT seq, stamp FROM epoch WHERE stamp <= $1 ORDER BY stamp DESC LIMIT 1", int64(stamp), &seq, &at); err != nil || seq == 0 {
		return 0, err
	}
	next := int64(0)
	if err := read("SELECT seq FROM epoch WHERE seq > $1 ORDER BY seq LIMIT 1", seq, &next); err != nil {
		return 0, err
	}
	seq += int64(stamp) - at
	if next > 0 {
		seq = min(seq, next-1)
	}
	return seq, nil
}

const ownHead = "SELECT i.n, i.id, i.version, i.latest, length(i.bytes), " +
	"(SELECT e.stamp + i.seq - e.seq FROM epoch e WHERE e.seq <= i.seq ORDER BY e.seq DESC LIMIT 1) FROM item i WHERE i.withdrawn = 0 AND "

// Collection reads the node's own collection: up to limit item versions that live
// and were last written after after, in the order they were. An item whose terms
// change moves to the end of it.
func (d *DB) Collection(ctx context.Context, after accord.Stamp, limit int, f accord.EntryFilter) (out []accord.Entry, err error) {
	seq, err := d.seqAt(ctx, after)
	if err != nil {
		return nil, fmt.Errorf("collection: %w", err)
	}
	scan := func(r *sql.Rows) error {
		var e accord.Entry
		err := r.Scan(&e.Row, &e.ID, &e.Version, &e.Last, &e.Size, &e.Stamp)
		out = append(out, e)
		return err
	}
	latest := ""
	if f.Latest {
		latest = "i.latest = 1 AND "
	}
	switch {
	case len(f.IDs) > 0:
		err = each(ctx, d, ownHead+latest+"i.seq > $1 AND i.id IN ", "", []any{seq}, slices.Compact(slices.Sorted(slices.Values(f.IDs))), scan)
		out = slices.DeleteFunc(out, func(e accord.Entry) bool { return len(f.Types) > 0 && !slices.Contains(f.Types, typeOf(e.ID)) })
	case len(f.Types) > 0:
		for _, kind := range slices.Compact(slices.Sorted(slices.Values(f.Types))) {
			rows, err := d.query(ctx, ownHead+latest+"i.seq > $1 AND i.type = $2 ORDER BY i.seq LIMIT $3", seq, kind, limit)
			if err == nil {
				err = all(rows, scan)
			}
			if err != nil {
				return nil, fmt.Errorf("collection: %w", err)
			}
		}
	default:
		var rows *sql.Rows
		if rows, err = d.query(ctx, ownHead+latest+"i.seq > $1 ORDER BY i.seq LIMIT $2", seq, limit); err == nil {
			err = all(rows, scan)
		}
	}
	if err == nil && !f.Latest {
		err = d.markFirstOwn(ctx, out)
	}
	if err != nil {
		return nil, fmt.Errorf("collection: %w", err)
	}
	slices.SortFunc(out, func(a, b accord.Entry) int { return cmp.Compare(a.Stamp, b.Stamp) })
	return out[:min(limit, len(out))], nil
}

func (d *DB) markFirstOwn(ctx context.Context, list []accord.Entry) error {
	var ids []string
	for _, e := range list {
		ids = append(ids, e.ID)
	}
	first := map[string]accord.Stamp{}
	err := each(ctx, d, "SELECT id, version FROM item WHERE withdrawn = 0 AND id IN ", "", nil, slices.Compact(slices.Sorted(slices.Values(ids))), func(r *sql.Rows) error {
		var k accord.ItemKey
		err := r.Scan(&k.ID, &k.Version)
		if v, ok := first[k.ID]; !ok || k.Version < v {
			first[k.ID] = k.Version
		}
		return err
	})
	for i, e := range list {
		list[i].First = first[e.ID] == e.Version
	}
	return err
}

// CollectionBytes returns the bytes of these items, by row; those that live no more
// are left out.
func (d *DB) CollectionBytes(ctx context.Context, rows []int64) (map[int64][]byte, error) {
	out := make(map[int64][]byte, len(rows))
	err := each(ctx, d, "SELECT n, bytes FROM item WHERE withdrawn = 0 AND n IN ", "", nil, rows, func(r *sql.Rows) error { return scanBytes(r, out) })
	if err != nil {
		return nil, fmt.Errorf("bytes of items: %w", err)
	}
	return out, nil
}
