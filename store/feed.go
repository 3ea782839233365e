// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"accord"
)

// LastSeq returns the newest sequence number of the change feed, 0 when empty.
func (d *DB) LastSeq(ctx context.Context) (seq int64, err error) {
	rows, err := d.query(ctx, "SELECT n FROM counter WHERE name = 'seq'")
	if err == nil {
		err = one(rows, &seq)
	}
	if err != nil {
		return 0, fmt.Errorf("last seq: %w", err)
	}
	return seq, nil
}

// Changes returns up to limit entries of the change feed after seq after.
func (d *DB) Changes(ctx context.Context, after int64, limit int) ([]accord.Change, error) {
	rows, err := d.query(ctx, "SELECT seq, kind, id, version, at FROM change WHERE seq > $1 ORDER BY seq LIMIT $2", after, limit)
	if err != nil {
		return nil, fmt.Errorf("changes: %w", err)
	}
	var out []accord.Change
	err = all(rows, func(r *sql.Rows) error {
		var c accord.Change
		err := r.Scan(&c.Seq, &c.Kind, &c.Key.ID, &c.Key.Version, &c.At)
		out = append(out, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("changes: %w", err)
	}
	return out, nil
}

// Cursor returns where stage stands in the change feed, 0 at first.
func (d *DB) Cursor(ctx context.Context, stage string) (seq int64, err error) {
	rows, err := d.query(ctx, "SELECT seq FROM stage WHERE name = $1", stage)
	if err == nil {
		err = one(rows, &seq)
	}
	if err != nil && !errors.Is(err, accord.ErrNotFound) {
		return 0, fmt.Errorf("cursor of %s: %w", stage, err)
	}
	return seq, nil
}

// Advance moves the cursor of stage, and fails with ErrConflict when it is not at from.
func (d *DB) Advance(ctx context.Context, stage string, from, to int64) error {
	return d.write(ctx, "advance "+stage, func(t *tx) error { return t.advance(ctx, stage, from, to) })
}

func (t *tx) advance(ctx context.Context, stage string, from, to int64) error {
	var at int64
	rows, err := t.query(ctx, "SELECT seq FROM stage WHERE name = $1", stage)
	if err == nil {
		err = one(rows, &at)
	}
	if err != nil && !errors.Is(err, accord.ErrNotFound) {
		return err
	}
	if at != from {
		return fmt.Errorf("%w: cursor of %s is at %d, not %d", accord.ErrConflict, stage, at, from)
	}
	if to == from {
		return nil
	}
	return t.setStage(ctx, stage, to)
}

func (t *tx) setStage(ctx context.Context, stage string, to int64) error {
	_, err := t.exec(ctx, "INSERT INTO stage (name, seq) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET seq = excluded.seq", stage, to)
	return err
}
