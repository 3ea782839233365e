// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"context"
	"hash/maphash"
	"slices"
	"sync"

	"accord"
	mispform "accord/format/misp"
	"accord/misp"
)

// mostSums is how many values are remembered of all callers' events: 48 MB.
const mostSums = 6_000_000

// seed makes sums that nobody outside can find two texts for.
var seed = maphash.MakeSeed()

// held remembers which values events hold, as sums of their texts, from when they
// were last written: an event is the same while its rows are.
type held struct {
	mu   sync.Mutex
	sums map[string]map[string]valueSums // by party and event
	n    int
}

type valueSums struct {
	mark uint64 // of the group
	sums []uint64
}

// learn notes what an event holds. What there is no room for is not noted.
func (h *held) learn(party string, g *group, e *mispform.EventJSON) {
	var sums []uint64
	for a := range e.All {
		for _, t := range misp.Texts(a) {
			sums = append(sums, maphash.String(seed, t))
		}
	}
	slices.Sort(sums)
	sums = slices.Clip(slices.Compact(sums))
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n -= 1 + len(h.sums[party][g.uuid].sums)
	if _, was := h.sums[party][g.uuid]; !was {
		h.n++
	}
	delete(h.sums[party], g.uuid)
	if h.n+1+len(sums) > mostSums {
		return
	}
	if h.sums == nil {
		h.sums = map[string]map[string]valueSums{}
	}
	if h.sums[party] == nil {
		h.sums[party] = map[string]valueSums{}
	}
	h.sums[party][g.uuid] = valueSums{mark: g.mark, sums: slices.Clone(sums)}
	h.n += 1 + len(sums)
}

// lacks reports whether an event is known to hold none of those wanted.
func (h *held) lacks(party string, g *group, wanted map[uint64]bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	has, ok := h.sums[party][g.uuid]
	if !ok || has.mark != g.mark {
		return false
	}
	return !slices.ContainsFunc(has.sums, func(s uint64) bool { return wanted[s] })
}

// forget makes room of what a party's events held.
func (h *held) forget(party string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, v := range h.sums[party] {
		h.n -= 1 + len(v.sums)
	}
	delete(h.sums, party)
}

// markOf is a row's part of its group's mark. They are added up, so that their order
// does not matter.
func markOf(r *mispRow, as string) uint64 {
	return maphash.Comparable(seed, struct {
		sent, as                  string
		version, stamp, retracted accord.Stamp
	}{r.sent, as, r.version, r.stamp, r.retracted})
}

var _ misp.Narrower = (*MISP)(nil)

// Lacking implements [misp.Narrower].
func (m *MISP) Lacking(ctx context.Context, who misp.Caller, values []string) (func(uuid string) bool, error) {
	v, err := m.view(ctx, who, "")
	if err != nil {
		return nil, err
	}
	wanted := make(map[uint64]bool, len(values))
	for _, s := range values {
		wanted[maphash.String(seed, s)] = true
	}
	return func(uuid string) bool {
		g := v.events[uuid]
		return g != nil && m.held.lacks(who.Party, g, wanted)
	}, nil
}
