// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"context"
	"fmt"

	"accord"
	"accord/agreement"
)

// restampBatch is how many disclosures one transaction looks at.
const restampBatch = 1000

// restamp gives what was hidden by a suspension new stamps once that is lifted: who
// reads the collection page by page may have gone on, by what another agreement
// gave meanwhile, past rows it never saw. Which suspension was seen to is a cursor,
// so this happens once for each, whatever is cut.
func (d *Decider) restamp(ctx context.Context, in []agreement.InForce) error {
	n := d.Node
	lifted := n.lifted(d.Party)
	for _, f := range agreement.Governing(in, n.now()) {
		id := f.Agreement.ID
		if lifted[id] == 0 || f.Suspended[n.Self.Name] || f.Suspended[d.Party] {
			continue
		}
		stage := "lifted:" + d.Party + "/" + id
		seen, err := n.Store.Cursor(ctx, stage)
		if err != nil {
			return fmt.Errorf("read cursor: %w", err)
		}
		if accord.Stamp(seen) == lifted[id] {
			continue
		}
		if err := d.restampAll(ctx, id); err != nil {
			return err
		}
		if err := n.Store.Advance(ctx, stage, seen, int64(lifted[id])); err != nil {
			return fmt.Errorf("note the suspension seen to: %w", err)
		}
	}
	return nil
}

func (d *Decider) restampAll(ctx context.Context, id string) error {
	n, stage := d.Node, "restamp:"+d.Party+"/"+id
	at, err := n.Store.Cursor(ctx, stage)
	for more := true; more && err == nil; {
		at, more, err = n.Store.Restamp(ctx, d.Party, id, stage, at, restampBatch, n.now())
	}
	d.last = 0 // read from the store again
	if err != nil {
		return fmt.Errorf("stamp anew what %s hid from %s: %w", id, d.Party, err)
	}
	if err := n.Store.Advance(ctx, stage, at, 0); err != nil {
		return fmt.Errorf("stamp anew: %w", err)
	}
	n.Logger.Info("what a suspension hid is at the end of the collection", "party", d.Party, "agreement", id)
	return nil
}

// lifted returns when the newest suspension, by this node or party, of each
// agreement was lifted, as [Node.InForce] read them.
func (n *Node) lifted(party string) map[string]accord.Stamp {
	n.book.mu.Lock()
	defer n.book.mu.Unlock()
	now, out := n.now(), map[string]accord.Stamp{}
	for _, o := range n.book.in {
		for _, s := range o.suspensions {
			if (s.Party == party || s.Party == n.Self.Name) && s.Lifted <= now {
				out[o.agreement.ID] = max(out[o.agreement.ID], s.Lifted)
			}
		}
	}
	return out
}
