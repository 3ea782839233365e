// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"

	"accord"
)

// Source is where a log is stored, for [Verify].
type Source interface {
	Head(ctx context.Context, origin string) (accord.Head, error)
	Leaves(ctx context.Context, origin string, from int64, limit int) ([]accord.Leaf, error)
	Tile(ctx context.Context, origin string, level int, index int64) ([]byte, error)
}

// Report is what Verify found.
type Report struct {
	Origin     string
	Size       int64
	Root       [32]byte
	Kinds      map[accord.LeafKind]int64
	Signed     int64        // size of the checkpoint the log's owner signed
	Cosigned   int64        // size of the one the other party cosigned
	CosignedAt accord.Stamp // when, in whole seconds
	Problems   []string     // the first hundred

	// What holds, each by itself. None does when Verify could not read the log.
	Tree        bool // the leaves are all there and make every tile and the head's root
	Signature   bool // the owner's checkpoint is signed, of these leaves, and there unless the log is empty
	Cosignature bool // the other party's cosignature, if there is one, is its own and of these leaves
	Records     bool // every record can be read, is signed where it must be, and speaks of what is so
}

// part is one of the things that hold or not.
type part int

const (
	tree part = iota
	signature
	cosignature
	records
)

const (
	maxProblems = 100
	pageOf      = 1000
)

// problem records something of a part that is not as it must be.
func (r *Report) problem(of part, format string, args ...any) {
	switch of {
	case tree:
		r.Tree = false
	case signature:
		r.Signature = false
	case cosignature:
		r.Cosignature = false
	case records:
		r.Records = false
	}
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
	}
}

// Verify recomputes the log of what from gave to from its leaves alone and
// compares: every tile, the head's root, the checkpoint with its signature, the
// cosignature with its size; that every record can be read and bears its
// signer's signature; that retractions concern disclosures of this log, and
// receipts and confirmations disclosures of the log the other way, which is read
// too when there are any. from and to are as pinned.
//
// What is wrong is in the report, and then the error wraps [accord.ErrConflict].
// Any other error: the log could not be read.
func Verify(ctx context.Context, src Source, from, to accord.Party) (Report, error) {
	v := verification{ctx: ctx, src: src, report: Report{Origin: Origin(from.Name, to.Name), Kinds: map[accord.LeafKind]int64{}}}
	if err := v.keys(from, to); err != nil {
		return v.report, fmt.Errorf("verify ledger: %w", err)
	}
	v.report.Tree, v.report.Signature, v.report.Cosignature, v.report.Records = true, true, true, true
	if err := v.run(); err != nil {
		v.report.Tree, v.report.Signature, v.report.Cosignature, v.report.Records = false, false, false, false
		return v.report, fmt.Errorf("verify ledger: %w", err)
	}
	if n := len(v.report.Problems); n > 0 {
		return v.report, fmt.Errorf("verify ledger: %w: %s: %d problems, the first: %s", accord.ErrConflict, v.report.Origin, n, v.report.Problems[0])
	}
	return v.report, nil
}

type verification struct {
	ctx    context.Context
	src    Source
	report Report

	party, log, cosigner note.Verifier
	claims               []claim // about the log the other way
	seen                 []seenLeaf
}

// seenLeaf is what later leaves may refer to.
type seenLeaf struct {
	disclosure bool
	retracted  bool
	item       [16]byte // hash of the item's key
}

// claim is a receipt or confirmation of this log.
type claim struct {
	index   int64
	kind    accord.LeafKind
	receipt Receipt // a confirmation's Origin, Spans and At too
}

func (v *verification) keys(from, to accord.Party) error {
	a, err := NewVerifiers(from.Key)
	if err != nil {
		return err
	}
	b, err := NewVerifiers(to.Key)
	if err != nil {
		return err
	}
	if a.name != from.Name || b.name != to.Name {
		return fmt.Errorf("%w: the keys are of other parties", accord.ErrInvalid)
	}
	v.party, v.cosigner = a.Party, b.Cosigner
	v.log, err = a.Log(v.report.Origin)
	return err
}

func (v *verification) run() error {
	head, err := v.src.Head(v.ctx, v.report.Origin)
	if err != nil {
		return err
	}
	v.report.Size = head.Size
	signed := v.checkpoint(head)
	cosigned := v.cosignature(head)
	w := newWalk(v.ctx, v.src, head, &v.report)
	w.want(signed.size, cosigned.size)
	w.leaf = v.leaf
	if err := w.run(); err != nil {
		return err
	}
	v.report.Root = w.roots[head.Size]
	if head.Size > 0 && v.report.Root != head.Root {
		v.report.problem(tree, "the head's root is not that of its %d leaves", head.Size)
	}
	for _, c := range []struct {
		of   part
		what string
		at   signedRoot
	}{{signature, "the checkpoint's", signed}, {cosignature, "the cosigned", cosigned}} {
		if root, known := w.roots[c.at.size]; c.at.ok && (!known || root != c.at.root) {
			v.report.problem(c.of, "%s root is not that of the first %d leaves", c.what, c.at.size)
		}
	}
	if len(v.claims) == 0 {
		return nil
	}
	return v.checkClaims()
}

// signedRoot is what a checkpoint says.
type signedRoot struct {
	ok   bool
	size int64
	root [32]byte
}

func (v *verification) checkpoint(head accord.Head) signedRoot {
	if len(head.Checkpoint) == 0 {
		if head.Size > 0 {
			v.report.problem(signature, "there is no signed checkpoint")
		}
		return signedRoot{}
	}
	size, root, err := OpenCheckpoint(head.Checkpoint, v.report.Origin, v.log)
	if err != nil {
		v.report.problem(signature, "checkpoint: %v", err)
		return signedRoot{}
	}
	if size > head.Size {
		v.report.problem(signature, "the checkpoint is of %d leaves, the log has %d", size, head.Size)
	}
	v.report.Signed = size
	return signedRoot{true, size, root}
}

func (v *verification) cosignature(head accord.Head) signedRoot {
	if len(head.Cosigner) == 0 {
		if head.Cosigned != 0 {
			v.report.problem(cosignature, "the head says that %d leaves are cosigned, and has no cosignature", head.Cosigned)
		}
		return signedRoot{}
	}
	size, root, at, err := VerifyCosigned(head.Cosigner, v.report.Origin, v.log, v.cosigner)
	if err != nil {
		v.report.problem(cosignature, "cosignature: %v", err)
		return signedRoot{}
	}
	if size != head.Cosigned {
		v.report.problem(cosignature, "the head says that %d leaves are cosigned, the cosignature is of %d", head.Cosigned, size)
	}
	if size > head.Size {
		v.report.problem(cosignature, "%d leaves are cosigned, the log has %d", size, head.Size)
	}
	v.report.Cosigned, v.report.CosignedAt = size, at
	return signedRoot{true, size, root}
}

// leaf checks one record.
func (v *verification) leaf(l accord.Leaf) {
	s := seenLeaf{}
	if err := checkLeaf(l); err != nil {
		v.report.problem(records, "leaf %d: %v", l.Index, err)
		v.seen = append(v.seen, s)
		return
	}
	v.report.Kinds[l.Kind]++
	var err error
	switch l.Kind {
	case accord.LeafDisclosure:
		var d DisclosureRecord
		if d, err = ParseDisclosureRecord(l.Record); err == nil {
			s.disclosure, s.item = true, keyHash(d.Item)
		}
	case accord.LeafRetraction:
		err = v.retraction(l)
	case accord.LeafReceipt:
		var c Receipt
		if c, err = OpenReceipt(l.Record, v.party); err == nil {
			v.claims = append(v.claims, claim{l.Index, l.Kind, c})
		}
	case accord.LeafConfirmation:
		var c Confirmation
		if c, err = OpenConfirmation(l.Record, v.party); err == nil {
			v.claims = append(v.claims, claim{l.Index, l.Kind, Receipt{Origin: c.Origin, Spans: c.Spans, At: c.At}})
		}
	}
	if err != nil {
		v.report.problem(records, "leaf %d: %v", l.Index, err)
	}
	v.seen = append(v.seen, s)
}

func (v *verification) retraction(l accord.Leaf) error {
	c, err := OpenRetraction(l.Record, v.party)
	if err != nil {
		return err
	}
	if c.Origin != v.report.Origin {
		return fmt.Errorf("%w: it is about the log %s", accord.ErrInvalid, c.Origin)
	}
	return v.takeBack(c)
}

func (v *verification) takeBack(c Retraction) error {
	for _, span := range c.Spans {
		for i := span.From; i < span.To; i++ {
			if i >= int64(len(v.seen)) || !v.seen[i].disclosure || v.seen[i].item != keyHash(c.Item) {
				return fmt.Errorf("%w: it takes back %s, which leaf %d did not give", accord.ErrInvalid, c.Item.ID, i)
			}
			v.seen[i].retracted = true
		}
	}
	return nil
}

func keyHash(k accord.ItemKey) [16]byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", k.ID, k.Version))
	return [16]byte(sum[:16])
}

// checkClaims reads the log the other way.
func (v *verification) checkClaims() error {
	origin, err := Reverse(v.report.Origin)
	if err != nil {
		return err
	}
	head, err := v.src.Head(v.ctx, origin)
	if err != nil && !errors.Is(err, accord.ErrNotFound) {
		return err
	}
	head.Origin = origin
	w := newWalk(v.ctx, v.src, head, &v.report)
	for _, c := range v.claims {
		w.want(c.receipt.Size)
	}
	other := &verification{report: Report{Origin: origin}}
	w.leaf, w.tiles, w.of = other.glance, false, records
	if err := w.run(); err != nil {
		return err
	}
	for _, c := range v.claims {
		v.checkClaim(c, origin, other.seen, w.roots)
	}
	return nil
}

func (v *verification) checkClaim(c claim, origin string, seen []seenLeaf, roots map[int64][32]byte) {
	if c.receipt.Origin != origin {
		v.report.problem(records, "leaf %d: it is about the log %s", c.index, c.receipt.Origin)
		return
	}
	if root, known := roots[c.receipt.Size]; c.kind == accord.LeafReceipt && (!known || root != c.receipt.Root) {
		v.report.problem(records, "leaf %d: it acknowledges another history of %s at %d leaves", c.index, origin, c.receipt.Size)
	}
	for _, span := range c.receipt.Spans {
		for i := span.From; i < span.To; i++ {
			switch {
			case i >= int64(len(seen)) || !seen[i].disclosure:
				v.report.problem(records, "leaf %d: it is about leaf %d of %s, which is not a disclosure", c.index, i, origin)
				return
			case c.kind == accord.LeafConfirmation && !seen[i].retracted:
				v.report.problem(records, "leaf %d: it confirms the retraction of leaf %d of %s, which stands", c.index, i, origin)
				return
			}
		}
	}
}

// glance reads a leaf of the other log for what claims refer to. Its own faults
// are found when that log is verified.
func (v *verification) glance(l accord.Leaf) {
	s := seenLeaf{}
	switch l.Kind {
	case accord.LeafDisclosure:
		if d, err := ParseDisclosureRecord(l.Record); err == nil {
			s.disclosure, s.item = true, keyHash(d.Item)
		}
	case accord.LeafRetraction:
		from, _, _ := ParseOrigin(v.report.Origin)
		n, err := splitNote(l.Record, MaxRecord)
		if err != nil {
			break
		}
		if c, err := parseRetraction(n.Text, from); err == nil {
			_ = v.takeBack(c) // what it names wrongly takes nothing back
		}
	case accord.LeafReceipt, accord.LeafConfirmation: // nothing refers to these
	}
	v.seen = append(v.seen, s)
}
