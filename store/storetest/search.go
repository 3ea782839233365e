// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/store"
)

var searchTests = map[string]func(*testing.T, *store.DB){
	"each filter selects what it names":                filters,
	"pages follow one another without gap or repeat":   pages,
	"a rare item is reached through short pages":       shortPages,
	"an id finds its item in any state":                byID,
	"a text finds names and values that begin with it": byText,
	"an item found under two values is listed once":    listedOnce,
	"a cursor that was made up is refused":             madeUpCursor,
}

// walk reads all pages of a query.
func walk(t *testing.T, d *store.DB, q accord.Query) (out []string) {
	t.Helper()
	for range 10000 {
		page, next, err := d.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, ids(page)...)
		if next == "" {
			return out
		}
		if next == q.After {
			t.Fatalf("cursor %q again", next)
		}
		q.After = next
	}
	t.Fatal("the pages do not end")
	return nil
}

func filters(t *testing.T, d *store.DB) {
	a, b, c, e, f := indicator(1, t0), indicator(2, t0), given(indicator(3, t0), there), indicator(4, t0), indicator(5, t0)
	b.Type, b.ID = "report", "report--2"
	e.TLP, e.Source = accord.TLPRed, "feed-b"
	f.Held = "top-sites"
	ingest(t, d, t0, a, b, c, e, f, indicator(6, t0))
	must(d.Withdraw(t.Context(), indicator(6, 0).ID, "", t0))(t)
	red := accord.TLPRed
	for name, tt := range map[string]struct {
		q    accord.Query
		want []accord.Item
	}{
		"all":             {accord.Query{}, []accord.Item{f, e, c, b, a}},
		"type":            {accord.Query{Type: "report"}, []accord.Item{b}},
		"label":           {accord.Query{TLP: &red}, []accord.Item{e}},
		"source":          {accord.Query{Source: "feed-b"}, []accord.Item{e}},
		"source and type": {accord.Query{Source: "feed-a", Type: "indicator"}, []accord.Item{f, a}},
		"partner":         {accord.Query{Party: there}, []accord.Item{c}},
		"own":             {accord.Query{Party: "own", Type: "indicator"}, []accord.Item{f, e, a}},
		"held":            {accord.Query{State: "held"}, []accord.Item{f}},
		"live":            {accord.Query{State: "live", Source: "feed-a", Party: "own"}, []accord.Item{f, b, a}},
		"withdrawn":       {accord.Query{State: "withdrawn"}, []accord.Item{indicator(6, t0)}},
		"none":            {accord.Query{State: "withdrawn", Type: "report"}, nil},
		"text and type":   {accord.Query{Text: "host", Type: "report"}, []accord.Item{b}},
		"text and label":  {accord.Query{Text: "HOST", TLP: &red}, []accord.Item{e}},
	} {
		if diff := cmp.Diff(ids(tt.want), walk(t, d, tt.q)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func pages(t *testing.T, d *store.DB) {
	var want []string
	for n := range 23 {
		it := indicator(n, t0)
		ingest(t, d, t0, it)
		want = append(want, it.ID)
	}
	slices.Reverse(want)
	for _, q := range []accord.Query{{}, {Type: "indicator"}, {Source: "feed-a"}, {Party: "own"}} {
		for _, limit := range []int{1, 5, 23, 50} {
			q.Limit = limit
			if diff := cmp.Diff(want, walk(t, d, q)); diff != "" {
				t.Errorf("%+v (-want +got):\n%s", q, diff)
			}
		}
	}
	slices.Sort(want)
	got := walk(t, d, accord.Query{Text: "host", Limit: 4})
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("by text (-want +got):\n%s", diff)
	}
}

func shortPages(t *testing.T, d *store.DB) {
	rare := indicator(0, t0)
	rare.TLP = accord.TLPRed
	ingest(t, d, t0, rare)
	for b := range 10 {
		var batch []accord.Item
		for n := range 1000 {
			batch = append(batch, indicator(1+b*1000+n, t0))
		}
		ingest(t, d, t0, batch...)
	}
	red := accord.TLPRed
	for _, q := range []accord.Query{{TLP: &red}, {TLP: &red, Text: "host"}, {TLP: &red, Source: "feed-a"}} {
		if diff := cmp.Diff([]string{rare.ID}, walk(t, d, q)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", q, diff)
		}
	}
}

func byID(t *testing.T, d *store.DB) {
	ingest(t, d, t0, indicator(1, t0), indicator(1, t0+1))
	q := accord.Query{Text: indicator(1, 0).ID}
	for range 2 {
		got, next, err := d.Search(t.Context(), q)
		if err != nil || len(got) != 1 || got[0].Version != t0+1 || next != "" || got[0].Bytes != nil {
			t.Errorf("search = %v %q %v", got, next, err)
		}
		must(d.Withdraw(t.Context(), q.Text, "", t0))(t)
	}
	q.State = "live"
	if got := walk(t, d, q); got != nil {
		t.Errorf("a withdrawn one is listed as live: %v", got)
	}
}

func byText(t *testing.T, d *store.DB) {
	a, b := indicator(1, t0), indicator(2, t0)
	a.Name = "Łódź Loader (second stage)"
	b.Observables = []accord.Observable{{Kind: accord.KindURL, Value: "http://b.example/Path"}, {Kind: accord.KindIPv4, Value: "192.0.2.7"}}
	ingest(t, d, t0, a, b)
	for text, want := range map[string][]string{
		"łódź l":                {a.ID},
		"ŁÓDŹ Loader":           {a.ID},
		"host1.example":         {a.ID},
		"Host1.EXAMPLE":         {a.ID},
		"http://b.example/Path": {b.ID},
		"192.0.2":               {b.ID},
		"host":                  {a.ID, b.ID},
		"%":                     nil,
		"ost1":                  nil,
	} {
		if diff := cmp.Diff(want, walk(t, d, accord.Query{Text: text})); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

func listedOnce(t *testing.T, d *store.DB) {
	it := indicator(1, t0)
	it.Name = "same start"
	it.Observables = nil
	for n := range 9 {
		it.Observables = append(it.Observables, accord.Observable{Kind: accord.KindDomain, Value: fmt.Sprintf("same%d.example", n)})
	}
	ingest(t, d, t0, it)
	for _, limit := range []int{1, 3, 50} {
		if got := walk(t, d, accord.Query{Text: "same", Limit: limit}); len(got) != 1 {
			t.Errorf("pages of %d list it %d times", limit, len(got))
		}
	}
}

func madeUpCursor(t *testing.T, d *store.DB) {
	for _, q := range []accord.Query{{After: "x"}, {After: "AAAA", Text: "host"}, {After: "!", Text: "host"}} {
		if _, _, err := d.Search(t.Context(), q); !errors.Is(err, accord.ErrInvalid) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	if _, _, err := d.Matches(t.Context(), accord.MatchQuery{After: "x"}); !errors.Is(err, accord.ErrInvalid) {
		t.Errorf("matches: %v", err)
	}
	if _, _, err := d.Protections(t.Context(), accord.ProtectionQuery{After: "x"}); !errors.Is(err, accord.ErrInvalid) {
		t.Errorf("protections: %v", err)
	}
}
