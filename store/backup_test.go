// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"accord"
	"accord/store"
	"accord/store/storetest"
)

var quiet = slog.New(slog.DiscardHandler)

// backupOf returns a backup of the store at url.
func backupOf(t *testing.T, url string) []byte {
	t.Helper()
	d := value(store.OpenReading(t.Context(), url, quiet))(t)
	defer d.Close()
	var b bytes.Buffer
	files := []store.BackupFile{{Name: "keys/node.key", Data: []byte("secret")}}
	if _, err := d.Backup(t.Context(), &b, store.Manifest{Party: "cert.ma.example", Program: "test", Made: "2026-01-01T00:00:00Z"}, files); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// filled returns the URL of a store with something of everything in it.
func filled(t *testing.T, engine func(testing.TB) string) string {
	t.Helper()
	url := engine(t)
	d := value(store.Open(t.Context(), url, quiet))(t)
	storetest.Fill(t, d)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return url
}

// content returns every row of a store as text, by table, without what a backup leaves out.
func content(t *testing.T, url string) map[string][]string {
	t.Helper()
	d := storetest.Open(t, url)
	conn := value(d.Pool().Conn(t.Context()))(t)
	defer conn.Close()
	out := map[string][]string{}
	for _, table := range tables(t, conn, strings.HasPrefix(url, "sqlite:")) {
		if table == "session" || table == "goose_db_version" {
			continue
		}
		rows := value(conn.QueryContext(t.Context(), "SELECT * FROM "+table))(t) //nolint:gosec // a table's name
		out[table] = texts(t, rows)
	}
	return out
}

func tables(t *testing.T, conn *sql.Conn, sqlite bool) []string {
	t.Helper()
	list := "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
	if sqlite {
		list = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
	}
	rows := value(conn.QueryContext(t.Context(), list))(t)
	defer rows.Close()
	var out []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		out = append(out, name)
	}
	return out
}

func texts(t *testing.T, rows *sql.Rows) (out []string) {
	t.Helper()
	defer rows.Close()
	columns := value(rows.Columns())(t)
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		var line []string
		for i, v := range values {
			line = append(line, fmt.Sprintf("%s=%v", columns[i], v))
		}
		slices.Sort(line) // a column that a migration added stands last on one way and not on the other
		out = append(out, strings.Join(line, " "))
	}
	slices.Sort(out)
	return out
}

func TestABackupOfEitherEngineRestoresIntoEither(t *testing.T) {
	for from, source := range engines {
		for to, target := range engines {
			t.Run(from+" to "+to, func(t *testing.T) {
				url := filled(t, source)
				fillEmpty(t, url)
				raw := backupOf(t, url)
				restored := target(t)
				m, files, err := store.Restore(t.Context(), restored, bytes.NewReader(raw), quiet)
				if err != nil {
					t.Fatal(err)
				}
				if len(files) != 1 || string(files[0].Data) != "secret" || m.Party != "cert.ma.example" || m.Tables["item"] == 0 || len(m.Heads) == 0 {
					t.Errorf("%+v %v", m, files)
				}
				want, got := content(t, url), content(t, restored)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("(-backed up +restored):\n%s", diff)
				}
				for table, rows := range want {
					if len(rows) == 0 {
						t.Errorf("nothing of table %s was tried", table)
					}
				}
				if _, _, err := store.Restore(t.Context(), restored, bytes.NewReader(raw), quiet); !errors.Is(err, accord.ErrConflict) {
					t.Errorf("restored over a store: %v", err)
				}
				works(t, restored)
			})
		}
	}
}

// fillEmpty puts a row into every table that storetest.Fill leaves empty.
func fillEmpty(t *testing.T, url string) {
	t.Helper()
	d := storetest.Open(t, url)
	for table, columns := range value(d.Columns(t.Context()))(t) {
		var n int
		if err := d.Pool().QueryRowContext(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil { //nolint:gosec // a table's name
			t.Fatal(err)
		}
		if n > 0 {
			continue
		}
		var names, marks []string
		var values []any
		for _, c := range columns {
			v := map[string]any{"i": 7, "s": "text", "b": []byte{0, 1, 0xff}, "f": 0.5}[c.Kind]
			names, values = append(names, c.Name), append(values, v)
			marks = append(marks, fmt.Sprintf("$%d", len(values)))
		}
		text := "INSERT INTO " + table + " (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(marks, ", ") + ")"
		if err := d.Alter(t.Context(), text, values...); err != nil {
			t.Fatal(err)
		}
	}
}

// works writes to a restored store what needs its indexes.
func works(t *testing.T, url string) {
	t.Helper()
	d := storetest.Open(t, url)
	before := value(d.LastSeq(t.Context()))(t)
	it := accord.Item{
		ItemKey: accord.ItemKey{ID: "indicator--00000000-0000-4000-8000-aaaaaaaaaaaa", Version: 1}, Type: "indicator", Bytes: []byte("{}"),
		Observables: []accord.Observable{{Kind: accord.KindDomain, Value: "new.example"}}, Source: "feed",
	}
	for _, want := range []accord.IngestResult{{New: 1}, {Same: 1}} {
		if res, err := d.Ingest(t.Context(), []accord.Item{it}, 1); err != nil || res.New != want.New || res.Same != want.Same {
			t.Errorf("ingest: %+v %v", res, err)
		}
	}
	if after := value(d.LastSeq(t.Context()))(t); after != before+1 {
		t.Errorf("the feed went from %d to %d", before, after)
	}
}

func TestABackupThatIsNotWholeLeavesNothing(t *testing.T) {
	raw := backupOf(t, filled(t, storetest.SQLite))
	flipped := slices.Clone(raw)
	flipped[len(flipped)/2] ^= 1
	for name, b := range map[string][]byte{
		"cut in the middle": raw[:len(raw)/2], "cut at its last byte": raw[:len(raw)-1], "cut in the first line": raw[:5], "empty": nil,
		"with a bit turned": flipped, "with something after it": append(slices.Clone(raw), raw[16:]...), "no backup": []byte(strings.Repeat("notes ", 99)),
		"of a later form": append([]byte("accord-backup/2\n"), raw[16:]...),
	} {
		for engine, target := range engines {
			t.Run(name+" "+engine, func(t *testing.T) {
				url := target(t)
				_, _, err := store.Restore(t.Context(), url, bytes.NewReader(b), quiet)
				if !errors.Is(err, accord.ErrInvalid) {
					t.Errorf("%v", err)
				}
				if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
					if left, _ := filepath.Glob(path + "*"); len(left) > 0 {
						t.Errorf("left %v", left)
					}
				}
				if _, _, err := store.Restore(t.Context(), url, bytes.NewReader(raw), quiet); err != nil {
					t.Errorf("the whole one after it: %v", err)
				}
			})
		}
	}
}

func TestABackupIsNotRestoredBesideWhatAnotherStoreLeft(t *testing.T) {
	raw := backupOf(t, filled(t, storetest.SQLite))
	for _, end := range []string{"-wal", "-journal"} {
		file := filepath.Join(t.TempDir(), "accord.db")
		if err := os.WriteFile(file+end, []byte("of the store that was here"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := store.Restore(t.Context(), "sqlite:"+file, bytes.NewReader(raw), quiet); !errors.Is(err, accord.ErrConflict) || !strings.Contains(err.Error(), end) {
			t.Errorf("beside %s: %v", end, err)
		}
		if _, err := os.Stat(file); err == nil {
			t.Errorf("beside %s: a store is there", end)
		}
	}
}

func TestABackupWhileOthersWriteIsOfOneMoment(t *testing.T) {
	for name, engine := range engines {
		t.Run(name, func(t *testing.T) {
			url := filled(t, engine)
			d := storetest.Open(t, url)
			ctx, stop := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			wg.Go(func() {
				for n := int64(0); ctx.Err() == nil; n++ {
					if _, err := d.Ingest(t.Context(), []accord.Item{victimItem(n, 0), victimItem(n, 1)}, 1); err != nil {
						t.Error(err)
						return
					}
				}
			})
			var backups [][]byte
			for range 5 {
				backups = append(backups, backupOf(t, url))
			}
			stop()
			wg.Wait()
			for _, b := range backups {
				restored := storetest.SQLite(t)
				m, _, err := store.Restore(t.Context(), restored, bytes.NewReader(b), quiet)
				if err != nil {
					t.Fatal(err)
				}
				r := storetest.Open(t, restored)
				c := value(r.Counts(t.Context()))(t)
				list := value(r.Changes(t.Context(), 0, 1<<30))(t)
				if m.Seq != c.Seq || int64(len(list)) != c.Seq {
					t.Errorf("manifest at %d, counter at %d, %d changes", m.Seq, c.Seq, len(list))
				}
			}
		})
	}
}

// A slow disk or a cut pipe ends a backup with the error.
func TestABackupThatCannotBeWrittenFails(t *testing.T) {
	d := value(store.OpenReading(t.Context(), filled(t, storetest.SQLite), quiet))(t)
	defer d.Close()
	for _, room := range []int{0, 10, 300} {
		if _, err := d.Backup(t.Context(), &small0{room}, store.Manifest{}, nil); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("%d bytes of room: %v", room, err)
		}
	}
}

type small0 struct{ room int }

func (w *small0) Write(b []byte) (int, error) {
	if w.room -= len(b); w.room < 0 {
		return 0, io.ErrShortWrite
	}
	return len(b), nil
}

func TestAStoreOpenedForReadingIsNotWritten(t *testing.T) {
	for name, engine := range engines {
		t.Run(name, func(t *testing.T) {
			d := value(store.OpenReading(t.Context(), filled(t, engine), quiet))(t)
			defer d.Close()
			if _, err := d.Ingest(t.Context(), []accord.Item{victimItem(1, 1)}, 1); !errors.Is(err, accord.ErrForbidden) {
				t.Errorf("%v", err)
			}
			if _, err := d.Pool().ExecContext(t.Context(), "DELETE FROM item"); err == nil {
				t.Error("a statement that writes ran")
			}
		})
	}
}

// Frames that come whole out of the decompressor, and say what they like.
func FuzzRestoreRefusesWhatIsNoBackup(f *testing.F) {
	f.Add([]byte("M\x02{}"))
	f.Add([]byte("M\x0d{\"version\":1}T\x02{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var zip bytes.Buffer
		zip.WriteString("accord-backup/1\n")
		w := value(zstd.NewWriter(&zip))(t)
		if _, err := w.Write(b); err != nil || w.Close() != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "accord.db")
		if _, _, err := store.Restore(t.Context(), "sqlite:"+path, &zip, quiet); err == nil {
			t.Error("restored")
		}
		if _, err := os.Stat(path); err == nil {
			t.Error("left a store")
		}
	})
}
