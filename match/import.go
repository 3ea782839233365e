// SPDX-License-Identifier: Apache-2.0

package match

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"

	"accord"
)

// Limits bound what ReadIndex takes; zero fields mean the defaults.
type Limits struct {
	Entries int64 // default 50 million
	Bytes   int64 // unpacked; default 4 GiB
}

// maxText bounds a name, a list's name and an id, in bytes.
const maxText = 512

// short cuts a text to what an index holds of it.
func short(s string) string {
	if len(s) > 256 {
		s = strings.ToValidUTF8(s[:256], "")
	}
	return s
}

// nameTemplate puts the mark in the value's place.
func nameTemplate(name, value string) string {
	name = strings.ReplaceAll(short(name), valueMark, "")
	return strings.Replace(name, value, valueMark, 1)
}

// ReadIndex reads what WriteIndex or WriteDelta wrote: a whole index, or the
// changes to old, which stays as it is. A delta that does not fit old (nil, of
// another generation, or not at the entry where the delta begins) fails with
// accord.ErrConflict: ask for the whole index.
func ReadIndex(r io.Reader, old *Index, lim Limits) (*Index, error) {
	ix, err := readIndex(r, old, lim)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("%w: cut short", accord.ErrInvalid)
	}
	if err != nil {
		return nil, fmt.Errorf("read index: %w", err)
	}
	return ix, nil
}

func readIndex(r io.Reader, old *Index, lim Limits) (*Index, error) {
	if lim.Entries <= 0 {
		lim.Entries = 50_000_000
	}
	if lim.Bytes <= 0 {
		lim.Bytes = 4 << 30
	}
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	if string(head) != magic {
		return nil, fmt.Errorf("%w: not an index of version 1", accord.ErrInvalid)
	}
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	in := &importer{r: bufio.NewReaderSize(io.LimitReader(z, lim.Bytes), 64<<10), left: lim.Entries}
	return in.index(old)
}

// importer reads operations. Its first error stays, and every read after it
// gives zero.
type importer struct {
	r     *bufio.Reader
	b     *Builder
	left  int64 // entries and dead that may come
	spans []span
	terms []terms
	names []string
	dead  []id
	count uint64
	err   error
}

func (in *importer) refuse(format string, args ...any) {
	if in.err == nil {
		in.err = fmt.Errorf("%w: "+format, append([]any{accord.ErrInvalid}, args...)...)
	}
}

func (in *importer) byte() byte {
	if in.err != nil {
		return 0
	}
	var b byte
	b, in.err = in.r.ReadByte()
	return b
}

func (in *importer) full(b []byte) {
	if in.err == nil {
		_, in.err = io.ReadFull(in.r, b)
	}
}

func (in *importer) uvarint() uint64 {
	if in.err != nil {
		return 0
	}
	var n uint64
	n, in.err = binary.ReadUvarint(in.r)
	return n
}

func (in *importer) varint() accord.Stamp {
	if in.err != nil {
		return 0
	}
	var n int64
	n, in.err = binary.ReadVarint(in.r)
	return accord.Stamp(n)
}

func (in *importer) text(limit uint64) string {
	n := in.uvarint()
	if n > limit {
		in.refuse("text of %d bytes", n)
	}
	if in.err != nil {
		return ""
	}
	b := make([]byte, n)
	in.full(b)
	return string(b)
}

// index reads the header and all operations.
func (in *importer) index(old *Index) (*Index, error) {
	form := in.byte()
	from, to := in.uvarint(), in.uvarint()
	var salt Salt
	in.full(salt[:])
	if in.err != nil {
		return nil, in.err
	}
	if form != 'F' && form != 'D' || from > to || to > 1<<62 {
		return nil, fmt.Errorf("%w: header", accord.ErrInvalid)
	}
	delta := form == 'D'
	if delta && (old == nil || old.salt != salt || old.seq != int64(from)) {
		return nil, fmt.Errorf("%w: delta from %d does not fit", accord.ErrConflict, from)
	}
	in.b = NewBuilder(salt)
	for !in.operation(delta) {
		if in.err != nil {
			return nil, in.err
		}
	}
	if in.err != nil {
		return nil, in.err
	}
	if !delta {
		return in.b.Index(int64(to)), nil
	}
	return old.with(in.b, in.dead, int64(to)), nil
}

// operation reads one and reports whether it was the last.
func (in *importer) operation(delta bool) (last bool) {
	op := in.byte()
	if in.err != nil {
		return false
	}
	defined := max(len(in.spans), len(in.terms), len(in.names))
	if int64(defined) > in.left+int64(in.count)+1 {
		in.refuse("more definitions than entries allowed")
	}
	switch op {
	case opSpan:
		in.spans = append(in.spans, span{in.varint(), in.varint(), in.varint()})
	case opTerms:
		t := terms{tlp: accord.TLP(in.byte())}
		t.held = in.text(maxText)
		if t.tlp > accord.TLPRed {
			in.refuse("TLP %d", t.tlp)
		}
		in.terms = append(in.terms, t)
	case opName:
		in.names = append(in.names, in.text(maxText))
	case opEntry, opOdd:
		in.entry(op)
	case opDead:
		if !delta {
			in.refuse("dead in a whole index")
		}
		var u id
		in.full(u[:])
		in.dead = append(in.dead, u)
		in.left--
	case opEnd:
		if n, d := in.uvarint(), in.uvarint(); in.err == nil && (n != in.count || d != uint64(len(in.dead))) {
			in.refuse("%d entries and %d dead, said to be %d and %d", in.count, len(in.dead), n, d)
		}
		return true
	default:
		in.refuse("operation %d", op)
	}
	if in.left < 0 {
		in.refuse("more entries than allowed")
	}
	return false
}

func (in *importer) entry(op byte) {
	var indicator string
	if op == opOdd {
		indicator = in.text(maxText)
	} else {
		var u id
		in.full(u[:])
		indicator = formatID(u)
	}
	sp, t, name := in.uvarint(), in.uvarint(), in.uvarint()
	if in.err == nil && (sp >= uint64(len(in.spans)) || t >= uint64(len(in.terms)) || name >= uint64(len(in.names))) {
		in.refuse("entry refers to what is not defined")
	}
	k, key, hash, hidden := in.key()
	if in.err != nil {
		return
	}
	in.b.put(in.b.idOf(indicator), k, key, hash, hidden, stuff{in.spans[sp], in.terms[t], in.names[name]})
	in.count++
	in.left--
}

// key reads a key and its hash, and checks that it could be one.
func (in *importer) key() (k kind, key []byte, hash uint32, hidden bool) {
	head := in.byte()
	k, hidden = kind(head&^blinded), head&blinded != 0
	if in.err == nil && (k == noKind || k >= kinds) {
		in.refuse("kind %d", k)
	}
	if in.err != nil {
		return
	}
	n := uint64(keyLen[k])
	if hidden {
		var h [4]byte
		in.full(h[:])
		hash, n = binary.BigEndian.Uint32(h[:]), digestLen
		if k == cidr4 || k == cidr6 {
			n++
		}
	} else if n == 0 {
		n = in.uvarint()
	}
	if n == 0 || n > maxKey {
		in.refuse("key of %d bytes", n)
	}
	if in.err != nil {
		return
	}
	key = make([]byte, n)
	in.full(key)
	if last := key[n-1]; k == cidr4 && last > 32 || k == cidr6 && last > 128 {
		in.refuse("prefix of %d bits", last)
	}
	if !hidden {
		hash = in.b.sieve.sum(k, key)
	}
	return k, key, hash, hidden
}
