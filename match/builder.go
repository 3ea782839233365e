// SPDX-License-Identifier: Apache-2.0

package match

import (
	cryptosha256 "crypto/sha256"
	"encoding/binary"
	"slices"

	"accord"
)

// maxArena bounds a segment's keys, whose offsets are 32 bits.
const maxArena = 3 << 30

// Builder gathers sought values into an index, for a first load. It takes each
// indicator once; what changes afterwards is Index.Apply's.
type Builder struct {
	salt    Salt
	sieve   sieve
	seg     *segment
	full    []*segment // gathered before, each as large as may be
	in      interners
	skipped int64
	scratch []byte
}

// NewBuilder returns a builder of an index with this salt.
func NewBuilder(salt Salt) *Builder {
	b := &Builder{salt: salt, sieve: newSieve(salt)}
	b.reset()
	return b
}

func (b *Builder) reset() {
	b.seg = &segment{}
	b.in = interners{}
}

// interner gives equal things one number. It forgets what it met long ago, so
// its size is bounded; then a thing may get a second number.
type interner[T comparable] map[T]uint32

const maxInterned = 1 << 16

func (in *interner[T]) number(list *[]T, v T) uint32 {
	if n, ok := (*in)[v]; ok {
		return n
	}
	if *in == nil || len(*in) >= maxInterned {
		*in = make(interner[T])
	}
	n := uint32(len(*list))
	*list = append(*list, v)
	(*in)[v] = n
	return n
}

// Add takes indicators that no earlier call has brought.
func (b *Builder) Add(changes []accord.SoughtChange) {
	for i := range changes {
		c := &changes[i]
		for j := range c.Sought {
			b.add(c.ID, &c.Sought[j])
		}
	}
}

func (b *Builder) add(indicator string, s *accord.Sought) {
	var k kind
	k, b.scratch = appendKey(b.scratch[:0], s.Observable)
	if k == noKind || len(b.scratch) > maxKey {
		b.skipped++
		return
	}
	b.put(b.idOf(indicator), k, b.scratch, b.sieve.sum(k, b.scratch), false, stuff{
		span: span{s.Indicator.Version, s.ValidFrom, s.ValidUntil},
		term: terms{s.TLP, s.Held, s.Origin},
		name: nameTemplate(s.Name, keyValue(k, b.scratch).Value),
	})
}

// stuff is what an entry says besides its key.
type stuff struct {
	span span
	term terms
	name string
}

func (b *Builder) put(u id, k kind, key []byte, hash uint32, blind bool, x stuff) {
	seg := b.seg
	e := entry{hash: hash, off: uint32(len(seg.arena)), id: u, meta: b.in.metas.number(&seg.metas, meta{
		span: b.in.spans.number(&seg.spans, x.span),
		term: b.in.terms.number(&seg.terms, x.term),
		name: b.in.names.number(&seg.names, x.name),
	})}
	head := byte(k)
	if blind {
		head |= blinded
	}
	if k == cidr4 || k == cidr6 {
		seg.addPrefix(k, key[len(key)-1])
	}
	seg.arena = binary.AppendUvarint(append(seg.arena, head), uint64(len(key)))
	seg.arena = append(seg.arena, key...)
	seg.entries = append(seg.entries, e)
}

// idOf packs the id of the next entry's indicator.
func (b *Builder) idOf(text string) id {
	if len(b.seg.arena) > maxArena {
		b.full = append(b.full, b.cut())
	}
	u, usual := packID(text)
	if !usual {
		if b.seg.odd == nil {
			b.seg.odd = map[id]string{}
		}
		b.seg.odd[u] = text
	}
	return u
}

func packID(text string) (u id, usual bool) {
	if u, ok := parseID(text); ok {
		return u, true
	}
	sum := cryptosha256.Sum256([]byte(text))
	return id(sum[:16]), false
}

// cut seals the segment at hand and begins another.
func (b *Builder) cut() *segment {
	s := b.seg
	s.entries = slices.Clip(slices.Clone(s.entries))
	s.arena = slices.Clip(slices.Clone(s.arena))
	s.seal()
	b.reset()
	return s
}

// Index returns the index of all that was added, as of seq, and empties b.
func (b *Builder) Index(seq int64) *Index {
	ix := NewIndex(b.salt)
	ix.seq, ix.skipped = seq, b.skipped
	ix.segs = b.full
	if len(b.seg.entries) > 0 {
		ix.segs = append(ix.segs, b.cut())
	}
	b.full, b.skipped = nil, 0
	return ix
}
