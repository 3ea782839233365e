// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"accord"
)

// restoring ends the name of a SQLite file that is not whole yet.
const restoring = ".restoring"

// Restore fills the store at rawURL, where there must be none (ErrConflict), with
// the backup that r holds, from either engine, brings it up to date, and returns
// what the backup says and the files in it. A backup that is damaged, cut short
// (ErrInvalid) or of a newer program (ErrConflict) leaves nothing. When bringing it
// up to date fails, PostgreSQL keeps what is restored, and the error says so. Memory
// does not grow with the backup.
func Restore(ctx context.Context, rawURL string, r io.Reader, log *slog.Logger) (Manifest, []BackupFile, error) {
	in, err := openBackup(r)
	if err != nil {
		return Manifest{}, nil, fmt.Errorf("restore: %w", err)
	}
	defer in.a.close()
	if file, ok := strings.CutPrefix(rawURL, "sqlite:"); ok {
		err = in.intoSQLite(ctx, file, log)
	} else {
		err = in.intoPostgres(ctx, rawURL, log)
	}
	if err != nil {
		return in.m, nil, fmt.Errorf("restore: %w", err)
	}
	return in.m, in.files, nil
}

// ReadManifest returns what the backup in r says of itself, its rows unread.
func ReadManifest(r io.Reader) (Manifest, error) {
	in, err := openBackup(r)
	if err != nil {
		return Manifest{}, fmt.Errorf("read backup: %w", err)
	}
	in.a.close()
	return in.m, nil
}

// ReadFiles returns the files in the backup in r, its rows unread. Only Restore
// tells whether the backup is whole.
func ReadFiles(r io.Reader) ([]BackupFile, error) {
	in, err := openBackup(r)
	if err != nil {
		return nil, fmt.Errorf("read backup: %w", err)
	}
	in.a.close()
	return in.files, nil
}

// incoming is a backup while it is restored.
type incoming struct {
	a       *archiveReader
	m       Manifest
	files   []BackupFile
	steps   []step
	kind    byte // of the frame read last
	payload []byte
}

// openBackup reads the manifest and the files, and refuses what cannot be restored.
func openBackup(r io.Reader) (*incoming, error) {
	a, err := newArchiveReader(r)
	if err != nil {
		return nil, err
	}
	in := &incoming{a: a}
	if err := in.begin(); err != nil {
		a.close()
		return nil, err
	}
	return in, nil
}

func (in *incoming) next() (err error) {
	in.kind, in.payload, err = in.a.frame()
	return err
}

func (in *incoming) begin() (err error) {
	if in.steps, err = steps(); err != nil {
		return err
	}
	if err := in.next(); err != nil {
		return err
	}
	if in.kind != frameManifest {
		return errArchive("the backup is damaged: it does not begin with a manifest")
	}
	if err := readObject(in.payload, &in.m); err != nil {
		return err
	}
	switch {
	case in.m.Version < 1:
		return errArchive("the backup is damaged: its store has version %d", in.m.Version)
	case in.m.Version > newest(in.steps):
		return fmt.Errorf("%w: the backup is of a store of version %d, made by a newer accord than this one (%d): upgrade the program",
			accord.ErrConflict, in.m.Version, newest(in.steps))
	}
	for _, s := range in.steps {
		if sum := in.m.Migrations[s.version]; s.version <= in.m.Version && sum != s.sum {
			return fmt.Errorf("%w: migration %s was another text in the program that made the backup (%q): restore it with that program",
				accord.ErrConflict, s.name, in.m.Program)
		}
	}
	in.m.Tables, in.m.Rows = map[string]int64{}, 0
	for {
		if err := in.next(); err != nil {
			return err
		}
		if in.kind != frameFile {
			return nil
		}
		if err := in.file(); err != nil {
			return err
		}
	}
}

func (in *incoming) file() error {
	var f BackupFile
	if err := readObject(in.payload, &f); err != nil {
		return err
	}
	clean := path.Clean(f.Name)
	if len(in.files) == mostFiles || len(f.Data) > longestFile || clean != f.Name || !filepath.IsLocal(filepath.FromSlash(clean)) {
		return errArchive("the backup holds a file it must not: %q of %d bytes", f.Name, len(f.Data))
	}
	in.files = append(in.files, f)
	return nil
}

// loader puts the rows of one table into a database.
type loader interface {
	load(ctx context.Context, t tableHead, rows *tableRows) error
	exec(ctx context.Context, query string, args ...any) error
	querier
}

// fill makes the tables of the backup's version in an empty database and loads
// every row; indexes are made once the rows are there.
func (in *incoming) fill(ctx context.Context, l loader) error {
	for _, s := range in.steps {
		if s.version <= in.m.Version {
			if err := in.make(ctx, l, s); err != nil {
				return err
			}
		}
	}
	tables, kinds, err := columnsOf(ctx, l)
	if err != nil {
		return err
	}
	remake, err := dropIndexes(ctx, l)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if !notKept[t.Name] {
			if err := l.exec(ctx, "DELETE FROM "+t.Name); err != nil { // what the migrations put there
				return err
			}
		}
	}
	for ; in.kind == frameTable; err = in.next() {
		if err != nil {
			return err
		}
		if err := in.table(ctx, l, tables, kinds); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	if err := in.end(tables); err != nil {
		return err
	}
	for _, query := range remake {
		if err := l.exec(ctx, query); err != nil {
			return fmt.Errorf("%w (is a row in the backup twice?)", err)
		}
	}
	return nil
}

// make applies a migration, and writes it down as goose does.
func (in *incoming) make(ctx context.Context, l loader, s step) error {
	if err := l.exec(ctx, words[l.engine()].Replace(s.text)); err != nil {
		return fmt.Errorf("migration %s: %w", s.name, err)
	}
	if err := l.exec(ctx, "INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, $2)", s.version, true); err != nil {
		return err
	}
	for _, p := range s.remembers(in.steps) {
		if err := l.exec(ctx, rememberStep, p.version, p.name, p.sum); err != nil {
			return err
		}
	}
	return nil
}

// dropIndexes removes the indexes that are not keys, and returns the statements
// that make them again.
func dropIndexes(ctx context.Context, l loader) (remake []string, err error) {
	list := "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
	if l.engine() == postgres {
		list = "SELECT i.indexname::text, i.indexdef FROM pg_indexes i WHERE i.schemaname = current_schema() AND NOT EXISTS (" +
			"SELECT 1 FROM pg_constraint c WHERE c.conname = i.indexname AND c.connamespace = current_schema()::regnamespace)"
	}
	var names []string
	rows, err := l.query(ctx, list)
	if err == nil {
		err = all(rows, func(r *sql.Rows) error {
			var name, text string
			err := r.Scan(&name, &text)
			names, remake = append(names, name), append(remake, text)
			return err
		})
	}
	for _, name := range names {
		if err == nil {
			err = l.exec(ctx, "DROP INDEX "+name)
		}
	}
	return remake, err
}

// table loads one table, whose head was read.
func (in *incoming) table(ctx context.Context, l loader, tables []tableHead, kinds map[string]string) error {
	var head tableHead
	if err := readObject(in.payload, &head); err != nil {
		return err
	}
	i := slices.IndexFunc(tables, func(t tableHead) bool { return t.Name == head.Name })
	if _, twice := in.m.Tables[head.Name]; i < 0 || twice || notKept[head.Name] {
		return errArchive("the backup is damaged: table %q has no place in a store of version %d", head.Name, in.m.Version)
	}
	here := slices.Clone(tables[i].Columns)
	there := slices.Clone(head.Columns)
	slices.Sort(here)
	slices.Sort(there)
	if !slices.Equal(here, there) {
		return errArchive("the backup is damaged: table %s has columns %v, not %v", head.Name, there, here)
	}
	rows := &tableRows{a: in.a, names: head.Columns, sum: sha256.New()}
	for _, c := range head.Columns {
		rows.kinds = append(rows.kinds, kinds[head.Name+"."+c][0])
	}
	err := l.load(ctx, head, rows)
	if rows.err != nil {
		err = rows.err // what COPY makes of it says less
	}
	if err != nil {
		return fmt.Errorf("table %s: %w", head.Name, err)
	}
	in.m.Tables[head.Name], in.m.Rows = rows.rows, in.m.Rows+rows.rows
	return nil
}

// end checks the end of the backup, which was read.
func (in *incoming) end(tables []tableHead) error {
	var foot archiveFoot
	if in.kind != frameEnd {
		return errArchive("the backup is damaged: frame %q between tables", in.kind)
	}
	if err := readObject(in.payload, &foot); err != nil {
		return err
	}
	if foot.Sum != hex.EncodeToString(in.a.sum.Sum(nil)) || foot.Rows != in.m.Rows || foot.Tables != len(in.m.Tables) {
		return errArchive("the backup is damaged: its end does not bear out what came before")
	}
	for _, t := range tables {
		if _, there := in.m.Tables[t.Name]; !there && !notKept[t.Name] {
			return errArchive("the backup is damaged: it lacks table %s", t.Name)
		}
	}
	if _, err := in.a.r.ReadByte(); !errors.Is(err, io.EOF) {
		return errArchive("the backup is damaged: something follows its end (%v)", err)
	}
	return nil
}

// conn is a loader's connection.
type loading struct {
	*sql.Conn
	dialect dialect
}

func (c loading) engine() dialect { return c.dialect }

func (c loading) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return c.QueryContext(ctx, query, args...)
}

func (c loading) exec(ctx context.Context, query string, args ...any) error {
	if _, err := c.ExecContext(ctx, query, args...); err != nil {
		return fmt.Errorf("%s: %w", verb(query), err)
	}
	return nil
}

// load copies rows in as PostgreSQL does fastest, or in statements of many rows.
func (c loading) load(ctx context.Context, t tableHead, rows *tableRows) error {
	if c.dialect == postgres {
		return c.Raw(func(driver any) error {
			_, err := driver.(*stdlib.Conn).Conn().CopyFrom(ctx, pgx.Identifier{t.Name}, t.Columns, rows)
			return err
		})
	}
	const at = 64
	b := bulk{head: "INSERT INTO " + t.Name + " (" + strings.Join(t.Columns, ", ") + ") VALUES ", columns: len(t.Columns)}
	many, err := c.PrepareContext(ctx, b.text(c.dialect, at))
	if err != nil {
		return err
	}
	defer many.Close()
	var args []any
	for rows.Next() {
		if args = append(args, rows.values...); len(args) == at*b.columns {
			if _, err := many.ExecContext(ctx, args...); err != nil {
				return err
			}
			args = args[:0]
		}
	}
	if rows.err != nil || len(args) == 0 {
		return rows.err
	}
	return c.exec(ctx, b.text(c.dialect, len(args)/b.columns), args...)
}

// inOne prepares goose's table in db and runs in.fill in one transaction.
func (in *incoming) inOne(ctx context.Context, db *sql.DB, d *DB) (err error) {
	p, err := d.provider(db, in.steps)
	if err != nil {
		return err
	}
	if _, err := p.GetDBVersion(ctx); err != nil { // makes it
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	l := loading{conn, d.dialect}
	if err := l.exec(ctx, "BEGIN"); err != nil {
		return err
	}
	if err := in.fill(ctx, l); err != nil {
		return errors.Join(err, l.exec(context.WithoutCancel(ctx), "ROLLBACK"))
	}
	return l.exec(ctx, "COMMIT")
}

// intoSQLite fills a file beside the one asked for, and moves it there once it is
// whole, up to date and on the disk.
func (in *incoming) intoSQLite(ctx context.Context, file string, log *slog.Logger) error {
	if info, err := os.Stat(file); err == nil && info.Size() > 0 {
		return fmt.Errorf("%w: %s is there already: a backup is never restored over a store: move it away first", accord.ErrConflict, file)
	}
	for _, end := range []string{"-wal", "-journal"} { // SQLite would write what is left in them into the restored file
		if info, err := os.Stat(file + end); err == nil && info.Size() > 0 {
			return fmt.Errorf("%w: %s is of a store that was here: move it away, to where that store is", accord.ErrConflict, file+end)
		}
	}
	part := file + restoring
	if err := removeSQLite(part); err != nil { // of a restore that was cut short
		return err
	}
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = f.Close()
	if err == nil {
		err = in.fillSQLite(ctx, part, log)
	}
	if err == nil {
		err = syncFile(part)
	}
	if err == nil {
		err = os.Rename(part, file)
	}
	if err != nil {
		return errors.Join(err, removeSQLite(part))
	}
	return syncFile(filepath.Dir(file))
}

func (in *incoming) fillSQLite(ctx context.Context, part string, log *slog.Logger) error {
	// Nothing is kept of a file that is not whole, so it needs no journal.
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: part}).EscapedPath()+"?_pragma=journal_mode(OFF)&_pragma=synchronous(OFF)"+
		fmt.Sprintf("&_pragma=cache_size(-%d)", writerCache))
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	if err := errors.Join(in.inOne(ctx, db, &DB{dialect: sqlite, log: log}), db.Close()); err != nil {
		return err
	}
	return sound(ctx, "sqlite:"+part, log)
}

// sound brings a restored store up to date.
func sound(ctx context.Context, rawURL string, log *slog.Logger) error {
	d, err := Open(ctx, rawURL, log)
	if err != nil {
		return err
	}
	return d.Close()
}

func removeSQLite(file string) error {
	var errs []error
	for _, end := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(file + end); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// syncFile has what was written to a file or folder on the disk.
func syncFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (in *incoming) intoPostgres(ctx context.Context, rawURL string, log *slog.Logger) error {
	d := &DB{dialect: postgres, log: log}
	db, err := sql.Open("pgx", rawURL)
	if err != nil {
		return err
	}
	version, err := versionOf(ctx, db, postgres)
	if err == nil && version > 0 {
		err = fmt.Errorf("%w: the database holds a store already: a backup is never restored over one: name an empty database or schema", accord.ErrConflict)
	}
	if err == nil {
		err = in.inOne(ctx, db, d)
	}
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	return broughtUp(sound(ctx, rawURL, log))
}

// broughtUp says what stays when a restored database cannot be brought up to date.
func broughtUp(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("every row is restored and stays, but the store was not brought up to date: mend this and run \"accord serve\", "+
		"or empty the database and restore again: %w", err)
}
