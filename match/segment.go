// SPDX-License-Identifier: Apache-2.0

package match

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"
	"unsafe"

	"accord"
)

// id is an indicator's UUID, or for an id of another form its SHA-256's head.
type id = [16]byte

// entry is one sought value. Entries are sorted by hash, so that a directory of
// the hash's first bits finds the few with a given hash.
type entry struct {
	hash uint32
	off  uint32 // of the key in the arena: kind, length, bytes
	meta uint32
	id   id
}

// blinded marks, in an arena's kind byte, a key that is a digest. The digest of
// a prefix is followed by its number of bits, as the prefix itself is.
const blinded = 0x80

// meta is what many entries share: the numbers of a span, terms and a name.
type meta struct{ span, term, name uint32 }

// span is when an indicator holds, and its version.
type span struct{ version, from, until accord.Stamp }

// terms is what many indicators have in common.
type terms struct {
	tlp    accord.TLP
	held   string
	origin accord.Origin
}

// segment is an immutable set of entries and the ids whose entries in older
// segments it replaces.
type segment struct {
	entries []entry
	dir     []uint32 // first entry whose hash begins with the index
	shift   uint     // 32 − bits of a directory index
	bloom   []uint64
	arena   []byte
	metas   []meta
	spans   []span
	terms   []terms
	names   []string // with valueMark in the place of the value
	odd     map[id]string
	dead    []id   // sorted
	prefix4 uint64 // bit n: a CIDR of n bits is here
	prefix6 [3]uint64
}

// valueMark stands for the value in a name, so that "Domain bad.example" and
// "Domain worse.example" share one name.
const valueMark = "\x00"

// key returns the key of e, its kind, and whether it is a digest.
func (s *segment) key(e *entry) (kind, []byte, bool) {
	b := s.arena[e.off:]
	n, used := binary.Uvarint(b[1:])
	at := 1 + used
	return kind(b[0] &^ blinded), b[at : at+int(n)], b[0]&blinded != 0
}

// run returns the entries with this hash.
func (s *segment) run(hash uint32) []entry {
	if len(s.entries) == 0 {
		return nil
	}
	x := uint64(hash) * 0x9e3779b97f4a7c15
	word := s.bloom[uint64(hash)*uint64(len(s.bloom))>>32]
	if mask := bloomMask(x); word&mask != mask {
		return nil
	}
	d := hash >> s.shift
	lo, hi := s.dir[d], s.dir[d+1]
	if hi-lo > 64 { // one value of very many indicators
		at, _ := slices.BinarySearchFunc(s.entries[lo:hi], hash, func(e entry, h uint32) int { return cmp.Compare(e.hash, h) })
		lo += uint32(at)
	}
	for lo < hi && s.entries[lo].hash < hash {
		lo++
	}
	end := lo
	for end < hi && s.entries[end].hash == hash {
		end++
	}
	return s.entries[lo:end]
}

func bloomMask(x uint64) uint64 {
	return 1<<(x>>58) | 1<<(x>>52&63) | 1<<(x>>46&63)
}

// seal sorts the entries and builds what finds them.
func (s *segment) seal() {
	slices.SortFunc(s.entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.off, b.off))
	})
	s.lookup()
}

// lookup builds directory and filter over sorted entries.
func (s *segment) lookup() {
	n := len(s.entries)
	width := max(1, bits.Len(uint(n/4)))
	s.shift = uint(32 - width)
	s.dir = make([]uint32, 1<<width+1)
	s.bloom = make([]uint64, n*12/64+1)
	for i := range s.entries {
		h := s.entries[i].hash
		s.dir[h>>s.shift+1] = uint32(i + 1)
		s.bloom[uint64(h)*uint64(len(s.bloom))>>32] |= bloomMask(uint64(h) * 0x9e3779b97f4a7c15)
	}
	for i := 1; i < len(s.dir); i++ {
		s.dir[i] = max(s.dir[i], s.dir[i-1])
	}
}

// addPrefix notes that a prefix of so many bits is here.
func (s *segment) addPrefix(k kind, bits byte) {
	switch k {
	case cidr4:
		s.prefix4 |= 1 << bits
	case cidr6:
		s.prefix6[bits/64] |= 1 << (bits % 64)
	default: // no prefix
	}
}

// idOf returns e's indicator id as text.
func (s *segment) idOf(e *entry) string {
	if text, ok := s.odd[e.id]; ok {
		return text
	}
	return formatID(e.id)
}

// spanOf returns when e holds.
func (s *segment) spanOf(e *entry) *span { return &s.spans[s.metas[e.meta].span] }

// sought returns e in full. key is its key in the clear, which a blinded entry
// does not hold itself; nil when not known.
func (s *segment) sought(e *entry, k kind, key []byte) accord.Sought {
	m := &s.metas[e.meta]
	t, sp := &s.terms[m.term], &s.spans[m.span]
	o := accord.Observable{Kind: kindNames[k]}
	if key != nil {
		o = keyValue(k, key)
	}
	return accord.Sought{
		Observable: o,
		Indicator:  accord.ItemKey{ID: s.idOf(e), Version: sp.version},
		Name:       strings.Replace(s.names[m.name], valueMark, o.Value, 1),
		TLP:        t.tlp,
		Origin:     t.origin,
		ValidFrom:  sp.from,
		ValidUntil: sp.until,
		Held:       t.held,
	}
}

// kills reports whether s replaces the entries of indicator u in older segments.
func (s *segment) kills(u id) bool {
	_, dead := slices.BinarySearchFunc(s.dead, u, compareID)
	return dead
}

func compareID(a, b id) int { return bytes.Compare(a[:], b[:]) }

// weight is how much work it is to merge s.
func (s *segment) weight() int { return len(s.entries) + len(s.dead) }

// bytes is the memory s fills.
func (s *segment) bytes() int64 {
	n := int64(cap(s.entries))*int64(unsafe.Sizeof(entry{})) + 4*int64(cap(s.dir)) + 8*int64(cap(s.bloom)) +
		int64(cap(s.arena)) + int64(cap(s.metas))*int64(unsafe.Sizeof(meta{})) + int64(cap(s.spans))*int64(unsafe.Sizeof(span{})) +
		int64(cap(s.terms))*int64(unsafe.Sizeof(terms{})) + 16*int64(cap(s.names)) + 16*int64(cap(s.dead))
	for _, name := range s.names {
		n += int64(len(name))
	}
	for _, text := range s.odd {
		n += int64(len(text)) + 48
	}
	return n
}
