// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/store"
)

var itemTests = map[string]func(*testing.T, *store.DB){
	"an item comes back as it went in":                          itemComesBack,
	"the same batch again changes nothing":                      sameAgain,
	"other bytes under a key are a conflict and the first stay": otherBytes,
	"a new version stands beside the old one":                   newVersion,
	"an older version that comes late is not the newest":        lateVersion,
	"a partner's newer copy replaces its older one":             partnerReplaces,
	"what the node has of its own becomes its own":              becomesOwn,
	"what the node has of its own stays its own":                staysOwn,
	"a batch may hold an id more than once":                     idTwice,
	"text that a database cannot hold is made fit":              unfitText,
	"a value too long for an index is found all the same":       longValue,
	"a withdrawn item is withdrawn in every version":            withdrawn,
	"an item that is not the node's own cannot be withdrawn":    notOwn,
	"a held item is sought and marked":                          held,
	"a hold and its cursor are all or nothing":                  heldWithCursor,
	"the values sought follow the newest version":               sought,
	"references are found from what they point at":              referrers,
	"an author is known by what it wrote":                       authors,
	"nobody makes itself an author, nor what is withdrawn":      authorsThatCount,
	"a late version is brought back by its giver, not by us":    lateAfterWithdrawal,
	"a batch that fails leaves nothing":                         failedBatch,
	"items come in the order asked for":                         inOrder,
	"counts follow every change":                                counts,
}

func itemComesBack(t *testing.T, d *store.DB) {
	it := given(indicator(1, t0), there)
	it.CreatedBy, it.Class, it.Sectors = "identity--1", "organization", []string{"health"}
	it.Revoked, it.Held = true, "top-sites"
	it.Refs = []accord.Ref{{Property: "created_by_ref", To: "identity--1"}, {Property: "object_refs", To: "malware--1"}}
	it.Observables = append(it.Observables, accord.Observable{Kind: accord.KindURL, Value: "http://host1.example/A?b=\"c\"\n"})
	ingest(t, d, t0+5, it)
	want := it
	want.Added, want.Seq = t0+5, 1
	if diff := cmp.Diff(want, must(d.Item(t.Context(), it.ID))(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := d.Item(t.Context(), "indicator--none"); !errors.Is(err, accord.ErrNotFound) {
		t.Errorf("an item that is not there: %v", err)
	}
}

func sameAgain(t *testing.T, d *store.DB) {
	batch := []accord.Item{indicator(1, t0), indicator(2, t0)}
	ingest(t, d, t0, batch...)
	before := feed(t, d)
	if got := ingest(t, d, t0+day, batch...); got.Same != 2 || got.New != 0 {
		t.Errorf("again: %+v", got)
	}
	if diff := cmp.Diff(before, feed(t, d)); diff != "" {
		t.Errorf("the feed moved (-before +after):\n%s", diff)
	}
}

func otherBytes(t *testing.T, d *store.DB) {
	first, second := indicator(1, t0), indicator(1, t0)
	second.Bytes = []byte(`{"other":true}`)
	ingest(t, d, t0, first)
	for _, it := range []accord.Item{second, given(second, there)} {
		got := ingest(t, d, t0, it)
		if got.Conflicts != 1 || !slices.Equal(got.Conflict, []accord.ItemKey{first.ItemKey}) {
			t.Errorf("conflict: %+v", got)
		}
	}
	if kept := must(d.Item(t.Context(), first.ID))(t); string(kept.Bytes) != string(first.Bytes) {
		t.Errorf("kept %s", kept.Bytes)
	}
}

func newVersion(t *testing.T, d *store.DB) {
	v1, v2 := indicator(1, t0), indicator(1, t0+1)
	v2.Observables = []accord.Observable{{Kind: accord.KindDomain, Value: "moved.example"}}
	ingest(t, d, t0, v1)
	ingest(t, d, t0, v2)
	if got := must(d.Latest(t.Context(), []string{v1.ID, "x--1"}))(t); len(got) != 1 || got[v1.ID].Version != t0+1 {
		t.Errorf("latest = %v", got)
	}
	vs := must(d.Versions(t.Context(), v1.ID))(t)
	if len(vs) != 2 || vs[0].Version != t0+1 || vs[1].Version != t0 || string(vs[1].Bytes) != string(v1.Bytes) {
		t.Errorf("versions = %v", vs)
	}
	for text, n := range map[string]int{"host1.example": 1 /* the name is still that */, "moved.example": 1} {
		if got, _, err := d.Search(t.Context(), accord.Query{Text: text}); err != nil || len(got) != n {
			t.Errorf("search %s: %d items, %v", text, len(got), err)
		}
	}
	if c := must(d.Counts(t.Context()))(t); c.Items != 1 || c.Indicators != 1 {
		t.Errorf("counts = %+v", c)
	}
}

func lateVersion(t *testing.T, d *store.DB) {
	ingest(t, d, t0, indicator(1, t0+7))
	if got := ingest(t, d, t0, indicator(1, t0)); got.Updated != 1 {
		t.Errorf("late: %+v", got)
	}
	if it := must(d.Item(t.Context(), indicator(1, 0).ID))(t); it.Version != t0+7 {
		t.Errorf("newest is %v", it.Version)
	}
	if got := must(d.SoughtSince(t.Context(), 0, 10))(t); len(got) != 1 || got[0].Sought[0].Indicator.Version != t0+7 {
		t.Errorf("sought = %v", got)
	}
}

func partnerReplaces(t *testing.T, d *store.DB) {
	first, second := given(indicator(1, t0), there), given(indicator(1, t0), there)
	second.Bytes, second.Name = []byte(`{"redacted":"less"}`), "clearer"
	ingest(t, d, t0, first)
	if got := ingest(t, d, t0, second); got.Updated != 1 {
		t.Errorf("newer copy: %+v", got)
	}
	if got := ingest(t, d, t0, second); got.Same != 1 {
		t.Errorf("newer copy again: %+v", got)
	}
	it := must(d.Item(t.Context(), first.ID))(t)
	if string(it.Bytes) != string(second.Bytes) || it.Name != "clearer" || it.Seq != 2 {
		t.Errorf("stored %+v", it)
	}
	if got := ingest(t, d, t0, given(first, third)); got.Conflicts != 1 {
		t.Errorf("another partner's copy: %+v", got)
	}
}

func becomesOwn(t *testing.T, d *store.DB) {
	it := indicator(1, t0)
	ingest(t, d, t0, given(it, there))
	if got := ingest(t, d, t0, it); got.Updated != 1 {
		t.Errorf("own: %+v", got)
	}
	if got := must(d.Item(t.Context(), it.ID))(t); !got.Origin.Own() || got.Source != "feed-a" {
		t.Errorf("stored %+v", got)
	}
	if diff := cmp.Diff([]string{line("item", it), line("item", it)}, feed(t, d)); diff != "" {
		t.Errorf("feed (-want +got):\n%s", diff)
	}
	if got, _, err := d.Search(t.Context(), accord.Query{Party: there}); err != nil || len(got) != 0 {
		t.Errorf("still listed as the partner's: %v %v", got, err)
	}
}

func staysOwn(t *testing.T, d *store.DB) {
	it := indicator(1, t0)
	ingest(t, d, t0, it)
	if got := ingest(t, d, t0, given(it, there)); got.Same != 1 {
		t.Errorf("from a partner: %+v", got)
	}
	if got := must(d.Item(t.Context(), it.ID))(t); !got.Origin.Own() {
		t.Errorf("stored %+v", got)
	}
}

func idTwice(t *testing.T, d *store.DB) {
	got := ingest(t, d, t0, indicator(1, t0), indicator(1, t0+1), indicator(1, t0), indicator(2, t0))
	if got.New != 2 || got.Updated != 1 || got.Same != 1 {
		t.Errorf("result %+v", got)
	}
	if s := must(d.SoughtSince(t.Context(), 0, 10))(t); len(s) != 2 {
		t.Errorf("sought %v", s)
	}
	if c := must(d.Counts(t.Context()))(t); c.Items != 2 {
		t.Errorf("counts %+v", c)
	}
}

func unfitText(t *testing.T, d *store.DB) {
	it := indicator(1, t0)
	it.Name, it.Source, it.Bytes = "a\x00b\xff", "s\x00", []byte("\x00\xff{}")
	it.Observables = []accord.Observable{{Kind: accord.KindURL, Value: "http://h.example/\x00\xfe"}}
	ingest(t, d, t0, it)
	got := must(d.Item(t.Context(), it.ID))(t)
	if got.Name != "a\uFFFDb\uFFFD" || string(got.Bytes) != string(it.Bytes) {
		t.Errorf("stored %q %q", got.Name, got.Bytes)
	}
	if found, _, err := d.Search(t.Context(), accord.Query{Text: it.Observables[0].Value}); err != nil || len(found) != 1 {
		t.Errorf("search: %v %v", found, err)
	}
}

func longValue(t *testing.T, d *store.DB) {
	it := indicator(1, t0)
	it.Name = strings.Repeat("é", 5000)
	it.Observables = []accord.Observable{{Kind: accord.KindURL, Value: "http://h.example/" + strings.Repeat("ü", 9000)}}
	ingest(t, d, t0, it)
	for _, text := range []string{it.Observables[0].Value, "http://h.example/ü", "éé"} {
		found, _, err := d.Search(t.Context(), accord.Query{Text: text})
		if err != nil || len(found) != 1 {
			t.Errorf("search %.20s: %d items, %v", text, len(found), err)
		}
	}
	got := must(d.Item(t.Context(), it.ID))(t)
	if diff := cmp.Diff(it.Observables, got.Observables); diff != "" || got.Name != it.Name {
		t.Error("the long value or name did not come back")
	}
}

func withdrawn(t *testing.T, d *store.DB) {
	v1, v2 := indicator(1, t0), indicator(1, t0+1)
	ingest(t, d, t0, v1, v2)
	if n := must(d.Withdraw(t.Context(), v1.ID, "a false positive", t0+9))(t); n != 2 {
		t.Errorf("withdrew %d, want 2", n)
	}
	if n := must(d.Withdraw(t.Context(), v1.ID, "again", t0+10))(t); n != 0 {
		t.Errorf("withdrew %d the second time", n)
	}
	if it := must(d.Item(t.Context(), v1.ID))(t); it.Withdrawn != t0+9 {
		t.Errorf("withdrawn at %v", it.Withdrawn)
	}
	want := []string{line("item", v1), line("item", v2), line("withdrawn", v1), line("withdrawn", v2)}
	if diff := cmp.Diff(want, feed(t, d)); diff != "" {
		t.Errorf("feed (-want +got):\n%s", diff)
	}
	if got := must(d.SoughtSince(t.Context(), 2, 10))(t); len(got) != 1 || got[0].Seq != 4 || len(got[0].Sought) != 0 {
		t.Errorf("sought after = %+v", got)
	}
	if got := must(d.SoughtSince(t.Context(), 0, 10))(t); len(got) != 0 {
		t.Errorf("sought from the start = %+v", got)
	}
	if c := must(d.Counts(t.Context()))(t); c.Items != 0 || c.Withdrawn != 1 {
		t.Errorf("counts %+v", c)
	}
	ingest(t, d, t0+20, indicator(1, t0+2))
	if c := must(d.Counts(t.Context()))(t); c.Items != 1 || c.Withdrawn != 0 {
		t.Errorf("after a new version: counts %+v", c)
	}
}

func notOwn(t *testing.T, d *store.DB) {
	it := given(indicator(1, t0), there)
	ingest(t, d, t0, it)
	for _, id := range []string{it.ID, "indicator--none"} {
		if _, err := d.Withdraw(t.Context(), id, "", t0); !errors.Is(err, accord.ErrNotFound) {
			t.Errorf("withdraw %s: %v", id, err)
		}
	}
}

func held(t *testing.T, d *store.DB) {
	it := indicator(1, t0)
	ingest(t, d, t0, it)
	check(t, d.Hold(t.Context(), []accord.ItemKey{it.ItemKey, {ID: "indicator--none"}}, "top-sites", t0+1))
	check(t, d.Hold(t.Context(), []accord.ItemKey{it.ItemKey}, "top-sites", t0+2))
	got := must(d.SoughtSince(t.Context(), 1, 10))(t)
	if len(got) != 1 || got[0].Seq != 2 || got[0].Sought[0].Held != "top-sites" {
		t.Errorf("sought = %+v", got)
	}
	list, _, err := d.Search(t.Context(), accord.Query{State: "held"})
	if err != nil || len(list) != 1 {
		t.Errorf("held: %v %v", list, err)
	}
	if c := must(d.Counts(t.Context()))(t); c.Held != 1 || c.Items != 1 {
		t.Errorf("counts %+v", c)
	}
}

func heldWithCursor(t *testing.T, d *store.DB) {
	a, b := indicator(1, t0), indicator(2, t0)
	ingest(t, d, t0, a, b)
	hold := func(from, to int64, list string) error {
		lists := map[string][]accord.ItemKey{list: {a.ItemKey}, "": {b.ItemKey}}
		return d.HoldAndAdvance(t.Context(), lists, "recheck", from, to, t0+1)
	}
	heldBy := func() string { return must(d.Item(t.Context(), a.ID))(t).Held }
	if err := hold(7, 9, "top-sites"); !errors.Is(err, accord.ErrConflict) || heldBy() != "" {
		t.Errorf("a lost cursor: %v, held by %q", err, heldBy())
	}
	check(t, d.Hold(t.Context(), []accord.ItemKey{b.ItemKey}, "other", t0))
	check(t, hold(0, 9, "top-sites"))
	if by, free := heldBy(), must(d.Item(t.Context(), b.ID))(t).Held; by != "top-sites" || free != "" {
		t.Errorf("held by %q and %q, want top-sites and none", by, free)
	}
	if at := must(d.Cursor(t.Context(), "recheck"))(t); at != 9 {
		t.Errorf("the cursor is at %d, want 9", at)
	}
	check(t, d.HoldAndAdvance(t.Context(), nil, "recheck", 9, 12, t0+1))
	if at := must(d.Cursor(t.Context(), "recheck"))(t); at != 12 {
		t.Errorf("with nothing to hold the cursor is at %d, want 12", at)
	}
}

func sought(t *testing.T, d *store.DB) {
	report, compound, revoked := indicator(3, t0), indicator(4, t0), indicator(5, t0)
	report.ID, report.Type = "report--3", "report"
	compound.Atomic = false
	revoked.Revoked = true
	ingest(t, d, t0, indicator(1, t0), report, compound, revoked, indicator(2, t0))
	all := must(d.SoughtSince(t.Context(), 0, 10))(t)
	if len(all) != 3 || len(all[0].Sought) != 1 || len(all[1].Sought) != 0 || all[2].Seq != 5 {
		t.Fatalf("sought = %+v", all)
	}
	it := indicator(1, t0)
	want := accord.Sought{
		Observable: it.Observables[0], Indicator: it.ItemKey, Name: it.Name, TLP: it.TLP,
		ValidFrom: it.ValidFrom, ValidUntil: it.ValidUntil,
	}
	if diff := cmp.Diff(want, all[0].Sought[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if page := must(d.SoughtSince(t.Context(), 1, 1))(t); len(page) != 1 || page[0].Seq != 3 {
		t.Errorf("a page of one = %+v", page)
	}
	moved := indicator(1, t0+1)
	moved.Observables[0].Value = "moved.example"
	ingest(t, d, t0, moved)
	if got := must(d.SoughtSince(t.Context(), 5, 10))(t); len(got) != 1 || got[0].ID != it.ID || got[0].Sought[0].Value != "moved.example" {
		t.Errorf("after a new version = %+v", got)
	}
}

func referrers(t *testing.T, d *store.DB) {
	a, b, c := indicator(1, t0), indicator(2, t0), indicator(2, t0+1)
	a.Refs = []accord.Ref{{Property: "created_by_ref", To: "identity--1"}, {Property: "object_refs", To: "malware--1"}, {Property: "x_ref", To: "malware--1"}}
	b.Refs = []accord.Ref{{Property: "source_ref", To: "malware--1"}}
	c.Refs = []accord.Ref{{Property: "source_ref", To: "malware--2"}}
	ingest(t, d, t0, a, b)
	look := func(limit int, ids ...string) int { return len(must(d.Referrers(t.Context(), ids, limit))(t)) }
	if n := look(10, "malware--1", "identity--1"); n != 2 {
		t.Errorf("%d refer to the malware, want 2", n)
	}
	if n := look(1, "malware--1"); n != 1 {
		t.Errorf("%d with a limit of 1", n)
	}
	ingest(t, d, t0, c)
	got := must(d.Referrers(t.Context(), []string{"malware--2", "malware--3", "malware--1"}, 10))(t)
	if len(got) != 2 || !slices.Contains(got, c.ItemKey) || !slices.Contains(got, a.ItemKey) {
		t.Errorf("after a new version: %v", got)
	}
}

func authors(t *testing.T, d *store.DB) {
	it := indicator(1, t0)
	it.CreatedBy = "identity--1"
	ingest(t, d, t0, it)
	got := must(d.Authors(t.Context(), []string{"identity--1", "identity--2"}))(t)
	if !got["identity--1"] || got["identity--2"] {
		t.Errorf("authors = %v", got)
	}
}

func authorsThatCount(t *testing.T, d *store.DB) {
	known := func() map[string]bool {
		return must(d.Authors(t.Context(), []string{"identity--self", "identity--1", "identity--2"}))(t)
	}
	self := given(indicator(1, t0), there)
	self.ID, self.Type, self.CreatedBy = "identity--self", "identity", "identity--self"
	a, b, moved := indicator(2, t0), indicator(3, t0), indicator(3, t0+1)
	a.CreatedBy, b.CreatedBy, moved.CreatedBy = "identity--1", "identity--1", "identity--2"
	ingest(t, d, t0, self, a, b)
	if diff := cmp.Diff(map[string]bool{"identity--1": true}, known()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	must(d.Withdraw(t.Context(), a.ID, "", t0))(t)
	if got := known(); !got["identity--1"] {
		t.Errorf("one of two withdrawn: %v", got)
	}
	ingest(t, d, t0, moved)
	if diff := cmp.Diff(map[string]bool{"identity--2": true}, known()); diff != "" {
		t.Errorf("after a new version (-want +got):\n%s", diff)
	}
	must(d.Withdraw(t.Context(), b.ID, "", t0))(t)
	if got := known(); len(got) != 0 {
		t.Errorf("all withdrawn: %v", got)
	}
}

func lateAfterWithdrawal(t *testing.T, d *store.DB) {
	ingest(t, d, t0, indicator(1, t0+7))
	must(d.Withdraw(t.Context(), indicator(1, 0).ID, "", t0))(t)
	ingest(t, d, t0, indicator(1, t0))
	if it := must(d.Item(t.Context(), indicator(1, 0).ID))(t); it.Version != t0+7 || it.Withdrawn == 0 {
		t.Errorf("an older copy of what the node withdrew stands: %v", it.Version)
	}
	g := &taking{d: d, party: there}
	g.retract(t, g.take(t, indicator(2, t0+7)))
	g.take(t, indicator(2, t0))
	if it := must(d.Item(t.Context(), indicator(2, 0).ID))(t); it.Version != t0 || it.Withdrawn != 0 {
		t.Errorf("what the partner gave last does not stand, but %v", it.Version)
	}
}

func failedBatch(t *testing.T, d *store.DB) {
	nameless := indicator(2, t0)
	nameless.ID = ""
	if _, err := d.Ingest(t.Context(), []accord.Item{indicator(1, t0), nameless}, t0); !errors.Is(err, accord.ErrInvalid) {
		t.Errorf("an item without id: %v", err)
	}
	// A transaction that fails after it wrote: the second stage is not where it is said to be.
	err := d.Protect(t.Context(), accord.Protecting{Stage: "protect", From: 0, To: 3, At: t0})
	check(t, err)
	err = d.Disclose(t.Context(), accord.Disclosing{
		Party: there, Stage: "decide", From: 0, To: 4,
		Disclosures: []accord.Disclosure{{Party: there, Stamp: t0}},
	})
	if !errors.Is(err, accord.ErrInvalid) {
		t.Errorf("a disclosure without a leaf: %v", err)
	}
	if at := must(d.Cursor(t.Context(), "decide"))(t); at != 0 {
		t.Errorf("the cursor moved to %d", at)
	}
	if n := must(d.LastSeq(t.Context()))(t); n != 0 {
		t.Errorf("last seq %d", n)
	}
}

func inOrder(t *testing.T, d *store.DB) {
	ingest(t, d, t0, indicator(1, t0), indicator(2, t0), indicator(3, t0))
	got := must(d.Items(t.Context(), []accord.ItemKey{
		indicator(3, t0).ItemKey, indicator(1, t0+1).ItemKey, indicator(1, t0).ItemKey, indicator(3, t0).ItemKey,
	}))(t)
	if diff := cmp.Diff([]string{indicator(3, 0).ID, indicator(1, 0).ID, indicator(3, 0).ID}, ids(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func counts(t *testing.T, d *store.DB) {
	report := indicator(3, t0)
	report.ID, report.Type, report.Source = "report--3", "report", "feed-b"
	ingest(t, d, t0, indicator(1, t0), indicator(2, t0), report, given(indicator(4, t0), there))
	ingest(t, d, t0, indicator(4, t0)) // becomes own: another source
	must(d.Withdraw(t.Context(), indicator(1, 0).ID, "", t0))(t)
	c := must(d.Counts(t.Context()))(t)
	want := map[string]int64{"feed-a": 2, "feed-b": 1}
	if diff := cmp.Diff(want, c.BySource); diff != "" {
		t.Errorf("by source (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int64{"indicator": 2, "report": 1}, c.ByType); diff != "" {
		t.Errorf("by type (-want +got):\n%s", diff)
	}
	if c.Items != 3 || c.Withdrawn != 1 || c.Indicators != 2 {
		t.Errorf("counts = %+v", c)
	}
}
