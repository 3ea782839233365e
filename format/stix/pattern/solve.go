// SPDX-License-Identifier: Apache-2.0

package pattern

import "slices"

// The search. A pattern matches when its slots can be filled with different
// observations at instants that satisfy every qualifier. Two facts turn the
// instants into a choice among few:
//
//   - "a FOLLOWEDBY b" holds exactly when some instant has all of a up to it and all
//     of b from it on; the latest First among what a is bound to will do.
//   - "a WITHIN x" holds exactly when some instant begins a window of length x with
//     all of a in it; the earliest Last among what a is bound to will do.
//
// (If another instant does, times can be moved towards these without breaking
// anything.) Once such instants are chosen, each slot has a window of its own, and
// whether different observations fill all slots is a question of flow, answered
// without search. Before each choice two necessary conditions are looked at: when
// the rest could be met at the earliest, were observations free to be used twice
// (earliest), and whether all slots together can be filled, were what is still open
// left open (flow). So a search goes back only where times and the scarcity of
// observations conspire; what then takes too long is stopped by the budget.

// solver matches one program against observations.
type solver struct {
	program      *program
	observations []Observation
	capacity     []int64
	budget       *budget
	satisfied    [][]int32 // by check: the observations that satisfy it; nil: not yet looked
	placed       []placement

	// Derived from the capacities as they are.
	made  map[*source]options
	lows  map[*plan][]int64 // the First and Last of the options below, sorted
	highs map[*plan][]int64
	ends  map[endKey]int64
}

type endKey struct {
	p *plan
	t int64
}

// option is an observation that may fill a slot, at instants from lo to hi.
type option struct {
	lo, hi      int64
	observation int32
	test        int32
}

// options are sorted by lo; proper says that they are by hi as well.
type options struct {
	list   []option
	proper bool
}

// placement is a slot that must be filled at instants from lo to hi.
type placement struct {
	slot   *slot
	lo, hi int64
}

// goal is a plan still to be met at instants from lo to hi, and the goals after it.
type goal struct {
	plan   *plan
	lo, hi int64
	copies int // still to be made, of planCopies
	from   int // the first choice that the next copy may take: copies are alike
	next   *goal
}

func newGoal(p *plan, lo, hi int64, next *goal) *goal {
	return &goal{plan: p, lo: lo, hi: hi, copies: p.times, next: next}
}

// never is later than every instant.
const never = maxTick

// forget drops what was derived from capacities.
func (s *solver) forget() {
	s.made = map[*source]options{}
	s.lows, s.highs = map[*plan][]int64{}, map[*plan][]int64{}
	s.ends = map[endKey]int64{}
}

// solve returns a binding, or nil.
func (s *solver) solve() []Bound {
	g := newGoal(s.program.root, minTick, maxTick, nil)
	s.placed = s.placed[:0]
	if s.earliest(g.plan, minTick) == never || !s.possible(g) {
		return nil
	}
	return s.search(g)
}

// search meets all goals and returns the binding, or nil when there is none.
func (s *solver) search(g *goal) []Bound {
	if !s.budget.spend(1) {
		return nil
	}
	if g == nil {
		f := s.flow(s.placed)
		if f == nil {
			return nil
		}
		return f.bound()
	}
	p := g.plan
	switch p.kind {
	case planSlot:
		s.placed = append(s.placed, placement{p.slot, g.lo, g.hi})
		out := s.search(g.next)
		s.placed = s.placed[:len(s.placed)-1]
		return out
	case planAnd:
		next := g.next
		for _, part := range slices.Backward(p.parts) {
			next = newGoal(part, g.lo, g.hi, next)
		}
		return s.search(next)
	case planCopies:
		return s.copy(g)
	default:
		return s.choose(p, g, 0, func(int) *goal { return g.next })
	}
}

// copy meets the next copy of g. As copies are alike, a later one never takes an
// earlier choice.
func (s *solver) copy(g *goal) []Bound {
	if g.copies == 0 {
		return s.search(g.next)
	}
	p := g.plan.parts[0]
	then := func(choice int) *goal {
		rest := *g
		rest.copies--
		rest.from = choice
		return &rest
	}
	if p.kind == planAnd || p.kind == planSlot || p.kind == planCopies {
		return s.search(newGoal(p, g.lo, g.hi, then(0)))
	}
	return s.choose(p, g, g.from, then)
}

// choose tries the choices of p from number from on; then gives the goals that
// follow each.
func (s *solver) choose(p *plan, g *goal, from int, then func(choice int) *goal) []Bound {
	if p.kind == planFollowed {
		return s.chooseBetween(p, g, from, then)
	}
	if p.kind == planWithin {
		return s.chooseWindow(p, g, from, then)
	}
	for i := from; i < len(p.parts); i++ {
		if s.earliest(p.parts[i], g.lo) > g.hi {
			continue
		}
		if out := s.search(newGoal(p.parts[i], g.lo, g.hi, then(i))); out != nil || s.budget.over {
			return out
		}
	}
	return nil
}

// chooseBetween tries the instants that may lie between the parts of FOLLOWEDBY.
func (s *solver) chooseBetween(p *plan, g *goal, from int, then func(int) *goal) []Bound {
	first, rest := p.parts[0], p.parts[1]
	at := s.earliest(first, g.lo)
	if at == never {
		return nil
	}
	lows := s.bounds(first, s.lows, func(o option) int64 { return o.lo })
	next, _ := slices.BinarySearch(lows, at+1)
	for i := 0; at <= g.hi; i++ {
		if i >= from {
			if !s.budget.spend(1) || s.earliest(rest, at) > g.hi {
				return nil // and later is no better
			}
			try := newGoal(first, g.lo, at, newGoal(rest, at, g.hi, then(i)))
			if s.possible(try) {
				if out := s.search(try); out != nil || s.budget.over {
					return out
				}
			}
		}
		if next == len(lows) {
			return nil
		}
		at = lows[next]
		next++
	}
	return nil
}

// chooseWindow tries the instants at which the window of WITHIN may begin.
func (s *solver) chooseWindow(p *plan, g *goal, from int, then func(int) *goal) []Bound {
	child := p.parts[0]
	highs := s.bounds(child, s.highs, func(o option) int64 { return o.hi })
	next, _ := slices.BinarySearch(highs, g.lo)
	for i := 0; next < len(highs); i, next = i+1, next+1 {
		at := min(highs[next], g.hi)
		if !s.budget.spend(1) {
			return nil
		}
		end := min(at+p.span, g.hi)
		if i >= from && s.earliest(child, at) <= end {
			try := newGoal(child, at, end, then(i))
			if s.possible(try) {
				if out := s.search(try); out != nil || s.budget.over {
					return out
				}
			}
		}
		if at == g.hi {
			return nil
		}
	}
	return nil
}
