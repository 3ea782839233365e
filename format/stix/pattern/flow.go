// SPDX-License-Identifier: Apache-2.0

package pattern

import (
	"cmp"
	"slices"
)

// possible reports whether the slots placed and those that the goals want for
// certain can all be filled with different observations: necessary for the goals to
// be met.
func (s *solver) possible(g *goal) bool {
	list := slices.Clone(s.placed)
	for ; g != nil; g = g.next {
		n := 1
		p := g.plan
		if p.kind == planCopies {
			n, p = g.copies, p.parts[0]
		}
		for range n {
			list = wanted(list, p, g.lo, g.hi)
		}
	}
	return s.flow(list) != nil
}

// wanted appends the slots that p wants filled whatever is chosen.
func wanted(to []placement, p *plan, lo, hi int64) []placement {
	switch p.kind {
	case planSlot:
		return append(to, placement{p.slot, lo, hi})
	case planOr:
		return to
	default:
		for range max(p.times, 1) {
			for _, part := range p.parts {
				to = wanted(to, part, lo, hi)
			}
		}
		return to
	}
}

// flow is an assignment of observations to placements.
type flow struct {
	s        *solver
	list     []placement
	assigned []map[int32]int64 // by placement: how many of which observation
	used     map[int32]int64
	holders  map[int32][]int // placements that an observation is assigned to
}

// flow fills all placements, each with as many observations as it demands and none
// used more often than it may be; it returns nil when that cannot be.
func (s *solver) flow(list []placement) *flow {
	if !s.budget.spend(16 * int64(len(list))) {
		return nil
	}
	f := &flow{
		s: s, list: list, assigned: make([]map[int32]int64, len(list)),
		used: map[int32]int64{}, holders: map[int32][]int{},
	}
	for j := range list {
		f.assigned[j] = map[int32]int64{}
		need := list[j].slot.demand
		f.eachOption(j, func(o option) bool {
			if n := min(need, s.capacity[o.observation]-f.used[o.observation]); n > 0 {
				f.assign(j, o.observation, n)
				f.used[o.observation] += n
				need -= n
			}
			return need > 0
		})
		for need > 0 {
			n := f.augment(j, need)
			if n == 0 {
				return nil
			}
			need -= n
		}
		if s.budget.over {
			return nil
		}
	}
	return f
}

// eachOption calls visit with the options of placement j in its window, until visit
// wants no more.
func (f *flow) eachOption(j int, visit func(option) bool) {
	p := f.list[j]
	for _, o := range f.s.options(p.slot.source).from(p.lo) {
		if o.lo > p.hi || !f.s.budget.spend(1) {
			return
		}
		if o.hi >= p.lo && !visit(o) {
			return
		}
	}
}

func (f *flow) assign(j int, o int32, n int64) {
	if f.assigned[j][o] += n; f.assigned[j][o] == n {
		f.holders[o] = append(f.holders[o], j)
	}
}

func (f *flow) release(j int, o int32, n int64) {
	if f.assigned[j][o] -= n; f.assigned[j][o] == 0 {
		delete(f.assigned[j], o)
		f.holders[o] = slices.DeleteFunc(f.holders[o], func(h int) bool { return h == j })
	}
}

// augment finds up to need more observations for placement j by giving others other
// ones, along a shortest path; 0 when there is no such path.
func (f *flow) augment(j int, need int64) int64 {
	by := map[int32]int{}      // placement from which an observation was reached
	through := map[int]int32{} // observation through which a placement was reached
	for queue := []int{j}; len(queue) > 0; queue = queue[1:] {
		end := int32(-1)
		f.eachOption(queue[0], func(o option) bool {
			if _, seen := by[o.observation]; seen {
				return true
			}
			by[o.observation] = queue[0]
			if f.used[o.observation] < f.s.capacity[o.observation] {
				end = o.observation
				return false
			}
			for _, h := range f.holders[o.observation] {
				if _, seen := through[h]; !seen && h != j {
					through[h] = o.observation
					queue = append(queue, h)
				}
			}
			return true
		})
		if end >= 0 {
			return f.shift(j, end, need, by, through)
		}
	}
	return 0
}

// shift moves as much as the path to observation end carries.
func (f *flow) shift(j int, end int32, need int64, by map[int32]int, through map[int]int32) int64 {
	n := min(need, f.s.capacity[end]-f.used[end])
	for h := by[end]; h != j; h = by[through[h]] {
		n = min(n, f.assigned[h][through[h]])
	}
	f.used[end] += n
	for o := end; ; {
		h := by[o]
		f.assign(h, o, n)
		if h == j {
			return n
		}
		o = through[h]
		f.release(h, o, n)
	}
}

// bound says which observation each observation expression got.
func (f *flow) bound() []Bound {
	count := map[Bound]int64{}
	for j := range f.list {
		left := len(f.assigned[j])
		f.eachOption(j, func(o option) bool {
			if n, mine := f.assigned[j][o.observation]; mine {
				count[Bound{Test: int(o.test), Observation: int(o.observation)}] += n
				delete(f.assigned[j], o.observation)
				left--
			}
			return left > 0
		})
	}
	out := make([]Bound, 0, len(count))
	for b, n := range count {
		b.Count = n
		out = append(out, b)
	}
	slices.SortFunc(out, func(a, b Bound) int {
		return cmp.Or(cmp.Compare(a.Test, b.Test), cmp.Compare(a.Observation, b.Observation))
	})
	return out
}
