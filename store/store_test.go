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

// A contract is run on an engine, and then every statement that it made the
// store run is explained: none may walk through a whole table that grows, and on
// SQLite none may sort what it found.
func TestContractOnSQLite(t *testing.T) {
	queries := contract(t, storetest.SQLite)
	conn := value(storetest.Open(t, storetest.SQLite(t)).Pool().Conn(t.Context()))(t)
	defer conn.Close()
	for query, args := range queries {
		plan := explain(t, conn, "EXPLAIN QUERY PLAN "+query, args)
		noWalk(t, scans, query, plan)
		sorted := regexp.MustCompile(`FROM (tally|token|suspension)`) // short lists
		if strings.Contains(plan, "TEMP B-TREE") && !sorted.MatchString(query) {
			t.Errorf("sorts:\n%s\n%s", query, plan)
		}
	}
	if len(queries) < 60 {
		t.Errorf("only %d statements seen", len(queries))
	}
}

// On PostgreSQL the planner is told to walk through a table only when there is
// no other way: then a walk means that an index is missing.
func TestContractOnPostgres(t *testing.T) {
	storetest.Postgres(t) // skips
	queries := contract(t, storetest.Postgres)
	conn := value(storetest.Open(t, storetest.Postgres(t)).Pool().Conn(t.Context()))(t)
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "SET enable_seqscan = off"); err != nil {
		t.Fatal(err)
	}
	for query, args := range queries {
		noWalk(t, seqScans, query, explain(t, conn, "EXPLAIN "+query, args))
	}
}

// contract runs the suite and returns the statements it ran, but for inserts,
// each with arguments it had.
func contract(t *testing.T, engine func(testing.TB) string) map[string][]any {
	var mu sync.Mutex
	queries := map[string][]any{}
	storetest.Run(t, func(t *testing.T) *store.DB {
		d := storetest.Open(t, engine(t))
		t.Cleanup(func() { leavesSound(t, d) })
		d.Trace(func(query string, args []any) {
			mu.Lock()
			defer mu.Unlock()
			if !strings.HasPrefix(query, "INSERT") {
				queries[query] = slices.Clone(args)
			}
		})
		return d
	})
	return queries
}

// What the contract's tests make up: logs whose leaves are of one kind alone, sums
// and cursors, and protections and disclosures of items that are not stored.
var madeUp = []string{
	"cursor", "disclosure-sum",
	"disclosure-leaf", "leaf-disclosure", "leaf-received", "received-leaf", "log", "protection-item", "disclosure-item", "withheld-item",
}

// leavesSound fails a test of the contract that left what must never be.
func leavesSound(t *testing.T, d *store.DB) {
	d.Trace(nil) // what looks at everything reads everything
	for _, p := range problems(t, d) {
		if check, _, _ := strings.Cut(p, ":"); !slices.Contains(madeUp, check) {
			t.Errorf("left: %s", p)
		}
	}
}

// small are tables that hold one row for a party, a zone, a person or a total:
// walking through them whole is meant.
var small = []string{
	"tally", "zone", "head", "party", "agreement", "suspension", "account", "token", "session", "counter", "stage", "pushed", "feed",
}

var (
	scans    = regexp.MustCompile(`SCAN (\w+)`)
	seqScans = regexp.MustCompile(`Seq Scan on (\w+)`)
)

func noWalk(t *testing.T, walk *regexp.Regexp, query, plan string) {
	t.Helper()
	for _, m := range walk.FindAllStringSubmatch(plan, -1) {
		if !slices.Contains(small, m[1]) {
			t.Errorf("walks through %s:\n%s\n%s", m[1], query, plan)
		}
	}
}

// explain returns the last column of each line of a plan.
func explain(t *testing.T, conn *sql.Conn, query string, args []any) string {
	t.Helper()
	rows := value(conn.QueryContext(t.Context(), query, args...))(t)
	defer rows.Close()
	columns := value(rows.Columns())(t)
	var plan strings.Builder
	for rows.Next() {
		var detail string
		into := make([]any, len(columns))
		for i := range into {
			into[i] = new(any)
		}
		into[len(into)-1] = &detail
		if err := rows.Scan(into...); err != nil {
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
