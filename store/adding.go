// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"fmt"

	"accord"
)

// RecordAdd keeps a TAXII add request: its status, and the parts still to be done.
// Of finished ones of the same party those beyond the newest most are forgotten.
func (d *DB) RecordAdd(ctx context.Context, a accord.Adding, most int) error {
	return d.write(ctx, "record add", func(t *tx) error {
		n, err := t.next(ctx, "added")
		if err != nil {
			return err
		}
		if _, err := t.exec(ctx, "INSERT INTO added (id, n, party, done, body) VALUES ($1, $2, $3, $4, $5)",
			a.ID, n, a.Party, int64(a.Done), opaque(a.Status)); err != nil {
			return err
		}
		for i, part := range a.Parts {
			if _, err := t.exec(ctx, "INSERT INTO adding (n, part, id, party, objects) VALUES ($1, $2, $3, $4, $5)",
				n, i, a.ID, a.Party, opaque(part)); err != nil {
				return err
			}
		}
		_, err = t.exec(ctx, "DELETE FROM added WHERE party = $1 AND n < (SELECT o.n FROM added o WHERE o.party = $1 "+
			"ORDER BY o.n DESC LIMIT 1 OFFSET $2) AND done > 0", a.Party, most-1)
		return err
	})
}

// Added returns the status of an add request of party, or ErrNotFound.
func (d *DB) Added(ctx context.Context, party, id string) (status []byte, err error) {
	rows, err := d.query(ctx, "SELECT body FROM added WHERE id = $1 AND party = $2", id, party)
	if err == nil {
		err = one(rows, &status)
	}
	if err != nil {
		return nil, fmt.Errorf("status %s: %w", id, err)
	}
	return status, nil
}

// AddingOf returns how many parts of party's add requests are still to be done, at
// most limit.
func (d *DB) AddingOf(ctx context.Context, party string, limit int) (n int, err error) {
	rows, err := d.query(ctx, "SELECT part FROM adding WHERE party = $1 LIMIT $2", party, limit)
	if err == nil {
		err = all(rows, func(*sql.Rows) error { n++; return nil })
	}
	if err != nil {
		return 0, fmt.Errorf("adds of %s: %w", party, err)
	}
	return n, nil
}

// NextAdding returns the oldest part that is to be done after this one of a request,
// (0, -1) for the first of all, or ErrNotFound when all is done.
func (d *DB) NextAdding(ctx context.Context, number int64, part int) (p accord.AddingPart, err error) {
	rows, err := d.query(ctx, "SELECT n, part, id, party, objects FROM adding WHERE (n, part) > ($1, $2) ORDER BY n, part LIMIT 1", number, part)
	if err == nil {
		err = one(rows, &p.Number, &p.Part, &p.ID, &p.Party, &p.Objects)
	}
	if err == nil {
		p.Status, err = d.Added(ctx, p.Party, p.ID)
	}
	if err != nil {
		return p, fmt.Errorf("next add: %w", err)
	}
	return p, nil
}

// FinishAdding says that a part was done, what the request's status is now, and when
// all of it was, if so. ErrConflict when somebody else has done the part.
func (d *DB) FinishAdding(ctx context.Context, p accord.AddingPart, status []byte, done accord.Stamp) error {
	return d.write(ctx, "finish add", func(t *tx) error {
		n, err := t.exec(ctx, "DELETE FROM adding WHERE n = $1 AND part = $2", p.Number, p.Part)
		if err == nil && n == 0 {
			err = fmt.Errorf("%w: part %d of %s is done", accord.ErrConflict, p.Part, p.ID)
		}
		if err == nil {
			_, err = t.exec(ctx, "UPDATE added SET body = $2, done = $3 WHERE id = $1", p.ID, opaque(status), int64(done))
		}
		return err
	})
}

// ForgetAdded forgets add requests that were done before at.
func (d *DB) ForgetAdded(ctx context.Context, at accord.Stamp) error {
	return d.write(ctx, "forget adds", func(t *tx) error {
		_, err := t.exec(ctx, "DELETE FROM added WHERE done > 0 AND done < $1", int64(at))
		return err
	})
}
