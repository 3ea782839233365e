// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/store"
)

var matchTests = map[string]func(*testing.T, *store.DB){
	"a match comes back as it was first stored": matchComesBack,
	"repeats are folded into one match":         folded,
	"matches are listed newest first by page":   matchPages,
}

func match(n int) accord.Match {
	it := given(indicator(n, t0), there)
	return accord.Match{
		ID: fmt.Sprint("match-", n), Indicator: it.ItemKey, Value: it.Observables[0], Sensor: "ministry-1", Name: it.Name, Origin: it.Origin,
		Seen:  accord.Seen{Observable: it.Observables[0], At: t0 + 7, Field: "query", Log: "dns", From: "192.0.2.9", UID: "C1"},
		First: t0 + 7, Last: t0 + 7, Count: 1,
	}
}

func matchComesBack(t *testing.T, d *store.DB) {
	m := match(1)
	if n := must(d.AddMatches(t.Context(), []accord.Match{m}, t0+9))(t); n != 1 {
		t.Errorf("added %d", n)
	}
	m.Reported = t0 + 9
	got, next, err := d.Matches(t.Context(), accord.MatchQuery{})
	if err != nil || next != "" {
		t.Error(next, err)
	}
	if diff := cmp.Diff([]accord.Match{m}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{line("match", indicator(1, t0))}, feed(t, d)); diff != "" {
		t.Errorf("feed (-want +got):\n%s", diff)
	}
}

func folded(t *testing.T, d *store.DB) {
	a, early, late := match(1), match(1), match(1)
	early.First, early.Last, early.Count = t0, t0+1, 3
	late.First, late.Last, late.Count = t0+50, t0+60, 2
	if n := must(d.AddMatches(t.Context(), []accord.Match{a, late, match(2)}, t0))(t); n != 2 {
		t.Errorf("added %d, want 2", n)
	}
	if n := must(d.AddMatches(t.Context(), []accord.Match{early, early}, t0+day))(t); n != 0 {
		t.Errorf("added %d, want 0", n)
	}
	got, _, err := d.Matches(t.Context(), accord.MatchQuery{Indicator: a.Indicator.ID})
	if err != nil || len(got) != 1 || got[0].First != t0 || got[0].Last != t0+60 || got[0].Count != 9 || got[0].Reported != t0 {
		t.Errorf("folded = %+v %v", got, err)
	}
	if c := must(d.Counts(t.Context()))(t); c.Matches != 2 || c.MatchCount != 10 {
		t.Errorf("counts %+v", c)
	}
	if n := len(feed(t, d)); n != 2 {
		t.Errorf("%d changes, want 2", n)
	}
}

func matchPages(t *testing.T, d *store.DB) {
	var want []string
	for n := range 9 {
		must(d.AddMatches(t.Context(), []accord.Match{match(n)}, t0))(t)
		want = append([]string{match(n).ID}, want...)
	}
	walk := func(q accord.MatchQuery) (out []string) {
		for {
			page, next, err := d.Matches(t.Context(), q)
			check(t, err)
			for _, m := range page {
				out = append(out, m.ID)
			}
			if q.After = next; next == "" {
				return out
			}
		}
	}
	for _, limit := range []int{1, 2, 9, 0} {
		if diff := cmp.Diff(want, walk(accord.MatchQuery{Limit: limit})); diff != "" {
			t.Errorf("pages of %d (-want +got):\n%s", limit, diff)
		}
	}
	for _, q := range []accord.MatchQuery{
		{Text: "host3.example"}, {Text: indicator(3, 0).ID}, {Indicator: indicator(3, 0).ID}, {Indicator: indicator(3, 0).ID, Text: "host3.example"},
	} {
		if diff := cmp.Diff([]string{match(3).ID}, walk(q)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", q, diff)
		}
	}
	if got := walk(accord.MatchQuery{Indicator: indicator(3, 0).ID, Text: "host4.example"}); got != nil {
		t.Errorf("both filters: %v", got)
	}
}
