// SPDX-License-Identifier: Apache-2.0

package match

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/zstd"

	"accord"
)

// The form in which an index travels to a sensor, version 1. After the magic
// line comes one zstd stream:
//
//	'F' or 'D' (full, delta); from and to, the feed's entries it spans (uvarint);
//	the salt, 32 bytes; then operations, each begun by its byte:
//	opSpan   version, valid from, valid until (varint, microseconds)
//	opTerms  TLP (byte), warning list (text)
//	opName   text, with a zero byte in the place of the value
//	opEntry  id (16 bytes), span, terms, name (uvarint, in order of definition), key
//	opOdd    as opEntry, the id as text
//	opDead   id (16 bytes): forget what was sought for it (delta only)
//	opEnd    number of entries and of dead (uvarint)
//
// Text is its length (uvarint) and its bytes. A key is its kind (byte) and its
// bytes, preceded by their number unless the kind has but one; or, with the top
// bit of the kind set, its sieve hash (4 bytes) and its digest (16), and of a
// prefix the number of its bits.
const (
	magic   = "accord-index/1\n"
	opSpan  = 1
	opTerms = 2
	opName  = 3
	opEntry = 4
	opOdd   = 5
	opDead  = 6
	opEnd   = 7
)

// blind says whether a value is exported as a digest, without its name.
func blind(s *accord.Sought) bool { return s.TLP > accord.TLPGreen }

// WriteIndex writes all of ix that allow lets out, for ReadIndex. This package has
// no rule of its own for what may leave the authority: without allow nothing is
// written, and the error is accord.ErrInvalid. Origins never leave.
func WriteIndex(w io.Writer, ix *Index, allow func(accord.Sought) bool) error {
	x, err := newExport(w, ix, allow, 'F', 0, ix.seq)
	if err != nil {
		return err
	}
	for n, s := range slices.Backward(ix.segs) {
		for i := range s.entries {
			e := &s.entries[i]
			if ix.replaced(n, e.id) {
				continue
			}
			k, key, isDigest := s.key(e)
			if isDigest { // a sensor keeps its own copy
				sought := s.sought(e, k, nil)
				x.entry(&sought, "", k, key, &e.hash)
				continue
			}
			sought := s.sought(e, k, key)
			x.entry(&sought, s.names[s.metas[e.meta].name], k, key, nil)
		}
	}
	return x.end()
}

// WriteDelta writes of changes what allow lets out, as WriteIndex does. They lead from feed entry from to entry to, for an
// index that WriteIndex wrote of one with the same salt as ix.
func WriteDelta(w io.Writer, ix *Index, from, to int64, changes []accord.SoughtChange, allow func(accord.Sought) bool) error {
	x, err := newExport(w, ix, allow, 'D', from, to)
	if err != nil {
		return err
	}
	last := make(map[string]int, len(changes))
	for i := range changes {
		last[changes[i].ID] = i
	}
	var key []byte
	for i := range changes {
		c := &changes[i]
		if last[c.ID] != i {
			continue
		}
		x.dead(c.ID)
		for j := range c.Sought {
			var k kind
			if k, key = appendKey(key[:0], c.Sought[j].Observable); k != noKind && len(key) <= maxKey {
				x.entry(&c.Sought[j], nameTemplate(c.Sought[j].Name, keyValue(k, key).Value), k, key, nil)
			}
		}
	}
	return x.end()
}

// export writes operations. Its first error stays.
type export struct {
	ix      *Index
	allow   func(accord.Sought) bool
	pack    *zstd.Encoder
	w       *bufio.Writer
	spans   interner[span]
	terms   interner[terms]
	names   interner[string]
	sizes   [3]uint32 // how many of each are defined
	entries uint64
	killed  uint64
	err     error
}

func newExport(w io.Writer, ix *Index, allow func(accord.Sought) bool, form byte, from, to int64) (*export, error) {
	if allow == nil {
		return nil, fmt.Errorf("write index: %w: no rule says what may leave", accord.ErrInvalid)
	}
	if _, err := io.WriteString(w, magic); err != nil {
		return nil, fmt.Errorf("write index: %w", err)
	}
	pack, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, fmt.Errorf("write index: %w", err)
	}
	x := &export{ix: ix, allow: allow, pack: pack, w: bufio.NewWriterSize(pack, 64<<10)}
	x.op(form)
	x.uvarint(uint64(from))
	x.uvarint(uint64(to))
	x.bytes(ix.salt[:])
	return x, nil
}

func (x *export) op(b byte) { x.bytes([]byte{b}) }

func (x *export) bytes(b []byte) {
	if _, err := x.w.Write(b); err != nil && x.err == nil {
		x.err = err
	}
}

func (x *export) uvarint(n uint64) { x.bytes(binary.AppendUvarint(x.w.AvailableBuffer(), n)) }

func (x *export) text(s string) {
	x.uvarint(uint64(len(s)))
	x.bytes([]byte(s))
}

// number gives v its number, defining it when it is new.
func number[T comparable](in *interner[T], size *uint32, v T, define func()) uint32 {
	if n, ok := (*in)[v]; ok {
		return n
	}
	if *in == nil || len(*in) >= maxInterned {
		*in = make(interner[T])
	}
	define()
	n := *size
	(*in)[v] = n
	*size++
	return n
}

// entry writes one entry. With a hash given, key is a digest already.
func (x *export) entry(s *accord.Sought, name string, k kind, key []byte, hash *uint32) {
	if x.err != nil || !x.allow(*s) {
		return
	}
	hidden := blind(s) || hash != nil
	if hidden {
		name = ""
	}
	sp := span{s.Indicator.Version, s.ValidFrom, s.ValidUntil}
	nSpan := number(&x.spans, &x.sizes[0], sp, func() {
		x.op(opSpan)
		for _, v := range []accord.Stamp{sp.version, sp.from, sp.until} {
			x.bytes(binary.AppendVarint(x.w.AvailableBuffer(), int64(v)))
		}
	})
	t := terms{tlp: s.TLP, held: short(s.Held)}
	nTerms := number(&x.terms, &x.sizes[1], t, func() {
		x.op(opTerms)
		x.op(byte(t.tlp))
		x.text(t.held)
	})
	nName := number(&x.names, &x.sizes[2], name, func() {
		x.op(opName)
		x.text(name)
	})
	x.entries++
	if u, usual := packID(s.Indicator.ID); usual {
		x.op(opEntry)
		x.bytes(u[:])
	} else {
		x.op(opOdd)
		x.text(s.Indicator.ID)
	}
	x.uvarint(uint64(nSpan))
	x.uvarint(uint64(nTerms))
	x.uvarint(uint64(nName))
	x.key(k, key, hidden, hash)
}

func (x *export) key(k kind, key []byte, hidden bool, hash *uint32) {
	if !hidden {
		x.op(byte(k))
		if keyLen[k] == 0 {
			x.uvarint(uint64(len(key)))
		}
		x.bytes(key)
		return
	}
	x.op(byte(k) | blinded)
	if hash != nil {
		x.bytes(binary.BigEndian.AppendUint32(nil, *hash))
		x.bytes(key)
		return
	}
	x.bytes(binary.BigEndian.AppendUint32(nil, x.ix.sieve.sum(k, key)))
	sum := x.ix.salt.digest(k, key)
	x.bytes(sum[:])
	if k == cidr4 || k == cidr6 {
		x.op(key[len(key)-1])
	}
}

func (x *export) dead(indicator string) {
	u, _ := packID(indicator)
	x.op(opDead)
	x.bytes(u[:])
	x.killed++
}

func (x *export) fail(err error) error {
	x.pack.Reset(io.Discard)
	_ = x.pack.Close() // frees; nothing is written
	return fmt.Errorf("write index: %w", err)
}

func (x *export) end() error {
	x.op(opEnd)
	x.uvarint(x.entries)
	x.uvarint(x.killed)
	if x.err == nil {
		x.err = x.w.Flush()
	}
	if x.err != nil {
		return x.fail(x.err)
	}
	if err := x.pack.Close(); err != nil {
		return fmt.Errorf("write index: %w", err)
	}
	return nil
}

// maxDelta is how many changed indicators a delta may hold; beyond it the whole
// index is no dearer.
const maxDelta = 50_000

// Export writes what a sensor needs that holds entry since of a generation: the
// changes when they are few, else the whole index; of either what allow lets out,
// as in WriteIndex. It may be called at any time; before the index is loaded it
// fails with accord.ErrConflict.
func (k *Keeper) Export(ctx context.Context, w io.Writer, since int64, generation string, allow func(accord.Sought) bool) error {
	select {
	case <-k.ready:
	default:
		return fmt.Errorf("export index: %w: not loaded yet", accord.ErrConflict)
	}
	ix := k.Index()
	if since <= 0 || since > ix.seq || generation != ix.Generation() {
		return WriteIndex(w, ix, allow)
	}
	var all []accord.SoughtChange
	for after := since; after < ix.seq; {
		changes, err := k.feed.SoughtSince(ctx, after, keeperPage)
		if err != nil {
			return fmt.Errorf("export index: %w", err)
		}
		all = append(all, changes...)
		if len(all) > maxDelta {
			return WriteIndex(w, ix, allow)
		}
		if len(changes) < keeperPage {
			break
		}
		after = changes[len(changes)-1].Seq
	}
	for len(all) > 0 && all[len(all)-1].Seq > ix.seq {
		all = all[:len(all)-1] // what this index does not know yet it could not confirm
	}
	return WriteDelta(w, ix, since, ix.seq, all, allow)
}
