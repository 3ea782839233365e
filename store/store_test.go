// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"accord/store"
	"accord/store/storetest"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(victimEnv); url != "" {
		victim(url)
		return
	}
	code := m.Run()
	if err := storetest.StopPostgres(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func TestContractOnSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) *store.DB { return storetest.Open(t, storetest.SQLite(t)) })
}

func TestContractOnPostgres(t *testing.T) {
	storetest.Postgres(t) // skips
	storetest.Run(t, func(t *testing.T) *store.DB { return storetest.Open(t, storetest.Postgres(t)) })
}

// small are tables that hold one row for a party, a zone, a person or a total:
// walking through them whole is meant.
var small = []string{
	"tally", "zone", "head", "party", "agreement", "suspension", "account", "token", "session", "counter", "stage", "pushed",
}

var (
	scans    = regexp.MustCompile(`SCAN (\w+)`)
	seqScans = regexp.MustCompile(`Seq Scan on (\w+)`)
)

// Every statement that the contract makes the store run is explained: none may
// walk a whole table that grows, or sort what it found.
func TestNoStatementScansOrSortsATableThatGrows(t *testing.T) {
	var mu sync.Mutex
	queries := map[string]int{}
	storetest.Run(t, func(t *testing.T) *store.DB {
		d := storetest.Open(t, storetest.SQLite(t))
		d.Trace(func(query string, args []any) {
			mu.Lock()
			defer mu.Unlock()
			queries[query] = len(args)
		})
		return d
	})
	pool := storetest.Open(t, storetest.SQLite(t)).Pool()
	for query, args := range queries {
		if strings.HasPrefix(query, "INSERT") {
			continue
		}
		plan := explain(t, pool, query, args)
		for _, m := range scans.FindAllStringSubmatch(plan, -1) {
			if !slices.Contains(small, m[1]) {
				t.Errorf("walks through %s:\n%s\n%s", m[1], query, plan)
			}
		}
		if strings.Contains(plan, "TEMP B-TREE") && !strings.Contains(query, "FROM tally") && !strings.Contains(query, "FROM token") &&
			!strings.Contains(query, "FROM suspension") {
			t.Errorf("sorts:\n%s\n%s", query, plan)
		}
	}
	if len(queries) < 60 {
		t.Errorf("only %d statements seen", len(queries))
	}
}

// On PostgreSQL the planner is told to walk through a table only when there is
// no other way. Then a walk means that an index is missing.
func TestNoStatementScansATableThatGrowsOnPostgres(t *testing.T) {
	storetest.Postgres(t) // skips
	var mu sync.Mutex
	queries := map[string][]any{}
	storetest.Run(t, func(t *testing.T) *store.DB {
		d := storetest.Open(t, storetest.Postgres(t))
		d.Trace(func(query string, args []any) {
			mu.Lock()
			defer mu.Unlock()
			queries[query] = slices.Clone(args)
		})
		return d
	})
	conn, err := storetest.Open(t, storetest.Postgres(t)).Pool().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "SET enable_seqscan = off"); err != nil {
		t.Fatal(err)
	}
	for query, args := range queries {
		if strings.HasPrefix(query, "INSERT") {
			continue
		}
		rows, err := conn.QueryContext(t.Context(), "EXPLAIN "+query, args...)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		var plan strings.Builder
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				t.Fatal(err)
			}
			plan.WriteString("  " + line + "\n")
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		for _, m := range seqScans.FindAllStringSubmatch(plan.String(), -1) {
			if !slices.Contains(small, m[1]) {
				t.Errorf("walks through %s:\n%s\n%s", m[1], query, plan.String())
			}
		}
	}
}

func explain(t *testing.T, db *sql.DB, query string, args int) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, make([]any, args)...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		plan.WriteString("  " + detail + "\n")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan.String()
}

func TestOpenRefusesWhatItCannotServe(t *testing.T) {
	ctx, log := context.Background(), slog.New(slog.DiscardHandler)
	for _, url := range []string{"", "mysql://x", "sqlite:", "sqlite::memory:", "sqlite:" + filepath.Join(t.TempDir(), "none", "a.db")} {
		if d, err := store.Open(ctx, url, log); err == nil {
			t.Errorf("Open(%q) succeeded", url)
			_ = d.Close()
		}
	}
}

func TestANewerDatabaseIsRefused(t *testing.T) {
	for name, engine := range engines {
		t.Run(name, func(t *testing.T) {
			url := engine(t)
			d := storetest.Open(t, url)
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			raise(t, url)
			_, err := store.Open(t.Context(), url, slog.New(slog.DiscardHandler))
			if err == nil || !strings.Contains(err.Error(), "newer") {
				t.Errorf("Open() = %v, want a refusal", err)
			}
		})
	}
}

// raise makes the database say that a newer program has been at it.
func raise(t *testing.T, url string) {
	t.Helper()
	driver, name := "pgx", url
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		driver, name = "sqlite", path
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, true)"); err != nil {
		t.Fatal(err)
	}
}

func TestManyMayOpenAnEmptyDatabaseAtOnce(t *testing.T) {
	for name, engine := range engines {
		t.Run(name, func(t *testing.T) {
			url := engine(t)
			var wg sync.WaitGroup
			for range 6 {
				wg.Go(func() {
					d, err := store.Open(context.Background(), url, slog.New(slog.DiscardHandler))
					if err != nil {
						t.Error(err)
						return
					}
					if err := d.Close(); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		})
	}
}

func TestTheFileIsItsOwnersAlone(t *testing.T) {
	url := storetest.SQLite(t)
	storetest.Open(t, url)
	files, err := filepath.Glob(strings.TrimPrefix(url, "sqlite:") + "*")
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", filepath.Base(f), info.Mode().Perm())
		}
	}
}

var engines = map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.Postgres}
