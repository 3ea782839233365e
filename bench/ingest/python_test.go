// SPDX-License-Identifier: Apache-2.0

package ingest_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"accord"
	"accord/ingest"
	"accord/store"
	"accord/store/storetest"
	"accord/taxii/taxiitest"
)

// BenchmarkAgainstPython reads a bundle from a file, validates it and stores it
// durably, against python-stix2 that parses its objects and keeps nothing: the
// ratio is how many times more objects a second.
func BenchmarkAgainstPython(b *testing.B) {
	python := taxiitest.Python(b, "stix2", "stix2")
	all := items(min(*size, 5000), 1)
	var bundle bytes.Buffer
	bundle.WriteString(`{"type":"bundle","id":"bundle--00000000-0000-4000-8000-000000000001","objects":[`)
	for i, it := range all {
		if i > 0 {
			bundle.WriteByte(',')
		}
		bundle.Write(it.Bytes)
	}
	bundle.WriteString("]}")
	file := filepath.Join(b.TempDir(), "bundle.json")
	if err := os.WriteFile(file, bundle.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	var ours, theirs time.Duration
	for b.Loop() {
		ours += ingestFile(b, file, len(all))
		out, err := exec.CommandContext(b.Context(), python, "testdata/parse.py", file).Output()
		if err != nil {
			b.Fatal(err)
		}
		var said struct{ Seconds float64 }
		if err := json.Unmarshal(out, &said); err != nil {
			b.Fatal(err)
		}
		theirs += time.Duration(said.Seconds * float64(time.Second))
	}
	n := float64(b.N * len(all))
	b.ReportMetric(n/ours.Seconds(), "items/s")
	b.ReportMetric(n/theirs.Seconds(), "python/s")
	b.ReportMetric(theirs.Seconds()/ours.Seconds(), "ratio")
}

func ingestFile(b *testing.B, file string, n int) (took time.Duration) {
	b.Helper()
	open(b, storetest.SQLite(b), func(d *store.DB) {
		in := &ingest.Ingester{Store: d, Now: time.Now, Log: slog.New(slog.DiscardHandler), DefaultTLP: accord.TLPAmber}
		began := time.Now()
		r, err := in.File(b.Context(), file, ingest.Options{Source: "feed"})
		took = time.Since(began)
		if err != nil || r.New != int64(n) {
			b.Fatalf("%+v %v", r, err)
		}
	})
	return took
}
