// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"accord"
	"accord/ledger"
)

// world is both logs between two parties, as one of them has them: no has
// disclosed 600 items to ee and retracted three; ee has receipted them all and
// confirmed two retractions.
type world struct {
	*memory
	no, ee       author
	there, back  string
	confirmation []byte
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{memory: newMemory(), no: newAuthor(t, no), ee: newAuthor(t, ee), there: ledger.Origin(no, ee), back: ledger.Origin(ee, no)}
	w.add(t, w.there, disclosures(t, 0, 600)...)
	h, _ := w.Head(ctx, w.there)
	w.add(t, w.back, leavesOf(t, must(t)(ledger.NewReceipt(ledger.Receipt{
		Origin: w.there, Size: h.Size, Root: h.Root,
		Spans: []accord.IndexSpan{{From: 0, To: 600}}, At: now,
	}, w.ee.key.Signer())))...)
	for _, i := range []int{3, 4, 9} {
		w.add(t, w.there, leavesOf(t, w.retraction(t, i, i))...)
	}
	w.confirmation = must(t)(ledger.NewConfirmation(ledger.Confirmation{Origin: w.there, Spans: []accord.IndexSpan{{From: 3, To: 5}}, At: now}, w.ee.key.Signer()))
	w.add(t, w.back, leavesOf(t, w.confirmation)...)
	w.seal(t)
	return w
}

// seal signs and cosigns both heads.
func (w *world) seal(t testing.TB) {
	t.Helper()
	for origin, by := range map[string][2]author{w.there: {w.no, w.ee}, w.back: {w.ee, w.no}} {
		h := w.heads[origin]
		h.Checkpoint = by[0].signHead(t, h)
		h.Cosigner = must(t)(ledger.Cosign(h.Checkpoint, by[1].key, now))
		h.Cosigned = h.Size
		w.heads[origin] = h
	}
}

func (w *world) retraction(t testing.TB, leaf, item int) []byte {
	t.Helper()
	return must(t)(ledger.NewRetraction(ledger.Retraction{
		Origin: w.there, Item: itemKey(item),
		Spans: []accord.IndexSpan{{From: int64(leaf), To: int64(leaf) + 1}}, At: now,
	}, w.no.key.Signer()))
}

func must(t testing.TB) func([]byte, error) []byte {
	return func(b []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
}

func TestVerifyFindsNothingWrongWithAWholeLog(t *testing.T) {
	w := newWorld(t)
	r, err := ledger.Verify(ctx, w, w.no.Party, w.ee.Party)
	if err != nil {
		t.Fatal(err)
	}
	if r.Size != 603 || r.Signed != 603 || r.Cosigned != 603 || r.CosignedAt != now || r.Root != w.heads[w.there].Root ||
		!maps.Equal(r.Kinds, map[accord.LeafKind]int64{accord.LeafDisclosure: 600, accord.LeafRetraction: 3}) {
		t.Errorf("%+v", r)
	}
	r, err = ledger.Verify(ctx, w, w.ee.Party, w.no.Party)
	if err != nil || r.Size != 2 {
		t.Errorf("the other way: %+v %v", r, err)
	}
	// What is not signed yet is no fault.
	w.add(t, w.there, disclosures(t, 603, 610)...)
	if r, err = ledger.Verify(ctx, w, w.no.Party, w.ee.Party); err != nil || r.Size != 610 || r.Signed != 603 {
		t.Errorf("grown: %+v %v", r, err)
	}
	// Nor is a log that does not exist.
	lv := newAuthor(t, "cert.lv.example")
	if r, err = ledger.Verify(ctx, w, w.no.Party, lv.Party); err != nil || r.Size != 0 {
		t.Errorf("none: %+v %v", r, err)
	}
}

func TestVerifyFindsWhatWasTamperedWith(t *testing.T) {
	for what, tt := range map[string]struct {
		tamper func(t *testing.T, w *world)
		back   bool // look at the log from ee to no
		want   string
	}{
		"a record": {func(_ *testing.T, w *world) {
			l := &w.leaves[w.there][17]
			l.Record = bytes.Replace(l.Record, []byte("actions: internally"), []byte("actions: externally"), 1)
		}, false, "leaf 17"},
		"a record that still reads": {func(_ *testing.T, w *world) {
			l := &w.leaves[w.there][17]
			l.Record = bytes.Replace(l.Record, []byte("article: 1.1"), []byte("article: 2.1"), 1)
		}, false, "tile 0/0"},
		"a salt":        {func(_ *testing.T, w *world) { w.leaves[w.there][500].Salt[0] ^= 1 }, false, "tile 0/1"},
		"a kind":        {func(_ *testing.T, w *world) { w.leaves[w.there][5].Kind = accord.LeafReceipt }, false, "leaf 5"},
		"a full tile":   {func(_ *testing.T, w *world) { w.tiles[tileKey(w.there, 0, 1)][40] ^= 1 }, false, "tile 0/1"},
		"a partial one": {func(_ *testing.T, w *world) { w.tiles[tileKey(w.there, 1, 0)][1] ^= 1 }, false, "tile 1/0"},
		"a lost tile":   {func(_ *testing.T, w *world) { delete(w.tiles, tileKey(w.there, 0, 0)) }, false, "tile 0/0"},
		"a lost leaf":   {func(_ *testing.T, w *world) { w.leaves[w.there] = slices.Delete(w.leaves[w.there], 9, 10) }, false, "leaf 10 where 9 is due"},
		"the last leaf": {func(_ *testing.T, w *world) { w.leaves[w.there] = w.leaves[w.there][:602] }, false, "missing"},
		"the head's root": {func(_ *testing.T, w *world) {
			h := w.heads[w.there]
			h.Root[0] ^= 1
			w.heads[w.there] = h
		}, false, "head's root"},
		"the checkpoint": {func(_ *testing.T, w *world) {
			h := w.heads[w.there]
			h.Checkpoint = bytes.Replace(h.Checkpoint, []byte("\n603\n"), []byte("\n602\n"), 1)
			w.heads[w.there] = h
		}, false, "checkpoint"},
		"no checkpoint": {func(_ *testing.T, w *world) {
			h := w.heads[w.there]
			h.Checkpoint = nil
			w.heads[w.there] = h
		}, false, "no signed checkpoint"},
		"a checkpoint of another history": {func(t *testing.T, w *world) {
			h := w.heads[w.there]
			h.Checkpoint = w.no.signHead(t, accord.Head{Origin: w.there, Size: 10, Root: sha256.Sum256([]byte("y"))})
			w.heads[w.there] = h
		}, false, "checkpoint's root"},
		"a cosignature of another history": {func(t *testing.T, w *world) {
			h := w.heads[w.there]
			c := w.no.signHead(t, accord.Head{Origin: w.there, Size: 10, Root: sha256.Sum256([]byte("y"))})
			h.Cosigner, h.Cosigned = must(t)(ledger.Cosign(c, w.ee.key, now)), 10
			w.heads[w.there] = h
		}, false, "cosigned root"},
		"a cosignature of more than there is": {func(t *testing.T, w *world) {
			h := w.heads[w.there]
			c := w.no.signHead(t, accord.Head{Origin: w.there, Size: 700, Root: h.Root})
			h.Cosigner, h.Cosigned = must(t)(ledger.Cosign(c, w.ee.key, now)), 700
			w.heads[w.there] = h
		}, false, "700 leaves are cosigned"},
		"the size said to be cosigned": {func(_ *testing.T, w *world) {
			h := w.heads[w.there]
			h.Cosigned = 600
			w.heads[w.there] = h
		}, false, "the cosignature is of 603"},
		"a retraction of another item": {func(t *testing.T, w *world) {
			w.add(t, w.there, leavesOf(t, w.retraction(t, 20, 21))...)
		}, false, "leaf 20 did not give"},
		"a retraction of what is to come": {func(t *testing.T, w *world) {
			w.add(t, w.there, leavesOf(t, w.retraction(t, 900, 900))...)
		}, false, "leaf 900 did not give"},
		"a retraction by the receiver": {func(t *testing.T, w *world) {
			rec := must(t)(ledger.NewRetraction(ledger.Retraction{Origin: w.back, Item: itemKey(3), Spans: []accord.IndexSpan{{From: 3, To: 4}}, At: now}, w.ee.key.Signer()))
			w.add(t, w.there, leavesOf(t, rec)...)
		}, false, "leaf 603"},
		"a receipt of another history": {func(t *testing.T, w *world) {
			rec := must(t)(ledger.NewReceipt(ledger.Receipt{
				Origin: w.there, Size: 300, Root: sha256.Sum256([]byte("z")),
				Spans: []accord.IndexSpan{{From: 0, To: 3}}, At: now,
			}, w.ee.key.Signer()))
			w.add(t, w.back, leavesOf(t, rec)...)
		}, true, "another history"},
		"a receipt of a retraction": {func(t *testing.T, w *world) {
			h := w.heads[w.there]
			rec := must(t)(ledger.NewReceipt(ledger.Receipt{
				Origin: w.there, Size: h.Size, Root: h.Root,
				Spans: []accord.IndexSpan{{From: 600, To: 601}}, At: now,
			}, w.ee.key.Signer()))
			w.add(t, w.back, leavesOf(t, rec)...)
		}, true, "not a disclosure"},
		"a confirmation of what stands": {func(t *testing.T, w *world) {
			rec := must(t)(ledger.NewConfirmation(ledger.Confirmation{Origin: w.there, Spans: []accord.IndexSpan{{From: 5, To: 6}}, At: now}, w.ee.key.Signer()))
			w.add(t, w.back, leavesOf(t, rec)...)
		}, true, "which stands"},
		"the log a receipt is about is gone": {func(_ *testing.T, w *world) {
			delete(w.heads, w.there)
		}, true, "another history"},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			tt.tamper(t, w)
			from, to := w.no.Party, w.ee.Party
			if tt.back {
				from, to = to, from
			}
			r, err := ledger.Verify(ctx, w, from, to)
			if !errors.Is(err, accord.ErrConflict) {
				t.Fatalf("Verify() = %v", err)
			}
			if !strings.Contains(strings.Join(r.Problems, "\n"), tt.want) {
				t.Errorf("want %q in\n%s", tt.want, strings.Join(r.Problems, "\n"))
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	for name, n := range map[string]int{"1": 1, "1000": 1000} {
		b.Run(name, func(b *testing.B) {
			m := newMemory()
			origin := ledger.Origin(no, ee)
			m.add(b, origin, disclosures(b, 0, 70_000)...)
			h, _ := m.Head(ctx, origin)
			leaves := disclosures(b, 0, n)
			for b.Loop() {
				if _, err := ledger.Append(ctx, m, h, leaves); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "leaves/s")
		})
	}
}

func BenchmarkProveAndCheckInclusion(b *testing.B) {
	m := newMemory()
	origin := ledger.Origin(no, ee)
	m.add(b, origin, disclosures(b, 0, 70_000)...)
	h, _ := m.Head(ctx, origin)
	leaf := m.leaves[origin][12_345]
	p, err := ledger.ProveInclusion(ctx, m, origin, h.Size, leaf.Index)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("prove", func(b *testing.B) {
		for b.Loop() {
			if _, err := ledger.ProveInclusion(ctx, m, origin, h.Size, leaf.Index); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("check", func(b *testing.B) {
		for b.Loop() {
			if err := ledger.CheckInclusion(p, h.Size, h.Root, leaf); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	w := newWorld(b)
	w.add(b, w.there, disclosures(b, 1000, 70_000)...)
	w.seal(b)
	for b.Loop() {
		if _, err := ledger.Verify(ctx, w, w.no.Party, w.ee.Party); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(w.heads[w.there].Size)*float64(b.N)/b.Elapsed().Seconds(), "leaves/s")
}

func BenchmarkSignAndCosign(b *testing.B) {
	a, c := newAuthor(b, no), newAuthor(b, ee)
	h := accord.Head{Origin: ledger.Origin(no, ee), Size: 70_000, Root: sha256.Sum256(nil)}
	lv := a.logVerifier(b, h.Origin)
	for b.Loop() {
		msg := a.signHead(b, h)
		if _, _, err := ledger.OpenCheckpoint(msg, h.Origin, lv); err != nil {
			b.Fatal(err)
		}
		if _, err := ledger.Cosign(msg, c.key, now); err != nil {
			b.Fatal(err)
		}
	}
}
