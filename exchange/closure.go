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

// Bounds of what is loaded to decide a batch. What lies further is not known,
// and what is not known is withheld: a reference to it is removed.
const (
	closureDepth = 8       // references deep
	closureMost  = 100_000 // objects
)

// outcome is what one item becomes for one party.
type outcome struct {
	item     accord.Item
	decision agreement.Decision
	sent     accord.ItemKey
	bytes    []byte   // nil when sent as stored
	removed  []string // what was removed or replaced
}

func (o outcome) shared() bool { return o.decision.Effect.Shares() }

// closure decides items for one party together with what they refer to: a
// reference to something the party may not have is removed, one to something
// that goes under another id is rewritten, and what would name a hidden identity
// stays.
//
// The answers are those of the whole graph, whatever its cycles and the order of
// its objects: each item is decided by itself, then what cannot stand without a
// withheld one is withheld until nothing changes, then ids are replaced along
// every path that leads to a pseudonym.
type closure struct {
	node    *Node
	party   string
	members map[string]*member
}

// member is one loaded item.
type member struct {
	item     accord.Item
	decision agreement.Decision
	author   bool
	hidden   []string  // names of the identities it leads to that the party may not know
	renamed  bool      // goes under an id of this node's own
	from     []*member // what refers to it
}

func (m *member) shared() bool { return m.decision.Effect.Shares() }

// secret reports whether the party may not learn who this identity is. An author
// that merely no article grants is no secret: what it wrote says so.
func (m *member) secret() bool {
	switch {
	case m.item.Type != "identity":
		return false
	case m.shared():
		return m.decision.Pseudonymise
	}
	return !m.author || m.decision.Article != agreement.NoArticle
}

// withhold withholds for a reason that only the closure shows: what granted it
// no longer speaks.
func (m *member) withhold(code string, args ...string) {
	m.decision.Effect = agreement.Withhold
	m.decision.Reasons = []agreement.Reason{{Code: code, Args: args}}
}

// newClosure loads ids, newest versions, and what they refer to, and decides
// them all. Those in have are not loaded again.
func (n *Node) newClosure(ctx context.Context, party string, in []agreement.InForce, ids []string, have map[string]accord.Item) (*closure, error) {
	c := &closure{node: n, party: party, members: map[string]*member{}}
	asked := map[string]bool{}
	for range closureDepth {
		ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return asked[id] })
		slices.Sort(ids)
		ids = slices.Compact(ids)
		if len(ids) == 0 || len(asked)+len(ids) > closureMost && len(asked) > 0 {
			break
		}
		for _, id := range ids {
			asked[id] = true
		}
		next, err := c.load(ctx, ids, have)
		if err != nil {
			return nil, err
		}
		ids = next
	}
	c.decide(in)
	return c, nil
}

// load adds the members ids and returns what they refer to.
func (c *closure) load(ctx context.Context, ids []string, have map[string]accord.Item) (next []string, err error) {
	found, err := c.node.latest(ctx, ids, have)
	if err != nil {
		return nil, err
	}
	var identities []string
	for id, it := range found {
		// The node itself is no secret to those it signed with, written or not.
		c.members[id] = &member{item: it, author: id == c.node.Self.Identity}
		if it.Type == "identity" {
			identities = append(identities, id)
		}
		for _, r := range it.Refs {
			next = append(next, r.To)
		}
	}
	if len(identities) == 0 {
		return next, nil
	}
	authors, err := c.node.Store.Authors(ctx, identities)
	if err != nil {
		return nil, fmt.Errorf("load authors: %w", err)
	}
	for id, author := range authors {
		if m := c.members[id]; m != nil {
			m.author = m.author || author
		}
	}
	return next, nil
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

// decide decides every member.
func (c *closure) decide(in []agreement.InForce) {
	now := c.node.now()
	for _, m := range c.members {
		m.decision = agreement.Decide(in, &m.item, m.author, c.node.Self.Name, c.party, now)
		for _, r := range m.item.Refs {
			if to := c.members[r.To]; to != nil && to != m {
				to.from = append(to.from, m)
			}
		}
	}
	var dirty []*member
	for _, m := range c.members {
		if m.secret() && m.item.Name != "" {
			upward(m, func(above *member) bool {
				above.hidden = append(above.hidden, m.item.Name)
				return true
			})
		}
		dirty = append(dirty, m)
	}
	c.settle(dirty)
	for _, m := range c.members {
		if m.shared() && m.decision.Pseudonymise {
			m.renamed = true
			upward(m, func(above *member) bool {
				first := above.shared() && !above.renamed
				above.renamed = above.renamed || first
				return first
			})
		}
	}
}

// upward calls visit once for each member that leads to m by references, m
// excepted, and goes on above those for which it returns true.
func upward(m *member, visit func(*member) bool) {
	seen := map[*member]bool{m: true}
	for todo := slices.Clone(m.from); len(todo) > 0; {
		above := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[above] {
			continue
		}
		seen[above] = true
		if visit(above) {
			todo = append(todo, above.from...)
		}
	}
}

// settle withholds what cannot stand without what is withheld, or would say a
// hidden name, in rounds until nothing changes.
func (c *closure) settle(dirty []*member) {
	for len(dirty) > 0 {
		var withheld []*member
		for _, m := range dirty {
			if m.shared() && !m.decision.Pseudonymise && !c.stands(m) {
				withheld = append(withheld, m)
			}
		}
		dirty = nil
		seen := map[*member]bool{}
		for _, m := range withheld {
			for _, above := range m.from {
				if !seen[above] {
					seen[above] = true
					dirty = append(dirty, above)
				}
			}
		}
	}
}

// stands reports whether m can go as its references stand now, and withholds it
// when not. One that cannot be redacted is withheld: it must not stop the rest.
func (c *closure) stands(m *member) bool {
	r := c.redaction(m)
	out := m.item.Bytes
	if len(r.Drop)+len(r.Remove) > 0 {
		var err error
		out, _, err = stix.Redact(m.item.Bytes, r)
		switch {
		case errors.Is(err, stix.ErrRequired):
			property := err.Error()
			m.withhold(agreement.CodeRequired, property[strings.LastIndex(property, " ")+1:])
			return false
		case err != nil:
			c.node.Logger.Error("withheld: it cannot be redacted", "item", m.item.ID, "party", c.party, "error", err)
			m.withhold(codeUnsound, err.Error())
			return false
		}
	}
	if len(m.hidden) > 0 && says(out, m.hidden) {
		m.withhold(agreement.CodeNamed)
		return false
	}
	return true
}

// redaction is what the decision and the references of m take out.
func (c *closure) redaction(m *member) stix.Redaction {
	r := stix.Redaction{Drop: m.decision.Redact, Remove: map[string]bool{}}
	for _, ref := range m.item.Refs {
		if to := c.members[ref.To]; to == nil || !to.shared() {
			r.Remove[ref.To] = true
		}
	}
	return r
}

// outcome returns what the item id becomes; the zero outcome, which withholds,
// when the store does not hold it.
func (c *closure) outcome(id string) outcome {
	m := c.members[id]
	if m == nil {
		return outcome{decision: agreement.Decision{Article: agreement.NoArticle}}
	}
	o := outcome{item: m.item, decision: m.decision, sent: m.item.ItemKey}
	if !o.shared() {
		return o
	}
	if err := c.write(m, &o); err != nil {
		c.node.Logger.Error("withheld: it cannot be redacted", "item", id, "party", c.party, "error", err)
		o.withhold(codeUnsound, err.Error())
	}
	return o
}

// codeUnsound is the reason of what is withheld because its copy or its record
// cannot be made.
const codeUnsound = "unsound"

// write makes o.bytes what the party gets.
func (c *closure) write(m *member, o *outcome) error {
	if m.decision.Pseudonymise {
		out, id, err := stix.Pseudonym(m.item.Bytes, c.node.Pseudonym, c.node.Self.Identity)
		if err != nil {
			return err
		}
		o.bytes, o.sent.ID, o.removed = out, id, []string{"id", "name", "created_by_ref"}
		return nil
	}
	r := c.redaction(m)
	if m.renamed {
		// Its content changes with the ids in it, so it is this node's own object
		// (STIX 2.1 §3.6: another creator, another id).
		r.NewID, r.CreatedBy = c.node.ownID(m.item.ID), c.node.Self.Identity
		r.Rename = map[string]string{}
		for _, ref := range m.item.Refs {
			if to := c.members[ref.To]; to != nil && to.shared() && to.renamed {
				id, err := c.sentID(to)
				if err != nil {
					return err
				}
				r.Rename[ref.To] = id
			}
		}
	}
	if len(r.Drop)+len(r.Remove)+len(r.Rename) == 0 {
		return nil
	}
	out, removed, err := stix.Redact(m.item.Bytes, r)
	if err != nil || bytes.Equal(out, m.item.Bytes) {
		return err
	}
	o.bytes, o.removed = out, places(removed)
	if m.renamed {
		o.sent.ID = r.NewID
	}
	return nil
}

// sentID is the id a renamed member goes under.
func (c *closure) sentID(m *member) (string, error) {
	if !m.decision.Pseudonymise {
		return c.node.ownID(m.item.ID), nil
	}
	_, id, err := stix.Pseudonym(m.item.Bytes, c.node.Pseudonym, c.node.Self.Identity)
	return id, err
}

// withhold is member.withhold for what only the outcome shows.
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
