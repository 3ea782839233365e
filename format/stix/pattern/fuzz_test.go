// SPDX-License-Identifier: Apache-2.0

package pattern_test

import (
	"errors"
	"strings"
	"testing"

	"accord"
	"accord/format/stix/pattern"
)

func TestEveryDrawnPatternReadsAsWhatItPrints(t *testing.T) {
	read := 0
	for _, text := range corpus(3000) {
		p, err := pattern.Parse(text)
		if err != nil {
			continue
		}
		read++
		roundTrip(t, p)
	}
	if read < 1000 {
		t.Errorf("only %d of the drawn patterns were read", read)
	}
}

// A pattern means the same as its print.
func TestWhatIsPrintedMatchesAsWhatWasRead(t *testing.T) {
	g := newGrammar(8)
	_, observations := scenes(t, g, 10)
	for range 1000 {
		text := g.askedPattern(2)
		p, err := pattern.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, obs := range observations {
			if a, b := matchOf(t, text, obs), matchOf(t, p.String(), obs); a != b {
				t.Fatalf("%s: %v; printed as %s: %v", text, a, p, b)
			}
		}
	}
}

// FuzzMatch holds any pattern against any object: it ends within its steps, binds
// nothing more often than it was observed, and MatchAll agrees with Match.
func FuzzMatch(f *testing.F) {
	g := newGrammar(2)
	for range 30 {
		f.Add(g.askedPattern(2), strings.TrimSuffix(strings.SplitN(g.scene(), `"objects":[`, 2)[1], "]}"))
	}
	f.Add(`[file:name LIKE '%a%_']`, observed(3, "2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z", `{"0":{"type":"file","name":"xay"}}`))
	f.Add(`([file:name = 'a'] FOLLOWEDBY [file:name != 'a']) REPEATS 2 TIMES WITHIN 5 SECONDS`, at(1, 1, "a")+"\n"+at(2, 2, "b"))
	f.Fuzz(func(t *testing.T, text, objects string) {
		var c pattern.Collection
		for o := range strings.SplitSeq(objects, "\n") {
			if err := c.Add([]byte(o)); err != nil && !errors.Is(err, accord.ErrInvalid) && !errors.Is(err, pattern.ErrLimit) {
				t.Fatalf("Add(%q): %v", o, err)
			}
		}
		p, err := pattern.Parse(text)
		if err != nil {
			return
		}
		obs := c.Observations()
		lim := pattern.Limits{Steps: 1 << 20}
		r, err := p.Match(obs, lim)
		if err != nil {
			if !errors.Is(err, pattern.ErrLimit) {
				t.Fatalf("Match(%q): %v", text, err)
			}
			return
		}
		used := map[int]int64{}
		for _, b := range r.Bound {
			if used[b.Observation] += b.Count; b.Count < 1 || used[b.Observation] > obs[b.Observation].Number || b.Test >= len(p.Tests()) {
				t.Fatalf("Match(%q): %v", text, r)
			}
		}
		all, err := p.MatchAll(obs, lim)
		if err == nil && r.Matched != (len(all) > 0) {
			t.Fatalf("Match(%q) says %v, MatchAll %v", text, r.Matched, all)
		}
	})
}
