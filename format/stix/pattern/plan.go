// SPDX-License-Identifier: Apache-2.0

package pattern

import (
	"fmt"
	"math"
	"slices"
	"strconv"
)

const (
	minTick   = math.MinInt64
	maxTick   = math.MaxInt64
	maxDemand = 1 << 52 // more than all observations of a Collection
)

type planKind uint8

const (
	planSlot planKind = iota
	planAnd
	planOr
	planFollowed
	planWithin
	planCopies // REPEATS, where the copies must be kept apart
)

// plan is an observation expression made ready for the search. START … STOP … is in
// its slots: it holds for each observation by itself.
type plan struct {
	kind  planKind
	slot  *slot
	parts []*plan // of And, Or, Followed (first and rest), one of Within and Copies
	span  int64   // of Within, in ticks
	times int     // of Copies
	slots []*slot // all below, those of copies as often
}

// slot wants demand observations, each of which satisfies one of the alternatives.
type slot struct {
	source *source
	demand int64
}

// source gives a slot its options; copies of a slot share it.
type source struct {
	alternatives []alternative
}

// alternative is one test with the times at which it may be met.
type alternative struct {
	test int32
	window
}

// window holds the instants from lo to hi, in ticks, both included.
type window struct {
	lo, hi int64
	timed  bool // an observation without a time is in no such window
}

// builder makes plans.
type builder struct {
	checks []check
	err    error
}

func (b *builder) plan(o *observation, w window, depth int) *plan {
	for _, q := range o.qualifiers {
		switch q.kind {
		case "START":
			from, _ := readInstant(q.start)
			to, _ := readInstant(q.stop)
			stop := to.ticks()
			if len(to.fraction) > 7 {
				stop++ // what is between ticks counts as on the tick before
			}
			w = window{max(w.lo, from.ticks()), min(w.hi, stop-1), true}
		case "WITHIN":
			w.timed = true
		}
	}
	if o.op == "FOLLOWEDBY" {
		w.timed = true
	}
	p := b.joined(o, w, depth)
	for _, q := range o.qualifiers {
		switch q.kind {
		case "REPEATS":
			p = b.repeated(p, q.number.text)
		case "WITHIN":
			p = b.within(p, q.number.text)
		}
	}
	return p
}

func (b *builder) joined(o *observation, w window, depth int) *plan {
	if o.test != nil {
		b.checks = append(b.checks, newCheck(o.test))
		return newSlot(&source{alternatives: []alternative{{int32(len(b.checks) - 1), w}}}, 1)
	}
	parts := make([]*plan, len(o.parts))
	for i := range o.parts {
		parts[i] = b.plan(&o.parts[i], w, depth+1)
	}
	switch {
	case len(parts) == 1:
		return parts[0]
	case o.op == "OR":
		return either(parts)
	case o.op == "FOLLOWEDBY":
		p := parts[len(parts)-1]
		for i := len(parts) - 2; i >= 0; i-- {
			p = newPlan(planFollowed, parts[i], p)
		}
		return p
	}
	return newPlan(planAnd, parts...)
}

func newSlot(from *source, demand int64) *plan {
	s := &slot{source: from, demand: min(demand, maxDemand)}
	return &plan{kind: planSlot, slot: s, slots: []*slot{s}}
}

func newPlan(kind planKind, parts ...*plan) *plan {
	p := &plan{kind: kind}
	for _, part := range parts {
		p.slots = append(p.slots, part.slots...)
		if kind == planAnd && part.kind == planAnd {
			p.parts = append(p.parts, part.parts...)
		} else {
			p.parts = append(p.parts, part)
		}
	}
	return p
}

// either joins parts by OR. Those that want one observation become one slot.
func either(parts []*plan) *plan {
	var rest []*plan
	var single *plan
	for _, p := range parts {
		switch {
		case p.kind != planSlot || p.slot.demand != 1:
			rest = append(rest, p)
		case single == nil:
			single = newSlot(&source{alternatives: p.slot.source.alternatives}, 1)
			rest = append(rest, single)
		default:
			from := single.slot.source
			from.alternatives = append(slices.Clip(from.alternatives), p.slot.source.alternatives...)
		}
	}
	if len(rest) == 1 {
		return rest[0]
	}
	return newPlan(planOr, rest...)
}

// repeated is p as many times, each with observations of its own (§9.5.1).
func (b *builder) repeated(p *plan, times string) *plan {
	n, err := strconv.ParseInt(times, 10, 64)
	if err != nil || n > maxDemand {
		n = maxDemand
	}
	switch {
	case n == 1:
		return p
	case p.kind == planSlot || p.kind == planAnd && slotsOnly(p):
		return multiplied(p, n)
	case n > MaxSlots || n*int64(len(p.slots)) > MaxSlots:
		b.err = fmt.Errorf("%w: REPEATS %s TIMES comes to more than %d observation expressions", ErrLimit, times, MaxSlots)
		return p
	}
	c := newPlan(planCopies, p)
	c.times = int(n)
	c.slots = nil
	for range n {
		c.slots = append(c.slots, p.slots...)
	}
	return c
}

func slotsOnly(p *plan) bool {
	for _, part := range p.parts {
		if part.kind != planSlot {
			return false
		}
	}
	return true
}

// multiplied is p with its demands times n: without a time between the parts the
// copies need not be told apart.
func multiplied(p *plan, n int64) *plan {
	if p.kind == planSlot {
		if p.slot.demand > maxDemand/n {
			n = maxDemand / p.slot.demand
		}
		return newSlot(p.slot.source, p.slot.demand*n)
	}
	parts := make([]*plan, len(p.parts))
	for i, part := range p.parts {
		parts[i] = multiplied(part, n)
	}
	return newPlan(planAnd, parts...)
}

// within is p in a window of time; one observation always is in one.
func (b *builder) within(p *plan, seconds string) *plan {
	if p.kind == planSlot && p.slot.demand == 1 {
		return p
	}
	w := newPlan(planWithin, p)
	var err error
	if w.span, err = span(seconds); err != nil {
		b.err = err
	}
	return w
}
