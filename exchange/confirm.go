// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"context"
	"fmt"
	"math"

	"accord"
	"accord/ledger"
)

// Confirmer answers one partner's retractions once they have taken effect here:
// when every stage named in After has consumed the withdrawal from the feed.
type Confirmer struct {
	Node  *Node
	Party string
	After []string // cursor names, such as "protect"
}

// Run confirms until ctx ends.
func (c *Confirmer) Run(ctx context.Context) error {
	return c.Node.loop(ctx, "confirm", c.Party, c.pass)
}

func (c *Confirmer) pass(ctx context.Context) (bool, error) {
	if may, err := c.Node.maySign(ctx, c.Party); err != nil || !may {
		return false, err
	}
	rows, seqs, err := c.Node.Store.Unconfirmed(ctx, c.Party, decideBatch)
	if err != nil {
		return false, fmt.Errorf("read unconfirmed retractions: %w", err)
	}
	if len(rows) == 0 {
		return false, nil
	}
	done := int64(math.MaxInt64)
	for _, stage := range c.After {
		seq, err := c.Node.Store.Cursor(ctx, stage)
		if err != nil {
			return false, fmt.Errorf("read cursor: %w", err)
		}
		done = min(done, seq)
	}
	at := c.Node.now()
	var ready []int64
	for _, r := range rows {
		if seqs[r.Index] <= done {
			ready = append(ready, r.Index)
		}
	}
	if len(ready) == 0 {
		return false, nil
	}
	record, err := ledger.NewConfirmation(ledger.Confirmation{
		Origin: ledger.Origin(c.Party, c.Node.Self.Name), Spans: ledger.Spans(ready), At: at,
	}, c.Node.Key.Signer())
	if err != nil {
		return false, fmt.Errorf("sign confirmation: %w", err)
	}
	return true, c.Node.appendRecord(ctx, c.Party, record, func(a accord.LogAppend) error {
		return c.Node.Store.Confirm(ctx, accord.Confirming{Party: c.Party, Index: ready, Append: a, At: at})
	})
}

// appendRecord appends one record to this node's log to party and commits it
// with what it records.
func (n *Node) appendRecord(ctx context.Context, party string, record []byte, commit func(accord.LogAppend) error) error {
	if may, err := n.maySign(ctx, party); err != nil {
		return err
	} else if !may {
		return n.errNotYet(party)
	}
	origin := ledger.Origin(n.Self.Name, party)
	defer n.lock(origin)()
	head, err := n.Store.Head(ctx, origin)
	if err != nil {
		return fmt.Errorf("read ledger head: %w", err)
	}
	leaf, err := ledger.NewLeaf(n.Rand, record)
	if err != nil {
		return err
	}
	a, err := n.appendTo(ctx, head, origin, []accord.Leaf{leaf})
	if err != nil {
		return err
	}
	return commit(a)
}
