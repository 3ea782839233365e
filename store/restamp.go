// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"fmt"

	"accord"
)

// stampStage names the row of stage that holds the last stamp that Restamp gave.
func stampStage(party string) string { return "stamp:" + party }

// Restamp gives what stands of party's disclosures under an agreement new stamps,
// from at on and after all that were given, so that who reads the collection from
// where it stopped finds them again. It looks at limit disclosures from leaf index
// after on, moves the cursor of stage from after to where it ended, and says whether
// there are more.
func (d *DB) Restamp(ctx context.Context, party, agreement, stage string, after int64, limit int, at accord.Stamp) (to int64, more bool, err error) {
	err = d.write(ctx, "restamp for "+party, func(t *tx) error {
		last, err := lastStamp(ctx, t, party)
		if err != nil {
			return err
		}
		given := last
		to, more = after, false
		var rows []int64
		seen := 0
		found, err := t.query(ctx, "SELECT idx, agreement FROM disclosure WHERE party = $1 AND idx >= $2 ORDER BY idx LIMIT $3", party, after, limit)
		if err == nil {
			err = all(found, func(r *sql.Rows) error {
				var index int64
				var under string
				err := r.Scan(&index, &under)
				if seen++; under == agreement {
					rows = append(rows, index)
				}
				to = index + 1
				return err
			})
		}
		if err != nil {
			return err
		}
		for _, index := range rows {
			next := max(last+1, at)
			n, err := t.exec(ctx, "UPDATE disclosure SET stamp = $3 WHERE party = $1 AND idx = $2 AND standing = 1", party, index, int64(next))
			if err != nil {
				return err
			}
			if n > 0 {
				last = next
			}
		}
		more = seen == limit
		if last != given {
			if err := t.setStage(ctx, stampStage(party), int64(last)); err != nil {
				return err
			}
		}
		return t.advance(ctx, stage, after, to)
	})
	return to, more, err
}

// LastStamp returns the last stamp given in party's collection, 0 for none.
func (d *DB) LastStamp(ctx context.Context, party string) (accord.Stamp, error) {
	return lastStamp(ctx, d, party)
}

func lastStamp(ctx context.Context, q querier, party string) (last accord.Stamp, err error) {
	read := func(query, arg string) error {
		rows, err := q.query(ctx, query, arg)
		if err != nil {
			return err
		}
		return all(rows, func(r *sql.Rows) error {
			var at accord.Stamp
			err := r.Scan(&at)
			last = max(last, at)
			return err
		})
	}
	if err = read("SELECT stamp FROM disclosure WHERE party = $1 ORDER BY idx DESC LIMIT 1", party); err == nil {
		err = read("SELECT seq FROM stage WHERE name = $1", stampStage(party))
	}
	if err != nil {
		return 0, fmt.Errorf("last stamp of %s: %w", party, err)
	}
	return last, nil
}
