// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib" // and driver "pgx"
)

// copyFrom is from how many rows on PostgreSQL takes them by COPY. Below it the
// statement that COPY asks for the columns' types costs more than it spares.
const copyFrom = 100

// copies reports whether so many rows of b go in by COPY: new ones, of which none
// is there yet, in a transaction of PostgreSQL.
func (t *tx) copies(b bulk, rows int) bool {
	return t.conn != nil && b.tail == "" && rows >= copyFrom && !t.db.packed
}

// copy puts rows in by COPY, within the transaction: they are there, and fail, as
// if they were inserted.
func (t *tx) copy(ctx context.Context, b bulk, args []any) error {
	clean(args)
	table, columns := b.target()
	err := t.conn.Raw(func(driver any) error {
		_, err := driver.(*stdlib.Conn).Conn().CopyFrom(ctx, pgx.Identifier{table}, columns, &flat{args: args, columns: b.columns})
		return err
	})
	if err != nil {
		return fmt.Errorf("copy into %s: %w", table, err)
	}
	return nil
}

// target takes "INSERT INTO t (a, b) VALUES " apart.
func (b bulk) target() (table string, columns []string) {
	table, list, _ := strings.Cut(strings.TrimPrefix(b.head, "INSERT INTO "), " (")
	list, _, _ = strings.Cut(list, ")")
	return table, strings.Split(list, ", ")
}

// flat gives rows that lie one after another.
type flat struct {
	args    []any
	columns int
	at      int // of the row after the present one
}

// Next goes to the next row.
func (f *flat) Next() bool {
	f.at += f.columns
	return f.at <= len(f.args)
}

// Values returns the present row.
func (f *flat) Values() ([]any, error) { return f.args[f.at-f.columns : f.at], nil }

// Err returns nil: the rows are in memory.
func (f *flat) Err() error { return nil }
