// SPDX-License-Identifier: Apache-2.0

package scale_test

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"accord"
	"accord/match"
	"accord/store"
	"accord/store/storetest"
)

var (
	size = flag.Int("items", 20000, "items in the store at the end")
	dir  = flag.String("dir", "", "folder for the SQLite file; default: a temporary one")
)

// Items of one transaction, of the store that reads are compared with, and of the
// first and the last stretch whose rates are compared.
const (
	batch   = 1000
	few     = 10_000
	stretch = 50_000
)

// childEnv turns the test binary into the process that opens the store at this
// URL, loads the index and prints what that took.
const childEnv = "ACCORD_SCALE_CHILD"

func TestMain(m *testing.M) {
	if url := os.Getenv(childEnv); url != "" {
		if err := child(url); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	code := m.Run()
	if err := storetest.StopPostgres(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// opened is what a process says that opened a store.
type opened struct {
	Open, Index   time.Duration // to open the store; then to load the index
	Idle, Loaded  int64         // resident bytes before and after it was loaded
	Peak          int64         // most resident bytes ever
	Heap          int64         // live on Go's heap once loaded
	Values, Bytes int64         // of the index
}

func child(url string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var o opened
	began := time.Now()
	d, err := store.Open(ctx, url, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	if _, err := d.Counts(ctx); err != nil {
		return err
	}
	o.Open, o.Idle = time.Since(began), resident("VmRSS:")
	k := match.NewKeeper(d, match.Salt{1}, 0, slog.New(slog.DiscardHandler))
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	<-k.Ready()
	o.Index, o.Loaded, o.Peak = time.Since(began)-o.Open, resident("VmRSS:"), resident("VmHWM:")
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	o.Heap, o.Values, o.Bytes = int64(m.HeapAlloc), int64(k.Index().Size()), k.Index().Bytes()
	cancel()
	if err := <-done; err != nil {
		return err
	}
	if err := d.Close(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(o)
}

// resident reads a figure of this process from Linux, in bytes; 0 elsewhere.
func resident(word string) int64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if fields := strings.Fields(s.Text()); len(fields) > 1 && fields[0] == word {
			n, _ := strconv.ParseInt(fields[1], 10, 64)
			return n << 10
		}
	}
	return 0
}

func open(tb testing.TB, url string) *store.DB {
	tb.Helper()
	d, err := store.Open(tb.Context(), url, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// load brings the store from from items to to and returns how many a second it
// took in over the first and the last stretch.
func load(tb testing.TB, d *store.DB, from, to int) (first, last float64) {
	tb.Helper()
	var took []time.Duration
	for n := from; n < to; n += batch {
		items := batchOf(n, min(n+batch, to))
		began := time.Now()
		res, err := d.Ingest(tb.Context(), items, t0)
		if err != nil {
			tb.Fatal(err)
		}
		took = append(took, time.Since(began))
		if res.New != len(items) {
			tb.Fatalf("%+v of %d new items", res, len(items))
		}
		if k := len(took); k%500 == 0 {
			tb.Logf("%d items: %.0f/s", n+batch, rate(took[k-min(k, 500):]))
		}
	}
	k := min(stretch/batch, (len(took)+1)/2)
	return rate(took[:k]), rate(took[len(took)-k:])
}

func rate(took []time.Duration) float64 {
	var sum time.Duration
	for _, t := range took {
		sum += t
	}
	return float64(len(took)*batch) / sum.Seconds()
}

// reads are what people and stages ask of a store of n items, each at place i.
var reads = map[string]func(ctx context.Context, d *store.DB, n, i int) (int, error){
	"item": func(ctx context.Context, d *store.DB, _, i int) (int, error) {
		it, err := d.Item(ctx, made(i).ID)
		return len(it.Observables), err
	},
	"value": func(ctx context.Context, d *store.DB, _, i int) (int, error) {
		return search(ctx, d, accord.Query{Text: made(i).Name})
	},
	"prefix": func(ctx context.Context, d *store.DB, _, i int) (int, error) {
		return search(ctx, d, accord.Query{Text: made(i).Name[:6]})
	},
	"newest": func(ctx context.Context, d *store.DB, _, _ int) (int, error) { return search(ctx, d, accord.Query{}) },
	"of-source": func(ctx context.Context, d *store.DB, _, i int) (int, error) {
		return search(ctx, d, accord.Query{Source: made(i).Source})
	},
	"changes": func(ctx context.Context, d *store.DB, n, i int) (int, error) {
		list, err := d.Changes(ctx, int64(min(i, n-500)), 500)
		return len(list), err
	},
	"sought": func(ctx context.Context, d *store.DB, n, i int) (int, error) {
		list, err := d.SoughtSince(ctx, int64(min(i, n-500)), 500)
		return len(list), err
	},
	"counts": func(ctx context.Context, d *store.DB, _, _ int) (int, error) {
		c, err := d.Counts(ctx)
		return int(c.Items), err
	},
}

func search(ctx context.Context, d *store.DB, q accord.Query) (int, error) {
	list, _, err := d.Search(ctx, q)
	return len(list), err
}

// latencies times each read many times over a store of n items, at places spread
// over it, and returns the median and the 99th percentile.
func latencies(tb testing.TB, d *store.DB, n int) map[string][2]time.Duration {
	tb.Helper()
	const rounds = 300
	out := map[string][2]time.Duration{}
	for name, read := range reads {
		var took []time.Duration
		for r := range rounds {
			i := (r*7919 + 13) * (n/rounds + 1) % n
			began := time.Now()
			found, err := read(tb.Context(), d, n, i)
			took = append(took, time.Since(began))
			if err != nil || found == 0 {
				tb.Fatalf("%s at %d of %d: %d found, %v", name, i, n, found, err)
			}
		}
		slices.Sort(took)
		out[name] = [2]time.Duration{took[rounds/2], took[rounds*99/100]}
	}
	return out
}

// inChild opens the store in a process of its own.
func inChild(tb testing.TB, url string) (o opened) {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+url)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &o)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return o
}

// figures is what one run finds.
type figures struct {
	first, last float64
	early, late map[string][2]time.Duration
	opened      opened
	disk        int64
}

func measure(tb testing.TB, url string, n int, disk func(testing.TB) int64) (f figures) {
	tb.Helper()
	d := open(tb, url)
	load(tb, d, 0, min(few, n/2))
	f.early = latencies(tb, d, min(few, n/2))
	f.first, f.last = load(tb, d, min(few, n/2), n)
	f.late = latencies(tb, d, n)
	if err := d.Close(); err != nil {
		tb.Fatal(err)
	}
	f.disk = disk(tb)
	f.opened = inChild(tb, url)
	return f
}

func sqlite(tb testing.TB) (url string, disk func(testing.TB) int64) {
	path := filepath.Join(tb.TempDir(), "accord.db")
	if *dir != "" {
		path = filepath.Join(*dir, "accord-scale.db")
	}
	return "sqlite:" + path, func(tb testing.TB) int64 {
		info, err := os.Stat(path)
		if err != nil {
			tb.Fatal(err)
		}
		return info.Size()
	}
}

func (f figures) report(b *testing.B, n int) {
	b.Helper()
	const mb = 1 << 20
	b.ReportMetric(f.first, "first/s")
	b.ReportMetric(f.last, "last/s")
	b.ReportMetric(f.last/f.first, "last/first")
	b.ReportMetric(float64(f.disk)/float64(n), "B/item")
	b.ReportMetric(float64(f.opened.Idle)/mb, "MB-open")
	b.ReportMetric(float64(f.opened.Loaded)/mb, "MB-loaded")
	b.ReportMetric(float64(f.opened.Peak)/mb, "MB-peak")
	b.ReportMetric(float64(f.opened.Heap)/mb, "MB-heap")
	b.ReportMetric(f.opened.Open.Seconds(), "s-open")
	b.ReportMetric(f.opened.Index.Seconds(), "s-index")
	for name, late := range f.late {
		early := f.early[name]
		b.ReportMetric(late[0].Seconds()/early[0].Seconds(), name+"-x")
		b.Logf("%-10s median %v, p99 %v; with %d items %v, %v", name, late[0], late[1], min(few, n/2), early[0], early[1])
	}
	b.Logf("index of %d values in %d bytes", f.opened.Values, f.opened.Bytes)
}

// BenchmarkSQLite and BenchmarkPostgres fill a store and report its figures; a
// read's is how many times longer it took than with 10,000 items (name-x).
func BenchmarkSQLite(b *testing.B) {
	for range b.N {
		url, disk := sqlite(b)
		measure(b, url, *size, disk).report(b, *size)
	}
}

func BenchmarkPostgres(b *testing.B) {
	for range b.N {
		url := storetest.Postgres(b)
		measure(b, url, *size, diskOfPostgres(url)).report(b, *size)
	}
}

// diskOfPostgres asks how much the tables of the schema at url take with their indexes.
func diskOfPostgres(url string) func(testing.TB) int64 {
	return func(tb testing.TB) (n int64) {
		tb.Helper()
		db, err := sql.Open("pgx", url)
		if err != nil {
			tb.Fatal(err)
		}
		defer db.Close()
		row := db.QueryRowContext(tb.Context(), "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c "+
			"JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() AND c.relkind = 'r'")
		if err := row.Scan(&n); err != nil {
			tb.Fatal(err)
		}
		return n
	}
}

// What is measured is right as well: all is found, and the index holds it.
func TestEveryItemOfAStoreIsFoundAndSought(t *testing.T) {
	const n = 3000
	url, disk := sqlite(t)
	f := measure(t, url, n, disk)
	if f.opened.Values != n || f.disk == 0 || len(f.late) != len(reads) {
		t.Errorf("%+v", f)
	}
}
