// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/store"
)

// What somebody else's items must not make large.
var boundsTests = map[string]func(*testing.T, *store.DB){
	"long objects are read a few at a time, and all of them":              longObjects,
	"an item with many crowded values is looked at as a whole":            crowded,
	"a family that many namesakes make too large is refused, and says so": namesakes,
}

// crowded has many values that hundreds of items hold: one look reads so much in all,
// and says what it did not expand.
func crowded(t *testing.T, d *store.DB) {
	var all []accord.Observable
	for n := range 40 {
		all = append(all, domain(fmt.Sprintf("crowded%02d.example", n)))
	}
	var batch []accord.Item
	for n := range 700 {
		batch = append(batch, looksFor(100+n, all...))
	}
	rare := domain("rare.example")
	it := looksFor(1, append(all, rare)...)
	ingest(t, d, t0, append(batch, it, looksFor(2, rare))...)
	expanded, cut := 0, 0
	links := must(d.Correlate(t.Context(), it.ID))(t).Links
	for _, l := range links {
		switch {
		case l.More && len(l.Items) == 0 && l.Count < 700:
			cut++
		case !l.More && l.Count == 700:
			expanded += l.Count
		case l.Value != rare || l.More || l.Count != 1:
			t.Errorf("%+v", l)
		}
	}
	if len(links) != 41 || expanded == 0 || cut == 0 || expanded > 10_000 {
		t.Errorf("%d links, %d items expanded, %d values named alone", len(links), expanded, cut)
	}
}

// namesakes are more than a query may look at: half an answer would hide the rest.
func namesakes(t *testing.T, d *store.DB) {
	var batch []accord.Item
	var refs []accord.Ref
	for n := range 60 {
		it := described(1+n, "malware", "Emotet", `"x":1`)
		refs = append(refs, accord.Ref{Property: "object_refs", To: it.ID})
		batch = append(batch, it)
	}
	rare := described(99, "malware", "Rare", `"x":1`)
	about := described(100, "report", "weekly", `"x":1`)
	about.Refs = []accord.Ref{{Property: "object_refs", To: rare.ID}}
	for n := range 350 {
		r := described(1000+n, "report", "daily", `"x":1`)
		r.Refs = refs
		batch = append(batch, r)
	}
	ingest(t, d, t0, append(batch, rare, about)...)
	for _, q := range []string{"family:emotet", "type:report -family:emotet"} {
		_, _, err := d.Search(t.Context(), accord.Query{Q: q, Now: t0})
		if !errors.Is(err, accord.ErrInvalid) || !strings.Contains(err.Error(), "name it more exactly") {
			t.Errorf("%s: %v", q, err)
		}
	}
	finds(t, d, "family:rare", rare, about)
}

// longObjects come to more than is read at once.
func longObjects(t *testing.T, d *store.DB) {
	about := indicator(1, t0)
	ingest(t, d, t0, about)
	long := strings.Repeat("x", 7<<20)
	var want []string
	for n := range 4 {
		o := described(10+n, "opinion", "", `"opinion":"disagree","x_long":"`+long+`","object_refs":["`+about.ID+`"]`)
		o.Refs = []accord.Ref{{Property: "object_refs", To: about.ID}}
		ingest(t, d, t0, o)
		want = append(want, o.ID)
	}
	var got []string
	check(t, d.Referring(t.Context(), []string{about.ID}, func(it accord.Item) error {
		got = append(got, it.ID)
		return nil
	}))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("referring (-want +got):\n%s", diff)
	}
	for must(d.Appraise(t.Context(), "identity--none"))(t) { //nolint:revive // until there is nothing to do
	}
	if q := must(d.FeedQualities(t.Context(), []string{about.Source}))(t)[about.Source]; q.FalsePositive != 1 {
		t.Errorf("%+v", q)
	}
}
