// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/store"
	"accord/store/storetest"
)

func many(n int) (out []accord.Item) {
	for i := range n {
		it := victimItem(int64(i), 7)
		it.Name, it.Labels, it.Bytes = fmt.Sprintf("h%d \x00 \xff é", i), []string{"a", "b"}, []byte{0, 1, 0xff, byte(i)}
		out = append(out, it)
	}
	return out
}

func TestRowsCopiedInAreThoseInserted(t *testing.T) {
	copied, packed := storetest.Postgres(t), storetest.Postgres(t)
	for url, pack := range map[string]bool{copied: false, packed: true} {
		d := storetest.Open(t, url)
		if pack {
			d.Pack()
		}
		if res, err := d.Ingest(t.Context(), many(700), 1); err != nil || res.New != 700 {
			t.Fatal(res, err)
		}
		if got := problems(t, d); len(got) > 0 {
			t.Error(got)
		}
	}
	if diff := cmp.Diff(content(t, packed), content(t, copied)); diff != "" {
		t.Errorf("(-inserted +copied):\n%s", diff)
	}
}

func TestACopyThatFailsLeavesNothing(t *testing.T) {
	d := storetest.Open(t, storetest.Postgres(t))
	if err := d.Alter(t.Context(), "INSERT INTO change (seq, kind, id, version, at) VALUES (300, 'item', 'x', 1, 1)"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Ingest(t.Context(), many(700), 1); err == nil {
		t.Error("ingested over a change that was there")
	}
	if _, err := d.Item(t.Context(), many(1)[0].ID); !errors.Is(err, accord.ErrNotFound) {
		t.Errorf("an item of it: %v", err)
	}
	if err := d.Alter(t.Context(), "DELETE FROM change"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Ingest(t.Context(), many(700), 1); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// BenchmarkCopy ingests the same items into PostgreSQL by COPY and by statements
// of many rows, in turns, and reports how many times faster COPY is.
func BenchmarkCopy(b *testing.B) {
	items := many(20_000)
	var took [2]time.Duration
	for range b.N {
		for i := range took {
			d, err := store.Open(b.Context(), storetest.Postgres(b), quiet)
			if err != nil {
				b.Fatal(err)
			}
			if i == 1 {
				d.Pack()
			}
			began := time.Now()
			for from := 0; from < len(items); from += 1000 {
				if _, err := d.Ingest(b.Context(), items[from:from+1000], 1); err != nil {
					b.Fatal(err)
				}
			}
			took[i] += time.Since(began)
			if err := d.Close(); err != nil {
				b.Fatal(err)
			}
		}
	}
	n := float64(b.N * len(items))
	b.ReportMetric(n/took[0].Seconds(), "copied/s")
	b.ReportMetric(n/took[1].Seconds(), "packed/s")
	b.ReportMetric(took[1].Seconds()/took[0].Seconds(), "ratio")
}
