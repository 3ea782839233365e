// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"fmt"
	"testing"

	"accord"
	"accord/store"
)

// What somebody else's items must not make large.
var boundsTests = map[string]func(*testing.T, *store.DB){
	"an item with many crowded values is looked at as a whole": crowded,
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
