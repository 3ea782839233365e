// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"log/slog"
	"strings"
)

// Trace has every statement told to fn before it runs.
func (d *DB) Trace(fn func(query string, args []any)) { d.traced = fn }

// Pool returns the readers' connections.
func (d *DB) Pool() *sql.DB { return d.pool }

// Alter runs a statement that no method would.
func (d *DB) Alter(ctx context.Context, query string, args ...any) error {
	if d.conn != nil {
		_, err := d.conn.ExecContext(ctx, query, args...)
		return err
	}
	_, err := d.pool.ExecContext(ctx, query, args...)
	return err
}

// OpenAt opens the store at rawURL with no migration after number version.
func OpenAt(ctx context.Context, rawURL string, version int64) (*sql.DB, error) {
	d := &DB{dialect: postgres, log: slog.New(slog.DiscardHandler)}
	driver, name := "pgx", rawURL
	if path, ok := strings.CutPrefix(rawURL, "sqlite:"); ok {
		d.dialect, driver, name = sqlite, "sqlite", path
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		return nil, err
	}
	all, err := steps()
	if err != nil {
		return nil, err
	}
	p, err := d.provider(db, all)
	if err != nil {
		return nil, err
	}
	_, err = p.UpTo(ctx, version)
	return db, err
}

// Sums returns the migrations' names and the sums of their texts.
func Sums() (out []string) {
	all, err := steps()
	if err != nil {
		panic(err)
	}
	for _, s := range all {
		out = append(out, s.sum+"  "+s.name)
	}
	return out
}

// Column is a column of a table, and what it takes: i, s, b or f.
type Column struct{ Name, Kind string }

// Columns returns the tables and their columns.
func (d *DB) Columns(ctx context.Context) (map[string][]Column, error) {
	list, kinds, err := columnsOf(ctx, d)
	out := map[string][]Column{}
	for _, t := range list {
		for _, c := range t.Columns {
			out[t.Name] = append(out[t.Name], Column{c, kinds[t.Name+"."+c]})
		}
	}
	return out, err
}

// Pack has rows go into PostgreSQL in statements of many rows, not by COPY.
func (d *DB) Pack() { d.packed = true }

// Parts cuts items of these sizes, numbered from 0, into what is read at once.
func Parts(rows int, sizes ...int64) [][]int64 {
	var list []sized
	for n, size := range sizes {
		list = append(list, sized{int64(n), size})
	}
	return parts(list, rows)
}
