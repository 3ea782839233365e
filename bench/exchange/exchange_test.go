// SPDX-License-Identifier: Apache-2.0

// Package exchange_test measures the way of items from one nation's store to
// the other's, with decision, ledger, TLS, TAXII and receipt, beside what the
// two stores alone take for the same items in the same run.
package exchange_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"accord"
	"accord/format/stix"
	"accord/store"
	"accord/testworld"
)

func items(b *testing.B, n int) []accord.Item {
	out := make([]accord.Item, n)
	at := accord.StampOf(time.Now())
	for i := range out {
		it, err := stix.NewIndicator(
			accord.Observable{Kind: accord.KindDomain, Value: fmt.Sprintf("host-%06d.bench.example", i)},
			stix.IndicatorFields{Source: "bench", Created: at, ValidFrom: at, TLP: accord.TLPGreen, Confidence: -1})
		if err != nil {
			b.Fatal(err)
		}
		out[i] = it
	}
	return out
}

// BenchmarkPush reports objects a second from commit at one to receipt from the
// other, and how that compares to storing the same items twice.
func BenchmarkPush(b *testing.B) {
	const n = 20000
	all := items(b, n)
	for b.Loop() {
		w := testworld.New(b)
		w.Start()
		begun := time.Now()
		w.IL.Ingest(all...)
		testworld.Until(b, 5*time.Minute, "receipts", func() bool {
			c, err := w.IL.DB.Counts(context.Background())
			return err == nil && c.Receipted[w.MA.Self.Name] >= n
		})
		took := time.Since(begun)
		b.ReportMetric(n/took.Seconds(), "objects/s")
		b.ReportMetric(took.Seconds()/(2*bare(b, all)).Seconds(), "x-bare")
		w.IL.Stop()
		w.MA.Stop()
	}
}

// bare is how long a store alone takes for the items.
func bare(b *testing.B, all []accord.Item) time.Duration {
	db, err := store.Open(context.Background(), "sqlite:"+filepath.Join(b.TempDir(), "bare.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	begun := time.Now()
	for i := 0; i < len(all); i += 1000 {
		if _, err := db.Ingest(context.Background(), all[i:min(i+1000, len(all))], accord.StampOf(begun)); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(begun)
}
