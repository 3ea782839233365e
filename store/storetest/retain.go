// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/store"
)

var retainTests = map[string]func(*testing.T, *store.DB){
	"what must be deleted is listed until it is erased":       pastRetain,
	"what is erased keeps its row and nothing of its text":    erased,
	"what is erased is not sent on":                           erasedDisclosure,
	"only what is due is erased":                              notDue,
	"what another gave for longer stays under its terms":      heirOfErased,
	"what was erased is taken again from its giver or as own": afterErasure,
}

// until is it as given by there, to be deleted at that moment.
func until(it accord.Item, at accord.Stamp) accord.Item {
	it = given(it, there)
	it.Origin.Retain = at
	return it
}

func due(t *testing.T, d *store.DB, at accord.Stamp, limit int) []accord.ItemKey {
	t.Helper()
	return must(d.PastRetain(t.Context(), at, limit))(t)
}

func pastRetain(t *testing.T, d *store.DB) {
	a, b, c := until(indicator(1, t0), t0+2*day), until(indicator(2, t0), t0+day), until(indicator(3, t0), 0)
	ingest(t, d, t0, a, b, c, indicator(4, t0))
	if diff := cmp.Diff([]accord.ItemKey{b.ItemKey, a.ItemKey}, due(t, d, t0+2*day, 10)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]accord.ItemKey{b.ItemKey}, due(t, d, t0+2*day, 1)); diff != "" {
		t.Errorf("limit (-want +got):\n%s", diff)
	}
	if got := due(t, d, t0+day-1, 10); len(got) != 0 {
		t.Errorf("before their time: %v", got)
	}
	check(t, d.Erase(t.Context(), []accord.ItemKey{b.ItemKey}, t0+2*day))
	if diff := cmp.Diff([]accord.ItemKey{a.ItemKey}, due(t, d, t0+2*day, 10)); diff != "" {
		t.Errorf("after one is erased (-want +got):\n%s", diff)
	}
	ingest(t, d, t0, indicator(1, t0)) // becomes the node's own
	if got := due(t, d, t0+2*day, 10); len(got) != 0 {
		t.Errorf("own: %v", got)
	}
	// What was taken back is still held, and is due as well.
	g := &taking{d: d, party: there}
	it := indicator(5, t0)
	g.retract(t, g.take(t, it))
	if diff := cmp.Diff([]accord.ItemKey{it.ItemKey}, due(t, d, t0+400*day, 10)); diff != "" {
		t.Errorf("taken back (-want +got):\n%s", diff)
	}
	check(t, d.Erase(t.Context(), []accord.ItemKey{it.ItemKey}, t0+400*day))
	if got := must(d.Item(t.Context(), it.ID))(t); len(got.Bytes) != 0 || len(due(t, d, t0+400*day, 10)) != 0 {
		t.Errorf("taken back and erased: %+v", got)
	}
}

func erased(t *testing.T, d *store.DB) {
	ctx, at := t.Context(), t0+2*day
	it := until(indicator(1, t0), t0+day)
	it.Name, it.CreatedBy, it.Class, it.Sectors = "a name", "identity--1", "group", []string{"energy"}
	it.Refs = []accord.Ref{{Property: "object_refs", To: "malware--1"}}
	ingest(t, d, t0, it)
	check(t, d.Erase(ctx, []accord.ItemKey{it.ItemKey, it.ItemKey, {ID: "x--1"}}, at))
	check(t, d.Erase(ctx, nil, at))
	want := accord.Item{
		ItemKey: it.ItemKey, Type: it.Type, Spec: it.Spec, Created: it.Created, ValidFrom: it.ValidFrom, ValidUntil: it.ValidUntil,
		Confidence: it.Confidence, TLP: it.TLP, PAP: it.PAP, Atomic: true, Source: there, Origin: it.Origin, Added: t0, Seq: 2, Withdrawn: at, Why: "retention",
	}
	if diff := cmp.Diff(want, must(d.Item(ctx, it.ID))(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{line("item", it), line("withdrawn", it)}, feed(t, d)); diff != "" {
		t.Errorf("feed (-want +got):\n%s", diff)
	}
	if got := must(d.SoughtSince(ctx, 1, 10))(t); len(got) != 1 || len(got[0].Sought) != 0 {
		t.Errorf("sought %+v", got)
	}
	if n := len(must(d.Referrers(ctx, []string{"malware--1"}, 10))(t)) + len(must(d.Authors(ctx, []string{"identity--1"}))(t)); n != 0 {
		t.Errorf("%d references are left", n)
	}
	for q, n := range map[accord.Query]int{
		{}: 0, {Text: "a name"}: 0, {Text: "host1"}: 0, {Text: "host1", State: "withdrawn"}: 0, {Text: it.ID}: 1, {State: "withdrawn"}: 1,
	} {
		if got := walk(t, d, q); len(got) != n {
			t.Errorf("search %+v: %v", q, got)
		}
	}
	if c := must(d.Counts(ctx))(t); c.Items != 0 || c.Withdrawn != 1 {
		t.Errorf("counts %+v", c)
	}
}

func erasedDisclosure(t *testing.T, d *store.DB) {
	ctx := t.Context()
	a, b := until(indicator(1, t0), t0+day), until(indicator(2, t0), t0+day)
	ingest(t, d, t0, a, b, indicator(3, t0))
	g := &giving{d: d, party: third}
	g.disclose(t, a, a.ItemKey, nil)
	g.disclose(t, b, b.ItemKey, []byte(`{"less":1}`))
	own := g.disclose(t, indicator(3, t0), indicator(3, t0).ItemKey, nil)
	check(t, d.Erase(ctx, []accord.ItemKey{a.ItemKey, b.ItemKey}, t0+day))
	if diff := cmp.Diff([]accord.Disclosure{own}, must(d.Disclosures(ctx, third, -1, 10))(t)); diff != "" {
		t.Errorf("disclosures (-want +got):\n%s", diff)
	}
	for name, got := range map[string][]accord.Entry{
		"collection": must(d.Disclosed(ctx, third, 0, 10, accord.EntryFilter{}))(t),
		"by id":      must(d.Disclosed(ctx, third, 0, 10, accord.EntryFilter{IDs: []string{a.ID, b.ID, own.Item.ID}}))(t),
	} {
		if len(got) != 1 || got[0].Row != own.Index {
			t.Errorf("%s: %+v, want disclosure %d alone", name, got, own.Index)
		}
	}
	if got := must(d.DisclosedBytes(ctx, third, []int64{0, 1, own.Index}))(t); len(got) != 1 || string(got[own.Index]) != string(own.Bytes) {
		t.Errorf("bytes %v", got)
	}
	// It can still be taken back.
	if got := must(d.LiveDisclosures(ctx, third, []string{a.ID}))(t); got[a.ID].Index != 0 || got[a.ID].Party == "" {
		t.Errorf("live %+v", got)
	}
	g.retract(t, 0)
}

func notDue(t *testing.T, d *store.DB) {
	own, endless, later := indicator(1, t0), until(indicator(2, t0), 0), until(indicator(3, t0), t0+day)
	ingest(t, d, t0, own, endless, later)
	before := feed(t, d)
	check(t, d.Erase(t.Context(), []accord.ItemKey{own.ItemKey, endless.ItemKey, later.ItemKey}, t0+day-1))
	for _, it := range []accord.Item{own, endless, later} {
		stands(t, d, it)
	}
	if diff := cmp.Diff(before, feed(t, d)); diff != "" {
		t.Errorf("the feed moved (-before +after):\n%s", diff)
	}
}

func heirOfErased(t *testing.T, d *store.DB) {
	it := indicator(1, t0)
	ingest(t, d, t0, until(it, t0+day)) // by there, for a day
	other := &taking{d: d, party: third}
	other.take(t, it) // for a year
	check(t, d.Erase(t.Context(), []accord.ItemKey{it.ItemKey}, t0+day))
	stands(t, d, given(it, third))
	check(t, d.Erase(t.Context(), []accord.ItemKey{it.ItemKey}, t0+365*day))
	if live(t, d, it) {
		t.Error("it outlived both")
	}
}

func afterErasure(t *testing.T, d *store.DB) {
	a, b := until(indicator(1, t0), t0+day), until(indicator(2, t0), t0+day)
	ingest(t, d, t0, a, b)
	check(t, d.Erase(t.Context(), []accord.ItemKey{a.ItemKey, b.ItemKey}, t0+day))
	if got := ingest(t, d, t0+day, given(a, third)); got.Conflicts != 1 {
		t.Errorf("from another: %+v", got)
	}
	again := until(indicator(1, t0), t0+9*day)
	if got := ingest(t, d, t0+day, again, indicator(2, t0)); got.Updated != 2 {
		t.Errorf("again: %+v", got)
	}
	stands(t, d, again)
	stands(t, d, indicator(2, t0))
	if diff := cmp.Diff([]accord.ItemKey{a.ItemKey}, due(t, d, t0+9*day, 10)); diff != "" {
		t.Errorf("due (-want +got):\n%s", diff)
	}
}
