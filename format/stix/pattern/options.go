// SPDX-License-Identifier: Apache-2.0

package pattern

import (
	"cmp"
	"slices"
)

// observing returns the observations that satisfy a check, in order.
func (s *solver) observing(test int32) []int32 {
	if s.satisfied[test] == nil {
		out := []int32{}
		for i := range s.observations {
			if !s.budget.spend(1) {
				break
			}
			if s.program.checks[test].observed(&s.observations[i], s.budget) {
				out = append(out, int32(i))
			}
		}
		s.satisfied[test] = out
	}
	return s.satisfied[test]
}

// options returns what may fill a slot, without what is set aside.
func (s *solver) options(from *source) options {
	if o, ok := s.made[from]; ok {
		return o
	}
	var out options
	for _, a := range from.alternatives {
		for _, i := range s.observing(a.test) {
			o := option{lo: minTick, hi: maxTick, observation: i, test: a.test}
			if a.timed {
				obs := &s.observations[i]
				o.lo, o.hi = max(obs.first, a.lo), min(obs.last, a.hi)
				if !obs.timed || o.lo > o.hi {
					continue
				}
			}
			if s.capacity[i] > 0 && s.budget.spend(32) { // as they cost memory
				out.list = append(out.list, o)
			}
		}
	}
	slices.SortStableFunc(out.list, func(a, b option) int {
		return cmp.Or(cmp.Compare(a.lo, b.lo), cmp.Compare(a.hi, b.hi), cmp.Compare(a.observation, b.observation))
	})
	out.list = slices.CompactFunc(out.list, func(a, b option) bool {
		return a.lo == b.lo && a.hi == b.hi && a.observation == b.observation
	})
	out.proper = slices.IsSortedFunc(out.list, func(a, b option) int { return cmp.Compare(a.hi, b.hi) })
	s.made[from] = out
	return out
}

// from returns the options that end at t or later; when they are not proper, more.
func (o options) from(t int64) []option {
	if !o.proper {
		return o.list
	}
	first, _ := slices.BinarySearchFunc(o.list, t, func(o option, t int64) int { return cmp.Compare(o.hi, t) })
	return o.list[first:]
}

// bounds returns one bound of all options below p, sorted, each once.
func (s *solver) bounds(p *plan, kept map[*plan][]int64, bound func(option) int64) []int64 {
	if b, ok := kept[p]; ok {
		return b
	}
	out := []int64{}
	done := map[*source]bool{}
	for _, sl := range p.slots {
		if done[sl.source] {
			continue
		}
		done[sl.source] = true
		for _, o := range s.options(sl.source).list {
			if !s.budget.spend(1) {
				return nil
			}
			out = append(out, bound(o))
		}
	}
	slices.Sort(out)
	out = slices.Compact(out)
	kept[p] = out
	return out
}

// earliest returns an instant before which p cannot be complete when nothing of it
// is before t, or never. It takes no account of an observation that two slots
// would share, so the true instant may be later.
func (s *solver) earliest(p *plan, t int64) int64 {
	if !s.budget.spend(1) {
		return never
	}
	switch p.kind {
	case planSlot:
		return s.filled(p.slot, t)
	case planAnd:
		out := t
		for _, part := range p.parts {
			out = max(out, s.earliest(part, t))
		}
		return out
	case planOr:
		out := int64(never)
		for _, part := range p.parts {
			out = min(out, s.earliest(part, t))
		}
		return out
	case planFollowed:
		if t = s.earliest(p.parts[0], t); t == never {
			return never
		}
		return s.earliest(p.parts[1], t)
	case planWithin:
		return s.earliestWithin(p, t)
	default: // of copies, as if one
		return s.earliest(p.parts[0], t)
	}
}

// filled returns when a slot can be full.
func (s *solver) filled(sl *slot, t int64) int64 {
	need := sl.demand
	for _, o := range s.options(sl.source).from(t) {
		if !s.budget.spend(1) {
			return never
		}
		if o.hi < t {
			continue
		}
		if need -= s.capacity[o.observation]; need <= 0 {
			return max(o.lo, t)
		}
	}
	return never
}

// earliestWithin tries the instants at which the window may end.
func (s *solver) earliestWithin(p *plan, t int64) int64 {
	key := endKey{p, t}
	if at, ok := s.ends[key]; ok {
		return at
	}
	child := p.parts[0]
	out := int64(never)
	lows := s.bounds(child, s.lows, func(o option) int64 { return o.lo })
	end := s.earliest(child, t)
	for next, _ := slices.BinarySearch(lows, end+1); end != never && s.budget.spend(1); next++ {
		if s.earliest(child, max(t, end-p.span)) <= end {
			out = end
			break
		}
		if next == len(lows) {
			break
		}
		end = lows[next]
	}
	s.ends[key] = out
	return out
}
