// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"testing"

	"accord"
	"accord/ledger"
)

// What is wrong with one part of a log is not said of the others.
func TestVerifySaysWhichPartDoesNotHold(t *testing.T) {
	type parts struct{ tree, signature, cosignature, records bool }
	for what, tt := range map[string]struct {
		tamper func(t *testing.T, w *world)
		want   parts
	}{
		"nothing": {func(*testing.T, *world) {}, parts{true, true, true, true}},
		"a tile": {func(_ *testing.T, w *world) {
			w.tiles[tileKey(w.there, 0, 1)][40] ^= 1
		}, parts{false, true, true, true}},
		"the head's root": {func(_ *testing.T, w *world) {
			h := w.heads[w.there]
			h.Root[0] ^= 1
			w.heads[w.there] = h
		}, parts{false, true, true, true}},
		"the checkpoint's signature": {func(_ *testing.T, w *world) {
			h := w.heads[w.there]
			h.Checkpoint = bytes.Replace(h.Checkpoint, []byte("\n603\n"), []byte("\n602\n"), 1)
			w.heads[w.there] = h
		}, parts{true, false, true, true}},
		"a checkpoint of another history": {func(t *testing.T, w *world) {
			h := w.heads[w.there]
			h.Checkpoint = w.no.signHead(t, accord.Head{Origin: w.there, Size: 10, Root: sha256.Sum256([]byte("y"))})
			w.heads[w.there] = h
		}, parts{true, false, true, true}},
		"the cosigned size": {func(_ *testing.T, w *world) {
			h := w.heads[w.there]
			h.Cosigned = 600
			w.heads[w.there] = h
		}, parts{true, true, false, true}},
		"no cosignature yet": {func(_ *testing.T, w *world) {
			h := w.heads[w.there]
			h.Cosigner, h.Cosigned = nil, 0
			w.heads[w.there] = h
		}, parts{true, true, true, true}},
		"a record that was never so": {func(t *testing.T, w *world) {
			w.add(t, w.there, leavesOf(t, w.retraction(t, 20, 21))...)
			w.seal(t)
		}, parts{true, true, true, false}},
		"a lost leaf": {func(_ *testing.T, w *world) {
			w.leaves[w.there] = slices.Delete(w.leaves[w.there], 9, 10)
		}, parts{false, false, false, false}},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			tt.tamper(t, w)
			r, err := ledger.Verify(ctx, w, w.no.Party, w.ee.Party)
			if got := (parts{r.Tree, r.Signature, r.Cosignature, r.Records}); got != tt.want {
				t.Errorf("%+v, want %+v: %v", got, tt.want, err)
			}
			if (err == nil) != (tt.want == parts{true, true, true, true}) {
				t.Errorf("Verify() = %v", err)
			}
		})
	}

	// What is wrong with the other log is wrong with what this one says of it.
	w := newWorld(t)
	w.leaves[w.there] = w.leaves[w.there][:300]
	r, err := ledger.Verify(ctx, w, w.ee.Party, w.no.Party)
	if !r.Tree || !r.Signature || !r.Cosignature || r.Records || !errors.Is(err, accord.ErrConflict) {
		t.Errorf("%+v, %v", r, err)
	}
}

// unreadable is a log whose leaves cannot be read.
type unreadable struct{ *world }

func (unreadable) Leaves(context.Context, string, int64, int) ([]accord.Leaf, error) {
	return nil, errors.New("disk")
}

func TestNothingHoldsOfALogThatCannotBeRead(t *testing.T) {
	w := newWorld(t)
	r, err := ledger.Verify(ctx, unreadable{w}, w.no.Party, w.ee.Party)
	if err == nil || errors.Is(err, accord.ErrConflict) || r.Tree || r.Signature || r.Cosignature || r.Records {
		t.Errorf("%+v, %v", r, err)
	}
}
