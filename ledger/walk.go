// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"accord"
)

// walk recomputes a log from its leaves, in one pass and with memory that does
// not grow: a binary counter of perfect subtrees. It shares no code with [edge],
// whose work it checks.
type walk struct {
	ctx    context.Context
	src    Source
	head   accord.Head
	report *Report
	leaf   func(accord.Leaf)
	tiles  bool // compare tiles
	of     part // that fails when the leaves are not whole

	size  int64
	stack []tlog.Hash // perfect subtrees from left to right, one for each bit of size
	rows  [][]byte    // tiles being filled, by level
	roots map[int64][32]byte
	wants map[int64]bool
}

func newWalk(ctx context.Context, src Source, head accord.Head, report *Report) *walk {
	return &walk{
		ctx: ctx, src: src, head: head, report: report, tiles: true,
		roots: map[int64][32]byte{}, wants: map[int64]bool{0: true, head.Size: true},
	}
}

// want asks for the roots at these sizes.
func (w *walk) want(sizes ...int64) {
	for _, n := range sizes {
		w.wants[n] = true
	}
}

func (w *walk) run() error {
	w.note()
	for w.size < w.head.Size {
		page, err := w.src.Leaves(w.ctx, w.head.Origin, w.size, int(min(pageOf, w.head.Size-w.size)))
		if err != nil {
			return err
		}
		if len(page) == 0 {
			w.report.Records = false // those not read
			w.report.problem(w.of, "%s: leaves %d to %d are missing", w.head.Origin, w.size, w.head.Size-1)
			return nil
		}
		for _, l := range page[:min(int64(len(page)), w.head.Size-w.size)] {
			if l.Index != w.size {
				w.report.Records = false
				w.report.problem(w.of, "%s: leaf %d where %d is due", w.head.Origin, l.Index, w.size)
				return nil
			}
			w.leaf(l)
			if err := w.add(l); err != nil {
				return err
			}
			w.note()
		}
	}
	return w.lastTiles()
}

// add puts one leaf into the counter and into the tiles.
func (w *walk) add(l accord.Leaf) error {
	entry := EntryHash(l)
	h := tlog.RecordHash(entry[:])
	level := 0
	for n := w.size; ; n >>= 1 {
		if level%height == 0 {
			if err := w.fill(level/height, n, h); err != nil {
				return err
			}
		}
		if n&1 == 0 {
			break
		}
		h = tlog.NodeHash(w.stack[len(w.stack)-1], h)
		w.stack = w.stack[:len(w.stack)-1]
		level++
	}
	w.stack = append(w.stack, h)
	w.size++
	return nil
}

// fill adds the nth hash of a level of tiles, and compares a tile once full.
func (w *walk) fill(level int, n int64, h tlog.Hash) error {
	if level == len(w.rows) {
		w.rows = append(w.rows, nil)
	}
	w.rows[level] = append(w.rows[level], h[:]...)
	if n%width != width-1 {
		return nil
	}
	err := w.compare(level, n/width)
	w.rows[level] = w.rows[level][:0]
	return err
}

func (w *walk) lastTiles() error {
	for level, row := range w.rows {
		if len(row) > 0 {
			if err := w.compare(level, (w.size>>(height*level))/width); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *walk) compare(level int, index int64) error {
	if !w.tiles {
		return nil
	}
	data, err := w.src.Tile(w.ctx, w.head.Origin, level, index)
	if err != nil && !errors.Is(err, accord.ErrNotFound) {
		return fmt.Errorf("read tile %d/%d: %w", level, index, err)
	}
	if !bytes.HasPrefix(data, w.rows[level]) { // the log may have grown since
		w.report.problem(w.of, "tile %d/%d is not what its leaves make", level, index)
	}
	return nil
}

// note keeps the root when it is wanted.
func (w *walk) note() {
	if !w.wants[w.size] {
		return
	}
	if w.size == 0 {
		w.roots[0] = sha256.Sum256(nil)
		return
	}
	h := w.stack[len(w.stack)-1]
	for i := len(w.stack) - 2; i >= 0; i-- {
		h = tlog.NodeHash(w.stack[i], h)
	}
	w.roots[w.size] = h
}
