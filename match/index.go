// SPDX-License-Identifier: Apache-2.0

package match

import (
	"slices"

	"accord"
)

// Index is what is sought, at one moment. The first segment is the oldest and
// largest; a lookup asks them all, and what a newer one replaces is left out.
type Index struct {
	salt    Salt
	sieve   sieve
	segs    []*segment
	seq     int64
	skipped int64
}

// NewIndex returns an empty index. The salt is NewSalt's unless two processes
// must share it.
func NewIndex(salt Salt) *Index { return &Index{salt: salt, sieve: newSieve(salt)} }

// Seq is the change feed's entry up to which the index is complete.
func (ix *Index) Seq() int64 { return ix.seq }

// Generation names the index's salt; see Salt.Generation.
func (ix *Index) Generation() string { return ix.salt.Generation() }

// Skipped counts the values that cannot be looked for.
func (ix *Index) Skipped() int64 { return ix.skipped }

// Size is how many values are held. Values that a change replaced count until
// their segment is merged away, which happens as changes add up.
func (ix *Index) Size() int {
	n := 0
	for _, s := range ix.segs {
		n += len(s.entries)
	}
	return n
}

// Bytes is the memory the index fills.
func (ix *Index) Bytes() int64 {
	var n int64
	for _, s := range ix.segs {
		n += s.bytes()
	}
	return n
}

// At returns the same index, said to be complete up to seq.
func (ix *Index) At(seq int64) *Index {
	next := *ix
	next.seq = max(ix.seq, seq)
	return &next
}

// Apply returns an index in which the changed indicators are as the changes say
// and all others as they were; of two changes of one indicator the later in
// order holds. ix stays as it is. The cost is that of the changes, and from time
// to time that of merging what is there.
func (ix *Index) Apply(changes []accord.SoughtChange) *Index {
	if len(changes) == 0 {
		return ix
	}
	b := NewBuilder(ix.salt)
	last := make(map[string]int, len(changes))
	seq := ix.seq
	for i := range changes {
		last[changes[i].ID] = i
		seq = max(seq, changes[i].Seq)
	}
	dead := make([]id, 0, len(last))
	for i := range changes {
		c := &changes[i]
		if last[c.ID] != i {
			continue
		}
		u, _ := packID(c.ID)
		dead = append(dead, u)
		b.Add(changes[i : i+1])
	}
	return ix.with(b, dead, seq)
}

// with returns ix with b's entries on top and the dead replaced.
func (ix *Index) with(b *Builder, dead []id, seq int64) *Index {
	next := &Index{salt: ix.salt, sieve: ix.sieve, seq: seq, skipped: ix.skipped + b.skipped}
	next.segs = append(slices.Clip(slices.Clone(ix.segs)), b.full...)
	slices.SortFunc(dead, compareID)
	top := b.cut()
	top.dead = slices.Compact(dead)
	if len(b.full) > 0 { // the dead must be dead below the first of them only
		next.segs = append(next.segs[:len(ix.segs)], next.bury(top.dead, next.segs[len(ix.segs):])...)
		top.dead = nil
	}
	next.segs = append(next.segs, top)
	next.settle()
	return next
}

// bury gives the first of fresh segments the dead of those below.
func (ix *Index) bury(dead []id, fresh []*segment) []*segment {
	first := *fresh[0]
	first.dead = dead
	return append([]*segment{&first}, fresh[1:]...)
}

// mergeFactor is how many times larger a segment must be than the next newer
// one: it bounds their number to a few.
const mergeFactor = 8

// settle merges segments until each is far larger than the next.
func (ix *Index) settle() {
	for n := len(ix.segs); n > 0; n = len(ix.segs) {
		top := ix.segs[n-1]
		if n == 1 {
			if len(top.entries) == 0 {
				ix.segs = nil
				return
			}
			if len(top.dead) > 0 {
				bare := *top
				bare.dead = nil
				ix.segs = []*segment{&bare}
			}
			return
		}
		below := ix.segs[n-2]
		if below.weight() >= mergeFactor*top.weight() || len(below.arena)+len(top.arena) > maxArena {
			return
		}
		ix.segs = append(ix.segs[:n-2:n-2], merge(below, top, n == 2))
	}
}
