// SPDX-License-Identifier: Apache-2.0

// Package ledger is the append-only record that two parties keep of what one
// gave the other: which item, under which article, who acknowledged it, what was
// taken back, and that the taking back took effect.
//
// There is one Merkle log (RFC 6962) for each ordered pair of parties, named by
// its origin "<from>/to/<to>", so that no party sees traffic between others. On
// the wire it is C2SP: tlog-checkpoint signed by the giver, tlog-cosignature
// (cosignature/v1) by the receiver, tiles of height 8 (tlog-tiles). An entry is
// SHA-256(salt ‖ record): whoever holds the log without the records learns
// nothing from it, and a record can be erased while the log stays whole. The
// formats are described in docs/reference/ledger.md.
//
// Instants are [accord.Stamp]; in cosignatures, whole seconds.
//
// Malformed bytes fail with [accord.ErrInvalid], signatures that do not verify
// with [accord.ErrForbidden]. A log that contradicts what was signed or
// mirrored fails with [ErrFork], one that has gone back with [ErrRollback];
// both wrap [accord.ErrConflict] and deserve an alarm.
//
// The package does no I/O but through the interfaces it is given, reads no clock
// and starts no goroutine. Its functions may be called from many.
package ledger

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"

	"accord"
)

// Limits on what is taken from outside.
const (
	MaxRecord     = 64 << 10 // bytes of one record
	maxCheckpoint = 16 << 10
	maxSize       = 1 << 48 // leaves
	maxProof      = 64      // hashes
)

var (
	// ErrFork means two different histories of one log.
	ErrFork = fmt.Errorf("%w: the log has forked", accord.ErrConflict)
	// ErrRollback means a checkpoint smaller than what is known already.
	ErrRollback = fmt.Errorf("%w: the log has gone back", accord.ErrConflict)
	// ErrProof means a proof that does not prove.
	ErrProof = fmt.Errorf("%w: the proof does not hold", accord.ErrConflict)
)

// Origin names the log of what from gives to.
func Origin(from, to string) string { return from + "/to/" + to }

// ParseOrigin returns the two parties of a log.
func ParseOrigin(origin string) (from, to string, err error) {
	from, to, found := strings.Cut(origin, "/to/")
	if !found || !accord.ValidPartyName(from) || !accord.ValidPartyName(to) || from == to {
		return "", "", fmt.Errorf("%w: log origin %q: want <from>/to/<to>", accord.ErrInvalid, origin)
	}
	return from, to, nil
}

// Reverse names the log the other way, where the receiver's receipts are.
func Reverse(origin string) (string, error) {
	from, to, err := ParseOrigin(origin)
	return Origin(to, from), err
}

// EntryHash is the entry of a leaf in the log: SHA-256(salt ‖ record).
func EntryHash(l accord.Leaf) [32]byte {
	h := sha256.New()
	h.Write(l.Salt[:])
	h.Write(l.Record)
	var sum [32]byte
	h.Sum(sum[:0])
	return sum
}

// NewLeaf returns a leaf for a record, with a salt read from rand.
func NewLeaf(rand io.Reader, record []byte) (accord.Leaf, error) {
	kind, err := KindOf(record)
	if err != nil {
		return accord.Leaf{}, err
	}
	l := accord.Leaf{Kind: kind, Record: record}
	if _, err := io.ReadFull(rand, l.Salt[:]); err != nil {
		return accord.Leaf{}, fmt.Errorf("salt leaf: %w", err)
	}
	return l, nil
}

// headers are the first lines of records.
var headers = map[accord.LeafKind]string{
	accord.LeafDisclosure:   "accord disclosure v1",
	accord.LeafReceipt:      "accord receipt v1",
	accord.LeafRetraction:   "accord retraction v1",
	accord.LeafConfirmation: "accord confirmation v1",
}

// KindOf returns what a record's first line says it is.
func KindOf(record []byte) (accord.LeafKind, error) {
	if len(record) > MaxRecord {
		return "", fmt.Errorf("%w: record larger than %d bytes", accord.ErrInvalid, MaxRecord)
	}
	head := string(record[:min(len(record), 64)])
	first, _, found := strings.Cut(head, "\n")
	for kind, h := range headers {
		if found && first == h {
			return kind, nil
		}
	}
	return "", fmt.Errorf("%w: record of unknown kind or version", accord.ErrInvalid)
}

// checkLeaf refuses a leaf that is not what it says or that hides nothing.
func checkLeaf(l accord.Leaf) error {
	kind, err := KindOf(l.Record)
	if err != nil {
		return err
	}
	if kind != l.Kind {
		return fmt.Errorf("%w: leaf says %q, its record %q", accord.ErrInvalid, l.Kind, kind)
	}
	if l.Salt == [16]byte{} {
		return fmt.Errorf("%w: leaf without salt", accord.ErrInvalid)
	}
	return nil
}

// TileReader reads stored tiles. A tile may hold more hashes than were there
// when it was last written about; one that is not there fails with
// [accord.ErrNotFound].
type TileReader interface {
	Tile(ctx context.Context, origin string, level int, index int64) ([]byte, error)
}
