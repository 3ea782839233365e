// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	sqlite3 "modernc.org/sqlite/lib"
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

// migrate brings the tables up to date. Each migration is a transaction, so when
// several processes start on an empty database at once the losers fail without
// harm, and look again.
func (d *DB) migrate(ctx context.Context, db *sql.DB) error {
	p, newest, err := d.provider(db)
	if err != nil {
		return err
	}
	for attempt := 0; ; attempt++ {
		version, err := p.GetDBVersion(ctx)
		if err == nil && version > newest {
			return fmt.Errorf("the database is at version %d, made by a newer accord than this one (%d): upgrade the program", version, newest)
		}
		if err == nil {
			_, err = p.Up(ctx)
		}
		if err == nil {
			return nil
		}
		if attempt == 20 || sqliteCode(err) == sqlite3.SQLITE_NOTADB {
			return fmt.Errorf("migrate: %w", err)
		}
		if err := pause(ctx, time.Duration(attempt+1)*20*time.Millisecond); err != nil {
			return err
		}
	}
}

func (d *DB) provider(db *sql.DB) (*goose.Provider, int64, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, 0, err
	}
	var steps []*goose.Migration
	var newest int64
	for _, name := range names {
		text, err := migrations.ReadFile(name)
		if err != nil {
			return nil, 0, err
		}
		number, _, _ := strings.Cut(strings.TrimPrefix(name, "migrations/"), "_")
		if newest, err = strconv.ParseInt(number, 10, 64); err != nil {
			return nil, 0, fmt.Errorf("migration %s: %w", name, err)
		}
		script := words[d.dialect].Replace(string(text))
		steps = append(steps, goose.NewGoMigration(newest, &goose.GoFunc{
			RunTx: func(ctx context.Context, tx *sql.Tx) error {
				_, err := tx.ExecContext(ctx, script)
				return err
			},
		}, nil))
	}
	p, err := goose.NewProvider(goose.Dialect(d.dialect), db, nil,
		goose.WithGoMigrations(steps...), goose.WithDisableGlobalRegistry(true), goose.WithSlog(d.log))
	return p, newest, err
}
