// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"accord"
	"accord/agreement"
	"accord/format/stix"
)

// closureDepth bounds how far references are followed. Relationship, report and
// sighting chains are two deep; what lies further is decided by itself alone.
const closureDepth = 4

// outcome is what one item becomes for one party.
type outcome struct {
	item     accord.Item
	decision agreement.Decision
	sent     accord.ItemKey
	bytes    []byte   // nil when sent as stored
	removed  []string // what was removed or replaced
	names    []string // of the identities it leads to that go under a pseudonym
}

func (o outcome) shared() bool { return o.decision.Effect.Shares() }

// renamed reports whether the item goes under an id of this node's own, because
// its content was changed (STIX 2.1 §3.6: another creator, another id).
func (o outcome) renamed() bool { return o.shared() && o.sent.ID != o.item.ID }

// closure decides items for one party together with what they refer to: a
// reference to something the party may not have is removed, and one to something
// that goes under another id is rewritten.
type closure struct {
	node    *Node
	party   string
	in      []agreement.InForce
	now     accord.Stamp
	items   map[string]accord.Item
	authors map[string]bool
	done    map[string]outcome
	open    map[string]bool
}

// newClosure loads ids, newest versions, and what they refer to. Those in have
// are not loaded again.
func (n *Node) newClosure(ctx context.Context, party string, in []agreement.InForce, ids []string, have map[string]accord.Item) (*closure, error) {
	c := &closure{
		node: n, party: party, in: in, now: n.now(),
		items: map[string]accord.Item{}, authors: map[string]bool{},
		done: map[string]outcome{}, open: map[string]bool{},
	}
	asked := map[string]bool{}
	for range closureDepth {
		ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return asked[id] })
		slices.Sort(ids)
		ids = slices.Compact(ids)
		if len(ids) == 0 {
			break
		}
		for _, id := range ids {
			asked[id] = true
		}
		found, err := n.latest(ctx, ids, have)
		if err != nil {
			return nil, err
		}
		var identities, next []string
		for id, it := range found {
			c.items[id] = it
			if it.Type == "identity" {
				identities = append(identities, id)
			}
			for _, r := range it.Refs {
				next = append(next, r.To)
			}
		}
		if len(identities) > 0 {
			authors, err := n.Store.Authors(ctx, identities)
			if err != nil {
				return nil, fmt.Errorf("load authors: %w", err)
			}
			for id := range authors {
				c.authors[id] = authors[id]
			}
		}
		ids = next
	}
	return c, nil
}

// latest loads the newest versions of ids, those in have excepted.
func (n *Node) latest(ctx context.Context, ids []string, have map[string]accord.Item) (map[string]accord.Item, error) {
	var missing []string
	out := make(map[string]accord.Item, len(ids))
	for _, id := range ids {
		if it, ok := have[id]; ok {
			out[id] = it
		} else {
			missing = append(missing, id)
		}
	}
	if len(missing) == 0 {
		return out, nil
	}
	found, err := n.Store.Latest(ctx, missing)
	if err != nil {
		return nil, fmt.Errorf("load items: %w", err)
	}
	maps.Copy(out, found)
	return out, nil
}

// outcome decides the item id and everything it refers to. An id the store does
// not hold is withheld: nothing is known that would allow it.
//
// An item that cannot be redacted is withheld: one bad item must not stop the
// rest.
func (c *closure) outcome(id string) outcome {
	if o, ok := c.done[id]; ok {
		return o
	}
	it, ok := c.items[id]
	if !ok {
		return outcome{decision: agreement.Decision{Effect: agreement.Withhold, Article: agreement.NoArticle}}
	}
	o := outcome{item: it, sent: it.ItemKey}
	o.decision = agreement.Decide(c.in, &o.item, c.authors[id], c.node.Self.Name, c.party, c.now)
	if c.open[id] {
		return o // a cycle of references: this one by its own decision
	}
	c.open[id] = true
	defer delete(c.open, id)
	if o.decision.Pseudonymise {
		o.names = []string{it.Name}
	} else {
		for _, ref := range it.Refs {
			o.names = append(o.names, c.outcome(ref.To).names...)
		}
	}
	if o.shared() {
		if err := c.redact(&o); err != nil {
			c.node.Logger.Error("withheld: it cannot be redacted", "item", id, "party", c.party, "error", err)
			o.withhold(codeUnsound, err.Error())
		}
	}
	c.done[id] = o
	return o
}

// codeUnsound is the reason of what is withheld because its copy or its record
// cannot be made.
const codeUnsound = "unsound"

// redact makes o.bytes what the party may have, or withholds o when nothing
// valid would be left.
func (c *closure) redact(o *outcome) error {
	if o.decision.Pseudonymise {
		return c.pseudonymise(o)
	}
	r := stix.Redaction{Drop: o.decision.Redact, Remove: map[string]bool{}, Rename: map[string]string{}}
	for _, ref := range o.item.Refs {
		switch to := c.outcome(ref.To); {
		case !to.shared():
			r.Remove[ref.To] = true
		case to.renamed():
			r.Rename[ref.To] = to.sent.ID
		}
	}
	if len(r.Drop)+len(r.Remove)+len(r.Rename) == 0 {
		return nil
	}
	if len(r.Rename) > 0 {
		r.NewID = c.node.ownID(o.item.ID)
		r.CreatedBy = c.node.Self.Identity
	}
	out, removed, err := stix.Redact(o.item.Bytes, r)
	if errors.Is(err, stix.ErrRequired) {
		property := err.Error()
		o.withhold(agreement.CodeRequired, property[strings.LastIndex(property, " ")+1:])
		return nil
	}
	if err != nil {
		return err
	}
	if says(out, o.names) {
		o.withhold(agreement.CodeNamed)
		return nil
	}
	if bytes.Equal(out, o.item.Bytes) {
		return nil
	}
	o.bytes, o.removed = out, places(removed)
	if r.NewID != "" {
		o.sent.ID = r.NewID
	}
	return nil
}

func (c *closure) pseudonymise(o *outcome) error {
	out, id, err := stix.Pseudonym(o.item.Bytes, c.node.Pseudonym, c.node.Self.Identity)
	if err != nil {
		return err
	}
	o.bytes, o.sent.ID = out, id
	o.removed = []string{"id", "name", "created_by_ref"}
	return nil
}

// withhold withholds for a reason that only the whole closure shows: what
// granted it no longer speaks.
func (o *outcome) withhold(code string, args ...string) {
	o.decision.Effect = agreement.Withhold
	o.decision.Reasons = []agreement.Reason{{Code: code, Args: args}}
	o.bytes, o.removed, o.sent = nil, nil, o.item.ItemKey
}

// ownID is the id under which this node sends its changed copy of id: the same
// every time, and not to be reversed without the node's key.
func (n *Node) ownID(id string) string {
	kind, _, _ := strings.Cut(id, "--")
	u := uuid.NewSHA1(uuid.NameSpaceURL, []byte(hex.EncodeToString(n.hmacOf(id))))
	return kind + "--" + u.String()
}

// Explain returns how each party in parties stands to the item id now, with the
// reasons: the same decision that the outbox makes.
func (n *Node) Explain(ctx context.Context, id string, parties []string) (map[string]agreement.Decision, map[string][]string, error) {
	in, err := n.InForce(ctx)
	if err != nil {
		return nil, nil, err
	}
	decisions, removed := map[string]agreement.Decision{}, map[string][]string{}
	for _, p := range parties {
		c, err := n.newClosure(ctx, p, in, []string{id}, nil)
		if err != nil {
			return nil, nil, err
		}
		o := c.outcome(id)
		decisions[p], removed[p] = o.decision, o.removed
	}
	return decisions, removed, nil
}
