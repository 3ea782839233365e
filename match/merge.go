// SPDX-License-Identifier: Apache-2.0

package match

import (
	"encoding/binary"
	"slices"
)

// merge returns one segment for two; bottom says that nothing is below them.
func merge(old, top *segment, bottom bool) *segment {
	m := &segment{
		entries: make([]entry, 0, len(old.entries)+len(top.entries)),
		arena:   make([]byte, 0, len(old.arena)+len(top.arena)),
	}
	in := &interners{}
	below, above := newMover(m, old, top, in), newMover(m, top, nil, in)
	i, j := 0, 0
	for i < len(old.entries) || j < len(top.entries) {
		if j == len(top.entries) || i < len(old.entries) && old.entries[i].hash <= top.entries[j].hash {
			below.move(&old.entries[i])
			i++
			continue
		}
		above.move(&top.entries[j])
		j++
	}
	m.entries, m.arena = tight(m.entries), tight(m.arena)
	m.metas, m.spans, m.terms, m.names = tight(m.metas), tight(m.spans), tight(m.terms), tight(m.names)
	if !bottom {
		m.dead = append(slices.Clone(old.dead), top.dead...)
		slices.SortFunc(m.dead, compareID)
		m.dead = slices.Clip(slices.Compact(m.dead))
	}
	m.lookup()
	return m
}

// tight returns s in memory of its own size when much of it is unused.
func tight[T any](s []T) []T {
	if len(s) < cap(s)*9/10 {
		return slices.Clip(slices.Clone(s))
	}
	return s
}

// interners number what segments that are merged have in common.
type interners struct {
	metas interner[meta]
	spans interner[span]
	terms interner[terms]
	names interner[string]
}

// mover copies entries of one segment into another.
type mover struct {
	to, from            *segment
	over                *segment // whose dead stay behind
	in                  *interners
	metas               []uint32
	spans, terms, names []uint32 // new number + 1 of what has been moved, by old number
}

func newMover(to, from, over *segment, in *interners) *mover {
	return &mover{
		to: to, from: from, over: over, in: in, metas: make([]uint32, len(from.metas)),
		spans: make([]uint32, len(from.spans)), terms: make([]uint32, len(from.terms)), names: make([]uint32, len(from.names)),
	}
}

func (m *mover) move(e *entry) {
	if m.over != nil && m.over.kills(e.id) {
		return
	}
	k, key, blind := m.from.key(e)
	next := *e
	next.off = uint32(len(m.to.arena))
	next.meta = m.meta(e.meta)
	head := byte(k)
	if blind {
		head |= blinded
	}
	m.to.arena = binary.AppendUvarint(append(m.to.arena, head), uint64(len(key)))
	m.to.arena = append(m.to.arena, key...)
	if text, ok := m.from.odd[e.id]; ok {
		if m.to.odd == nil {
			m.to.odd = map[id]string{}
		}
		m.to.odd[e.id] = text
	}
	if k == cidr4 || k == cidr6 {
		m.to.addPrefix(k, key[len(key)-1])
	}
	m.to.entries = append(m.to.entries, next)
}

func (m *mover) meta(old uint32) uint32 {
	if m.metas[old] == 0 {
		was := m.from.metas[old]
		m.metas[old] = 1 + m.in.metas.number(&m.to.metas, meta{
			span: renumber(m.spans, was.span, m.from.spans, &m.to.spans, &m.in.spans),
			term: renumber(m.terms, was.term, m.from.terms, &m.to.terms, &m.in.terms),
			name: renumber(m.names, was.name, m.from.names, &m.to.names, &m.in.names),
		})
	}
	return m.metas[old] - 1
}

func renumber[T comparable](moved []uint32, old uint32, from []T, to *[]T, in *interner[T]) uint32 {
	if moved[old] == 0 {
		moved[old] = in.number(to, from[old]) + 1
	}
	return moved[old] - 1
}
