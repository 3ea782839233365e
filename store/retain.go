// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"fmt"

	"accord"
)

// PastRetain returns up to limit item versions whose giver lets this node keep
// them no longer than at, the most overdue first; withdrawn ones too, until they
// are erased.
func (d *DB) PastRetain(ctx context.Context, at accord.Stamp, limit int) (out []accord.ItemKey, err error) {
	rows, err := d.query(ctx, "SELECT id, version FROM item WHERE retain > 0 AND retain <= $1 ORDER BY retain LIMIT $2", int64(at), limit)
	if err == nil {
		err = all(rows, func(r *sql.Rows) error {
			var k accord.ItemKey
			err := r.Scan(&k.ID, &k.Version)
			out = append(out, k)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("past retention: %w", err)
	}
	return out, nil
}

// Erase deletes the content of received items whose time is over at at: they are
// withdrawn, and their bytes, names and facts, and copies of them in disclosures,
// are emptied. Id, version, type, label and origin stay. Keys that are not stored,
// the node's own, or given anew for longer are passed over; where another partner
// gave the same bytes for longer, the item stays under its terms.
func (d *DB) Erase(ctx context.Context, keys []accord.ItemKey, at accord.Stamp) error {
	if len(keys) == 0 {
		return nil
	}
	return d.write(ctx, "erase", func(t *tx) error {
		e, err := t.load(ctx, idsOf(keys), at)
		if err != nil {
			return err
		}
		standing, err := gifts(ctx, t, idsOf(keys))
		if err != nil {
			return err
		}
		for _, key := range keys {
			v := e.find(key)
			if v == nil || v.Origin.Own() || v.retain() == 0 || v.retain() > at {
				continue
			}
			if v.Withdrawn == 0 && e.inherit(v, standing[key]) {
				continue
			}
			if err := e.erase(ctx, v); err != nil {
				return err
			}
		}
		for id := range e.byID {
			e.settle(id)
		}
		return e.finish(ctx)
	})
}

// erase empties v, and what was sent of it.
func (e *edit) erase(ctx context.Context, v *version) error {
	if v.Withdrawn == 0 {
		e.withdraw(v, "retention")
	}
	e.touch(v, "")
	v.Bytes, v.Name, v.lname, v.CreatedBy, v.Class, v.Held = nil, "", "", "", "", ""
	v.Observables, v.Refs, v.Labels, v.Sectors = nil, nil, nil, nil
	// Nobody reads it until the withdrawal has taken it back from them.
	_, err := e.t.exec(ctx, "UPDATE disclosure SET bytes = $3, standing = 0 WHERE item_id = $1 AND item_version = $2",
		v.ID, int64(v.Version), []byte{})
	return err
}
