// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/store"
)

var disclosureTests = map[string]func(*testing.T, *store.DB){
	"a disclosure comes back with the bytes sent":             disclosureComesBack,
	"a batch decided twice counts once":                       decidedTwice,
	"stamps and indexes must rise":                            mustRise,
	"a collection shows the newest that stands":               collection,
	"a collection is filtered by id and type":                 collectionFilters,
	"a retraction takes back the object in every version":     retraction,
	"a retraction of what is not there is refused":            retractNothing,
	"articles of one number are counted apart by agreement":   countedApart,
	"a withholding is replaced, and ends with a disclosure":   withholding,
	"bytes that were shared survive their item's replacement": sharedBytes,
	"delivery is remembered and moves only from where it is":  delivery,
}

// giving collects one party's batches of decisions.
type giving struct {
	d     *store.DB
	party string
	seq   int64
	size  int64
}

// disclose gives one item as it is, or as bytes when they are not nil.
func (g *giving) disclose(t *testing.T, it accord.Item, sent accord.ItemKey, bytes []byte) accord.Disclosure {
	t.Helper()
	as := bytes
	if as == nil {
		as = it.Bytes
	}
	x := accord.Disclosure{
		Party: g.party, Index: g.size, Stamp: t0 + accord.Stamp(g.size), Item: it.ItemKey, Agreement: "accord-2021", Version: 1, Article: "3",
		Sent: sent, Bytes: bytes, Sum: sha256.Sum256(as),
	}
	if bytes != nil {
		x.Redacted = []string{"description"}
	}
	check(t, g.commit(accord.Disclosing{Disclosures: []accord.Disclosure{x}}, accord.LeafDisclosure, 1))
	x.Bytes = as
	return x
}

func (g *giving) retract(t *testing.T, index int64) {
	t.Helper()
	check(t, g.commit(accord.Disclosing{Retracted: []int64{index}}, accord.LeafRetraction, 1))
}

func (g *giving) commit(x accord.Disclosing, kind accord.LeafKind, leaves int) error {
	x.Party, x.Stage, x.From, x.To, x.At = g.party, "decide:"+g.party, g.seq, g.seq+1, t0+accord.Stamp(g.size)
	if leaves > 0 {
		a := grow(here+"/to/"+g.party, g.size, kind, leaves)
		x.Append = &a
	}
	err := g.d.Disclose(context.Background(), x)
	if err == nil {
		g.seq++
		g.size += int64(leaves)
	}
	return err
}

func disclosureComesBack(t *testing.T, d *store.DB) {
	ctx := t.Context()
	g := &giving{d: d, party: there}
	plain, hidden := indicator(1, t0), indicator(2, t0)
	ingest(t, d, t0, plain, hidden)
	a := g.disclose(t, plain, plain.ItemKey, nil)
	b := g.disclose(t, hidden, accord.ItemKey{ID: "indicator--pseudonym", Version: t0 + 1}, []byte(`{"less":1}`))
	if diff := cmp.Diff([]accord.Disclosure{a, b}, must(d.Disclosures(ctx, there, -1, 10))(t)); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]accord.Disclosure{b}, must(d.Disclosures(ctx, there, 0, 10))(t)); diff != "" {
		t.Errorf("after the first (-want +got):\n%s", diff)
	}
	if got := must(d.Disclosures(ctx, third, -1, 10))(t); len(got) != 0 {
		t.Errorf("another party sees %v", got)
	}
	a.Bytes, b.Bytes = nil, nil
	want := map[string]accord.Disclosure{plain.ID: a, hidden.ID: b}
	if diff := cmp.Diff(want, must(d.LiveDisclosures(ctx, there, []string{plain.ID, hidden.ID, "x--1"}))(t)); diff != "" {
		t.Errorf("live (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]accord.Disclosure{b}, must(d.DisclosuresOf(ctx, hidden.ID))(t)); diff != "" {
		t.Errorf("of an item (-want +got):\n%s", diff)
	}
	if by := must(d.DisclosedBy(ctx, there))(t); by[accord.ArticleKey{Agreement: "accord-2021", Version: 1, Article: "3"}] != 2 {
		t.Errorf("by article %v", by)
	}
}

func decidedTwice(t *testing.T, d *store.DB) {
	it := indicator(1, t0)
	ingest(t, d, t0, it)
	g := &giving{d: d, party: there}
	g.disclose(t, it, it.ItemKey, nil)
	again := giving{d: d, party: there}
	x := accord.Disclosure{Stamp: t0, Item: it.ItemKey, Sent: it.ItemKey, Article: "3"}
	if err := again.commit(accord.Disclosing{Disclosures: []accord.Disclosure{x}}, accord.LeafDisclosure, 1); !errors.Is(err, accord.ErrConflict) {
		t.Errorf("the same batch again: %v", err)
	}
	if c := must(d.Counts(t.Context()))(t); c.Disclosed[there] != 1 {
		t.Errorf("counts %v", c.Disclosed)
	}
}

func mustRise(t *testing.T, d *store.DB) {
	it := indicator(1, t0)
	ingest(t, d, t0, it)
	g := &giving{d: d, party: there}
	g.disclose(t, it, it.ItemKey, nil)
	for name, x := range map[string]accord.Disclosure{
		"the same stamp": {Index: 1, Stamp: t0}, "an older stamp": {Index: 1, Stamp: t0 - 1}, "the same index": {Index: 0, Stamp: t0 + 5},
	} {
		x.Item, x.Sent = it.ItemKey, it.ItemKey
		if err := g.commit(accord.Disclosing{Disclosures: []accord.Disclosure{x}}, accord.LeafDisclosure, 1); !errors.Is(err, accord.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// shown lists party's collection as "index id".
func shown(t *testing.T, d *store.DB, f accord.EntryFilter) (list []string) {
	t.Helper()
	sums := map[int64][32]byte{}
	for _, x := range must(d.Disclosures(t.Context(), there, -1, 1000))(t) {
		sums[x.Index] = x.Sum
	}
	var after accord.Stamp
	for {
		page := must(d.Disclosed(t.Context(), there, after, 2, f))(t)
		var rows []int64
		for _, e := range page {
			rows = append(rows, e.Row)
		}
		bytes := must(d.DisclosedBytes(t.Context(), there, rows))(t)
		for _, e := range page {
			if b := bytes[e.Row]; int64(len(b)) != e.Size || sha256.Sum256(b) != sums[e.Row] {
				t.Errorf("disclosure %d comes with %q, %d octets", e.Row, b, e.Size)
			}
			if e.Stamp <= after {
				t.Errorf("disclosure %d goes back in time", e.Row)
			}
			after = e.Stamp
			list = append(list, fmt.Sprint(e.Row, " ", e.ID))
		}
		if len(page) < 2 {
			return list
		}
	}
}

func collection(t *testing.T, d *store.DB) {
	g := &giving{d: d, party: there}
	a, a2, b := indicator(1, t0), indicator(1, t0+1), indicator(2, t0)
	b.ID, b.Type = "report--2", "report"
	ingest(t, d, t0, a, a2, b)
	g.disclose(t, a, a.ItemKey, nil)          // 0, superseded by 2
	g.disclose(t, b, b.ItemKey, nil)          // 1
	g.disclose(t, a, a.ItemKey, []byte("{}")) // 2
	g.disclose(t, a2, a2.ItemKey, nil)        // 3: another version stands beside
	want := []string{"1 " + b.ID, "2 " + a.ID, "3 " + a.ID}
	if diff := cmp.Diff(want, shown(t, d, accord.EntryFilter{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	g.retract(t, 1)
	if diff := cmp.Diff(want[1:], shown(t, d, accord.EntryFilter{})); diff != "" {
		t.Errorf("after a retraction (-want +got):\n%s", diff)
	}
	g.disclose(t, b, b.ItemKey, nil) // 5: given again
	if diff := cmp.Diff(append(want[1:], "5 "+b.ID), shown(t, d, accord.EntryFilter{})); diff != "" {
		t.Errorf("given again (-want +got):\n%s", diff)
	}
}

func collectionFilters(t *testing.T, d *store.DB) {
	g := &giving{d: d, party: there}
	var want []string
	for n := range 6 {
		it := indicator(n, t0)
		if n%2 == 1 {
			it.ID, it.Type = fmt.Sprint("report--", n), "report"
		}
		ingest(t, d, t0, it)
		sent := it.ItemKey
		var bytes []byte
		if n == 5 {
			sent.ID, bytes = "report--pseudonym", []byte("{}")
		}
		g.disclose(t, it, sent, bytes)
		want = append(want, fmt.Sprint(n, " ", sent.ID))
	}
	pick := func(ns ...int) (out []string) {
		for _, n := range ns {
			out = append(out, want[n])
		}
		return out
	}
	for name, tt := range map[string]struct {
		f    accord.EntryFilter
		want []string
	}{
		"one type":      {accord.EntryFilter{Types: []string{"report"}}, pick(1, 3, 5)},
		"both types":    {accord.EntryFilter{Types: []string{"report", "indicator", "report"}}, want},
		"ids":           {accord.EntryFilter{IDs: []string{"report--3", indicator(0, 0).ID, "report--3", "x--1"}}, pick(0, 3)},
		"the sent id":   {accord.EntryFilter{IDs: []string{"report--pseudonym"}}, pick(5)},
		"the hidden id": {accord.EntryFilter{IDs: []string{"report--5"}}, nil},
		"id and type":   {accord.EntryFilter{IDs: []string{"report--3", indicator(0, 0).ID}, Types: []string{"report"}}, pick(3)},
		"no such type":  {accord.EntryFilter{Types: []string{"malware"}}, nil},
	} {
		if diff := cmp.Diff(tt.want, shown(t, d, tt.f)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func retraction(t *testing.T, d *store.DB) {
	g := &giving{d: d, party: there}
	v1, v2 := indicator(1, t0), indicator(1, t0+1)
	ingest(t, d, t0, v1, v2)
	g.disclose(t, v1, v1.ItemKey, nil)
	g.disclose(t, v2, v2.ItemKey, []byte("{}"))
	g.disclose(t, v2, v2.ItemKey, nil)
	g.retract(t, 2)
	if got := shown(t, d, accord.EntryFilter{}); got != nil {
		t.Errorf("the collection still shows %v", got)
	}
	if got := must(d.LiveDisclosures(t.Context(), there, []string{v1.ID}))(t); len(got) != 0 {
		t.Errorf("still live: %v", got)
	}
	c := must(d.Counts(t.Context()))(t)
	if c.Disclosed[there] != 3 || c.Retracted[there] != 1 {
		t.Errorf("counts %+v", c)
	}
	at := t0 + day
	m := accord.Mirroring{
		Party: there, Append: grow(back, 0, accord.LeafReceipt, 2), At: at,
		Receipted: []accord.IndexSpan{{From: 0, To: 2}}, Confirmed: []int64{2, 1},
	}
	check(t, d.Mirror(t.Context(), m))
	all := must(d.Disclosures(t.Context(), there, -1, 10))(t)
	if all[0].Receipted != at || all[2].Receipted != 0 || all[2].Confirmed != at || all[1].Confirmed != 0 || all[2].Retracted == 0 {
		t.Errorf("disclosures %+v", all)
	}
	c = must(d.Counts(t.Context()))(t)
	if c.Receipted[there] != 2 || c.Confirmed[there] != 1 {
		t.Errorf("counts %+v", c)
	}
}

func retractNothing(t *testing.T, d *store.DB) {
	g := &giving{d: d, party: there}
	it := indicator(1, t0)
	ingest(t, d, t0, it)
	g.disclose(t, it, it.ItemKey, nil)
	g.retract(t, 0)
	for _, index := range []int64{0, 7} {
		if err := g.commit(accord.Disclosing{Retracted: []int64{index}}, accord.LeafRetraction, 1); !errors.Is(err, accord.ErrConflict) {
			t.Errorf("retract %d: %v", index, err)
		}
	}
	if err := g.commit(accord.Disclosing{Retracted: []int64{0}}, "", 0); !errors.Is(err, accord.ErrInvalid) {
		t.Errorf("a retraction without a leaf: %v", err)
	}
}

func withholding(t *testing.T, d *store.DB) {
	ctx := t.Context()
	g := &giving{d: d, party: there}
	it, other := indicator(1, t0), indicator(2, t0)
	ingest(t, d, t0, it, other)
	w := accord.Withheld{Party: there, Item: it.ItemKey, Type: it.Type, Article: "0", Reasons: []string{"no article grants it"}, At: t0}
	o := w
	o.Item = other.ItemKey
	check(t, g.commit(accord.Disclosing{Withheld: []accord.Withheld{w, o}}, "", 0))
	w.Article, w.Agreement, w.Version, w.At = "7", "accord-2021", 2, t0+1
	check(t, g.commit(accord.Disclosing{Withheld: []accord.Withheld{w}}, "", 0))
	if diff := cmp.Diff([]accord.Withheld{w}, must(d.WithheldOf(ctx, it.ID))(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	by := map[accord.ArticleKey]int64{{Article: "0"}: 1, {Agreement: "accord-2021", Version: 2, Article: "7"}: 1}
	if diff := cmp.Diff(by, must(d.WithheldBy(ctx, there, 10))(t)); diff != "" {
		t.Errorf("by article (-want +got):\n%s", diff)
	}
	g.disclose(t, it, it.ItemKey, nil)
	if got := must(d.WithheldOf(ctx, it.ID))(t); len(got) != 0 {
		t.Errorf("disclosed and still withheld: %v", got)
	}
	if c := must(d.Counts(ctx))(t); c.Withheld[there] != 1 || c.Disclosed[there] != 1 {
		t.Errorf("counts %+v", c)
	}
}

// Agreements number their articles alike, and so do their versions.
func countedApart(t *testing.T, d *store.DB) {
	ctx := t.Context()
	g := &giving{d: d, party: there}
	from := &taking{d: d, party: there}
	want := map[accord.ArticleKey]int64{
		{Agreement: "accord-2021", Version: 1, Article: "3"}: 1,
		{Agreement: "accord-2021", Version: 2, Article: "3"}: 1,
		{Agreement: "a \"b\"", Version: 1, Article: "3"}:     1,
	}
	n := 0
	for k := range want {
		own, withheld, gift := indicator(n, t0), indicator(n+1, t0), given(indicator(n+2, t0), there)
		n += 3
		ingest(t, d, t0, own, withheld)
		x := accord.Disclosure{
			Party: there, Index: g.size, Stamp: t0 + accord.Stamp(g.size), Item: own.ItemKey, Sent: own.ItemKey,
			Agreement: k.Agreement, Version: k.Version, Article: k.Article,
		}
		w := accord.Withheld{
			Party: there, Item: withheld.ItemKey, Type: "indicator", Agreement: k.Agreement, Version: k.Version, Article: k.Article, At: t0,
		}
		check(t, g.commit(accord.Disclosing{Disclosures: []accord.Disclosure{x}, Withheld: []accord.Withheld{w}}, accord.LeafDisclosure, 1))
		gift.Origin.Agreement, gift.Origin.Version, gift.Origin.Article = k.Agreement, k.Version, k.Article
		index := from.announce(t, gift)
		check(t, d.Receive(ctx, accord.Receiving{
			Party: there, Items: []accord.Item{gift}, Index: []int64{index}, Append: grow(out, g.size, accord.LeafReceipt, 1), At: t0,
		}))
		g.size++
	}
	for name, got := range map[string]map[accord.ArticleKey]int64{
		"given": must(d.DisclosedBy(ctx, there))(t), "withheld": must(d.WithheldBy(ctx, there, 10))(t), "received": must(d.ReceivedBy(ctx, there))(t),
	} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if c := must(d.Counts(ctx))(t); c.Disclosed[there] != 3 || c.Withheld[there] != 3 || c.Received[there] != 3 {
		t.Errorf("counts %+v", c)
	}
}

func sharedBytes(t *testing.T, d *store.DB) {
	g := &giving{d: d, party: third}
	first, second := given(indicator(1, t0), there), given(indicator(1, t0), there)
	second.Bytes = []byte(`{"second":true}`)
	ingest(t, d, t0, first)
	g.disclose(t, first, first.ItemKey, nil)
	ingest(t, d, t0, second)
	if got := must(d.Disclosures(t.Context(), third, -1, 1))(t); string(got[0].Bytes) != string(first.Bytes) {
		t.Errorf("what was sent is now %s", got[0].Bytes)
	}
}

func delivery(t *testing.T, d *store.DB) {
	ctx := t.Context()
	check(t, d.SetPushed(ctx, there, 0, 4))
	if err := d.SetPushed(ctx, there, 0, 5); !errors.Is(err, accord.ErrConflict) {
		t.Errorf("from elsewhere: %v", err)
	}
	if at := must(d.PushState(ctx, there))(t); at != 4 {
		t.Errorf("pushed up to %d", at)
	}
	if at := must(d.PushState(ctx, third))(t); at != 0 {
		t.Errorf("another party's: %d", at)
	}
}
