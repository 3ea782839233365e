// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"fmt"

	"accord"
)

// refusalsKept is how many refusals are kept, so that hostile input cannot fill
// the disk with them.
const refusalsKept = 10000

// Audit stores who did what. Entries are never changed or removed.
func (d *DB) Audit(ctx context.Context, e accord.AuditEntry) error {
	return d.write(ctx, "audit", func(t *tx) error { return t.audit(ctx, e) })
}

// audit stores who did what in the transaction that does it.
func (t *tx) audit(ctx context.Context, e accord.AuditEntry) error {
	n, err := t.next(ctx, "audit")
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "INSERT INTO audit (n, at, who, what, object, detail) VALUES ($1, $2, $3, $4, $5, $6)",
		n, int64(e.At), e.Who, e.What, e.Object, e.Detail)
	return err
}

// AuditEntries returns the newest entries, newest first.
func (d *DB) AuditEntries(ctx context.Context, limit int) (out []accord.AuditEntry, err error) {
	rows, err := d.query(ctx, "SELECT at, who, what, object, detail FROM audit WHERE n > 0 ORDER BY n DESC LIMIT $1", limit)
	if err == nil {
		err = all(rows, func(r *sql.Rows) error {
			var e accord.AuditEntry
			err := r.Scan(&e.At, &e.Who, &e.What, &e.Object, &e.Detail)
			out = append(out, e)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("audit entries: %w", err)
	}
	return out, nil
}

// RecordRefusal keeps input that was turned away for people to see. The newest
// 10,000 are kept.
func (d *DB) RecordRefusal(ctx context.Context, source, what, why string, at accord.Stamp) error {
	return d.write(ctx, "record refusal", func(t *tx) error {
		n, err := t.next(ctx, "refusal")
		if err != nil {
			return err
		}
		if _, err := t.exec(ctx, "DELETE FROM refusal WHERE n <= $1", n-refusalsKept); err != nil {
			return err
		}
		_, err = t.exec(ctx, "INSERT INTO refusal (n, at, source, what, why) VALUES ($1, $2, $3, $4, $5)", n, int64(at), source, what, why)
		return err
	})
}

// Refusals returns the newest refusals, newest first.
func (d *DB) Refusals(ctx context.Context, limit int) (out []accord.Refusal, err error) {
	rows, err := d.query(ctx, "SELECT at, source, what, why FROM refusal WHERE n > 0 ORDER BY n DESC LIMIT $1", limit)
	if err == nil {
		err = all(rows, func(r *sql.Rows) error {
			var x accord.Refusal
			err := r.Scan(&x.At, &x.Source, &x.What, &x.Why)
			out = append(out, x)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("refusals: %w", err)
	}
	return out, nil
}
