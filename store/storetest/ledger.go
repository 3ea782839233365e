// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/store"
)

var ledgerTests = map[string]func(*testing.T, *store.DB){
	"a log grows only from where it stands":        logGrows,
	"of two appends at once one wins":              appendsAtOnce,
	"a cosignature counts once and never backward": cosigned,
}

const (
	out  = here + "/to/" + there
	back = there + "/to/" + here
)

// grow makes an append of n leaves of one kind to a log of size prev.
func grow(origin string, prev int64, kind accord.LeafKind, n int) accord.LogAppend {
	a := accord.LogAppend{Prev: prev, Head: accord.Head{
		Origin: origin, Size: prev + int64(n), Root: [32]byte{byte(prev), byte(n)}, Checkpoint: fmt.Appendf(nil, "%s\n%d\n", origin, prev+int64(n)),
	}}
	for i := range int64(n) {
		a.Leaves = append(a.Leaves, accord.Leaf{
			Index: prev + i, Kind: kind, Salt: [16]byte{byte(prev + i), 1}, Record: fmt.Appendf(nil, "record %d", prev+i),
		})
	}
	a.Tiles = []accord.Tile{{Level: 0, Index: prev / 256, Data: fmt.Appendf(nil, "tile at %d", prev+int64(n))}}
	return a
}

func logGrows(t *testing.T, d *store.DB) {
	ctx := t.Context()
	if h := must(d.Head(ctx, out))(t); h.Size != 0 || h.Origin != out {
		t.Errorf("a new head: %+v", h)
	}
	step := func(seq int64, a accord.LogAppend) error {
		return d.Disclose(ctx, accord.Disclosing{Party: there, Stage: "decide", From: seq, To: seq + 1, Append: &a})
	}
	first, second := grow(out, 0, accord.LeafDisclosure, 3), grow(out, 3, accord.LeafRetraction, 2)
	check(t, step(0, first))
	for name, bad := range map[string]accord.LogAppend{
		"from the start again": first, "past the end": grow(out, 7, accord.LeafDisclosure, 1),
	} {
		if err := step(1, bad); !errors.Is(err, accord.ErrConflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
	hole := grow(out, 3, accord.LeafRetraction, 2)
	hole.Leaves[1].Index = 9
	short := grow(out, 3, accord.LeafRetraction, 2)
	short.Leaves = short.Leaves[:1]
	for name, bad := range map[string]accord.LogAppend{"a hole": hole, "a leaf too few": short} {
		if err := step(1, bad); !errors.Is(err, accord.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	check(t, step(1, second))
	if diff := cmp.Diff(second.Head, must(d.Head(ctx, out))(t)); diff != "" {
		t.Errorf("head (-want +got):\n%s", diff)
	}
	leaves := append(first.Leaves, second.Leaves...)
	if diff := cmp.Diff(leaves[1:4], must(d.Leaves(ctx, out, 1, 3))(t)); diff != "" {
		t.Errorf("leaves (-want +got):\n%s", diff)
	}
	if tile := must(d.Tile(ctx, out, 0, 0))(t); string(tile) != "tile at 5" {
		t.Errorf("tile %q", tile)
	}
	if _, err := d.Tile(ctx, out, 1, 0); !errors.Is(err, accord.ErrNotFound) {
		t.Errorf("a tile that is not there: %v", err)
	}
	if hs := must(d.Heads(ctx))(t); len(hs) != 1 || hs[0].Size != 5 {
		t.Errorf("heads %+v", hs)
	}
}

func appendsAtOnce(t *testing.T, d *store.DB) {
	var won, lost atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			a := grow(out, 0, accord.LeafDisclosure, 1)
			err := d.Disclose(t.Context(), accord.Disclosing{Party: there, Stage: fmt.Sprint("stage", i), From: 0, To: 1, Append: &a})
			switch {
			case err == nil:
				won.Add(1)
			case errors.Is(err, accord.ErrConflict):
				lost.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || lost.Load() != 7 {
		t.Errorf("%d won, %d lost", won.Load(), lost.Load())
	}
}

func cosigned(t *testing.T, d *store.DB) {
	ctx := t.Context()
	if err := d.SetCosigned(ctx, out, 1, []byte("x")); !errors.Is(err, accord.ErrNotFound) {
		t.Errorf("a log that is not there: %v", err)
	}
	a := grow(out, 0, accord.LeafDisclosure, 5)
	check(t, d.Disclose(ctx, accord.Disclosing{Party: there, Stage: "decide", To: 1, Append: &a}))
	check(t, d.SetCosigned(ctx, out, 4, []byte("four")))
	check(t, d.SetCosigned(ctx, out, 3, []byte("three")))
	if err := d.SetCosigned(ctx, out, 6, []byte("six")); !errors.Is(err, accord.ErrConflict) {
		t.Errorf("beyond the log: %v", err)
	}
	b := grow(out, 5, accord.LeafDisclosure, 1)
	check(t, d.Disclose(ctx, accord.Disclosing{Party: there, Stage: "decide", From: 1, To: 2, Append: &b}))
	if h := must(d.Head(ctx, out))(t); h.Cosigned != 4 || string(h.Cosigner) != "four" || h.Size != 6 {
		t.Errorf("head %+v", h)
	}
}
