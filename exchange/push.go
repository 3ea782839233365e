// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"accord"
	"accord/ledger"
)

// Remote is the partner's node, as [Client] reaches it.
type Remote interface {
	// LogSize returns how much of this node's log the partner holds.
	LogSize(ctx context.Context, origin string) (int64, error)
	// Announce sends a stretch of the log. On ErrConflict the answer's Size
	// says where to go on from.
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

// greet learns how much of the log the partner holds. More than this node has
// means this node was restored from a backup, or something else signs with its
// key: it stops signing to the partner rather than fork the log.
func (p *Pusher) greet(ctx context.Context) error {
	size, err := p.Remote.LogSize(ctx, p.origin())
	if err != nil {
		return fmt.Errorf("ask %s for its mirror: %w", p.Party.Name, err)
	}
	head, err := p.Node.Store.Head(ctx, p.origin())
	if err != nil {
		return fmt.Errorf("read ledger head: %w", err)
	}
	if size > head.Size {
		err := fmt.Errorf("%w: %s has cosigned %d leaves of %s and this node has %d: was it restored from a backup? nothing more is signed to this partner",
			accord.ErrConflict, p.Party.Name, size, p.origin(), head.Size)
		p.Node.partner(p.Party.Name).quarantine(err)
		p.Node.Logger.Error("quarantined: the partner holds more of our ledger than we do", "party", p.Party.Name, "theirs", size, "ours", head.Size)
		return err
	}
	head.Origin = p.origin()
	root, err := ledger.RootAt(ctx, p.Node.Store, head, size)
	if err != nil {
		return err
	}
	p.peer = accord.Head{Origin: p.origin(), Size: size, Root: root}
	p.reached = true
	p.ready.Store(size)
	p.Node.partner(p.Party.Name).set(p.Node.Now(), nil)
	return nil
}

// announce sends the next stretch of the log, with a checkpoint of exactly the
// size it leads to, and keeps the partner's cosignature.
func (p *Pusher) announce(ctx context.Context, head accord.Head) error {
	most := min(head.Size-p.peer.Size, announceMost)
	leaves, err := p.Node.Store.Leaves(ctx, p.origin(), p.peer.Size, int(most))
	if err != nil {
		return fmt.Errorf("read ledger: %w", err)
	}
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
// Only what stands under an agreement that holds at this moment is sent.
func (p *Pusher) deliver(ctx context.Context) (bool, error) {
	pushed, err := p.Node.Store.PushState(ctx, p.Party.Name)
	if err != nil {
		return false, fmt.Errorf("read outbox: %w", err)
	}
	ready := p.ready.Load()
	if pushed >= ready {
		return false, nil
	}
	rows, err := p.Node.Store.Disclosures(ctx, p.Party.Name, pushed-1, pushBatch)
	if err != nil {
		return false, fmt.Errorf("read outbox: %w", err)
	}
	in, err := p.Node.InForce(ctx)
	if err != nil {
		return false, err
	}
	to := ready
	var objects [][]byte
	now := p.Node.now()
	for i, d := range rows {
		if d.Index >= ready {
			break
		}
		if d.Retracted == 0 && d.Receipted == 0 {
			if !stands(in, p.Node.Self.Name, d, now) {
				if len(objects) == 0 {
					return false, nil // waits until it is resumed or retracted
				}
				to = d.Index
				break
			}
			objects = append(objects, d.Bytes)
		}
		if i == len(rows)-1 && len(rows) == pushBatch {
			to = d.Index + 1
		}
	}
	if len(objects) > 0 {
		refused, err := p.Remote.Add(ctx, objects)
		if err != nil {
			return false, fmt.Errorf("push to %s: %w", p.Party.Name, err)
		}
		for id, why := range refused {
			p.Node.Logger.Error("partner refused an object", "party", p.Party.Name, "item", id, "why", why)
		}
	}
	if err := p.Node.Store.SetPushed(ctx, p.Party.Name, pushed, to); err != nil && !errors.Is(err, accord.ErrConflict) {
		return false, fmt.Errorf("record delivery: %w", err)
	}
	return true, nil
}
