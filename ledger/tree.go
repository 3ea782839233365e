// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/bits"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"accord"
)

const (
	height = torchwood.TileHeight
	width  = torchwood.TileWidth
)

// edge is the right edge of a tree: for each level of tiles the row of hashes in
// the rightmost tile, not full. Row l holds hashes of subtrees of 2^(8l) leaves.
type edge struct {
	size int64
	rows [][]tlog.Hash
	full []accord.Tile // tiles filled since the edge was read
}

// readEdge reads the rightmost tile of each level of a tree and checks that they
// make up the tree's root.
func readEdge(ctx context.Context, r TileReader, head accord.Head) (*edge, error) {
	if head.Size < 0 || head.Size > maxSize {
		return nil, fmt.Errorf("%w: log of size %d", accord.ErrInvalid, head.Size)
	}
	e := &edge{size: head.Size}
	for level := 0; head.Size>>(height*level) > 0; level++ {
		n := head.Size >> (height * level)
		row, err := readRow(ctx, r, head.Origin, level, n/width, int(n%width))
		if err != nil {
			return nil, err
		}
		e.rows = append(e.rows, row)
	}
	if head.Size > 0 && e.root() != tlog.Hash(head.Root) {
		return nil, fmt.Errorf("%w: the tiles of %s do not make up its root at size %d", ErrFork, head.Origin, head.Size)
	}
	return e, nil
}

// readRow reads the first w hashes of a tile.
func readRow(ctx context.Context, r TileReader, origin string, level int, index int64, w int) ([]tlog.Hash, error) {
	row := make([]tlog.Hash, w, width)
	if w == 0 {
		return row, nil
	}
	data, err := r.Tile(ctx, origin, level, index)
	if err != nil {
		return nil, fmt.Errorf("read tile %d/%d of %s: %w", level, index, origin, err)
	}
	if len(data)%tlog.HashSize != 0 || len(data) < w*tlog.HashSize || len(data) > width*tlog.HashSize {
		return nil, fmt.Errorf("%w: tile %d/%d of %s has %d bytes, want %d hashes", ErrFork, level, index, origin, len(data), w)
	}
	for i := range row {
		copy(row[i][:], data[i*tlog.HashSize:])
	}
	return row, nil
}

// add appends one leaf hash.
func (e *edge) add(h tlog.Hash) {
	e.size++
	for level := 0; ; level++ {
		if level == len(e.rows) {
			e.rows = append(e.rows, make([]tlog.Hash, 0, width))
		}
		e.rows[level] = append(e.rows[level], h)
		if len(e.rows[level]) < width {
			return
		}
		e.full = append(e.full, accord.Tile{Level: level, Index: e.size>>(height*(level+1)) - 1, Data: flatten(e.rows[level])})
		h = subtree(e.rows[level])
		e.rows[level] = e.rows[level][:0]
	}
}

// tiles returns every tile changed since the edge was read at size from.
func (e *edge) tiles(from int64) []accord.Tile {
	out := e.full
	for level, row := range e.rows {
		n := e.size >> (height * level)
		if len(row) > 0 && n > from>>(height*level) {
			out = append(out, accord.Tile{Level: level, Index: n / width, Data: flatten(row)})
		}
	}
	return out
}

func flatten(row []tlog.Hash) []byte {
	data := make([]byte, 0, len(row)*tlog.HashSize)
	for _, h := range row {
		data = append(data, h[:]...)
	}
	return data
}

// root is the tree's root (RFC 6962 §2.1): the row's perfect subtrees, from the
// largest on the left, folded from the right.
func (e *edge) root() tlog.Hash {
	if e.size == 0 {
		return sha256.Sum256(nil)
	}
	var h tlog.Hash
	have := false
	for _, row := range e.rows {
		for w := len(row); w > 0; {
			k := 1 << bits.TrailingZeros(uint(w)) // the rightmost perfect subtree
			if left := subtree(row[w-k : w]); have {
				h = tlog.NodeHash(left, h)
			} else {
				h, have = left, true
			}
			w -= k
		}
	}
	return h
}

// subtree is the root of a perfect subtree over row, whose length is a power of
// two.
func subtree(row []tlog.Hash) tlog.Hash {
	if len(row) == 1 {
		return row[0]
	}
	var buf [width / 2]tlog.Hash
	n := len(row) / 2
	for i := range n {
		buf[i] = tlog.NodeHash(row[2*i], row[2*i+1])
	}
	for ; n > 1; n /= 2 {
		for i := range n / 2 {
			buf[i] = tlog.NodeHash(buf[2*i], buf[2*i+1])
		}
	}
	return buf[0]
}

// Append computes what appending leaves to a log makes of it: the leaves with
// their indexes, the new root, the tiles that change. It reads at most the
// rightmost tile of each level. The head's checkpoint stays what it was: sign
// the new one with [SignHead]. Nothing is written.
func Append(ctx context.Context, r TileReader, head accord.Head, leaves []accord.Leaf) (accord.LogAppend, error) {
	out, err := extend(ctx, r, head, leaves)
	if err != nil {
		return accord.LogAppend{}, fmt.Errorf("append to ledger: %w", err)
	}
	return out, nil
}

func extend(ctx context.Context, r TileReader, head accord.Head, leaves []accord.Leaf) (accord.LogAppend, error) {
	if _, _, err := ParseOrigin(head.Origin); err != nil {
		return accord.LogAppend{}, err
	}
	e, err := readEdge(ctx, r, head)
	if err != nil {
		return accord.LogAppend{}, err
	}
	out := accord.LogAppend{Prev: head.Size, Head: head, Leaves: make([]accord.Leaf, len(leaves))}
	for i, l := range leaves {
		if err := checkLeaf(l); err != nil {
			return accord.LogAppend{}, fmt.Errorf("leaf %d: %w", head.Size+int64(i), err)
		}
		l.Index = e.size
		out.Leaves[i] = l
		e.add(leafHash(l))
	}
	out.Head.Size, out.Head.Root = e.size, e.root()
	out.Tiles = e.tiles(head.Size)
	return out, nil
}

// leafHash is the leaf's hash in the tree: SHA-256(0x00 ‖ entry).
func leafHash(l accord.Leaf) tlog.Hash {
	entry := EntryHash(l)
	return tlog.RecordHash(entry[:])
}
