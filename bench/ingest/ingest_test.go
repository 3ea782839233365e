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
var bare = []string{
	"INSERT INTO item (n, id, version, type, latest, seq, party, source, lname, withdrawn, held, spec, name, created, valid_from, valid_until, " +
		"created_by, class, confidence, revoked, tlp, pap, atomic, added, origin, facts, why, bytes) VALUES " +
		"(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	"INSERT INTO observable (value, item) VALUES (?, ?)",
	"INSERT INTO change (seq, kind, id, version, at) VALUES (?, ?, ?, ?, ?)",
}

func bareRows(n int64, it accord.Item) [][]any {
	return [][]any{
		{
			n, it.ID, int64(it.Version), it.Type, int64(1), n, "", it.Source, "", int64(0), "", it.Spec, it.Name, int64(it.Created), int64(it.ValidFrom),
			int64(it.ValidUntil), "", "", int64(it.Confidence), int64(0), int64(it.TLP), int64(it.PAP), int64(1), int64(1), "",
			`{"o":[["domain","` + it.Observables[0].Value + `"]],"l":["malicious-activity"]}`, "", it.Bytes,
		},
		{it.Observables[0].Value, n},
		{n, "item", it.ID, int64(it.Version), int64(1)},
	}
}

// bareInsert writes the rows with prepared statements, a transaction a batch.
func bareInsert(ctx context.Context, path string, all []accord.Item) (time.Duration, error) {
	db, err := sql.Open("sqlite", path+"?_txlock=immediate&_pragma=synchronous(FULL)&_pragma=cache_size(-98304)&_pragma=wal_autocheckpoint(32768)")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	var prepared []*sql.Stmt
	for _, query := range bare {
		st, err := db.PrepareContext(ctx, query)
		if err != nil {
			return 0, err
		}
		defer st.Close()
		prepared = append(prepared, st)
	}
	begin := time.Now()
	for from := 0; from < len(all); from += batch {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return 0, err
		}
		inTx := make([]*sql.Stmt, len(prepared))
		for i, st := range prepared {
			inTx[i] = tx.StmtContext(ctx, st)
		}
		for i, it := range all[from:min(from+batch, len(all))] {
			for k, args := range bareRows(int64(from+i+1), it) {
				if _, err := inTx[k].ExecContext(ctx, args...); err != nil {
					return 0, err
				}
			}
		}
		if err := tx.Commit(); err != nil {
			return 0, err
		}
	}
	return time.Since(begin), nil
}

func ingest(ctx context.Context, d *store.DB, all []accord.Item) (time.Duration, error) {
	begin := time.Now()
	for from := 0; from < len(all); from += batch {
		if _, err := d.Ingest(ctx, all[from:min(from+batch, len(all))], 1); err != nil {
			return 0, err
		}
	}
	return time.Since(begin), nil
}

// BenchmarkSQLite ingests the same items durably twice, bare and through the
// store, and reports both rates and their ratio: the store keeps at least 60 %.
func BenchmarkSQLite(b *testing.B) {
	all := items(*size, 1)
	var alone, whole time.Duration
	for b.Loop() {
		b.StopTimer()
		url := storetest.SQLite(b)
		open(b, url, func(*store.DB) {})
		took, err := bareInsert(b.Context(), strings.TrimPrefix(url, "sqlite:"), all)
		if err != nil {
			b.Fatal(err)
		}
		alone += took
		open(b, storetest.SQLite(b), func(d *store.DB) {
			b.StartTimer()
			if took, err = ingest(b.Context(), d, all); err != nil {
				b.Fatal(err)
			}
		})
		whole += took
	}
	n := float64(*size) * float64(b.N)
	b.ReportMetric(n/alone.Seconds(), "bare/s")
	b.ReportMetric(n/whole.Seconds(), "items/s")
	b.ReportMetric(alone.Seconds()/whole.Seconds(), "ratio")
}

// BenchmarkAgain ingests what is there already, as a feed does every day.
func BenchmarkAgain(b *testing.B) {
	all := items(*size, 1)
	open(b, storetest.SQLite(b), func(d *store.DB) {
		if _, err := ingest(b.Context(), d, all); err != nil {
			b.Fatal(err)
		}
		var whole time.Duration
		for b.Loop() {
			took, err := ingest(b.Context(), d, all)
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
			took, err := ingest(b.Context(), d, all)
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
