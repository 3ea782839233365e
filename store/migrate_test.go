// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/store"
	"accord/store/storetest"
)

type opener = func(context.Context, string, *slog.Logger) (*store.DB, error)

var update = flag.Bool("update", false, "write testdata anew")

// A migration that was released is never edited: stores that had it are not made
// anew. Write a new one; -update adds its line here, once.
func TestMigrationsStayAsTheyWere(t *testing.T) {
	golden := filepath.Join("testdata", "migrations.sum")
	got := strings.Join(store.Sums(), "\n") + "\n"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := string(value(os.ReadFile(golden))(t))
	for line := range strings.Lines(want) {
		if !strings.Contains(got, line) {
			t.Errorf("was %sand is not: a migration must not change once it is out", line)
		}
	}
}

// older makes a store as a program that knew no migration after version left it,
// with what filled puts into one of today's, as far as its tables can hold it.
func older(t *testing.T, engine func(testing.TB) string, version int64) (url string, rows map[string]int) {
	t.Helper()
	today := storetest.Open(t, filled(t, engine))
	url, rows = engine(t), map[string]int{}
	db := value(store.OpenAt(t.Context(), url, version))(t)
	defer db.Close()
	conn := value(db.Conn(t.Context()))(t)
	defer conn.Close()
	for _, table := range tables(t, conn, strings.HasPrefix(url, "sqlite:")) {
		if table == "goose_db_version" || table == "migration" || table == "sqlite_sequence" {
			continue
		}
		if _, err := conn.ExecContext(t.Context(), "DELETE FROM "+table); err != nil {
			t.Fatal(err)
		}
		rows[table] = copyTable(t, today.Pool(), conn, table)
	}
	return url, rows
}

func copyTable(t *testing.T, from *sql.DB, to *sql.Conn, table string) (n int) {
	t.Helper()
	shape := value(to.QueryContext(t.Context(), "SELECT * FROM "+table))(t) //nolint:gosec // a table's name
	columns := value(shape.Columns())(t)
	if err := shape.Close(); err != nil {
		t.Fatal(err)
	}
	where := ""
	if table == "counter" { // later ones have their own
		where = " WHERE name IN ('seq', 'protection', 'audit', 'refusal')"
	}
	rows := value(from.QueryContext(t.Context(), "SELECT "+strings.Join(columns, ", ")+" FROM "+table+where))(t) //nolint:gosec // a table's name
	defer rows.Close()
	var marks []string
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range columns {
		marks, into[i] = append(marks, fmt.Sprintf("$%d", i+1)), &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		for i, v := range values {
			if b, ok := v.([]byte); ok && b == nil {
				values[i] = []byte{} // what SQLite says of no octets
			}
		}
		text := "INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ") VALUES (" + strings.Join(marks, ", ") + ")"
		if _, err := to.ExecContext(t.Context(), text, values...); err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

func TestAStoreOfTheFirstProgramIsBroughtUpToDateWhole(t *testing.T) {
	for name, engine := range engines {
		t.Run(name, func(t *testing.T) {
			url, rows := older(t, engine, 1)
			if _, err := store.OpenAsIs(t.Context(), url, quiet); !errors.Is(err, accord.ErrConflict) || !strings.Contains(err.Error(), "accord serve") {
				t.Errorf("opened as it is: %v", err)
			}
			d := value(store.OpenReading(t.Context(), url, quiet))(t)
			if d.Version() != 1 {
				t.Errorf("reading changed its version to %d", d.Version())
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			raw := backupOf(t, url)
			now := content(t, url) // opens it, and so brings it up to date
			for table, n := range rows {
				if len(now[table]) < n && table != "session" {
					t.Errorf("%s: %d rows of %d", table, len(now[table]), n)
				}
			}
			if got := problems(t, storetest.Open(t, url)); len(got) > 0 {
				t.Errorf("%s", strings.Join(got, "\n"))
			}
			works(t, url)
			restored := storetest.SQLite(t)
			if _, _, err := store.Restore(t.Context(), restored, bytes.NewReader(raw), quiet); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(now, content(t, restored)); diff != "" {
				t.Errorf("its backup (-brought up to date +restored):\n%s", diff)
			}
		})
	}
}

func TestAMigrationEditedAfterItWasAppliedIsNoticed(t *testing.T) {
	for name, engine := range engines {
		t.Run(name, func(t *testing.T) {
			url := filled(t, engine)
			d := value(store.Open(t.Context(), url, quiet))(t)
			if err := d.Alter(t.Context(), "UPDATE migration SET sum = 'another' WHERE version = 1"); err != nil {
				t.Fatal(err)
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			for _, open := range []opener{store.Open, store.OpenAsIs, store.OpenReading} {
				_, err := open(t.Context(), url, quiet)
				if !errors.Is(err, accord.ErrConflict) || !strings.Contains(err.Error(), "0001_accord.sql was another text") {
					t.Errorf("%v", err)
				}
			}
		})
	}
}

func TestOnlyOpenMakesAStore(t *testing.T) {
	for name, engine := range engines {
		t.Run(name, func(t *testing.T) {
			url := engine(t)
			for _, open := range []opener{store.OpenAsIs, store.OpenReading} {
				if _, err := open(t.Context(), url, quiet); !errors.Is(err, accord.ErrNotFound) && !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%v", err)
				}
			}
			if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
				if _, err := os.Stat(path); err == nil {
					t.Error("a file was made")
				}
			}
		})
	}
}
