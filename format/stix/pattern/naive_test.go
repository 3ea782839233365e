// SPDX-License-Identifier: Apache-2.0

package pattern

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The naive evaluator: every way to bind observation expressions to observations,
// and for each the times, straight from §9.5. It shares the tree and the tests of
// single observations with Match, and nothing of the search. A time is a variable of
// its own; whether variables exist that satisfy all is decided by the shortest paths
// of a graph of differences.

// bind is one expression of a binding: an observation, once.
type bind struct {
	observation int
	variable    int
}

// rule is x - y <= most, in ticks; variable -1 is the instant zero.
type rule struct {
	x, y int
	most int64
}

type naive struct {
	obs    []Observation
	checks map[*comparison]*check
	used   []int64
	vars   int
	rules  []rule
}

// all calls f with every way to bind o; f returns true to stop.
func (n *naive) all(o *observation, qualifiers int, f func([]bind) bool) bool {
	if qualifiers > 0 {
		q := o.qualifiers[qualifiers-1]
		switch q.kind {
		case "REPEATS":
			times, _ := strconv.Atoi(q.number.text)
			return n.times(o, qualifiers-1, times, nil, f)
		case "WITHIN":
			return n.all(o, qualifiers-1, func(b []bind) bool { return n.ruled(within(b, q.number.text), b, f) })
		}
		return n.all(o, qualifiers-1, func(b []bind) bool {
			var rules []rule
			from, _ := readInstant(q.start)
			to, _ := readInstant(q.stop)
			for _, x := range b {
				rules = append(rules, rule{-1, x.variable, -from.ticks()}, rule{x.variable, -1, to.ticks() - 1})
			}
			return n.ruled(rules, b, f)
		})
	}
	if o.test != nil {
		return n.each(o.test, f)
	}
	if o.op == "OR" {
		for i := range o.parts {
			if n.all(&o.parts[i], len(o.parts[i].qualifiers), f) {
				return true
			}
		}
		return false
	}
	return n.sequence(o, 0, nil, f)
}

func within(b []bind, seconds string) (rules []rule) {
	r, _ := new(big.Rat).SetString(seconds)
	r.Mul(r, big.NewRat(10_000_000, 1))
	most := new(big.Int).Div(r.Num(), r.Denom()).Int64()
	if r.IsInt() {
		most--
	}
	for _, x := range b {
		for _, y := range b {
			rules = append(rules, rule{x.variable, y.variable, most})
		}
	}
	return rules
}

// ruled goes on with b while rules hold too.
func (n *naive) ruled(rules []rule, b []bind, f func([]bind) bool) bool {
	had := len(n.rules)
	n.rules = append(n.rules, rules...)
	stop := f(b)
	n.rules = n.rules[:had]
	return stop
}

func (n *naive) times(o *observation, qualifiers, left int, had []bind, f func([]bind) bool) bool {
	if left == 0 {
		return f(had)
	}
	return n.all(o, qualifiers, func(b []bind) bool {
		return n.times(o, qualifiers, left-1, append(slices.Clip(had), b...), f)
	})
}

// sequence binds the parts of AND and FOLLOWEDBY.
func (n *naive) sequence(o *observation, i int, had []bind, f func([]bind) bool) bool {
	if i == len(o.parts) {
		return f(had)
	}
	return n.all(&o.parts[i], len(o.parts[i].qualifiers), func(b []bind) bool {
		var rules []rule
		for _, x := range had {
			for _, y := range b {
				if o.op == "FOLLOWEDBY" {
					rules = append(rules, rule{x.variable, y.variable, 0})
				}
			}
		}
		return n.ruled(rules, b, func(b []bind) bool {
			return n.sequence(o, i+1, append(slices.Clip(had), b...), f)
		})
	})
}

func (n *naive) each(c *comparison, f func([]bind) bool) bool {
	if n.checks[c] == nil {
		k := newCheck(c)
		n.checks[c] = &k
	}
	for i := range n.obs {
		o := &n.obs[i]
		if n.used[i] == o.Number || !n.checks[c].observed(o, &budget{left: 1 << 40}) {
			continue
		}
		n.used[i]++
		v := n.vars
		n.vars++
		stop := n.ruled([]rule{{v, -1, o.last}, {-1, v, -o.first}}, []bind{{i, v}}, f)
		n.vars--
		n.used[i]--
		if stop {
			return true
		}
	}
	return false
}

// consistent reports whether times exist: the graph of differences has no cycle of
// negative length.
func (n *naive) consistent() bool {
	far := make([]int64, n.vars+1)
	for range n.vars + 2 {
		changed := false
		for _, r := range n.rules {
			if d := far[r.y+1] + r.most; d < far[r.x+1] {
				far[r.x+1], changed = d, true
			}
		}
		if !changed {
			return true
		}
	}
	return false
}

func naiveMatch(p *Pattern, obs []Observation) bool {
	n := &naive{obs: obs, checks: map[*comparison]*check{}, used: make([]int64, len(obs))}
	return n.all(&p.root, len(p.root.qualifiers), func([]bind) bool { return n.consistent() })
}

// drawObservations draws up to six files observed within half a minute.
func drawObservations(t *rapid.T) []Observation {
	var c Collection
	for i := range rapid.IntRange(0, 6).Draw(t, "observations") {
		first := rapid.IntRange(0, 20).Draw(t, "first")
		last := first + rapid.SampledFrom([]int{0, 0, 0, 3, 10}).Draw(t, "length")
		err := c.Add(fmt.Appendf(nil, `{"type":"observed-data","id":"observed-data--%d","number_observed":%d,"first_observed":"2026-01-02T03:04:%02dZ",`+
			`"last_observed":"2026-01-02T03:04:%02d.5Z","objects":{"0":{"type":"file","name":%q}}}`,
			i, rapid.SampledFrom([]int{1, 1, 1, 2, 3}).Draw(t, "number"), first, last, rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name")))
		if err != nil {
			t.Fatal(err)
		}
	}
	return c.Observations()
}

// drawPattern draws a pattern of few tests, with qualifiers and operators of all kinds.
func drawPattern(t *rapid.T, depth int) string {
	var out string
	if depth == 0 || rapid.IntRange(0, 3).Draw(t, "leaf") == 0 {
		out = rapid.SampledFrom([]string{"[file:name = 'a']", "[file:name = 'b']", "[file:name IN ('a', 'c')]", "[file:name LIKE '%']"}).Draw(t, "test")
	} else {
		var parts []string
		for range rapid.IntRange(2, 3).Draw(t, "parts") {
			parts = append(parts, drawPattern(t, depth-1))
		}
		out = "(" + strings.Join(parts, " "+rapid.SampledFrom([]string{"AND", "OR", "FOLLOWEDBY"}).Draw(t, "op")+" ") + ")"
	}
	for _, q := range []string{" REPEATS 2 TIMES", " WITHIN 4 SECONDS", " START t'2026-01-02T03:04:05Z' STOP t'2026-01-02T03:04:15Z'", " WITHIN 10.5 SECONDS REPEATS 3 TIMES"} {
		if rapid.IntRange(0, 7).Draw(t, "qualify") == 0 && !strings.HasSuffix(out, "TIMES") && !strings.HasSuffix(out, "SECONDS") {
			out += q
		}
	}
	return out
}

func TestMatchAgreesWithTheNaiveEvaluator(t *testing.T) {
	matched, tried := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		text := drawPattern(t, 2)
		p, err := Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if len(p.compiled().root.slots) > 9 {
			return
		}
		obs := drawObservations(t)
		r, err := p.Match(obs, Limits{})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		want := naiveMatch(p, obs)
		tried++
		if r.Matched != want {
			t.Fatalf("%s: %v, the naive evaluator says %v", text, r, want)
		}
		if want {
			matched++
			uses(t, r, obs)
		}
	})
	if tried > 50 && (matched < tried/20 || matched > tried-tried/20) {
		t.Errorf("%d of %d matched: the draw shows little", matched, tried)
	}
}

// uses checks that no observation is used more often than it was made.
func uses(t *rapid.T, r Result, obs []Observation) {
	used := map[int]int64{}
	for _, b := range r.Bound {
		if used[b.Observation] += b.Count; used[b.Observation] > obs[b.Observation].Number || b.Count < 1 {
			t.Fatalf("%v uses observation %d more often than it was made", r, b.Observation)
		}
	}
	if len(r.Bound) == 0 {
		t.Fatalf("%v bound nothing", r)
	}
}
