// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
	driver "modernc.org/sqlite"

	"accord"
)

// querier is what reads can run on: the pool of readers, or a transaction.
type querier interface {
	query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	engine() dialect
}

// tx is one write transaction: statements, and what is written once at its end.
type tx struct {
	db      *DB
	sql     *sql.Tx // PostgreSQL; SQLite runs on the writer's connection
	conn    *sql.Conn
	seq     int64 // last sequence number given
	from    int64 // what it was when the transaction began
	changes []any
	tallies map[tallyKey]int64
	numbers map[string]int64
}

type tallyKey struct{ kind, name, part string }

// write runs fn in one transaction, again when the engine says that it lost a
// race. So fn must set whatever it hands out each time it runs.
func (d *DB) write(ctx context.Context, what string, fn func(*tx) error) error {
	for attempt := 0; ; attempt++ {
		err := d.attempt(ctx, fn)
		if err == nil {
			return nil
		}
		if attempt == 8 || !transient(err) {
			return fmt.Errorf("%s: %w", what, err)
		}
		if err := pause(ctx, 5*time.Millisecond<<attempt); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
}

func (d *DB) attempt(ctx context.Context, fn func(*tx) error) (err error) {
	t := &tx{db: d, tallies: map[tallyKey]int64{}}
	// Statements run to their end: what is cancelled is the wait for a turn.
	inner := context.WithoutCancel(ctx)
	commit, rollback, err := t.begin(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			_ = rollback()
			panic(p)
		}
		if err != nil {
			err = errors.Join(err, rollback())
		}
	}()
	row, err := t.query(inner, "UPDATE counter SET n = n WHERE name = 'seq' RETURNING n")
	if err == nil {
		err = one(row, &t.seq)
	}
	if err != nil {
		return err
	}
	t.from = t.seq
	if err := fn(t); err != nil {
		return err
	}
	if err := t.flush(inner); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

func (t *tx) begin(ctx context.Context) (commit, rollback func() error, err error) {
	d := t.db
	if d.mode == reading {
		return nil, nil, errReading
	}
	if d.dialect == postgres {
		return t.beginPostgres(ctx)
	}
	select {
	case d.turn <- struct{}{}:
	case <-d.ended:
		return nil, nil, errClosed
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	run := func(ctx context.Context, word string) error {
		st, err := d.writes.get(ctx, word)
		if err == nil {
			_, err = st.ExecContext(ctx)
		}
		return err
	}
	inner := context.WithoutCancel(ctx)
	commit = func() error {
		err := run(inner, "COMMIT")
		if err == nil {
			<-d.turn
		}
		return err
	}
	rollback = func() error {
		defer func() { <-d.turn }()
		if err := run(inner, "ROLLBACK"); err != nil && !strings.Contains(err.Error(), "no transaction is active") {
			return err
		}
		return nil
	}
	if err := run(ctx, "BEGIN IMMEDIATE"); err != nil { // cancelled perhaps just after it began
		return nil, nil, errors.Join(err, rollback())
	}
	return commit, rollback, nil
}

func (t *tx) beginPostgres(ctx context.Context) (commit, rollback func() error, err error) {
	if t.conn, err = t.db.pool.Conn(ctx); err != nil {
		return nil, nil, err
	}
	if t.sql, err = t.conn.BeginTx(context.WithoutCancel(ctx), nil); err != nil {
		return nil, nil, errors.Join(err, t.conn.Close())
	}
	commit = func() error {
		err := t.sql.Commit()
		if err == nil {
			err = t.conn.Close()
		}
		return err
	}
	rollback = func() error {
		err := t.sql.Rollback()
		if errors.Is(err, sql.ErrTxDone) {
			err = nil
		}
		return errors.Join(err, t.conn.Close())
	}
	return commit, rollback, nil
}

// transient reports whether the engine asks for the transaction to be repeated.
func transient(err error) bool {
	if e, ok := errors.AsType[*driver.Error](err); ok {
		return e.Code()&0xff == 5 || e.Code()&0xff == 6 // SQLITE_BUSY, SQLITE_LOCKED
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code == "40001" || e.Code == "40P01" // serialization_failure, deadlock_detected
	}
	return false
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// change appends to the change feed and returns the sequence number given.
func (t *tx) change(kind accord.ChangeKind, key accord.ItemKey, at accord.Stamp) int64 {
	t.seq++
	t.changes = append(t.changes, t.seq, string(kind), key.ID, int64(key.Version), int64(at))
	return t.seq
}

func (t *tx) tally(kind, name, part string, by int64) {
	t.tallies[tallyKey{kind, name, part}] += by
}

// next gives the next number of a counter of its own.
func (t *tx) next(ctx context.Context, counter string) (n int64, err error) {
	if n, ok := t.numbers[counter]; ok {
		t.numbers[counter] = n + 1
		return n + 1, nil
	}
	rows, err := t.query(ctx, "SELECT n FROM counter WHERE name = $1", counter)
	if err != nil {
		return 0, err
	}
	if err := one(rows, &n); err != nil {
		return 0, err
	}
	if t.numbers == nil {
		t.numbers = map[string]int64{}
	}
	t.numbers[counter] = n + 1
	return n + 1, nil
}

// flush writes what gathers during a transaction.
func (t *tx) flush(ctx context.Context) error {
	if err := t.insert(ctx, insertChange, t.changes); err != nil {
		return err
	}
	keys := make([]tallyKey, 0, len(t.tallies))
	for k, by := range t.tallies {
		if by != 0 {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b tallyKey) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name), cmp.Compare(a.part, b.part))
	})
	var args []any
	for _, k := range keys {
		args = append(args, k.kind, k.name, k.part, t.tallies[k])
	}
	if err := t.insert(ctx, upsertTally, args); err != nil {
		return err
	}
	if t.seq != t.from {
		t.numberAt("seq", t.seq)
		if err := t.date(ctx); err != nil {
			return err
		}
	}
	for name, n := range t.numbers {
		if _, err := t.exec(ctx, "UPDATE counter SET n = $2 WHERE name = $1", name, n); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) numberAt(counter string, n int64) {
	if t.numbers == nil {
		t.numbers = map[string]int64{}
	}
	t.numbers[counter] = n
}

var (
	insertChange = bulk{head: "INSERT INTO change (seq, kind, id, version, at) VALUES ", columns: 5}
	upsertTally  = bulk{
		head: "INSERT INTO tally (kind, name, part, n) VALUES ", columns: 4,
		tail: " ON CONFLICT (kind, name, part) DO UPDATE SET n = tally.n + excluded.n",
	}
)

func (t *tx) engine() dialect { return t.db.dialect }
func (d *DB) engine() dialect { return d.dialect }

// exec runs a statement and returns how many rows it touched.
func (t *tx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	clean(args)
	if t.db.traced != nil {
		t.db.traced(query, args)
	}
	var res sql.Result
	var err error
	if t.sql != nil {
		res, err = t.sql.ExecContext(ctx, query, args...)
	} else {
		var st *sql.Stmt
		if st, err = t.db.writes.get(ctx, query); err == nil {
			res, err = st.ExecContext(ctx, args...)
		}
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", verb(query), err)
	}
	return res.RowsAffected()
}

func (t *tx) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	clean(args)
	if t.db.traced != nil {
		t.db.traced(query, args)
	}
	ctx = context.WithoutCancel(ctx)
	if t.sql != nil {
		return t.sql.QueryContext(ctx, query, args...)
	}
	st, err := t.db.writes.get(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

func (d *DB) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	clean(args)
	if d.traced != nil {
		d.traced(query, args)
	}
	if d.dialect == postgres {
		return d.pool.QueryContext(ctx, query, args...)
	}
	st, err := d.reads.get(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

// verb is the beginning of a statement, for errors.
func verb(query string) string {
	words := strings.Fields(query)
	return strings.Join(words[:min(3, len(words))], " ")
}

// clean makes the texts among args fit.
func clean(args []any) {
	for i, a := range args {
		if s, ok := a.(string); ok && !isFit(s) {
			args[i] = fit(s)
		}
	}
}

// fit replaces what PostgreSQL's text cannot hold: NUL and bytes that are not
// UTF-8. Both engines then keep, and find, the same text.
func fit(s string) string {
	if isFit(s) {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

func isFit(s string) bool { return strings.IndexByte(s, 0) < 0 && utf8.ValidString(s) }

// bulk is an INSERT of many rows at once.
type bulk struct {
	head    string
	columns int
	tail    string
}

// insert runs b for the rows that lie one after another in args.
func (t *tx) insert(ctx context.Context, b bulk, args []any) error {
	if rows := len(args) / b.columns; t.copies(b, rows) {
		return t.copy(ctx, b, args)
	}
	for len(args) > 0 {
		rows := chunk(len(args) / b.columns)
		if _, err := t.exec(ctx, b.text(t.db.dialect, rows), args[:rows*b.columns]...); err != nil {
			return err
		}
		args = args[rows*b.columns:]
	}
	return nil
}

func (b bulk) text(d dialect, rows int) string {
	var s strings.Builder
	s.WriteString(b.head)
	for r := range rows {
		if r > 0 {
			s.WriteByte(',')
		}
		s.WriteString(placeholders(d, r*b.columns, b.columns))
	}
	s.WriteString(b.tail)
	return s.String()
}

// chunk returns how many of n rows or keys the next statement takes. Few sizes
// make few statements, which stay prepared.
func chunk(n int) int {
	for _, size := range [...]int{64, 8} {
		if n >= size {
			return size
		}
	}
	return 1
}

// placeholders returns "($5,$6)" for two after four. SQLite gets nameless ones:
// it looks names up one by one, which costs the square of their number.
func placeholders(d dialect, after, n int) string {
	if d == sqlite {
		return "(" + strings.Repeat("?,", n-1) + "?)"
	}
	var b []byte
	for i := range n {
		b = append(b, ",$"...)
		b = strconv.AppendInt(b, int64(after+i+1), 10)
	}
	b[0] = '('
	return string(append(b, ')'))
}

// each runs "head (keys…) tail" for all keys, a part at a time, and calls scan
// on every row. The arguments in fixed come before the keys in the text.
func each[K any](ctx context.Context, q querier, head, tail string, fixed []any, keys []K, scan func(*sql.Rows) error) error {
	for len(keys) > 0 {
		size := 1
		if len(keys) > 1 {
			size = 16
		}
		if len(keys) > 16 {
			size = 256
		}
		n := min(size, len(keys))
		args := slices.Clone(fixed)
		for i := range size {
			args = append(args, keys[min(i, n-1)]) // the last one again fills up
		}
		rows, err := q.query(ctx, head+placeholders(q.engine(), len(fixed), size)+tail, args...)
		if err != nil {
			return err
		}
		if err := all(rows, scan); err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

// all calls scan on every row and closes them.
func all(rows *sql.Rows, scan func(*sql.Rows) error) error {
	for rows.Next() {
		if err := scan(rows); err != nil {
			return errors.Join(err, rows.Close())
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}

// one scans the only row, or returns ErrNotFound.
func one(rows *sql.Rows, into ...any) error {
	err := fmt.Errorf("%w", accord.ErrNotFound)
	if e := all(rows, func(r *sql.Rows) error { err = nil; return r.Scan(into...) }); e != nil {
		return e
	}
	return err
}
