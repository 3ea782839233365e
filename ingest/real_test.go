// SPDX-License-Identifier: Apache-2.0

package ingest_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"accord"
	"accord/demodata"
	"accord/ingest"
)

// dataDir returns the folder of real data, or skips.
func dataDir(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("ACCORD_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "data")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skip("SKIP: real data not here: set ACCORD_DATA")
	}
	return dir
}

// nowhere is a store that keeps nothing.
type nowhere struct{ n int }

func (s *nowhere) Ingest(_ context.Context, items []accord.Item, _ accord.Stamp) (accord.IngestResult, error) {
	s.n += len(items)
	return accord.IngestResult{New: len(items)}, nil
}

func (*nowhere) Latest(context.Context, []string) (map[string]accord.Item, error) { return nil, nil }

func (*nowhere) RecordRefusal(context.Context, string, string, string, accord.Stamp) error {
	return nil
}

func TestRealIntelligenceIsTaken(t *testing.T) {
	dir := dataDir(t)
	for _, tt := range []struct {
		path    string
		limit   int64
		objects int64 // at least
		refused int64 // at most
	}{
		{"stix/attack-enterprise.stix20.json.gz", 0, 24_000, 0},
		{"stix/attack-ics.stix21.json.gz", 0, 1_000, 0},
		{"stix/attack-mobile.stix21.json.gz", 0, 1_000, 0},
		{"stix/unit42-reports.tar.gz", 0, 1_000, 200},
		{"misp/eset-events.tar.gz", 0, 1_000, 2},
		{"indicators/maltrail.tsv.gz", 20_000, 19_990, 10},
	} {
		m := newMemory()
		in := ingester(m)
		begun := time.Now()
		r, err := in.File(t.Context(), filepath.Join(dir, filepath.FromSlash(tt.path)), ingest.Options{Limit: tt.limit})
		took := time.Since(begun)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %v in %v (%.0f objects/s), by type %v", tt.path, r, took.Round(time.Millisecond), float64(r.Objects)/took.Seconds(), r.ByType)
		for i, f := range r.Refusals {
			if i < 6 {
				t.Logf("  refused: %s: %s", f.What, f.Why)
			}
		}
		for i, k := range r.Conflicting {
			if i < 3 {
				t.Logf("  conflict: %v", k)
			}
		}
		if r.Objects < tt.objects || r.Refused > tt.refused {
			t.Errorf("%s: %d objects, %d refused; want at least %d and at most %d", tt.path, r.Objects, r.Refused, tt.objects, tt.refused)
		}
		if again, err := in.File(t.Context(), filepath.Join(dir, filepath.FromSlash(tt.path)), ingest.Options{Limit: tt.limit}); err != nil || again.New+again.Updated != 0 || again.Same+again.Conflicts != again.Objects {
			t.Errorf("%s again: %v %v", tt.path, again, err)
		}
	}
}

// BenchmarkParse measures everything but the store.
func BenchmarkParse(b *testing.B) {
	for _, name := range demodata.Intelligence {
		b.Run(name, func(b *testing.B) { benchmark(b, sample(b, name), 0) })
	}
	for _, name := range []string{"stix/attack-enterprise.stix20.json.gz", "stix/attack-ics.stix21.json.gz", "misp/eset-events.tar.gz", "indicators/maltrail.tsv.gz"} {
		b.Run(name, func(b *testing.B) {
			text, err := os.ReadFile(filepath.Join(dataDir(b), filepath.FromSlash(name)))
			if err != nil {
				b.Skip("SKIP: real data not here: set ACCORD_DATA")
			}
			benchmark(b, text, 100_000)
		})
	}
}

func benchmark(b *testing.B, text []byte, limit int64) {
	var objects, out int64
	for b.Loop() {
		in := &ingest.Ingester{Store: &nowhere{}, Now: time.Now, DefaultTLP: accord.TLPAmber}
		r, err := in.Stream(b.Context(), bytes.NewReader(text), "bench", ingest.Options{Limit: limit})
		if err != nil {
			b.Fatal(err)
		}
		objects, out = objects+r.Objects, out+r.Bytes
	}
	b.ReportMetric(float64(objects)/b.Elapsed().Seconds(), "objects/s")
	b.ReportMetric(float64(out)/b.Elapsed().Seconds()/1e6, "MB/s")
}
