// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"context"
	"fmt"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"accord"
)

// MirrorAppend is what the receiver does with a piece of the giver's log: it
// appends the leaves to its mirror and checks that the result is what the
// giver's checkpoint says, which must be of exactly that size. Only then may the
// receiver commit it, and cosign the checkpoint.
//
// It fails with [ErrFork] when the log is not the one mirrored so far, with
// [ErrRollback] when the checkpoint is older than the mirror. With no leaves it
// checks that a checkpoint says what the mirror says.
func MirrorAppend(ctx context.Context, r TileReader, head accord.Head, leaves []accord.Leaf, checkpoint []byte, log note.Verifier) (accord.LogAppend, error) {
	return MirrorPage(ctx, r, head, leaves, checkpoint, log, nil)
}

// MirrorPage is MirrorAppend for a first part of the leaves that a checkpoint
// covers, with the proof that the checkpoint is consistent with the log at
// head.Size+len(leaves) ([ProveConsistency]). The checkpoint becomes the
// mirror's only with the last page.
func MirrorPage(ctx context.Context, r TileReader, head accord.Head, leaves []accord.Leaf, checkpoint []byte, log note.Verifier, proof Proof) (accord.LogAppend, error) {
	out, err := mirror(ctx, r, head, leaves, checkpoint, log, proof)
	if err != nil {
		return accord.LogAppend{}, fmt.Errorf("mirror ledger: %w", err)
	}
	return out, nil
}

func mirror(ctx context.Context, r TileReader, head accord.Head, leaves []accord.Leaf, checkpoint []byte, log note.Verifier, proof Proof) (accord.LogAppend, error) {
	c, _, err := openCheckpoint(checkpoint, head.Origin, log)
	if err != nil {
		return accord.LogAppend{}, err
	}
	size := head.Size + int64(len(leaves))
	switch {
	case c.N < head.Size:
		return accord.LogAppend{}, fmt.Errorf("%w: %s from %d to %d", ErrRollback, head.Origin, head.Size, c.N)
	case c.N < size:
		return accord.LogAppend{}, fmt.Errorf("%w: %d leaves beyond the checkpoint", accord.ErrInvalid, size-c.N)
	case c.N > size && proof == nil:
		return accord.LogAppend{}, fmt.Errorf("%w: leaves %d to %d are missing", accord.ErrInvalid, size, c.N)
	}
	for i, l := range leaves {
		if l.Index != 0 && l.Index != head.Size+int64(i) {
			return accord.LogAppend{}, fmt.Errorf("%w: leaf %d where %d is due", accord.ErrInvalid, l.Index, head.Size+int64(i))
		}
	}
	out, err := extend(ctx, r, head, leaves)
	if err != nil {
		return accord.LogAppend{}, err
	}
	if c.N > size {
		if err := CheckConsistency(proof, c.N, c.Hash, size, out.Head.Root); err != nil {
			return accord.LogAppend{}, fmt.Errorf("%w: %s at %d: %w", ErrFork, head.Origin, size, err)
		}
		return out, nil
	}
	if out.Head.Root != c.Hash {
		return accord.LogAppend{}, fmt.Errorf("%w: %s at size %d", ErrFork, head.Origin, c.N)
	}
	out.Head.Checkpoint = bytes.Clone(checkpoint)
	return out, nil
}

// CheckHead verifies that a log's own head extends what its partner cosigned:
// a node that was restored from an old backup finds here that it has gone back
// ([ErrRollback]), and must not sign before it has caught up.
func CheckHead(ctx context.Context, r TileReader, head accord.Head, cosigned []byte, log, cosigner note.Verifier) error {
	size, root, _, err := VerifyCosigned(cosigned, head.Origin, log, cosigner)
	if err != nil {
		return fmt.Errorf("check head: %w", err)
	}
	if size > head.Size {
		return fmt.Errorf("check head: %w: %s has %d leaves here, %d are cosigned", ErrRollback, head.Origin, head.Size, size)
	}
	got, err := RootAt(ctx, r, head, size)
	if err != nil {
		return fmt.Errorf("check head: %w", err)
	}
	if got != root {
		return fmt.Errorf("check head: %w: %s at size %d", ErrFork, head.Origin, size)
	}
	return nil
}

// RootAt is the root that the log of head had at a size not above head's. It is
// made from the tiles alone.
func RootAt(ctx context.Context, r TileReader, head accord.Head, size int64) ([32]byte, error) {
	if size < 0 || size > head.Size || size > maxSize {
		return [32]byte{}, fmt.Errorf("root of %s: %w: at %d of %d leaves", head.Origin, accord.ErrInvalid, size, head.Size)
	}
	if size == 0 {
		return (&edge{}).root(), nil
	}
	h, err := tlog.TreeHash(size, hashesOf(ctx, r, head.Origin))
	if err != nil {
		return [32]byte{}, fmt.Errorf("root of %s at %d: %w", head.Origin, size, err)
	}
	return h, nil
}
