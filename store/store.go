// SPDX-License-Identifier: Apache-2.0

// Package store keeps everything a node knows in one database: items, the
// change feed, disclosures and the ledger, matches, protections, accounts.
//
// It is one SQL text on two engines, SQLite (the default, a file) and
// PostgreSQL, chosen by the URL given to [Open]. Every write is one durable
// transaction that also appends what stages care for to the change feed; when a
// method returns nil, what it wrote survives the end of the process and of the
// power. Writers are put in line by one counter row, so sequence numbers become
// visible in rising order and without holes that fill later.
//
// Stamps are microseconds since the Unix epoch in UTC; 0 is none. Lists are
// paged by key through an index, so a page costs the same at any depth; a page
// of [DB.Search] may be shorter than asked for: only an empty cursor is the end.
// Search text is looked for as a prefix of the name in lower case, a prefix of
// an observable value, and an exact STIX id.
//
// Errors wrap accord.ErrNotFound, accord.ErrConflict (a compare-and-swap lost,
// or a claim that the stored state contradicts) and accord.ErrInvalid; any other
// error is the database's. Transactions that lost a race inside the engine are
// repeated here. A DB may be used by many goroutines, and one file or PostgreSQL
// database by many processes.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	sqlitedriver "modernc.org/sqlite" // driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"accord"
	"accord/score"
)

// DB is an open store.
type DB struct {
	dialect dialect
	mode    mode
	version int64 // newest migration applied
	log     *slog.Logger
	pool    *sql.DB // readers; with PostgreSQL writers too
	reads   statements

	// SQLite has one writer: a connection of its own, its statements, and a
	// place in line for it.
	writer *sql.DB
	conn   *sql.Conn
	writes statements
	turn   chan struct{}
	ended  chan struct{} // closed with the store

	models score.Models // how items are scored; see SetModels

	closing sync.Once
	closed  error

	// packed keeps PostgreSQL from COPY, for a test to compare with.
	packed bool
	// traced is told every statement before it runs; tests explain them.
	traced func(query string, args []any)
}

var (
	errClosed  = errors.New("the store is closed")
	errReading = fmt.Errorf("%w: the store was opened for reading alone", accord.ErrForbidden)
)

// mode is what a store is opened for.
type mode int

const (
	migrating mode = iota // its tables are brought up to date first
	asItIs                // they must be up to date
	reading               // nothing is written, and they may be of an earlier version
)

type dialect string

const (
	sqlite   dialect = "sqlite3"
	postgres dialect = "postgres"
)

// Sizes of SQLite's caches in KiB, and how many pages of 4 KiB the write-ahead
// log may hold before it is written back.
const (
	writerCache    = 96 << 10
	readerCache    = 8 << 10
	readers        = 4
	autocheckpoint = 32 << 10
)

// Open opens the store at rawURL, "sqlite:/path/file.db" (made when not there)
// or "postgres://…", and brings its tables up to date. A database that a newer
// program has already changed is refused, and so is one whose tables were made by
// another text of a migration than this program's (ErrConflict).
func Open(ctx context.Context, rawURL string, log *slog.Logger) (*DB, error) {
	return open(ctx, rawURL, migrating, log)
}

// OpenAsIs is Open, but refuses a store that is not there (ErrNotFound) or whose
// tables are not up to date (ErrConflict): for what runs beside a node.
func OpenAsIs(ctx context.Context, rawURL string, log *slog.Logger) (*DB, error) {
	return open(ctx, rawURL, asItIs, log)
}

// OpenReading opens a store of this or an earlier version for [DB.Backup] and
// [DB.Version]; nothing else may be asked of an earlier one. What would write is
// ErrForbidden.
func OpenReading(ctx context.Context, rawURL string, log *slog.Logger) (*DB, error) {
	return open(ctx, rawURL, reading, log)
}

// Version returns the number of the newest migration that the store has had.
func (d *DB) Version() int64 { return d.version }

func open(ctx context.Context, rawURL string, m mode, log *slog.Logger) (*DB, error) {
	d := &DB{log: log, mode: m, ended: make(chan struct{}), models: score.Default()}
	var err error
	if path, ok := strings.CutPrefix(rawURL, "sqlite:"); ok {
		err = d.openSQLite(ctx, path)
	} else if strings.HasPrefix(rawURL, "postgres://") || strings.HasPrefix(rawURL, "postgresql://") {
		err = d.openPostgres(ctx, rawURL)
	} else {
		err = fmt.Errorf("%w: want a URL that begins with sqlite: or postgres://", accord.ErrInvalid)
	}
	if err == nil && m == migrating {
		err = d.derive(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open store: %w", err), d.Close())
	}
	return d, nil
}

// SetModels sets how items are scored, before the store is used; score.Default
// until then.
func (d *DB) SetModels(m score.Models) { d.models = m }

// Score scores an item at now.
func (d *DB) Score(it accord.Item, now accord.Stamp) accord.Score { return d.models.Of(&it, now) }

// ready brings the tables in db up to date, or checks that they are.
func (d *DB) ready(ctx context.Context, db *sql.DB) error {
	if d.mode == migrating {
		return d.migrate(ctx, db)
	}
	return d.asIs(ctx, db, d.mode == reading)
}

// Ends is when an item's score falls below its model's threshold, 0 for never.
func (d *DB) Ends(it *accord.Item) accord.Stamp { return d.models.Ends(it) }

func (d *DB) openSQLite(ctx context.Context, path string) error {
	d.dialect = sqlite
	if path == "" || strings.HasPrefix(path, ":memory:") {
		return fmt.Errorf("%w: want sqlite:/path/file.db", accord.ErrInvalid)
	}
	flags := os.O_RDWR
	if d.mode == migrating {
		flags |= os.O_CREATE
	}
	// Made here, so that only its owner can read it; SQLite's other files
	// take the mode of this one.
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	name := "file:" + (&url.URL{Path: path}).EscapedPath() + "?_pragma=busy_timeout(10000)"
	if d.mode != reading {
		if err := d.openWriter(ctx, name); err != nil {
			return advise(path, err)
		}
	}
	d.pool, err = sql.Open("sqlite", name+fmt.Sprintf("&_pragma=cache_size(-%d)&_pragma=query_only(1)", readerCache))
	if err != nil {
		return err
	}
	d.pool.SetMaxOpenConns(readers)
	d.pool.SetMaxIdleConns(readers)
	d.reads.prepare = d.pool.PrepareContext
	if d.mode == reading {
		return advise(path, d.ready(ctx, d.pool))
	}
	return d.pool.PingContext(ctx)
}

// openWriter opens SQLite's one writing connection.
func (d *DB) openWriter(ctx context.Context, name string) (err error) {
	d.writer, err = sql.Open("sqlite", name+"&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"+
		fmt.Sprintf("&_pragma=cache_size(-%d)&_pragma=wal_autocheckpoint(%d)", writerCache, autocheckpoint)+
		"&_pragma=temp_store(MEMORY)&_txlock=immediate")
	if err != nil {
		return err
	}
	d.writer.SetMaxOpenConns(1)
	if err := d.ready(ctx, d.writer); err != nil {
		return err
	}
	if d.conn, err = d.writer.Conn(ctx); err != nil {
		return err
	}
	d.turn = make(chan struct{}, 1)
	d.writes.prepare = d.conn.PrepareContext
	return nil
}

// sqliteCode is SQLite's primary result code in err; 0 is none.
func sqliteCode(err error) int {
	var e *sqlitedriver.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code() & 0xff
}

// advise says what to do about a file that SQLite cannot read as a database.
func advise(path string, err error) error {
	what := ""
	switch sqliteCode(err) {
	case sqlite3.SQLITE_NOTADB:
		what = "is no database"
	case sqlite3.SQLITE_CORRUPT:
		what = "is damaged"
	default:
		return err
	}
	return fmt.Errorf("%w: %s %s: does store.url name the right file? If so, move the file away and put its newest backup in its place: %w",
		accord.ErrInvalid, path, what, err)
}

func (d *DB) openPostgres(ctx context.Context, rawURL string) error {
	d.dialect = postgres
	config, err := pgx.ParseConfig(rawURL)
	if err != nil {
		return err
	}
	// A plan made while a table was empty walks through it when it has grown: so
	// statements are planned when they run, by how big the tables are then.
	if config.RuntimeParams["plan_cache_mode"] == "" {
		config.RuntimeParams["plan_cache_mode"] = "force_custom_plan"
	}
	if d.mode == reading {
		config.RuntimeParams["default_transaction_read_only"] = "on"
	}
	d.pool = stdlib.OpenDB(*config)
	d.pool.SetMaxOpenConns(16)
	d.pool.SetMaxIdleConns(8)
	return d.ready(ctx, d.pool)
}

// Close ends the store once the write under way is done. Calls after it fail.
func (d *DB) Close() error {
	d.closing.Do(func() { d.closed = d.close() })
	return d.closed
}

func (d *DB) close() error {
	var errs []error
	close(d.ended)
	if d.conn != nil {
		d.turn <- struct{}{} // and no writer gets a turn any more
		errs = append(errs, d.writes.close(), d.conn.Close())
	}
	errs = append(errs, d.reads.close())
	if d.pool != nil {
		errs = append(errs, d.pool.Close())
	}
	if d.writer != nil {
		errs = append(errs, d.writer.Close())
	}
	return errors.Join(errs...)
}

// statements keeps statements prepared by their text.
type statements struct {
	prepare func(ctx context.Context, query string) (*sql.Stmt, error)
	mu      sync.Mutex
	byText  map[string]*sql.Stmt
}

func (s *statements) get(ctx context.Context, query string) (*sql.Stmt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.byText[query]; st != nil {
		return st, nil
	}
	st, err := s.prepare(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", query, err)
	}
	if s.byText == nil {
		s.byText = map[string]*sql.Stmt{}
	}
	s.byText[query] = st
	return st, nil
}

func (s *statements) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, st := range s.byText {
		errs = append(errs, st.Close())
	}
	s.byText = nil
	return errors.Join(errs...)
}
