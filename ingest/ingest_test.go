// SPDX-License-Identifier: Apache-2.0

package ingest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/demodata"
	"accord/format/misp"
	"accord/ingest"
)

// memory is a store in memory with the contract of the real one.
type memory struct {
	mu       sync.Mutex
	items    map[accord.ItemKey]accord.Item
	latest   map[string]accord.Stamp
	refusals []accord.Refusal
	batches  int
	then     func(batch int) error // called within each write
}

func newMemory() *memory {
	return &memory{items: map[accord.ItemKey]accord.Item{}, latest: map[string]accord.Stamp{}}
}

func (m *memory) Ingest(_ context.Context, items []accord.Item, _ accord.Stamp) (accord.IngestResult, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.batches++
	if m.then != nil {
		if err := m.then(m.batches); err != nil {
			return accord.IngestResult{}, err
		}
	}
	var r accord.IngestResult
	for _, it := range items {
		old, had := m.items[it.ItemKey]
		newest, known := m.latest[it.ID]
		switch {
		case had && bytes.Equal(old.Bytes, it.Bytes):
			r.Same++
			continue
		case had:
			r.Conflicts++
			r.Conflict = append(r.Conflict, it.ItemKey)
			continue
		case known:
			r.Updated++
		default:
			r.New++
		}
		m.items[it.ItemKey] = it
		m.latest[it.ID] = max(newest, it.Version)
	}
	return r, nil
}

func (m *memory) Latest(_ context.Context, ids []string) (map[string]accord.Item, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := map[string]accord.Item{}
	for _, id := range ids {
		if v, ok := m.latest[id]; ok {
			found[id] = m.items[accord.ItemKey{ID: id, Version: v}]
		}
	}
	return found, nil
}

func (m *memory) RecordRefusal(_ context.Context, source, what, why string, at accord.Stamp) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refusals = append(m.refusals, accord.Refusal{At: at, Source: source, What: what, Why: why})
	return nil
}

// never holds one value.
type never accord.Observable

func (n never) Holds(o accord.Observable) (string, bool) {
	return "sample list", o == accord.Observable(n)
}

// start is the instant at which the tests' clock stands.
var start = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func ingester(m *memory) *ingest.Ingester {
	now := start
	var mu sync.Mutex
	return &ingest.Ingester{
		Store: m, DefaultTLP: accord.TLPAmber, Identity: "identity--0b1c2d3e-0000-4000-a000-000000000001",
		Now: func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			now = now.Add(time.Second)
			return now
		},
	}
}

// file writes a file of the test.
func file(t testing.TB, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func sample(t testing.TB, name string) []byte {
	t.Helper()
	b, err := demodata.FS.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func run(t *testing.T, in *ingest.Ingester, name string, b []byte, o ingest.Options) ingest.Report {
	t.Helper()
	r, err := in.File(t.Context(), file(t, name, b), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTheContentDecidesTheFormat(t *testing.T) {
	for name, want := range map[string]string{
		demodata.Bundle21: "report", demodata.Bundle20: "report", demodata.Event: "report", demodata.Indicators: "indicator",
	} {
		m := newMemory()
		r := run(t, ingester(m), "unnamed", sample(t, name), ingest.Options{Source: "demo"})
		if r.ByType[want] == 0 || r.Refused != 0 || r.New != r.Objects || r.Conflicts != 0 {
			t.Errorf("%s: %v, by type %v, refusals %v", name, r, r.ByType, r.Refusals)
		}
		for _, it := range m.items {
			if it.Source != "demo" {
				t.Errorf("%s has source %q", it.ID, it.Source)
			}
		}
	}
}

func TestIngestingAgainChangesNothing(t *testing.T) {
	m := newMemory()
	in := ingester(m)
	for _, name := range demodata.Intelligence {
		first := run(t, in, name, sample(t, name), ingest.Options{})
		again := run(t, in, name, sample(t, name), ingest.Options{})
		if first.New == 0 || again.Same != first.Objects || again.New+again.Updated+again.Conflicts != 0 {
			t.Errorf("%s: first %v, then %v", name, first, again)
		}
	}
}

func TestAListThatSaysSomethingElseIsANewVersion(t *testing.T) {
	m := newMemory()
	in := ingester(m)
	text := "type,value,family,comment\ndomain,a.example,salt,%s\ndomain,b.example,salt,x\n"
	run(t, in, "l", fmt.Appendf(nil, text, "one"), ingest.Options{Source: "list"})
	for i, want := range []string{"two", "two"} {
		r := run(t, in, "l", fmt.Appendf(nil, text, want), ingest.Options{Source: "list"})
		if wantUpdated := int64(1 - i); r.Updated != wantUpdated || r.Same != 2-wantUpdated || r.Conflicts != 0 {
			t.Errorf("run %d: %v", i, r)
		}
	}
	var versions []accord.Stamp
	var created accord.Stamp
	for _, it := range m.items {
		if strings.Contains(it.Name, "a.example") {
			versions, created = append(versions, it.Version), it.Created
		}
	}
	if len(versions) != 2 || created != slices.Min(versions) {
		t.Errorf("versions %v, created %v", versions, created)
	}
}

func TestAListNeverRevivesWhatWasTakenBack(t *testing.T) {
	m := newMemory()
	in := ingester(m)
	run(t, in, "l", []byte("value,comment\na.example,x\n"), ingest.Options{Source: "s"})
	for k, it := range m.items {
		it.Withdrawn = 1
		m.items[k] = it
	}
	r := run(t, in, "l", []byte("value,comment\na.example,y\n"), ingest.Options{Source: "s"})
	if r.Same != 1 || len(m.items) != 1 {
		t.Errorf("%v, %d items", r, len(m.items))
	}
}

func TestRefusalsAreRecordedAndTheRestGoesOn(t *testing.T) {
	m := newMemory()
	in := ingester(m)
	bundle := `{"type":"bundle","id":"bundle--0b1c2d3e-0000-4000-a000-000000000009","objects":[
		{"type":"identity","spec_version":"2.1","id":"identity--0b1c2d3e-0000-4000-a000-000000000002","created":"2026-01-01T00:00:00Z","modified":"2026-01-01T00:00:00Z","name":"A"},
		{"type":"identity","spec_version":"2.1","id":"identity--nonsense","created":"2026-01-01T00:00:00Z","modified":"2026-01-01T00:00:00Z","name":"B"},
		{"type":"identity","spec_version":"2.1","name":"C","name":"D"},
		{"type":"identity","spec_version":"2.1","id":"identity--0b1c2d3e-0000-4000-a000-000000000003","created":"2026-01-01T00:00:00Z","modified":"2026-01-01T00:00:00Z","name":"E"}]}`
	r := run(t, in, "b.json", []byte(bundle), ingest.Options{})
	if r.New != 2 || r.Refused != 2 || len(m.refusals) != 2 || m.refusals[0].Source != "b.json" {
		t.Errorf("%v, recorded %v", r, m.refusals)
	}
	m = newMemory()
	in = ingester(m)
	in.Limits.Refusals = 3
	r = run(t, in, "l", []byte("a.example\n"+strings.Repeat("not one\n", 5000)+"b.example\n"), ingest.Options{})
	if r.New != 2 || r.Refused != 5000 || len(m.refusals) != 3 || len(r.Refusals) != 3 {
		t.Errorf("%v: %d recorded, %d in the report; want 3", r, len(m.refusals), len(r.Refusals))
	}
	if want := "line 2: "; !strings.HasPrefix(r.Refusals[0].Why, want) {
		t.Errorf("why %q, want %q first", r.Refusals[0].Why, want)
	}
}

func TestWhatIsNoIntelligenceIsRefusedWithItsReason(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"empty":      {"", "empty"},
		"spaces":     {" \n\n", "empty"},
		"zeek":       {string(sample(t, demodata.DNSLog)), "Zeek log"},
		"html":       {"<!doctype html>", "HTML"},
		"binary":     {"MZ\x00\x01", "not text"},
		"utf-16":     {"\xff\xfea\x00", "UTF-16"},
		"other json": {`{"duvel":{"a":[1,2]},"b":3}`, "outermost names: duvel, b"},
		"broken":     {`{"Event":{"uuid":"x",}}`, "broken JSON at byte"},
		"array":      {`["a","b"]`, "neither a STIX bundle nor a MISP event"},
		"zstd":       {"\x28\xb5\x2f\xfd1234567", "compressed in a way"},
		"cut gzip":   {"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00", "gzip"},
	} {
		m := newMemory()
		r := run(t, ingester(m), name, []byte(tt.text), ingest.Options{})
		if r.Refused != 1 || len(m.refusals) != 1 || !strings.Contains(m.refusals[0].Why, tt.want) || !strings.HasPrefix(m.refusals[0].What, name) {
			t.Errorf("%s: %v, recorded %+v; want one that says %q", name, r, m.refusals, tt.want)
		}
	}
}

func TestAnAddressInBracketsIsAListNotJSON(t *testing.T) {
	r := run(t, ingester(newMemory()), "l", []byte("[2001:db8::1]:443\n[2001:db8::2]:443\n"), ingest.Options{})
	if r.New != 2 {
		t.Errorf("%v %v", r, r.Refusals)
	}
}

func TestWarningListsHoldBackRatherThanDrop(t *testing.T) {
	m := newMemory()
	in := ingester(m)
	in.Never = never{Kind: accord.KindDomain, Value: "b.example"}
	r := run(t, in, "l", []byte("a.example\nb.example\n"), ingest.Options{})
	held := 0
	for _, it := range m.items {
		if it.Held == "sample list" && it.Observables[0].Value == "b.example" {
			held++
		}
	}
	if r.New != 2 || r.Held != 1 || held != 1 {
		t.Errorf("%v, %d held", r, held)
	}
}

func TestMarkingsAndLabelsOfTheOptionsApply(t *testing.T) {
	m := newMemory()
	green := accord.TLPGreen
	run(t, ingester(m), "l", []byte("a.example\n"), ingest.Options{Unmarked: &green, Labels: []string{"Exercise"}})
	run(t, ingester(m), "b", sample(t, demodata.Bundle21), ingest.Options{AtLeast: accord.TLPAmberStrict, Labels: []string{"raised"}})
	for _, it := range m.items {
		list := slices.Contains(it.Labels, "exercise")
		if list && it.TLP != accord.TLPGreen || !list && (it.TLP < accord.TLPAmberStrict || !slices.Contains(it.Labels, "raised")) {
			t.Errorf("%s: TLP %v labels %v", it.ID, it.TLP, it.Labels)
		}
	}
}

func TestPathsAloneAreKeptWithoutObservables(t *testing.T) {
	m := newMemory()
	r := run(t, ingester(m), "l", []byte("type\tvalue\nurl\t/gate.php\nurl\tbad.example/x\n"), ingest.Options{})
	if r.New != 2 {
		t.Fatalf("%v %v", r, r.Refusals)
	}
	for _, it := range m.items {
		path := strings.HasPrefix(it.Name, "/gate.php")
		if path != (len(it.Observables) == 0) || path == it.Atomic || !path && len(it.Observables) != 2 {
			t.Errorf("%s: observables %v, atomic %v", it.Name, it.Observables, it.Atomic)
		}
	}
}

func TestLimitTakesTheFirstRowsAlone(t *testing.T) {
	m := newMemory()
	r := run(t, ingester(m), "l", sample(t, demodata.Indicators), ingest.Options{Limit: 1234})
	if r.Objects != 1234 {
		t.Errorf("%v, want 1234 objects", r)
	}
	r = run(t, ingester(newMemory()), "l", sample(t, demodata.Bundle21), ingest.Options{Limit: 7})
	if r.Objects != 7 {
		t.Errorf("%v, want 7 objects", r)
	}
}

func TestStoppingEndsAtABatchBorder(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	m := newMemory()
	m.then = func(batch int) error {
		if batch == 2 {
			stop()
		}
		return nil
	}
	in := ingester(m)
	in.Limits.Batch = 100
	r, err := in.File(ctx, file(t, "l", sample(t, demodata.Indicators)), ingest.Options{Source: "s"})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
	if r.New != 200 || len(m.items) != 200 {
		t.Errorf("reported %d, stored %d; want two batches of 100", r.New, len(m.items))
	}
	m.then = nil
	again := run(t, in, "l", sample(t, demodata.Indicators), ingest.Options{Source: "s"})
	if again.Same < 200 || again.Conflicts != 0 || again.New+again.Same != again.Objects {
		t.Errorf("afterwards %v", again)
	}
}

func TestAStoreThatFailsStopsTheRun(t *testing.T) {
	m := newMemory()
	broken := errors.New("disk full")
	m.then = func(int) error { return broken }
	if _, err := ingester(m).File(t.Context(), file(t, "l", sample(t, demodata.Indicators)), ingest.Options{}); !errors.Is(err, broken) {
		t.Errorf("error %v, want the store's", err)
	}
}

func TestProgressReachesTheEnd(t *testing.T) {
	b := sample(t, demodata.Indicators)
	var done, total int64
	in := ingester(newMemory())
	in.Limits.Batch = 100
	calls := 0
	run(t, in, "l", b, ingest.Options{Progress: func(d, size int64, r ingest.Report) {
		if d < done || r.Objects == 0 && d == 0 {
			t.Errorf("progress went from %d to %d", done, d)
		}
		done, total, calls = d, size, calls+1
	}})
	if done != int64(len(b)) || total != done || calls < 10 {
		t.Errorf("%d of %d in %d calls, want all of %d", done, total, calls, len(b))
	}
}

func TestADirectoryIsTakenFileByFile(t *testing.T) {
	dir := t.TempDir()
	for i, name := range demodata.Intelligence {
		sub := filepath.Join(dir, fmt.Sprint(i%2))
		if err := os.MkdirAll(sub, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(sub, name), sample(t, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, ".hidden"), []byte("x.example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/zero", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	m := newMemory()
	r, err := ingester(m).Dir(t.Context(), dir, ingest.Options{})
	if err != nil || r.Files != len(demodata.Intelligence) || r.Refused != 0 || r.New < 2000 {
		t.Errorf("%v, %v", r, err)
	}
	sources := map[string]bool{}
	for _, it := range m.items {
		sources[it.Source] = true
	}
	if got := slices.Sorted(maps.Keys(sources)); !slices.Equal(got, slices.Sorted(slices.Values(demodata.Intelligence))) {
		t.Errorf("sources %v", got)
	}
}

func TestLossesAreCountedAndTold(t *testing.T) {
	told := 0
	r := run(t, ingester(newMemory()), "e", sample(t, demodata.Event), ingest.Options{Lost: func(f string, l misp.Loss) {
		told++
		if f != "e" || l.Why == "" {
			t.Errorf("loss %+v of %s", l, f)
		}
	}})
	sum := int64(0)
	for _, n := range r.LossWhy {
		sum += n
	}
	if r.Losses < 1 || sum != r.Losses || int64(told) != r.Losses {
		t.Errorf("%d losses, %d by reason, %d told", r.Losses, sum, told)
	}
}

func TestAStreamIsReadToo(t *testing.T) {
	r, err := ingester(newMemory()).Stream(t.Context(), bytes.NewReader(sample(t, demodata.Bundle21)), "stdin", ingest.Options{})
	if err != nil || r.New == 0 {
		t.Errorf("%v %v", r, err)
	}
	_, err = ingester(newMemory()).Stream(t.Context(), io.MultiReader(strings.NewReader("a.example\n"), broken{}), "stdin", ingest.Options{})
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error %v, want the stream's own", err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestTheReportIsOneLine(t *testing.T) {
	r := ingest.Report{Files: 1, Objects: 2, New: 1, Same: 1}
	if diff := cmp.Diff("2 objects from 1 files: 1 new, 0 updated, 1 same, 0 conflicts, 0 held, 0 refused, 0 losses", r.String()); diff != "" {
		t.Error(diff)
	}
}

func TestWhatBrokeIsToldFromWhatWasRefused(t *testing.T) {
	const good = `{"type":"malware","spec_version":"2.1","id":"malware--00000000-0000-4000-8000-000000000007","created":"2026-01-02T03:04:05.000Z","modified":"2026-01-02T03:04:05.000Z","name":"a","is_family":false}`
	for text, broken := range map[string]int64{
		`{"type":"bundle","objects":[` + good + `]}`:              0,
		`{"type":"bundle","objects":[` + good + `,{"type":1}]}`:   0,
		`{"type":"bundle","objects":[` + good + `,{"type":`:       1,
		`{"type":"bundle","objects":[` + good + `,}`:              1,
		`{"response":[{"Event":{"uuid":"nonsense"}}]}`:            0,
		`{"response":[{"Event":{"uuid":"nonsense"}},{"Event":{`:   1,
		"a.example\n\x00\nb.example\n" + strings.Repeat("x", 1e6): 0,
	} {
		r, err := ingester(newMemory()).Stream(t.Context(), strings.NewReader(text), "in", ingest.Options{})
		if err != nil || r.Broken != broken {
			t.Errorf("%.120s: %d broken, want %d: %v %v", text, r.Broken, broken, r.Refusals, err)
		}
	}
}
