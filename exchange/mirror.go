// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/note"

	"accord"
	"accord/agreement"
	"accord/ledger"
)

// Announcement is a stretch of the sender's log to the receiver, with the
// checkpoint of the log's size after it: the body of POST [LogPath].
type Announcement struct {
	Origin     string     `json:"origin"`
	From       int64      `json:"from"` // leaf index of the first leaf
	Leaves     []WireLeaf `json:"leaves"`
	Checkpoint string     `json:"checkpoint"` // C2SP checkpoint of size From+len(Leaves), signed by the sender
}

// WireLeaf is a leaf with its opening.
type WireLeaf struct {
	Kind   accord.LeafKind `json:"kind"`
	Salt   []byte          `json:"salt"`   // 16 bytes, base64
	Record string          `json:"record"` // as in package ledger
}

// Mirrored is the answer: how much of the log the receiver holds, and its
// cosignature on the checkpoint it was sent, or when nothing was sent (GET) on the
// newest it cosigned. A gap is answered with 409 and the size to go on from.
type Mirrored struct {
	Size     int64  `json:"size"`
	Cosigned string `json:"cosigned,omitempty"`
}

// announceMost bounds the leaves of one announcement.
const announceMost = 1000

// Mirror takes a stretch of party's log to this node: it proves that the log
// only grew, acts on what the records say, and cosigns. A replay of what is
// held changes nothing; a gap, a fork or a record for somebody else is refused
// with ErrConflict or ErrInvalid, and then nothing is taken.
func (n *Node) Mirror(ctx context.Context, party accord.Party, a Announcement) (Mirrored, error) {
	origin := ledger.Origin(party.Name, n.Self.Name)
	if a.Origin != origin {
		return Mirrored{}, fmt.Errorf("%w: log %q is not yours to announce: want %q", accord.ErrForbidden, a.Origin, origin)
	}
	if a.From < 0 || len(a.Leaves) == 0 || len(a.Leaves) > announceMost {
		return Mirrored{}, fmt.Errorf("%w: an announcement has 1 to %d leaves", accord.ErrInvalid, announceMost)
	}
	if err := n.partner(party.Name).quarantineErr(); err != nil {
		return Mirrored{}, err
	}
	defer n.lock(origin)()
	head, err := n.Store.Head(ctx, origin)
	if err != nil {
		return Mirrored{}, fmt.Errorf("read mirror head: %w", err)
	}
	leaves, err := n.fresh(ctx, head, a)
	if err != nil {
		return Mirrored{Size: head.Size}, err
	}
	checkpoint := []byte(a.Checkpoint)
	logKey, err := ledger.LogVerifier(party.Key, origin)
	if err != nil {
		return Mirrored{}, fmt.Errorf("log key of %s: %w", party.Name, err)
	}
	if len(leaves) > 0 {
		head.Origin = origin
		grown, err := ledger.MirrorAppend(ctx, n.Store, head, leaves, checkpoint, logKey)
		if err != nil {
			return Mirrored{Size: head.Size}, fmt.Errorf("mirror %s: %w", origin, err)
		}
		// What is mirrored is cosigned: see maySign.
		if may, err := n.maySign(ctx, party.Name); err != nil || !may {
			return Mirrored{Size: head.Size}, errors.Join(err, n.errNotYet(party.Name))
		}
		m, err := n.interpret(ctx, party, grown)
		if err != nil {
			return Mirrored{Size: head.Size}, err
		}
		if err := n.Store.Mirror(ctx, m); err != nil {
			return Mirrored{Size: head.Size}, fmt.Errorf("store mirror: %w", err)
		}
		head = grown.Head
	}
	return n.cosign(ctx, head, origin, checkpoint, logKey)
}

// fresh returns the announced leaves that the mirror does not hold yet, after
// checking that those it holds are the same.
func (n *Node) fresh(ctx context.Context, head accord.Head, a Announcement) ([]accord.Leaf, error) {
	if a.From > head.Size {
		return nil, fmt.Errorf("%w: gap: the mirror holds %d leaves, go on from there", accord.ErrConflict, head.Size)
	}
	leaves := make([]accord.Leaf, len(a.Leaves))
	for i, w := range a.Leaves {
		if len(w.Salt) != len(leaves[i].Salt) {
			return nil, fmt.Errorf("%w: leaf %d: a salt has %d bytes", accord.ErrInvalid, a.From+int64(i), len(leaves[i].Salt))
		}
		leaves[i] = accord.Leaf{Index: a.From + int64(i), Kind: w.Kind, Salt: [16]byte(w.Salt), Record: []byte(w.Record)}
	}
	overlap := min(head.Size-a.From, int64(len(leaves)))
	if overlap == 0 {
		return leaves, nil
	}
	held, err := n.Store.Leaves(ctx, head.Origin, a.From, int(overlap))
	if err != nil {
		return nil, fmt.Errorf("read mirror: %w", err)
	}
	for i, h := range held {
		if l := leaves[i]; l.Kind != h.Kind || l.Salt != h.Salt || !bytes.Equal(l.Record, h.Record) {
			return nil, fmt.Errorf("%w at leaf %d", ledger.ErrFork, h.Index)
		}
	}
	return leaves[overlap:], nil
}

// cosign returns the mirror's size and, when checkpoint is of that size, this
// node's cosignature on it.
func (n *Node) cosign(ctx context.Context, head accord.Head, origin string, checkpoint []byte, key note.Verifier) (Mirrored, error) {
	size, root, err := ledger.OpenCheckpoint(checkpoint, origin, key)
	if err != nil {
		return Mirrored{}, fmt.Errorf("checkpoint: %w", err)
	}
	if size != head.Size || root != head.Root {
		return Mirrored{Size: head.Size}, nil // a replay of an older stretch: nothing new to say
	}
	cosigned, err := ledger.Cosign(checkpoint, n.Key, n.now())
	if err != nil {
		return Mirrored{}, fmt.Errorf("cosign: %w", err)
	}
	if err := n.Store.SetCosigned(ctx, origin, size, cosigned); err != nil {
		return Mirrored{}, fmt.Errorf("record cosignature: %w", err)
	}
	return Mirrored{Size: size, Cosigned: string(cosigned)}, nil
}

// interpret reads the records of the appended leaves into what the store must
// do with them. Every record is checked against who may have written it.
func (n *Node) interpret(ctx context.Context, party accord.Party, grown accord.LogAppend) (accord.Mirroring, error) {
	m := accord.Mirroring{Party: party.Name, Append: grown, At: n.now()}
	in, err := n.InForce(ctx)
	if err != nil {
		return m, err
	}
	held := map[string]*agreement.Agreement{}
	for _, f := range in {
		_, us := f.Agreement.Party(n.Self.Name)
		_, them := f.Agreement.Party(party.Name)
		if us && them && len(f.Agreement.Missing()) == 0 {
			held[fmt.Sprintf("%s %d", f.Agreement.ID, f.Agreement.Version)] = f.Agreement
		}
	}
	word, err := ledger.PartyVerifier(party.Key)
	if err != nil {
		return m, fmt.Errorf("key of %s: %w", party.Name, err)
	}
	ours, err := n.Store.Head(ctx, ledger.Origin(n.Self.Name, party.Name))
	if err != nil {
		return m, fmt.Errorf("read ledger head: %w", err)
	}
	r := reader{
		self: n.Self.Name, party: party.Name, word: word, agreements: held, size: ours.Size, left: namedMost,
		theirs: ledger.Origin(party.Name, n.Self.Name), ours: ledger.Origin(n.Self.Name, party.Name),
	}
	for _, l := range grown.Leaves {
		if err := (&r).read(&m, l); err != nil {
			return m, fmt.Errorf("leaf %d: %w", l.Index, err)
		}
	}
	return m, nil
}

// reader interprets the leaves of one partner's log.
type reader struct {
	self, party  string
	theirs, ours string // the two logs
	size         int64  // of ours
	left         int64  // disclosures that the announcement may still name
	word         note.Verifier
	agreements   map[string]*agreement.Agreement // "id version" of those both parties signed
}

// allows refuses a disclosure that no article could have made.
func (r *reader) allows(o accord.Origin) error {
	a := r.agreements[fmt.Sprintf("%s %d", o.Agreement, o.Version)]
	if a == nil {
		return fmt.Errorf("%w: agreement %s version %d is not one that both parties signed here: import it first",
			accord.ErrInvalid, o.Agreement, o.Version)
	}
	article, found := a.Article(o.Article)
	named := func(list []string, name string) bool {
		return slices.Contains(list, name) || slices.Contains(list, agreement.Any)
	}
	if !found || article.Effect != agreement.Share || !named(article.From, r.party) || !named(article.To, r.self) {
		return fmt.Errorf("%w: article %s of %s lets %s give %s nothing", accord.ErrInvalid, o.Article, o.Agreement, r.party, r.self)
	}
	return nil
}

// namedMost bounds how many disclosures the records of one announcement name:
// far more than one stretch of a log can concern, and little to hold.
const namedMost = 200_000

// indexes are the disclosures that spans name in a log of size leaves. More than
// there are, or than the announcement may name, is refused and nothing is taken.
func (r *reader) indexes(spans []accord.IndexSpan, size int64) ([]int64, error) {
	var out []int64
	for _, s := range spans {
		if s.From < 0 || s.From >= s.To || s.To > size {
			return nil, fmt.Errorf("%w: it names leaves %d to %d of a log of %d", accord.ErrInvalid, s.From, s.To, size)
		}
		if r.left -= s.To - s.From; r.left < 0 {
			return nil, fmt.Errorf("%w: the announcement names more than %d disclosures: send less at a time", accord.ErrInvalid, namedMost)
		}
		for i := s.From; i < s.To; i++ {
			out = append(out, i)
		}
	}
	return out, nil
}

func (r *reader) read(m *accord.Mirroring, l accord.Leaf) error {
	switch l.Kind {
	case accord.LeafDisclosure:
		rec, err := ledger.ParseDisclosure(l.Record)
		if err != nil {
			return err
		}
		if err := r.allows(rec.Origin); err != nil {
			return err
		}
		rec.Party, rec.Origin.Party, rec.Index, rec.Announced = r.party, r.party, l.Index, m.At
		m.Pending = append(m.Pending, rec)
	case accord.LeafReceipt:
		rec, err := ledger.OpenReceipt(l.Record, r.word)
		if err != nil {
			return err
		}
		if rec.Origin != r.ours {
			return fmt.Errorf("%w: the receipt is for log %q", accord.ErrInvalid, rec.Origin)
		}
		if _, err := r.indexes(rec.Spans, r.size); err != nil {
			return err
		}
		m.Receipted = append(m.Receipted, rec.Spans...)
	case accord.LeafRetraction:
		rec, err := ledger.OpenRetraction(l.Record, r.word)
		if err != nil {
			return err
		}
		if rec.Origin != r.theirs {
			return fmt.Errorf("%w: the retraction is for log %q", accord.ErrInvalid, rec.Origin)
		}
		named, err := r.indexes(rec.Spans, l.Index)
		if err != nil {
			return err
		}
		for _, i := range named {
			m.Retract = append(m.Retract, accord.Received{Party: r.party, Index: i, Retracted: m.At})
		}
	case accord.LeafConfirmation:
		rec, err := ledger.OpenConfirmation(l.Record, r.word)
		if err != nil {
			return err
		}
		if rec.Origin != r.ours {
			return fmt.Errorf("%w: the confirmation is for log %q", accord.ErrInvalid, rec.Origin)
		}
		named, err := r.indexes(rec.Spans, r.size)
		if err != nil {
			return err
		}
		m.Confirmed = append(m.Confirmed, named...)
	default:
		return fmt.Errorf("%w: leaf kind %q is not known here", accord.ErrInvalid, l.Kind)
	}
	return nil
}

// Mirrored returns how much of party's log this node holds, and the newest
// checkpoint of it that this node cosigned.
func (n *Node) Mirrored(ctx context.Context, party string) (Mirrored, error) {
	h, err := n.Store.Head(ctx, ledger.Origin(party, n.Self.Name))
	if err != nil && !errors.Is(err, accord.ErrNotFound) {
		return Mirrored{}, fmt.Errorf("read mirror head: %w", err)
	}
	return Mirrored{Size: h.Size, Cosigned: string(h.Cosigner)}, nil
}
