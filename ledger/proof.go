// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"accord"
)

// Proof is the hashes of an inclusion or consistency proof (RFC 6962 §2.1.1,
// §2.1.2), at most 64.
type Proof [][32]byte

// tileHashes reads hashes of a tree from its tiles, each tile once.
type tileHashes struct {
	ctx    context.Context
	r      TileReader
	origin string
	seen   map[tlog.Tile][]byte
}

// ReadHashes implements [tlog.HashReader].
func (t *tileHashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		tile := tlog.TileForIndex(height, index)
		at := tlog.Tile{H: height, L: tile.L, N: tile.N}
		data, known := t.seen[at]
		if !known {
			var err error
			if data, err = t.r.Tile(t.ctx, t.origin, tile.L, tile.N); err != nil {
				return nil, fmt.Errorf("read tile %d/%d of %s: %w", tile.L, tile.N, t.origin, err)
			}
			t.seen[at] = data
		}
		if len(data) < tile.W*tlog.HashSize {
			return nil, fmt.Errorf("%w: tile %d/%d of %s has %d bytes", ErrFork, tile.L, tile.N, t.origin, len(data))
		}
		h, err := tlog.HashFromTile(tile, data[:tile.W*tlog.HashSize], index)
		if err != nil {
			return nil, err
		}
		out[i] = h
	}
	return out, nil
}

func hashesOf(ctx context.Context, r TileReader, origin string) *tileHashes {
	return &tileHashes{ctx: ctx, r: r, origin: origin, seen: map[tlog.Tile][]byte{}}
}

// ProveInclusion proves that the leaf at index is in the log at size.
func ProveInclusion(ctx context.Context, r TileReader, origin string, size, index int64) (Proof, error) {
	if index < 0 || index >= size || size > maxSize {
		return nil, fmt.Errorf("prove inclusion: %w: leaf %d of %d", accord.ErrInvalid, index, size)
	}
	p, err := tlog.ProveRecord(size, index, hashesOf(ctx, r, origin))
	if err != nil {
		return nil, fmt.Errorf("prove inclusion: %w", err)
	}
	return toProof(p), nil
}

// CheckInclusion verifies that leaf is at its index in a log with that root at
// that size. It fails with [ErrProof].
func CheckInclusion(p Proof, size int64, root [32]byte, leaf accord.Leaf) error {
	if err := checkLeaf(leaf); err != nil {
		return fmt.Errorf("check inclusion: %w", err)
	}
	if len(p) > maxProof || size > maxSize || leaf.Index < 0 || leaf.Index >= size {
		return fmt.Errorf("check inclusion: %w: %d hashes for leaf %d of %d", ErrProof, len(p), leaf.Index, size)
	}
	if err := tlog.CheckRecord(tlog.RecordProof(fromProof(p)), size, root, leaf.Index, leafHash(leaf)); err != nil {
		return fmt.Errorf("check inclusion: %w: %w", ErrProof, err)
	}
	return nil
}

// ProveConsistency proves that the log at size begins with the log at old.
func ProveConsistency(ctx context.Context, r TileReader, origin string, size, old int64) (Proof, error) {
	if old < 0 || old > size || size > maxSize {
		return nil, fmt.Errorf("prove consistency: %w: from %d to %d", accord.ErrInvalid, old, size)
	}
	if old == 0 || old == size {
		return Proof{}, nil
	}
	p, err := tlog.ProveTree(size, old, hashesOf(ctx, r, origin))
	if err != nil {
		return nil, fmt.Errorf("prove consistency: %w", err)
	}
	return toProof(p), nil
}

// CheckConsistency verifies that a log with that root at size begins with the
// one that had oldRoot at old. It fails with [ErrProof], which a caller who
// knows that both roots were signed may take for a fork.
func CheckConsistency(p Proof, size int64, root [32]byte, old int64, oldRoot [32]byte) error {
	if len(p) > maxProof || size > maxSize || old < 0 || old > size {
		return fmt.Errorf("check consistency: %w: %d hashes from %d to %d", ErrProof, len(p), old, size)
	}
	err := errors.New("roots differ")
	switch {
	case old == 0 && len(p) == 0:
		if oldRoot == [32]byte((&edge{}).root()) {
			err = nil
		}
	case old == size && len(p) == 0:
		if root == oldRoot {
			err = nil
		}
	case old == 0, old == size:
		err = errors.New("hashes where none are needed")
	default:
		err = tlog.CheckTree(tlog.TreeProof(fromProof(p)), size, root, old, oldRoot)
	}
	if err != nil {
		return fmt.Errorf("check consistency: %w: %w", ErrProof, err)
	}
	return nil
}

func toProof(hs []tlog.Hash) Proof {
	p := make(Proof, len(hs))
	for i, h := range hs {
		p[i] = h
	}
	return p
}

func fromProof(p Proof) []tlog.Hash {
	hs := make([]tlog.Hash, len(p))
	for i, h := range p {
		hs[i] = h
	}
	return hs
}
