// SPDX-License-Identifier: Apache-2.0

package misp_test

import (
	"fmt"
	"testing"

	"accord"
	"accord/format/misp"
)

// A list of very many rows becomes many events, for each is read as a whole.
func TestWhatNoReportHoldsIsSplitWhenItIsMuch(t *testing.T) {
	const author, created = "identity--00000000-0000-4000-8000-000000000001", accord.Stamp(1_767_225_600_000_000)
	made := func(n int) (out []misp.Part) {
		for i := range n {
			id := fmt.Sprintf("indicator--00000000-0000-4000-8000-%012d", i)
			out = append(out, misp.Part{ID: id, Version: created, Created: created, Author: author})
		}
		return out
	}
	few, _ := misp.Sort(made(4096))
	if len(few) != 1 || few[0].UUID != misp.LeftoverID(author, created, 0) || few[0].Parts != 1 {
		t.Fatalf("4096 items: %d events, the first in %d parts", len(few), few[0].Parts)
	}
	many, home := misp.Sort(made(20_000))
	if len(many) != 8 {
		t.Errorf("20,000 items: %d events, want 8", len(many))
	}
	seen := map[string]bool{}
	for _, g := range many {
		if g.Parts != 8 || g.UUID != misp.LeftoverID(author, created, g.Part) || len(g.Members) > 4096 {
			t.Errorf("part %d of %d has %d items and uuid %s", g.Part, g.Parts, len(g.Members), g.UUID)
		}
		for _, id := range g.Members {
			if seen[id] || home[id] != g.UUID || misp.LeftoverPart(id, g.Parts) != g.Part {
				t.Fatalf("%s is in %s, twice or not where it belongs", id, g.UUID)
			}
			seen[id] = true
		}
	}
	if len(seen) != 20_000 {
		t.Errorf("%d of 20,000 items are in an event", len(seen))
	}
}
