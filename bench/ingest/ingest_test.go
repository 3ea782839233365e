// SPDX-License-Identifier: Apache-2.0

package ingest_test

import (
	"context"
	"database/sql"
	"encoding/hex"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"accord"
	"accord/store"
	"accord/store/storetest"
)

var size = flag.Int("items", 60000, "items to ingest in each round")

const batch = 1000

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if err := storetest.StopPostgres(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// items makes n indicators of about 680 bytes with random ids and values, as
// feeds of single domains have them.
func items(n int, seed uint64) []accord.Item {
	r := rand.New(rand.NewPCG(seed, 7))
	out := make([]accord.Item, n)
	at := accord.Stamp(1_700_000_000_000_000)
	for i := range out {
		var u [16]byte
		for k := range u {
			u[k] = byte(r.Uint32())
		}
		x := hex.EncodeToString(u[:])
		id := fmt.Sprintf("indicator--%s-%s-4%s-8%s-%s", x[:8], x[8:12], x[13:16], x[17:20], x[20:])
		name := fmt.Sprintf("%x.host%d.example", r.Uint64(), r.IntN(1000))
		at += 1000
		out[i] = accord.Item{
			ItemKey: accord.ItemKey{ID: id, Version: at}, Type: "indicator", Spec: "2.1", Name: name, Created: at, ValidFrom: at,
			ValidUntil: at + 90*24*3600*1_000_000, Confidence: 70, TLP: accord.TLPGreen, Labels: []string{"malicious-activity"},
			Observables: []accord.Observable{{Kind: accord.KindDomain, Value: name}}, Atomic: true, Source: "feed",
			Bytes: fmt.Appendf(nil, `{"type":"indicator","spec_version":"2.1","id":%q,"created":%q,"modified":%q,"name":%q,"description":%q,`+
				`"indicator_types":["malicious-activity"],"pattern":"[domain-name:value = '%s']","pattern_type":"stix","valid_from":%q,"valid_until":%q,`+
				`"confidence":70,"object_marking_refs":["marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"]}`,
				id, at, at, name, strings.Repeat("seen in traffic ", 8), name, at, at+90*24*3600*1_000_000),
		}
	}
	return out
}

// The statements of the bare insert: the rows that the store writes for an
// indicator of one value, into the same tables under the same indexes.
var bare = []struct {
	text    string
	columns int
}{
	{"INSERT INTO item (n, id, version, type, latest, seq, party, source, lname, withdrawn, held, spec, name, created, valid_from, valid_until, " +
		"created_by, class, confidence, revoked, tlp, pap, atomic, added, retain, origin, facts, why, bytes) VALUES ", 29},
	{"INSERT INTO observable (value, item) VALUES ", 2},
	{"INSERT INTO change (seq, kind, id, version, at) VALUES ", 5},
}

func bareRow(table int, n int64, it accord.Item) []any {
	switch table {
	case 0:
		return []any{
			n, it.ID, int64(it.Version), it.Type, int64(1), n, "", it.Source, "", int64(0), "", it.Spec, it.Name, int64(it.Created), int64(it.ValidFrom),
			int64(it.ValidUntil), "", "", int64(it.Confidence), int64(0), int64(it.TLP), int64(it.PAP), int64(1), int64(1), int64(0), "",
			`{"o":[["domain","` + it.Observables[0].Value + `"]],"l":["malicious-activity"]}`, "", it.Bytes,
		}
	case 1:
		return []any{it.Observables[0].Value, n}
	}
	return []any{n, "item", it.ID, int64(it.Version), int64(1)}
}

// bareInsert writes the rows with prepared statements of so many rows each, a
// transaction a batch.
func bareInsert(ctx context.Context, path string, all []accord.Item, rows int) (time.Duration, error) {
	db, err := sql.Open("sqlite", path+"?_txlock=immediate&_pragma=synchronous(FULL)&_pragma=cache_size(-98304)&_pragma=wal_autocheckpoint(32768)")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	prepared := make([]*sql.Stmt, len(bare))
	for i, b := range bare {
		one := "(" + strings.Repeat("?, ", b.columns-1) + "?)"
		if prepared[i], err = db.PrepareContext(ctx, b.text+strings.Repeat(one+", ", rows-1)+one); err != nil {
			return 0, err
		}
		defer prepared[i].Close()
	}
	begin := time.Now()
	for from := 0; from < len(all); from += batch {
		if err := bareBatch(ctx, db, prepared, all[from:min(from+batch, len(all))], int64(from), rows); err != nil {
			return 0, err
		}
	}
	return time.Since(begin), nil
}

func bareBatch(ctx context.Context, db *sql.DB, prepared []*sql.Stmt, items []accord.Item, after int64, rows int) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // it is committed, or it failed already
	for table, st := range prepared {
		st = tx.StmtContext(ctx, st)
		for from := 0; from+rows <= len(items); from += rows {
			var args []any
			for i, it := range items[from : from+rows] {
				args = append(args, bareRow(table, after+int64(from+i)+1, it)...)
			}
			if _, err := st.ExecContext(ctx, args...); err != nil {
				return err
			}
		}
	}
	return tx.Commit()
}

func fill(ctx context.Context, d *store.DB, all []accord.Item) (time.Duration, error) {
	begin := time.Now()
	for from := 0; from < len(all); from += batch {
		if _, err := d.Ingest(ctx, all[from:min(from+batch, len(all))], 1); err != nil {
			return 0, err
		}
	}
	return time.Since(begin), nil
}

// BenchmarkSQLite ingests the same items durably three times: bare with a
// statement a row, bare with a statement for fifty rows, and through the store. It
// reports the rates and their ratios: the store keeps at least 60 % of either.
func BenchmarkSQLite(b *testing.B) {
	all := items(*size, 1)
	var single, packed, whole time.Duration
	for b.Loop() {
		b.StopTimer()
		for rows, sum := range map[int]*time.Duration{1: &single, 50: &packed} {
			url := storetest.SQLite(b)
			open(b, url, func(*store.DB) {})
			took, err := bareInsert(b.Context(), strings.TrimPrefix(url, "sqlite:"), all, rows)
			if err != nil {
				b.Fatal(err)
			}
			*sum += took
		}
		open(b, storetest.SQLite(b), func(d *store.DB) {
			b.StartTimer()
			took, err := fill(b.Context(), d, all)
			if err != nil {
				b.Fatal(err)
			}
			whole += took
		})
	}
	n := float64(*size) * float64(b.N)
	b.ReportMetric(n/single.Seconds(), "bare/s")
	b.ReportMetric(n/packed.Seconds(), "packed/s")
	b.ReportMetric(n/whole.Seconds(), "items/s")
	b.ReportMetric(single.Seconds()/whole.Seconds(), "ratio")
	b.ReportMetric(packed.Seconds()/whole.Seconds(), "packed-ratio")
}

// BenchmarkAgain ingests what is there already, as a feed does every day.
func BenchmarkAgain(b *testing.B) {
	all := items(*size, 1)
	open(b, storetest.SQLite(b), func(d *store.DB) {
		if _, err := fill(b.Context(), d, all); err != nil {
			b.Fatal(err)
		}
		var whole time.Duration
		for b.Loop() {
			took, err := fill(b.Context(), d, all)
			if err != nil {
				b.Fatal(err)
			}
			whole += took
		}
		b.ReportMetric(float64(*size)*float64(b.N)/whole.Seconds(), "items/s")
	})
}

// BenchmarkPostgres ingests into PostgreSQL.
func BenchmarkPostgres(b *testing.B) {
	all := items(*size, 1)
	var whole time.Duration
	for b.Loop() {
		open(b, storetest.Postgres(b), func(d *store.DB) {
			took, err := fill(b.Context(), d, all)
			if err != nil {
				b.Fatal(err)
			}
			whole += took
		})
	}
	b.ReportMetric(float64(*size)*float64(b.N)/whole.Seconds(), "items/s")
}

func open(b *testing.B, url string, use func(*store.DB)) {
	b.Helper()
	d, err := store.Open(b.Context(), url, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	use(d)
	if err := d.Close(); err != nil {
		b.Fatal(err)
	}
}
