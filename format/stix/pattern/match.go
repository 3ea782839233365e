// SPDX-License-Identifier: Apache-2.0

package pattern

import (
	"fmt"
	"slices"
)

// DefaultSteps is the work that Match does at most unless told otherwise, about a
// second's.
const DefaultSteps = 1 << 27

// MaxSlots is how many observation expressions a pattern may come to once REPEATS
// of more than one is written out; beyond it Match returns ErrLimit. REPEATS of a
// single one, or of several without a time between them, is not written out.
const MaxSlots = 1024

// Limits bound one call of Match or MatchAll.
type Limits struct {
	Steps int64 // comparisons and steps of the search; 0 is DefaultSteps
}

// Result is what Match found.
type Result struct {
	Matched bool
	Bound   []Bound // one way in which the pattern matches; nil when it does not
}

// Bound says which observation an observation expression was bound to.
type Bound struct {
	Test        int   // the observation expression, counted from 0 as they stand
	Observation int   // index of the observation
	Count       int64 // how many of its observations, above 1 by REPEATS
}

// program is a pattern made ready for matching.
type program struct {
	checks []check
	root   *plan
	err    error
}

// compiled makes the pattern ready, once.
func (p *Pattern) compiled() *program {
	p.once.Do(func() {
		b := builder{}
		root := b.plan(&p.root, window{lo: minTick, hi: maxTick}, 1)
		p.program = &program{checks: b.checks, root: root, err: b.err}
	})
	return p.program
}

// Match reports whether the observations satisfy the pattern (§9.4), and which of
// them do. The same input gives the same answer, bindings included.
//
// Each observation expression is bound to an observation of its own: an
// observed-data is used at most Number times. Times are chosen as favourably as
// First and Last allow, one for each observation and the same for all qualifiers.
// An observation without a time satisfies neither FOLLOWEDBY nor a qualifier about
// time. The answer is exact; when it would take more than lim.Steps, or MaxSlots is
// passed, the error wraps ErrLimit.
func (p *Pattern) Match(observations []Observation, lim Limits) (Result, error) {
	s, err := newSolver(p.compiled(), observations, lim)
	if err != nil {
		return Result{}, err
	}
	bound := s.solve()
	if err := s.budget.err(); err != nil {
		return Result{}, err
	}
	return Result{Matched: bound != nil, Bound: bound}, nil
}

// MatchAll returns ways in which the observations satisfy the pattern, one after
// another, no two of which share an observation: what a match bound is set aside
// before the next is looked for. For a pattern of one observation expression these
// are all observations that satisfy it.
func (p *Pattern) MatchAll(observations []Observation, lim Limits) ([]Result, error) {
	s, err := newSolver(p.compiled(), observations, lim)
	if err != nil {
		return nil, err
	}
	var out []Result
	if root := s.program.root; root.kind == planSlot && root.slot.demand == 1 {
		for _, o := range s.options(root.slot.source).list {
			out = append(out, Result{Matched: true, Bound: []Bound{{Test: int(o.test), Observation: int(o.observation), Count: 1}}})
		}
		slices.SortFunc(out, func(a, b Result) int { return a.Bound[0].Observation - b.Bound[0].Observation })
		out = slices.CompactFunc(out, func(a, b Result) bool { return a.Bound[0].Observation == b.Bound[0].Observation })
		return out, s.budget.err()
	}
	for {
		bound := s.solve()
		if err := s.budget.err(); err != nil || bound == nil {
			return out, err
		}
		out = append(out, Result{Matched: true, Bound: bound})
		for _, b := range bound {
			s.capacity[b.Observation] = 0
		}
		s.forget()
	}
}

// Tests returns the observation expressions of the pattern as text, in the order in
// which Bound counts them.
func (p *Pattern) Tests() []string {
	var out []string
	p.root.eachTest(func(c *comparison) {
		o := observation{test: c}
		q := Pattern{root: o}
		out = append(out, q.String())
	})
	return out
}

func (o *observation) eachTest(f func(*comparison)) {
	if o.test != nil {
		f(o.test)
	}
	for i := range o.parts {
		o.parts[i].eachTest(f)
	}
}

func newSolver(p *program, observations []Observation, lim Limits) (*solver, error) {
	if p.err != nil {
		return nil, fmt.Errorf("match a pattern: %w", p.err)
	}
	if lim.Steps <= 0 {
		lim.Steps = DefaultSteps
	}
	s := &solver{program: p, observations: observations, budget: &budget{left: lim.Steps}}
	s.capacity = make([]int64, len(observations))
	for i := range observations {
		s.capacity[i] = observations[i].Number
	}
	s.forget()
	s.satisfied = make([][]int32, len(p.checks))
	return s, nil
}
