// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/store"
)

var attackTests = map[string]func(*testing.T, *store.DB){
	"items of a type come in order, newest versions alone": itemsOfType,
	"what refers to an item is found from it":              referring,
	"matches are counted by indicator":                     matchesOf,
}

func itemsOfType(t *testing.T, d *store.DB) {
	a, b, c := indicator(1, t0), indicator(2, t0), indicator(3, t0)
	b.Type, b.ID = "report", "report--2"
	ingest(t, d, t0, a, b, c, indicator(4, t0))
	ingest(t, d, t0, indicator(1, t0+1)) // comes last now
	var got []string
	var after int64
	for {
		items := must(d.ItemsOfType(t.Context(), "indicator", after, 2))(t)
		for _, it := range items {
			if len(it.Bytes) == 0 {
				t.Errorf("%s without bytes", it.ID)
			}
			after = it.Seq
		}
		got = append(got, ids(items)...)
		if len(items) < 2 {
			break
		}
	}
	if diff := cmp.Diff(ids([]accord.Item{c, indicator(4, 0), a}), got); diff != "" {
		t.Error(diff)
	}
}

func referring(t *testing.T, d *store.DB) {
	a, b, c := indicator(1, t0), indicator(2, t0), indicator(3, t0)
	a.Refs = []accord.Ref{{Property: "object_refs", To: c.ID}, {Property: "created_by_ref", To: b.ID}}
	b.Refs = []accord.Ref{{Property: "object_refs", To: c.ID}}
	ingest(t, d, t0, a, b, c)
	newer := indicator(2, t0+1) // refers to it no more
	ingest(t, d, t0, newer)
	var got []string
	check(t, d.Referring(t.Context(), []string{c.ID, b.ID, "indicator--none"}, func(it accord.Item) error {
		if len(it.Bytes) == 0 {
			t.Errorf("%s without bytes", it.ID)
		}
		got = append(got, it.ID)
		return nil
	}))
	if !slices.Equal(got, []string{a.ID}) {
		t.Errorf("found %v", got)
	}
}

func matchesOf(t *testing.T, d *store.DB) {
	a, b := indicator(1, t0), indicator(2, t0)
	ingest(t, d, t0, a, b)
	for i, it := range []accord.Item{a, a, b} {
		m := accord.Match{ID: string(rune('a' + i)), Indicator: it.ItemKey, Value: it.Observables[0], Sensor: "s", First: t0, Last: t0, Count: 5}
		must(d.AddMatches(t.Context(), []accord.Match{m}, t0))(t)
	}
	got := must(d.MatchesOf(t.Context(), []string{a.ID, b.ID, "indicator--none"}))(t)
	if diff := cmp.Diff(map[string]int64{a.ID: 2, b.ID: 1}, got); diff != "" {
		t.Error(diff)
	}
}
