// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/store"
)

var feedTests = map[string]func(*testing.T, *store.DB){
	"a cursor moves only from where it is":              cursorMoves,
	"writers at once leave a feed that rises":           writersAtOnce,
	"a reader of the feed misses nothing while it runs": readerMissesNothing,
}

func cursorMoves(t *testing.T, d *store.DB) {
	ctx := t.Context()
	for _, step := range []struct {
		from, to int64
		want     error
	}{{1, 2, accord.ErrConflict}, {0, 5, nil}, {0, 5, accord.ErrConflict}, {5, 9, nil}, {9, 9, nil}, {9, 0, nil}, {0, 3, nil}} {
		if err := d.Advance(ctx, "match", step.from, step.to); !errors.Is(err, step.want) {
			t.Errorf("Advance(%d, %d) = %v, want %v", step.from, step.to, err, step.want)
		}
	}
	if at := must(d.Cursor(ctx, "match"))(t); at != 3 {
		t.Errorf("cursor at %d, want 3", at)
	}
	if at := must(d.Cursor(ctx, "another"))(t); at != 0 {
		t.Errorf("new cursor at %d, want 0", at)
	}
}

const (
	writers  = 8
	batches  = 12
	perBatch = 10
)

// load has several writers ingest at once and returns when all are done.
func load(t *testing.T, d *store.DB) {
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for b := range batches {
				var items []accord.Item
				for i := range perBatch {
					items = append(items, indicator((w*batches+b)*perBatch+i, t0))
				}
				if _, err := d.Ingest(t.Context(), items, t0); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func writersAtOnce(t *testing.T, d *store.DB) {
	load(t, d)
	const all = writers * batches * perBatch
	changes := must(d.Changes(t.Context(), 0, 2*all))(t)
	for i, c := range changes {
		if c.Seq != int64(i)+1 {
			t.Fatalf("entry %d has seq %d", i, c.Seq)
		}
	}
	if len(changes) != all {
		t.Errorf("%d changes, want %d", len(changes), all)
	}
	if c := must(d.Counts(t.Context()))(t); c.Items != all || c.Indicators != all || c.Seq != all || c.BySource["feed-a"] != all {
		t.Errorf("counts = %+v, want %d items", c, all)
	}
	if last := must(d.LastSeq(t.Context()))(t); last != all {
		t.Errorf("last seq %d, want %d", last, all)
	}
}

func readerMissesNothing(t *testing.T, d *store.DB) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		load(t, d)
	}()
	const all = writers * batches * perBatch
	var seen []int64
	after := int64(0)
	for finished := false; ; {
		page, err := d.Changes(t.Context(), after, 7)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page {
			seen = append(seen, c.Seq)
			after = c.Seq
		}
		if len(page) == 0 && finished {
			break
		}
		select {
		case <-done:
			finished = true
		default:
		}
	}
	var want []int64
	for i := range all {
		want = append(want, int64(i)+1)
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(fmt.Sprint(len(seen), " changes seen (-want +got):\n", diff))
	}
}
