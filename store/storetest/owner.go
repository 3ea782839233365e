// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/store"
)

var ownerTests = map[string]func(*testing.T, *store.DB){
	"a partner does not overwrite the node's own":           overwriteOwn,
	"a partner does not overwrite another's":                overwriteOther,
	"a partner's own newer version is taken":                newerFromOwner,
	"a newer version of the node's own takes an id over":    ownTakesOver,
	"a retraction brings back what the node has itself":     ownComesBack,
	"what one took back another may give in the same bytes": takenUp,
}

// stands fails the test when something else than it stands for its id.
func stands(t *testing.T, d *store.DB, it accord.Item) {
	t.Helper()
	got := must(d.Item(t.Context(), it.ID))(t)
	if got.ItemKey != it.ItemKey || got.Origin != it.Origin || got.Revoked || got.Withdrawn != 0 || string(got.Bytes) != string(it.Bytes) {
		t.Errorf("stands: %+v\nwant: %+v", got, it)
	}
}

func overwriteOwn(t *testing.T, d *store.DB) {
	own := indicator(1, t0)
	ingest(t, d, t0, own)
	before := feed(t, d)
	g := &taking{d: d, party: there}
	revoked := indicator(1, t0+1)
	revoked.Revoked = true
	other := indicator(1, t0)
	other.Bytes = []byte(`{"other":true}`)
	for _, it := range []accord.Item{revoked, other, indicator(1, t0-1)} {
		index := g.take(t, it)
		stands(t, d, own)
		for _, row := range must(d.ReceivedOf(t.Context(), own.ID))(t) {
			if row.Held == 0 {
				t.Errorf("leaf %d was receipted and is not held", row.Index)
			}
		}
		g.retract(t, index)
		stands(t, d, own)
		if got := ingest(t, d, t0, given(it, there)); got.Conflicts != 1 {
			t.Errorf("ingest: %+v", got)
		}
	}
	if n := len(must(d.Versions(t.Context(), own.ID))(t)); n != 1 {
		t.Errorf("%d versions", n)
	}
	if diff := cmp.Diff(before, feed(t, d)); diff != "" {
		t.Errorf("the feed moved (-before +after):\n%s", diff)
	}
	must(d.Withdraw(t.Context(), own.ID, "", t0))(t)
	g.take(t, indicator(1, t0+2))
	if live(t, d, own) || len(must(d.Versions(t.Context(), own.ID))(t)) != 1 {
		t.Error("a partner brought back what the node withdrew")
	}
}

func overwriteOther(t *testing.T, d *store.DB) {
	a, b := &taking{d: d, party: there}, &taking{d: d, party: third}
	first := indicator(1, t0)
	index := a.take(t, first)
	b.retract(t, b.take(t, indicator(1, t0+1)))
	stands(t, d, given(first, there))
	a.retract(t, index)
	b.take(t, indicator(1, t0+2)) // the id stays whose it was
	if got := must(d.Item(t.Context(), first.ID))(t); got.Version != t0 || got.Withdrawn == 0 {
		t.Errorf("stands: %+v", got)
	}
}

func newerFromOwner(t *testing.T, d *store.DB) {
	g := &taking{d: d, party: there}
	g.take(t, indicator(1, t0))
	g.take(t, indicator(1, t0+1))
	stands(t, d, given(indicator(1, t0+1), there))
}

func ownTakesOver(t *testing.T, d *store.DB) {
	g := &taking{d: d, party: there}
	g.take(t, indicator(1, t0))
	own := indicator(1, t0+1)
	ingest(t, d, t0, own)
	stands(t, d, own)
	g.take(t, indicator(1, t0+2))
	stands(t, d, own)
}

func ownComesBack(t *testing.T, d *store.DB) {
	g := &taking{d: d, party: there}
	g.take(t, indicator(1, t0+2))
	index := g.take(t, indicator(1, t0+5))
	own := indicator(1, t0)
	ingest(t, d, t0, own)
	stands(t, d, given(indicator(1, t0+5), there))
	end := must(d.LastSeq(t.Context()))(t)
	g.retract(t, index)
	stands(t, d, own)
	if got := must(d.SoughtSince(t.Context(), end, 10))(t); len(got) != 1 || len(got[0].Sought) != 1 || got[0].Sought[0].Indicator != own.ItemKey {
		t.Errorf("sought since: %+v", got)
	}
	newer := indicator(1, t0+1) // newer than what stands, older than what was taken back
	ingest(t, d, t0, newer)
	stands(t, d, newer)
	if c := must(d.Counts(t.Context()))(t); c.Items != 1 || c.Withdrawn != 0 {
		t.Errorf("counts %+v", c)
	}
	// Taken back first, had after.
	g.retract(t, g.take(t, indicator(2, t0+5)))
	ingest(t, d, t0, indicator(2, t0))
	stands(t, d, indicator(2, t0))
}

func takenUp(t *testing.T, d *store.DB) {
	a, b := &taking{d: d, party: there}, &taking{d: d, party: third}
	it := indicator(1, t0)
	a.retract(t, a.take(t, it))
	b.take(t, it)
	stands(t, d, given(it, third))
}
