// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
)

// Repair makes anew, in one transaction, what follows from other tables: the
// indexes by value, reference, author and word, the totals, the zones' counts. It
// touches nothing that was received, decided or signed.
func (d *DB) Repair(ctx context.Context) error {
	return d.write(ctx, "repair", func(t *tx) error {
		totals, err := countTables(ctx, t)
		if err != nil {
			return err
		}
		for _, query := range []string{
			"DELETE FROM observable", "DELETE FROM ref", "DELETE FROM author", "DELETE FROM posting",
			"DELETE FROM tally WHERE kind IN ('items', 'type', 'source', 'held', 'withdrawn', 'disclosed', 'withheld', 'receipted', " +
				"'retracted', 'confirmed', 'matches', 'matched')",
			"UPDATE zone SET entries = (SELECT count(*) FROM (SELECT DISTINCT kind, value FROM protection p WHERE p.zone = zone.name) x)",
		} {
			if _, err := t.exec(ctx, query); err != nil {
				return err
			}
		}
		if err := t.reindex(ctx, totals); err != nil {
			return err
		}
		for k, n := range totals {
			t.tally(k.kind, k.name, k.part, n)
		}
		return nil
	})
}

// derive fills the index by word of a store whose items are older than it: the
// migration that made it knows no words. It is filled in one transaction, so an
// empty one beside items is one that was not filled.
func (d *DB) derive(ctx context.Context) error {
	var items, postings int64
	for query, n := range map[string]*int64{
		"SELECT count(*) FROM (SELECT n FROM item LIMIT 1) x":       &items,
		"SELECT count(*) FROM (SELECT term FROM posting LIMIT 1) x": &postings,
	} {
		rows, err := d.query(ctx, query)
		if err == nil {
			err = one(rows, n)
		}
		if err != nil {
			return err
		}
	}
	if items == 0 || postings > 0 {
		return nil
	}
	d.log.InfoContext(ctx, "making the search index of an older store; this is done once and takes about a minute for a million items")
	return d.Repair(ctx)
}

// reindex reads every item, a page at a time, and writes what it is found by.
func (t *tx) reindex(ctx context.Context, totals map[tallyKey]int64) error {
	authors := map[string]int64{}
	for after := int64(0); ; {
		var observables, refs []any
		var m move
		page, err := t.following(ctx, after)
		if err != nil {
			return err
		}
		if page == 0 {
			break
		}
		rows, err := t.query(ctx, "SELECT "+itemFull+" FROM item WHERE n > $1 ORDER BY n LIMIT $2", after, page)
		if err == nil {
			err = all(rows, func(r *sql.Rows) error {
				var x row
				if err := x.scan(r, true); err != nil {
					return err
				}
				after = x.n
				countRow(totals, &x)
				authors[authorOf(&x)]++
				observables = gained(observables, x.n, latestOnly(&x, values), nil)
				refs = gained(refs, x.n, latestOnly(&x, targets), nil)
				for _, term := range x.terms() {
					note(&m.gain, term, x.n)
				}
				return nil
			})
		}
		if err == nil {
			err = errors.Join(t.insert(ctx, insertObservable, observables), t.insert(ctx, insertRef, refs), t.post(ctx, &m))
		}
		if err != nil {
			return err
		}
	}
	delete(authors, "")
	var args []any
	for _, id := range slices.Sorted(maps.Keys(authors)) {
		args = append(args, id, authors[id])
	}
	return t.insert(ctx, upsertAuthor, args)
}

// following is how many items after after may be read at once; 0 when there are none.
func (t *tx) following(ctx context.Context, after int64) (int, error) {
	const page = 1000
	var list []sized
	rows, err := t.query(ctx, "SELECT n, length(bytes) FROM item WHERE n > $1 ORDER BY n LIMIT $2", after, page)
	if err == nil {
		err = all(rows, func(r *sql.Rows) error {
			var s sized
			err := r.Scan(&s.n, &s.size)
			list = append(list, s)
			return err
		})
	}
	if err != nil || len(list) == 0 {
		return 0, err
	}
	return len(parts(list, page)[0]), nil
}
