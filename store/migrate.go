// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	sqlite3 "modernc.org/sqlite/lib"

	"accord"
)

//go:embed migrations/*.sql
var migrations embed.FS

// words are where the dialects differ in a migration.
var words = map[dialect]*strings.Replacer{
	sqlite: strings.NewReplacer("{text}", "TEXT", "{bytes}", "BLOB",
		"{rowid}", "INTEGER PRIMARY KEY", "{clustered}", "WITHOUT ROWID"),
	postgres: strings.NewReplacer("{text}", `TEXT COLLATE "C"`, "{bytes}", "BYTEA",
		"{rowid}", "BIGINT PRIMARY KEY", "{clustered}", ""),
}

// step is one migration.
type step struct {
	version int64
	name    string
	text    string
	sum     string // SHA-256 of text in hex, the same for every engine
}

// remembered is the migration that made the table of what was applied.
const remembered = 6

// steps returns the program's migrations in order.
func steps() ([]step, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	out := make([]step, 0, len(names))
	for _, name := range names {
		text, err := migrations.ReadFile(name)
		if err != nil {
			return nil, err
		}
		s := step{name: path.Base(name), text: string(text)}
		sum := sha256.Sum256(text)
		s.sum = hex.EncodeToString(sum[:])
		number, _, _ := strings.Cut(s.name, "_")
		if s.version, err = strconv.ParseInt(number, 10, 64); err != nil {
			return nil, fmt.Errorf("migration %s: %w", name, err)
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b step) int { return cmp.Compare(a.version, b.version) })
	return out, nil
}

// newest is the version this program brings a store to.
func newest(all []step) int64 { return all[len(all)-1].version }

// apply runs s in tx, and remembers its text with those before it.
func (s step) apply(ctx context.Context, tx *sql.Tx, d dialect, all []step) error {
	if _, err := tx.ExecContext(ctx, words[d].Replace(s.text)); err != nil {
		return fmt.Errorf("migration %s: %w", s.name, err)
	}
	for _, p := range s.remembers(all) {
		if _, err := tx.ExecContext(ctx, rememberStep, p.version, p.name, p.sum); err != nil {
			return fmt.Errorf("remember migration %s: %w", p.name, err)
		}
	}
	return nil
}

const rememberStep = "INSERT INTO migration (version, name, sum) VALUES ($1, $2, $3)"

// remembers returns the migrations whose texts are written down with s: itself,
// and with the one that makes their table those before it.
func (s step) remembers(all []step) (out []step) {
	for _, p := range all {
		if s.version >= remembered && p.version == s.version || s.version == remembered && p.version < s.version {
			out = append(out, p)
		}
	}
	return out
}

// migrate brings the tables up to date. Each migration is a transaction, so when
// several processes start on an empty database at once the losers fail without
// harm, and look again.
func (d *DB) migrate(ctx context.Context, db *sql.DB) error {
	all, err := steps()
	if err != nil {
		return err
	}
	p, err := d.provider(db, all)
	if err != nil {
		return err
	}
	for attempt := 0; ; attempt++ {
		version, err := p.GetDBVersion(ctx)
		if err == nil {
			if err := tooNew(version, newest(all)); err != nil {
				return err
			}
			if _, err = p.Up(ctx); err == nil {
				d.version = newest(all)
				return unedited(ctx, db, d.version, all)
			}
		}
		if attempt == 20 || sqliteCode(err) == sqlite3.SQLITE_NOTADB {
			return fmt.Errorf("migrate: %w", err)
		}
		if err := pause(ctx, time.Duration(attempt+1)*20*time.Millisecond); err != nil {
			return err
		}
	}
}

func (d *DB) provider(db *sql.DB, all []step) (*goose.Provider, error) {
	var list []*goose.Migration
	for _, s := range all {
		list = append(list, goose.NewGoMigration(s.version, &goose.GoFunc{
			RunTx: func(ctx context.Context, tx *sql.Tx) error { return s.apply(ctx, tx, d.dialect, all) },
		}, nil))
	}
	return goose.NewProvider(goose.Dialect(d.dialect), db, nil,
		goose.WithGoMigrations(list...), goose.WithDisableGlobalRegistry(true), goose.WithSlog(d.log))
}

func tooNew(version, newest int64) error {
	if version <= newest {
		return nil
	}
	return fmt.Errorf("%w: the database is at version %d, made by a newer accord than this one (%d): upgrade the program",
		accord.ErrConflict, version, newest)
}

// versionOf returns which migrations db has had, 0 for a database without tables
// of ours. It writes nothing.
func versionOf(ctx context.Context, db *sql.DB, d dialect) (version int64, err error) {
	there := "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'goose_db_version'"
	if d == postgres {
		there = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'goose_db_version'"
	}
	var n int64
	if err := db.QueryRowContext(ctx, there).Scan(&n); err != nil || n == 0 {
		return 0, err
	}
	err = db.QueryRowContext(ctx, "SELECT COALESCE(max(version_id), 0) FROM goose_db_version WHERE is_applied").Scan(&version)
	return version, err
}

// asIs checks that the tables in db can be used as they are: by a program that
// only reads also when they are of an earlier version.
func (d *DB) asIs(ctx context.Context, db *sql.DB, older bool) error {
	all, err := steps()
	if err != nil {
		return err
	}
	version, err := versionOf(ctx, db, d.dialect)
	if err != nil {
		return fmt.Errorf("read version: %w", err)
	}
	if err := tooNew(version, newest(all)); err != nil {
		return err
	}
	switch {
	case version == 0:
		return fmt.Errorf("%w: the database holds no store: does store.url name the right one? \"accord init\" makes one, \"accord restore\" fills one from a backup", accord.ErrNotFound)
	case version < newest(all) && !older:
		return fmt.Errorf("%w: the store is of an earlier program (version %d, this one's is %d), and only \"accord serve\" brings it up to date: "+
			"stop the node, \"accord backup\", then start this program's \"accord serve\"", accord.ErrConflict, version, newest(all))
	}
	d.version = version
	return unedited(ctx, db, version, all)
}

// unedited checks that what was applied to db is what the program has: a
// migration edited afterwards makes other tables elsewhere under the same number.
func unedited(ctx context.Context, db *sql.DB, version int64, steps []step) error {
	if version < remembered {
		return nil
	}
	applied := map[int64]string{}
	rows, err := db.QueryContext(ctx, "SELECT version, sum FROM migration")
	if err == nil {
		err = all(rows, func(r *sql.Rows) error {
			var n int64
			var sum string
			err := r.Scan(&n, &sum)
			applied[n] = sum
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	for _, s := range steps {
		if sum, known := applied[s.version]; known && sum != s.sum {
			return fmt.Errorf("%w: migration %s was another text when it made these tables (SHA-256 %.12s…, this program has %.12s…): "+
				"use the program that made the store, or restore its backup with this one", accord.ErrConflict, s.name, sum, s.sum)
		}
	}
	return nil
}
