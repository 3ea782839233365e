// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/store"
)

var entryTests = map[string]func(*testing.T, *store.DB){
	"entries say which version is first and last":                    firstAndLast,
	"entries of one agreement stand alone":                           ofOneAgreement,
	"what is stamped anew comes again, at the end and once":          stampedAnew,
	"the node's own collection lists what lives, as it was written":  ownCollection,
	"the node's own collection is filtered by id and type":           ownFilters,
	"a change gets an instant that no other has, and later than all": instantsRise,
	"readers of the node's own collection miss nothing":              ownReaders,
}

// entry is what a test compares of an entry.
func entry(e accord.Entry) string {
	marks := ""
	if e.First {
		marks += " first"
	}
	if e.Last {
		marks += " last"
	}
	return fmt.Sprint(e.Row, " ", e.ID[:strings.Index(e.ID, "--")], " ", int64(e.Version-t0), marks)
}

func entries(list []accord.Entry) (out []string) {
	for _, e := range list {
		out = append(out, entry(e))
	}
	return out
}

func firstAndLast(t *testing.T, d *store.DB) {
	ctx := t.Context()
	g := &giving{d: d, party: there}
	v := []accord.Item{indicator(1, t0), indicator(1, t0+1), indicator(1, t0+2)}
	ingest(t, d, t0, v...)
	for _, n := range []int{1, 0, 2, 1} { // version 1 is given again last
		g.disclose(t, v[n], v[n].ItemKey, nil)
	}
	all := must(d.Disclosed(ctx, there, 0, 10, accord.EntryFilter{}))(t)
	if diff := cmp.Diff([]string{"1 indicator 0 first", "2 indicator 2", "3 indicator 1 last"}, entries(all)); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
	byID := must(d.Disclosed(ctx, there, 0, 10, accord.EntryFilter{IDs: []string{v[0].ID}}))(t)
	if diff := cmp.Diff(all, byID); diff != "" {
		t.Errorf("by id (-all +got):\n%s", diff)
	}
	for _, f := range []accord.EntryFilter{{}, {IDs: []string{v[0].ID}}, {Types: []string{"indicator"}}, {Agreement: "accord-2021"}} {
		f.Latest = true
		if got := entries(must(d.Disclosed(ctx, there, 0, 10, f))(t)); !slices.Equal(got, []string{"3 indicator 1 last"}) {
			t.Errorf("the latest by %+v: %v", f, got)
		}
	}
	g.retract(t, 3)
	if got := must(d.Disclosed(ctx, there, 0, 10, accord.EntryFilter{}))(t); len(got) != 0 {
		t.Errorf("after a retraction: %v", entries(got))
	}
}

func ofOneAgreement(t *testing.T, d *store.DB) {
	g := &giving{d: d, party: there}
	a, b := indicator(1, t0), indicator(2, t0)
	ingest(t, d, t0, a, b)
	g.disclose(t, a, a.ItemKey, nil)
	x := accord.Disclosure{
		Party: there, Index: g.size, Stamp: t0 + 9, Item: b.ItemKey, Agreement: "other", Version: 2, Article: "1", Sent: b.ItemKey,
	}
	check(t, g.commit(accord.Disclosing{Disclosures: []accord.Disclosure{x}}, accord.LeafDisclosure, 1))
	for name, want := range map[string]int{"accord-2021": 1, "other": 1, "none": 0, "": 2} {
		for _, f := range []accord.EntryFilter{{}, {Latest: true}, {Types: []string{"indicator"}}, {IDs: []string{a.ID, b.ID}}} {
			f.Agreement = name
			got := must(d.Disclosed(t.Context(), there, 0, 10, f))(t)
			if len(got) != want || want == 1 && got[0].Under != name {
				t.Errorf("%+v: %+v, want %d", f, got, want)
			}
		}
	}
}

func stampedAnew(t *testing.T, d *store.DB) {
	ctx := t.Context()
	g := &giving{d: d, party: there}
	items := make([]accord.Item, 7)
	for n := range items {
		items[n] = indicator(n, t0)
		ingest(t, d, t0, items[n])
		g.disclose(t, items[n], items[n].ItemKey, nil)
	}
	g.retract(t, 2)
	before := must(d.LastStamp(ctx, there))(t)
	after, more := int64(0), true
	for range 3 {
		var err error
		after, more, err = d.Restamp(ctx, there, "accord-2021", "again", after, 3, t0)
		check(t, err)
	}
	if more || after != 7 {
		t.Errorf("ended at %d, more %t", after, more)
	}
	got := must(d.Disclosed(ctx, there, before, 10, accord.EntryFilter{}))(t)
	if len(got) != 6 || got[0].Stamp != before+1 || got[5].Row != 6 {
		t.Errorf("stamped anew: %v", entries(got))
	}
	if last := must(d.LastStamp(ctx, there))(t); last != before+6 {
		t.Errorf("the last stamp is %d after the one before, want 6", last-before)
	}
	if _, _, err := d.Restamp(ctx, there, "accord-2021", "again", 0, 3, t0); !errors.Is(err, accord.ErrConflict) {
		t.Errorf("from another place than the cursor's: %v", err)
	}
	if _, _, err := d.Restamp(ctx, there, "other", "once", 0, 10, t0+day); err != nil {
		t.Error(err)
	}
	if last := must(d.LastStamp(ctx, there))(t); last != before+6 {
		t.Errorf("another agreement's were stamped")
	}
	x := accord.Disclosure{
		Party: there, Index: g.size, Stamp: before + 6, Item: items[0].ItemKey, Agreement: "accord-2021", Version: 1, Article: "3", Sent: items[0].ItemKey,
	}
	if err := g.commit(accord.Disclosing{Disclosures: []accord.Disclosure{x}}, accord.LeafDisclosure, 1); !errors.Is(err, accord.ErrInvalid) {
		t.Errorf("a stamp was given twice: %v", err)
	}
	x.Stamp++
	check(t, g.commit(accord.Disclosing{Disclosures: []accord.Disclosure{x}}, accord.LeafDisclosure, 1))
}

// walkOwn reads the node's own collection two at a time.
func walkOwn(t *testing.T, d *store.DB, after accord.Stamp, f accord.EntryFilter) (out []accord.Entry) {
	t.Helper()
	for {
		page := must(d.Collection(t.Context(), after, 2, f))(t)
		for _, e := range page {
			if e.Stamp <= after {
				t.Fatalf("%v stamped %d after %d", e, e.Stamp, after)
			}
			after = e.Stamp
		}
		out = append(out, page...)
		if len(page) < 2 {
			return out
		}
	}
}

func ownCollection(t *testing.T, d *store.DB) {
	ctx := t.Context()
	a, a2, b, c := indicator(1, t0), indicator(1, t0+1), indicator(2, t0), indicator(3, t0)
	ingest(t, d, t0+day, a, b)
	ingest(t, d, t0+day, c) // in the same microsecond
	ingest(t, d, t0+2*day, a2)
	ids := func(list []accord.Entry) (out []string) {
		for _, e := range list {
			out = append(out, fmt.Sprint(e.ID[len(e.ID)-1:], " ", int64(e.Version-t0), " ", e.First, " ", e.Last))
		}
		return out
	}
	all := walkOwn(t, d, 0, accord.EntryFilter{})
	if diff := cmp.Diff([]string{"1 0 true false", "2 0 true true", "3 0 true true", "1 1 false true"}, ids(all)); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
	if all[0].Stamp != t0+day || all[3].Stamp != t0+2*day {
		t.Errorf("the first was written at %s and the last at %s", all[0].Stamp, all[3].Stamp)
	}
	latest := walkOwn(t, d, 0, accord.EntryFilter{Latest: true})
	if len(latest) != 3 || latest[2].Stamp != all[3].Stamp {
		t.Errorf("the latest: %v", ids(latest))
	}
	for _, after := range []accord.Stamp{0, all[0].Stamp - 1, all[0].Stamp, all[1].Stamp, all[2].Stamp, all[2].Stamp + 1, all[3].Stamp, all[3].Stamp + day} {
		want := 0
		for _, e := range all {
			if e.Stamp > after {
				want++
			}
		}
		if got := must(d.Collection(ctx, after, 10, accord.EntryFilter{}))(t); len(got) != want {
			t.Errorf("after %s: %d, want %d", after, len(got), want)
		}
	}
	_, err := d.Withdraw(ctx, b.ID, "", t0+3*day)
	check(t, err)
	if got := walkOwn(t, d, 0, accord.EntryFilter{}); len(got) != 3 {
		t.Errorf("after a withdrawal: %v", ids(got))
	}
	bytes := must(d.CollectionBytes(ctx, []int64{all[0].Row, all[1].Row, all[3].Row}))(t)
	if len(bytes) != 2 || string(bytes[all[0].Row]) != string(a.Bytes) || int64(len(bytes[all[3].Row])) != all[3].Size {
		t.Errorf("bytes %v", bytes)
	}
}

func ownFilters(t *testing.T, d *store.DB) {
	for n := range 6 {
		it := indicator(n, t0)
		if n%2 == 1 {
			it.ID, it.Type = fmt.Sprint("report--", n), "report"
		}
		ingest(t, d, t0, it)
	}
	for name, tt := range map[string]struct {
		f    accord.EntryFilter
		want int
	}{
		"one type":     {accord.EntryFilter{Types: []string{"report"}}, 3},
		"both":         {accord.EntryFilter{Types: []string{"report", "indicator", "report"}}, 6},
		"ids":          {accord.EntryFilter{IDs: []string{"report--3", "report--3", "x--1"}}, 1},
		"id and type":  {accord.EntryFilter{IDs: []string{"report--3", indicator(0, 0).ID}, Types: []string{"report"}}, 1},
		"no such type": {accord.EntryFilter{Types: []string{"malware"}}, 0},
	} {
		for _, tt.f.Latest = range []bool{true, false} {
			after := accord.Stamp(0)
			if got := walkOwn(t, d, after, tt.f); len(got) != tt.want {
				t.Errorf("%s, latest %t: %d, want %d", name, tt.f.Latest, len(got), tt.want)
			}
		}
	}
}

func instantsRise(t *testing.T, d *store.DB) {
	for n, at := range []accord.Stamp{t0, t0, t0 - day, t0 + 1, t0 + 5, t0} { // clocks go back too
		var batch []accord.Item
		for k := range 10 {
			batch = append(batch, indicator(n*10+k, t0))
		}
		ingest(t, d, at, batch...)
	}
	seen := map[accord.Stamp]bool{}
	for _, e := range walkOwn(t, d, 0, accord.EntryFilter{}) {
		seen[e.Stamp] = true
	}
	if len(seen) != 60 {
		t.Errorf("%d instants for 60 changes", len(seen))
	}
}

// Writers write while readers read from where they stopped: nobody misses one.
func ownReaders(t *testing.T, d *store.DB) {
	const writers, each = 4, 25
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for k := range each {
				if _, err := d.Ingest(t.Context(), []accord.Item{indicator(w*1000+k, t0)}, t0+accord.Stamp(k)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	seen, after := map[string]int{}, accord.Stamp(0)
	for last := false; ; {
		page := must(d.Collection(t.Context(), after, 3, accord.EntryFilter{Latest: true}))(t)
		for _, e := range page {
			seen[e.ID]++
			after = e.Stamp
		}
		if len(page) > 0 {
			continue
		}
		if last {
			break
		}
		select {
		case <-done:
			last = true // once more
		default:
		}
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s was read %d times", id, n)
		}
	}
	if len(seen) != writers*each {
		t.Errorf("%d read of %d", len(seen), writers*each)
	}
}

var addingTests = map[string]func(*testing.T, *store.DB){
	"an add is remembered, for its party alone":            addRemembered,
	"parts of adds are done in order, each once":           addParts,
	"the oldest finished adds are forgotten, and no other": addForgotten,
}

func addRemembered(t *testing.T, d *store.DB) {
	ctx := t.Context()
	check(t, d.RecordAdd(ctx, accord.Adding{ID: "a", Party: there, Done: t0, Status: []byte("one")}, 3))
	if got := must(d.Added(ctx, there, "a"))(t); string(got) != "one" {
		t.Errorf("got %q", got)
	}
	for _, q := range [][2]string{{third, "a"}, {there, "b"}} {
		if _, err := d.Added(ctx, q[0], q[1]); !errors.Is(err, accord.ErrNotFound) {
			t.Errorf("%v: %v", q, err)
		}
	}
	check(t, d.ForgetAdded(ctx, t0))
	must(d.Added(ctx, there, "a"))(t)
	check(t, d.ForgetAdded(ctx, t0+1))
	if _, err := d.Added(ctx, there, "a"); !errors.Is(err, accord.ErrNotFound) {
		t.Errorf("after its time: %v", err)
	}
}

func addParts(t *testing.T, d *store.DB) {
	ctx := t.Context()
	check(t, d.RecordAdd(ctx, accord.Adding{ID: "a", Party: there, Status: []byte("0"), Parts: [][]byte{[]byte("x"), []byte("y")}}, 3))
	check(t, d.RecordAdd(ctx, accord.Adding{ID: "b", Party: third, Status: []byte("0"), Parts: [][]byte{[]byte("z")}}, 3))
	if n := must(d.AddingOf(ctx, there, 10))(t); n != 2 {
		t.Errorf("%d parts of %s", n, there)
	}
	if n := must(d.AddingOf(ctx, there, 1))(t); n != 1 {
		t.Errorf("%d parts of %s, at most 1", n, there)
	}
	check(t, d.ForgetAdded(ctx, t0+day)) // none is done
	var got []string
	number, part := int64(0), -1
	for {
		p, err := d.NextAdding(ctx, number, part)
		if errors.Is(err, accord.ErrNotFound) {
			break
		}
		check(t, err)
		number, part = p.Number, p.Part
		got = append(got, fmt.Sprintf("%s %d %s %s %s", p.ID, p.Part, p.Party, p.Objects, p.Status))
		done := accord.Stamp(0)
		if string(p.Objects) != "x" {
			done = t0
		}
		check(t, d.FinishAdding(ctx, p, append(p.Status, p.Objects...), done))
		if err := d.FinishAdding(ctx, p, nil, t0); !errors.Is(err, accord.ErrConflict) {
			t.Errorf("done twice: %v", err)
		}
	}
	if diff := cmp.Diff([]string{"a 0 " + there + " x 0", "a 1 " + there + " y 0x", "b 0 " + third + " z 0"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := must(d.Added(ctx, there, "a"))(t); string(got) != "0xy" {
		t.Errorf("status %q", got)
	}
}

func addForgotten(t *testing.T, d *store.DB) {
	ctx := t.Context()
	check(t, d.RecordAdd(ctx, accord.Adding{ID: "pending", Party: there, Status: []byte("0"), Parts: [][]byte{[]byte("x")}}, 3))
	check(t, d.RecordAdd(ctx, accord.Adding{ID: "old", Party: there, Done: t0}, 3))
	check(t, d.RecordAdd(ctx, accord.Adding{ID: "other", Party: third, Done: t0}, 3))
	for n := range 3 {
		check(t, d.RecordAdd(ctx, accord.Adding{ID: fmt.Sprint(n), Party: there, Done: t0}, 3))
	}
	for id, want := range map[string]error{"pending": nil, "old": accord.ErrNotFound, "0": nil} {
		if _, err := d.Added(ctx, there, id); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", id, err, want)
		}
	}
	must(d.Added(ctx, third, "other"))(t)
}
