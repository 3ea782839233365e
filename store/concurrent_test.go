// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"accord"
	"accord/store"
	"accord/store/storetest"
)

// Many writers over two handles, as two processes have them: they ingest items that
// overlap, take them back, and disclose from one cursor and one log.
func TestManyWritersOverTwoHandlesLoseNothingAndLeaveNoHole(t *testing.T) {
	for name, engine := range engines {
		t.Run(name, func(t *testing.T) {
			url := engine(t)
			handles := []*store.DB{storetest.Open(t, url), storetest.Open(t, url)}
			ctx, stop := context.WithCancel(t.Context())
			var readers, writers sync.WaitGroup
			readers.Go(func() { followsWithoutHoles(ctx, t, handles[0]) })
			var disclosed, added atomic.Int64
			added.Store(1) // what is disclosed
			for w := range int64(8) {
				d := handles[w%2]
				r := rand.New(rand.NewPCG(uint64(w), 1)) //nolint:gosec // a test's
				writers.Go(func() {
					for range 15 {
						added.Add(overlap(t, d, r))
					}
				})
				writers.Go(func() {
					for range 6 {
						discloseOne(t, d)
						disclosed.Add(1)
					}
				})
			}
			writers.Wait()
			stop()
			readers.Wait()
			c := value(handles[1].Counts(t.Context()))(t)
			head := value(handles[1].Head(t.Context(), victimLog))(t)
			cursor := value(handles[1].Cursor(t.Context(), "victim"))(t)
			if c.Items+c.Withdrawn != added.Load() || head.Size != disclosed.Load() || cursor != disclosed.Load() || c.Disclosed[victimParty] != disclosed.Load() {
				t.Errorf("%d items of %d, head %d, cursor %d, %d disclosed of %d",
					c.Items+c.Withdrawn, added.Load(), head.Size, cursor, c.Disclosed[victimParty], disclosed.Load())
			}
			for _, p := range problems(t, handles[0]) {
				t.Error(p)
			}
		})
	}
}

// followsWithoutHoles reads the feed as a stage does: each number follows the one
// before, so that none can become visible later.
func followsWithoutHoles(ctx context.Context, t *testing.T, d *store.DB) {
	at := int64(0)
	for over := false; !over; {
		over = ctx.Err() != nil
		list, err := d.Changes(context.WithoutCancel(ctx), at, 1000)
		if err != nil {
			t.Error(err)
			return
		}
		for _, c := range list {
			if c.Seq != at+1 {
				t.Errorf("change %d was read after %d", c.Seq, at)
			}
			at = c.Seq
		}
	}
}

// overlap ingests items of which others ingest some too, takes one back, and
// returns how many were new.
func overlap(t *testing.T, d *store.DB, r *rand.Rand) int64 {
	var items []accord.Item
	for range 20 {
		items = append(items, victimItem(r.Int64N(10), r.Int64N(60)))
	}
	res, err := d.Ingest(t.Context(), items, 1)
	if err != nil {
		t.Error(err)
	}
	if _, err := d.Withdraw(t.Context(), items[0].ID, "wrong", 2); err != nil {
		t.Error(err)
	}
	return int64(res.New)
}

// discloseOne decides and commits until no other was first.
func discloseOne(t *testing.T, d *store.DB) {
	ctx := t.Context()
	it := victimItem(99, 0)
	for {
		if _, err := d.Ingest(ctx, []accord.Item{it}, 1); err != nil {
			t.Error(err)
			return
		}
		cursor, err := d.Cursor(ctx, "victim")
		if err != nil {
			t.Error(err)
			return
		}
		a := accord.LogAppend{
			Prev: cursor, Head: accord.Head{Origin: victimLog, Size: cursor + 1},
			Leaves: []accord.Leaf{{Index: cursor, Kind: accord.LeafDisclosure, Record: []byte("x")}},
		}
		err = d.Disclose(ctx, accord.Disclosing{
			Party: victimParty, Stage: "victim", From: cursor, To: cursor + 1, Append: &a, At: 1,
			Disclosures: []accord.Disclosure{{Party: victimParty, Index: cursor, Stamp: accord.Stamp(cursor + 1), Item: it.ItemKey, Sent: it.ItemKey, Sum: sha256.Sum256(it.Bytes)}},
		})
		if err == nil {
			return
		}
		if !errors.Is(err, accord.ErrConflict) {
			t.Error(err)
			return
		}
	}
}
