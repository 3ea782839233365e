// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A posting is the items of one block of numbers that have a term. A thousand items
// of one feed so cost a handful of rows, however many terms they share.
const (
	blockBits = 12
	blockSize = 1 << blockBits
	blockMark = "\x01" // between a term and its block; no term holds it
)

// set is the numbers of a block: bit i is number block*blockSize + i.
type set [blockSize / 64]uint64

func (s *set) add(n int64)      { s[n%blockSize/64] |= 1 << (n % 64) }
func (s *set) remove(n int64)   { s[n%blockSize/64] &^= 1 << (n % 64) }
func (s *set) has(n int64) bool { return s[n%blockSize/64]&(1<<(n%64)) != 0 }

func (s *set) empty() bool { return *s == set{} }

func (s *set) and(o *set) {
	for i := range s {
		s[i] &= o[i]
	}
}

func (s *set) or(o *set) {
	for i := range s {
		s[i] |= o[i]
	}
}

func (s *set) without(o *set) {
	for i := range s {
		s[i] &^= o[i]
	}
}

// below removes the numbers of block that are not below n.
func (s *set) below(block, n int64) {
	for i := max(0, n-block*blockSize); i < blockSize; i++ {
		s.remove(i)
	}
}

// descending calls f with each number of block, the largest first, until it
// returns false.
func (s *set) descending(block int64, f func(n int64) bool) {
	for i := int64(blockSize - 1); i >= 0; i-- {
		if s[i/64] == 0 {
			i -= i % 64
			continue
		}
		if s.has(i) && !f(block*blockSize+i) {
			return
		}
	}
}

// sparse is how many numbers are stored one by one; a block with more is stored as
// its bits.
const sparse = 200

// bytes is how a set is stored: two bytes a number, least byte first, or all bits.
func (s *set) bytes() []byte {
	var out []byte
	for i := range int64(blockSize) {
		if s[i/64] == 0 {
			continue
		}
		if s.has(i) {
			out = binary.LittleEndian.AppendUint16(out, uint16(i))
		}
		if len(out) > 2*sparse {
			out = out[:0]
			for _, w := range s {
				out = binary.LittleEndian.AppendUint64(out, w)
			}
			return out
		}
	}
	return out
}

func setOf(b []byte) (s set, err error) {
	switch {
	case len(b) == blockSize/8:
		for i := range s {
			s[i] = binary.LittleEndian.Uint64(b[8*i:])
		}
	case len(b)%2 == 0 && len(b) <= 2*sparse:
		for ; len(b) > 0; b = b[2:] {
			s.add(int64(binary.LittleEndian.Uint16(b) % blockSize))
		}
	default:
		return s, fmt.Errorf("a posting of %d bytes", len(b))
	}
	return s, nil
}

// postingKey is the row of a term in a block.
func postingKey(term string, block int64) string {
	return fmt.Sprintf("%s%s%08x", term, blockMark, block)
}

// ofKey takes a row's key apart.
func ofKey(key string) (term string, block int64, err error) {
	term, hex, _ := strings.Cut(key, blockMark)
	block, err = strconv.ParseInt(hex, 16, 64)
	return term, block, err
}

// termOf makes a term of a kind and a text: what would be taken for the mark, or
// not fit an index, is replaced.
func termOf(kind, text string) string {
	if strings.Contains(text, blockMark) {
		text = strings.ReplaceAll(text, blockMark, " ")
	}
	return kind + ":" + indexed(fit(text))
}

// termBlock is a term in a block.
type termBlock struct {
	term  string
	block int64
}

// move is what becomes of the terms of items in one transaction.
type move struct{ gain, lose map[termBlock]*set }

func note(to *map[termBlock]*set, term string, n int64) {
	at := termBlock{term, n / blockSize}
	s := (*to)[at]
	if s == nil {
		if *to == nil {
			*to = map[termBlock]*set{}
		}
		s = &set{}
		(*to)[at] = s
	}
	s.add(n)
}

// post applies a move: the rows it touches are read, altered and written once.
func (t *tx) post(ctx context.Context, m *move) error {
	at := make(map[string]termBlock, len(m.gain)+len(m.lose))
	for _, side := range []map[termBlock]*set{m.gain, m.lose} {
		for p := range side {
			at[postingKey(p.term, p.block)] = p
		}
	}
	now := make(map[string]*set, len(at))
	keys := slices.Sorted(maps.Keys(at))
	stored := make(map[string]bool, len(keys))
	err := each(ctx, t, "SELECT term, ns FROM posting WHERE term IN ", "", nil, keys, func(r *sql.Rows) error {
		key, s, err := scanPosting(r)
		now[key], stored[key] = &s, true
		return err
	})
	if err != nil {
		return err
	}
	var args []any
	for _, key := range keys {
		s := now[key]
		if s == nil {
			s = &set{}
		}
		if l := m.lose[at[key]]; l != nil {
			s.without(l)
		}
		if g := m.gain[at[key]]; g != nil {
			s.or(g)
		}
		if !s.empty() {
			args = append(args, key, s.bytes())
		} else if stored[key] {
			if _, err := t.exec(ctx, "DELETE FROM posting WHERE term = $1", key); err != nil {
				return err
			}
		}
	}
	return t.insert(ctx, upsertPosting, args)
}

var upsertPosting = bulk{
	head: "INSERT INTO posting (term, ns) VALUES ", columns: 2,
	tail: " ON CONFLICT (term) DO UPDATE SET ns = excluded.ns",
}

func scanPosting(r *sql.Rows) (key string, s set, err error) {
	var b []byte
	if err := r.Scan(&key, &b); err != nil {
		return key, s, err
	}
	s, err = setOf(b)
	return key, s, err
}
