// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"accord"
	"accord/agreement"
	"accord/ledger"
)

// Remote is the partner's node, as [Client] reaches it.
type Remote interface {
	// Mirrored returns how much of this node's log the partner holds, and the
	// newest checkpoint of it that the partner cosigned.
	Mirrored(ctx context.Context, origin string) (Mirrored, error)
	// Announce sends a stretch of the log. After a failure, Mirrored says where to
	// go on from.
	Announce(ctx context.Context, a Announcement) (Mirrored, error)
	// Add posts objects to the partner's inbox and returns those it refused,
	// by sent id, with its reasons.
	Add(ctx context.Context, objects [][]byte) (refused map[string]string, err error)
}

// pushBatch is how many objects one add request carries.
const pushBatch = 1000

// Pusher delivers this node's log and objects to one party, at once while it is
// reachable and from where it stopped after a cut.
type Pusher struct {
	Node   *Node
	Party  accord.Party
	Remote Remote

	peer    accord.Head  // the partner's mirror as last known; the announcing side's alone
	reached bool         // peer is known in this run
	ready   atomic.Int64 // leaves the partner has cosigned: what is below may be delivered

	// The delivering side's alone: how far it has come while inForce was in force,
	// and whether it has passed by what waits for that to change.
	inForce, sent int64
	passed        bool
}

// Run pushes until ctx ends. The log runs ahead while objects follow.
func (p *Pusher) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.Node.loop(ctx, "announce", p.Party.Name, p.watched(p.announceNext)) })
	g.Go(func() error { return p.Node.loop(ctx, "deliver", p.Party.Name, p.watched(p.deliver)) })
	return g.Wait()
}

// watched keeps the partner's health by how pass goes, and makes the next
// announcement ask anew where the partner stands after a failure.
func (p *Pusher) watched(pass func(context.Context) (bool, error)) func(context.Context) (bool, error) {
	state := p.Node.partner(p.Party.Name)
	return func(ctx context.Context) (bool, error) {
		if state.quarantineErr() != nil {
			return false, nil //nolint:nilerr // said when it began
		}
		busy, err := pass(ctx)
		if err != nil || busy {
			state.set(p.Node.Now(), err)
		}
		return busy, err
	}
}

func (p *Pusher) origin() string { return ledger.Origin(p.Node.Self.Name, p.Party.Name) }

// announceNext sends the next stretch of the log, if there is one.
func (p *Pusher) announceNext(ctx context.Context) (bool, error) {
	if !p.reached {
		if err := p.greet(ctx); err != nil {
			return false, err
		}
	}
	head, err := p.Node.Store.Head(ctx, p.origin())
	if err != nil {
		return false, fmt.Errorf("read ledger head: %w", err)
	}
	if p.peer.Size >= head.Size {
		return false, nil
	}
	if err := p.announce(ctx, head); err != nil {
		p.reached = false
		return false, err
	}
	return true, nil
}

// greet learns how much of the log the partner holds, and takes the cosignature
// that an earlier answer may have been lost with. More than this node has, or
// another history, means this node was restored from a backup, or something else
// signs with its key: it signs nothing more to the partner rather than fork the
// log.
func (p *Pusher) greet(ctx context.Context) error {
	m, err := p.Remote.Mirrored(ctx, p.origin())
	if err != nil {
		return fmt.Errorf("ask %s for its mirror: %w", p.Party.Name, err)
	}
	head, err := p.Node.Store.Head(ctx, p.origin())
	if err != nil {
		return fmt.Errorf("read ledger head: %w", err)
	}
	head.Origin = p.origin()
	if m.Size > head.Size {
		return p.quarantine(fmt.Errorf("%w: %s holds %d leaves of %s and this node has %d: was it restored from a backup? nothing more is signed to this partner",
			accord.ErrConflict, p.Party.Name, m.Size, p.origin(), head.Size))
	}
	cosigned, err := p.cosigned(ctx, head, m)
	if err != nil {
		return err
	}
	from := m.Size
	if cosigned < m.Size {
		from-- // the last leaf once more, for a cosignature on all that it holds
	}
	root, err := ledger.RootAt(ctx, p.Node.Store, head, from)
	if err != nil {
		return err
	}
	p.peer = accord.Head{Origin: p.origin(), Size: from, Root: root}
	p.reached = true
	p.ready.Store(m.Size)
	state := p.Node.partner(p.Party.Name)
	state.meet()
	state.set(p.Node.Now(), nil)
	return nil
}

// quarantine stops all signing for the partner in this run.
func (p *Pusher) quarantine(err error) error {
	p.Node.partner(p.Party.Name).quarantine(err)
	p.Node.Logger.Error("quarantined: the partner holds another ledger of ours than we do", "party", p.Party.Name, "error", err)
	return err
}

// cosigned checks the cosignature that the partner shows against our log, keeps
// it when it is newer than ours, and returns the size it covers; 0 for one that
// does not verify, as after a change of keys: the partner is asked for another.
func (p *Pusher) cosigned(ctx context.Context, head accord.Head, m Mirrored) (int64, error) {
	if m.Cosigned == "" {
		return 0, nil
	}
	logKey, err := ledger.LogVerifier(p.Node.Self.Key, p.origin())
	if err != nil {
		return 0, fmt.Errorf("log key: %w", err)
	}
	cosigner, err := ledger.CosignVerifier(p.Party.Key)
	if err != nil {
		return 0, fmt.Errorf("cosigner key of %s: %w", p.Party.Name, err)
	}
	err = ledger.CheckHead(ctx, p.Node.Store, head, []byte(m.Cosigned), logKey, cosigner)
	switch {
	case errors.Is(err, ledger.ErrFork), errors.Is(err, ledger.ErrRollback):
		return 0, p.quarantine(fmt.Errorf("%s has cosigned another history of %s: nothing more is signed to this partner: %w", p.Party.Name, p.origin(), err))
	case errors.Is(err, accord.ErrForbidden), errors.Is(err, accord.ErrInvalid):
		p.Node.Logger.Warn("the partner shows a cosignature that does not verify: asking for another", "party", p.Party.Name, "error", err)
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("check our log against the cosignature of %s: %w", p.Party.Name, err)
	}
	size, _, _, err := ledger.VerifyCosigned([]byte(m.Cosigned), p.origin(), logKey, cosigner)
	if err != nil {
		return 0, fmt.Errorf("cosignature of %s: %w", p.Party.Name, err)
	}
	if err := p.Node.Store.SetCosigned(ctx, p.origin(), size, []byte(m.Cosigned)); err != nil {
		return 0, fmt.Errorf("record cosignature: %w", err)
	}
	return size, nil
}

// announce sends the next stretch of the log, with a checkpoint of exactly the
// size it leads to, and keeps the partner's cosignature.
func (p *Pusher) announce(ctx context.Context, head accord.Head) error {
	most := min(head.Size-p.peer.Size, announceMost)
	leaves, err := p.Node.Store.Leaves(ctx, p.origin(), p.peer.Size, int(most))
	if err != nil {
		return fmt.Errorf("read ledger: %w", err)
	}
	leaves = leaves[:announceFit(leaves)]
	to := accord.Head{Origin: p.origin(), Size: p.peer.Size + int64(len(leaves))}
	if to.Root, err = ledger.RootAt(ctx, p.Node.Store, head, to.Size); err != nil {
		return err
	}
	signer, err := p.Node.Key.LogSigner(p.origin())
	if err != nil {
		return fmt.Errorf("log key: %w", err)
	}
	checkpoint, err := ledger.SignHead(to, signer)
	if err != nil {
		return fmt.Errorf("sign checkpoint: %w", err)
	}
	a := Announcement{Origin: p.origin(), From: p.peer.Size, Checkpoint: string(checkpoint)}
	for _, l := range leaves {
		a.Leaves = append(a.Leaves, WireLeaf{Kind: l.Kind, Salt: l.Salt[:], Record: string(l.Record)})
	}
	got, err := p.Remote.Announce(ctx, a)
	if err != nil {
		return fmt.Errorf("announce to %s: %w", p.Party.Name, err)
	}
	if got.Cosigned == "" {
		return fmt.Errorf("%w: %s took the announcement and did not cosign size %d", accord.ErrConflict, p.Party.Name, to.Size)
	}
	if err := p.keepCosignature(ctx, to, []byte(got.Cosigned)); err != nil {
		return err
	}
	p.peer = to
	p.ready.Store(to.Size)
	return nil
}

// announceBytes bounds the records of one announcement: JSON may write each byte
// as six, and the receiver reads 8 MiB.
const announceBytes = 1 << 20

// announceAnswers is how many receipts, retractions and confirmations go into
// one announcement. Each names at most a batch of disclosures, so together they
// stay below what a receiver takes: see namedMost.
const announceAnswers = namedMost / max(pushBatch, decideBatch) / 2

// announceFit returns how many of leaves go into one announcement, at least one.
func announceFit(leaves []accord.Leaf) int {
	size, answers := 0, 0
	for i, l := range leaves {
		if l.Kind != accord.LeafDisclosure {
			answers++
		}
		if size += len(l.Record); (size > announceBytes || answers > announceAnswers) && i > 0 {
			return i
		}
	}
	return len(leaves)
}

// keepCosignature checks and stores the partner's cosignature.
func (p *Pusher) keepCosignature(ctx context.Context, to accord.Head, cosigned []byte) error {
	logKey, err := ledger.LogVerifier(p.Node.Self.Key, p.origin())
	if err != nil {
		return fmt.Errorf("log key: %w", err)
	}
	cosigner, err := ledger.CosignVerifier(p.Party.Key)
	if err != nil {
		return fmt.Errorf("cosigner key of %s: %w", p.Party.Name, err)
	}
	size, root, _, err := ledger.VerifyCosigned(cosigned, p.origin(), logKey, cosigner)
	if err != nil {
		return fmt.Errorf("cosignature of %s: %w", p.Party.Name, err)
	}
	if size != to.Size || root != to.Root {
		return fmt.Errorf("%w: %s cosigned another tree than it was sent", accord.ErrConflict, p.Party.Name)
	}
	if err := p.Node.Store.SetCosigned(ctx, p.origin(), size, cosigned); err != nil {
		return fmt.Errorf("record cosignature: %w", err)
	}
	return nil
}

// deliver posts the next objects whose disclosures the partner has cosigned.
// Only what stands under an agreement that holds at this moment is sent; what
// does not is passed by, and looked at again when what is in force changes.
func (p *Pusher) deliver(ctx context.Context) (bool, error) {
	pushed, err := p.Node.Store.PushState(ctx, p.Party.Name)
	if err != nil {
		return false, fmt.Errorf("read outbox: %w", err)
	}
	if pushed >= p.ready.Load() {
		return false, nil
	}
	in, err := p.Node.InForce(ctx)
	if err != nil {
		return false, err
	}
	if present := fingerprint(in, p.Node.Self.Name, p.Party.Name, p.Node.now()); present != p.inForce {
		p.inForce, p.sent, p.passed = present, pushed, false
	}
	from, ready := max(pushed, p.sent), p.ready.Load()
	if from >= ready {
		return false, nil
	}
	rows, err := p.Node.Store.Disclosures(ctx, p.Party.Name, from-1, pushBatch)
	if err != nil {
		return false, fmt.Errorf("read outbox: %w", err)
	}
	to := ready
	if len(rows) == pushBatch {
		to = min(ready, rows[len(rows)-1].Index+1)
	}
	objects, passed, err := p.choose(ctx, in, rows, ready)
	if err != nil {
		return false, err
	}
	if len(objects) > 0 {
		refused, err := p.Remote.Add(ctx, objects)
		if err != nil {
			return false, fmt.Errorf("push to %s: %w", p.Party.Name, err)
		}
		for id, why := range refused {
			// Kept for people: the disclosure stands in the ledger without a receipt.
			p.Node.Logger.Error("partner refused an object", "party", p.Party.Name, "item", id, "why", why)
			if err := p.Node.Store.RecordRefusal(ctx, "push to "+p.Party.Name, id, why, p.Node.now()); err != nil {
				return false, fmt.Errorf("record refusal: %w", err)
			}
		}
	}
	if p.sent, p.passed = to, p.passed || passed; p.passed {
		return true, nil // what was passed by is looked for from there after a restart too
	}
	if err := p.Node.Store.SetPushed(ctx, p.Party.Name, pushed, to); err != nil && !errors.Is(err, accord.ErrConflict) {
		return false, fmt.Errorf("record delivery: %w", err)
	}
	return true, nil
}

// choose returns the bytes of the rows below ready that are to be sent now, and
// whether one must wait. A row of which the item was given anew since, as after
// an amendment, does not wait: the newer one goes.
func (p *Pusher) choose(ctx context.Context, in []agreement.InForce, rows []accord.Disclosure, ready int64) (objects [][]byte, passed bool, err error) {
	var waiting []accord.Disclosure
	var ids []string
	now := p.Node.now()
	for _, d := range rows {
		switch {
		case d.Index >= ready || d.Retracted != 0 || d.Receipted != 0:
		case stands(in, p.Node.Self.Name, d, now):
			objects = append(objects, d.Bytes)
		default:
			waiting, ids = append(waiting, d), append(ids, d.Item.ID)
		}
	}
	if len(waiting) == 0 {
		return objects, false, nil
	}
	live, err := p.Node.Store.LiveDisclosures(ctx, p.Party.Name, ids)
	if err != nil {
		return nil, false, fmt.Errorf("read newest disclosures: %w", err)
	}
	for _, d := range waiting {
		passed = passed || live[d.Item.ID].Index == d.Index
	}
	return objects, passed, nil
}
