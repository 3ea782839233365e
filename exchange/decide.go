// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"accord"
	"accord/agreement"
	"accord/ledger"
)

// decideBatch is how many feed entries one transaction of decisions covers.
const decideBatch = 1000

// referrersMost bounds how many items are decided again because of one stretch.
const referrersMost = 1 << 20

// Decider turns the change feed into decisions for one party: disclosures,
// withholdings and retractions, each logged in the transaction that records it.
type Decider struct {
	Node  *Node
	Party string

	last accord.Stamp // the last stamp given; 0 = not yet read from the store
}

// Run decides until ctx ends.
func (d *Decider) Run(ctx context.Context) error {
	return d.Node.loop(ctx, "decide", d.Party, d.pass)
}

func (d *Decider) stage() string { return "decide:" + d.Party }

// pass decides one stretch of the feed.
func (d *Decider) pass(ctx context.Context) (bool, error) {
	if may, err := d.Node.maySign(ctx, d.Party); err != nil || !may {
		return false, err
	}
	in, err := d.Node.InForce(ctx)
	if err != nil {
		return false, err
	}
	if err := d.sweep(ctx, in); err != nil {
		return false, err
	}
	if err := d.restamp(ctx, in); err != nil {
		return false, err
	}
	from, err := d.Node.Store.Cursor(ctx, d.stage())
	if err != nil {
		return false, fmt.Errorf("read cursor: %w", err)
	}
	changes, err := d.Node.Store.Changes(ctx, from, decideBatch)
	if err != nil {
		return false, fmt.Errorf("read feed: %w", err)
	}
	if len(changes) == 0 {
		return false, nil
	}
	to := changes[len(changes)-1].Seq
	ids, items, err := d.concerned(ctx, changes)
	if err != nil {
		return false, err
	}
	c, err := d.Node.newClosure(ctx, d.Party, in, ids, items)
	if err != nil {
		return false, err
	}
	return true, d.decide(ctx, c, ids, from, to)
}

// sweep starts the feed anew when what is in force with the party has changed:
// an agreement came, was amended, suspended, resumed, began or ended. Deciding
// an item again that stands as disclosed does nothing, so a sweep is safe to
// repeat after a crash.
func (d *Decider) sweep(ctx context.Context, in []agreement.InForce) error {
	stage := "inforce:" + d.Party
	known, err := d.Node.Store.Cursor(ctx, stage)
	if err != nil {
		return fmt.Errorf("read cursor: %w", err)
	}
	present := fingerprint(in, d.Node.Self.Name, d.Party, d.Node.now())
	if known == present {
		return nil
	}
	at, err := d.Node.Store.Cursor(ctx, d.stage())
	if err != nil {
		return fmt.Errorf("read cursor: %w", err)
	}
	if err := d.Node.Store.Advance(ctx, d.stage(), at, 0); err != nil {
		return fmt.Errorf("rewind: %w", err)
	}
	if err := d.Node.Store.Advance(ctx, stage, known, present); err != nil {
		return fmt.Errorf("note what is in force: %w", err)
	}
	if at > 0 {
		d.Node.Logger.Info("what is in force changed: deciding all items again", "party", d.Party)
	}
	return nil
}

// fingerprint names the set of agreements that govern between two parties now.
func fingerprint(in []agreement.InForce, self, party string, now accord.Stamp) int64 {
	h := sha256.New()
	for _, f := range agreement.Governing(in, now) {
		if _, named := f.Agreement.Party(party); named {
			fmt.Fprintf(h, "%s %d %t %t\n", f.Agreement.ID, f.Agreement.Version, f.Suspended[self], f.Suspended[party])
		}
	}
	return int64(binary.BigEndian.Uint64(h.Sum(nil)) >> 1)
}

// concerned returns the items that changes touch, those that refer to them (a
// reference removed before may be allowed now), and their authors; of the items
// themselves, the newest versions too.
func (d *Decider) concerned(ctx context.Context, changes []accord.Change) ([]string, map[string]accord.Item, error) {
	seen := map[string]bool{}
	var ids []string
	add := func(id string) {
		if id != "" && !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	for _, c := range changes {
		if c.Kind == accord.ChangeItem || c.Kind == accord.ChangeWithdrawn {
			add(c.Key.ID)
		}
	}
	changed := slices.Clone(ids)
	for at, depth := 0, 1; at < len(ids) && depth < closureDepth; depth++ {
		// Not only what refers to it: a report may name a relationship that its
		// target kept from going.
		referrers, err := d.Node.Store.Referrers(ctx, ids[at:], referrersMost)
		if err != nil {
			return nil, nil, fmt.Errorf("load referrers: %w", err)
		}
		at = len(ids)
		for _, k := range referrers {
			add(k.ID)
		}
	}
	if len(changed) == 0 {
		return nil, nil, nil
	}
	items, err := d.Node.Store.Latest(ctx, changed)
	if err != nil {
		return nil, nil, fmt.Errorf("load items: %w", err)
	}
	for _, id := range changed {
		add(items[id].CreatedBy)
	}
	// What the party itself gave is not decided: it has it.
	theirs := func(id string) bool { return items[id].Origin.Party == d.Party }
	return slices.DeleteFunc(ids, theirs), items, nil
}

// decide commits the decisions on ids and moves the cursor.
func (d *Decider) decide(ctx context.Context, c *closure, ids []string, from, to int64) error {
	batch := accord.Disclosing{Party: d.Party, Stage: d.stage(), From: from, To: to, At: d.Node.now()}
	var leaves []accord.Leaf
	origin := ledger.Origin(d.Node.Self.Name, d.Party)
	unlock := d.Node.lock(origin)
	defer unlock()
	head, err := d.Node.Store.Head(ctx, origin)
	if err != nil {
		return fmt.Errorf("read ledger head: %w", err)
	}
	if len(ids) > 0 {
		live, err := d.Node.Store.LiveDisclosures(ctx, d.Party, ids)
		if err != nil {
			return fmt.Errorf("load disclosures: %w", err)
		}
		for _, id := range ids {
			o := c.outcome(id)
			if o.item.ID == "" || o.item.Origin.Party == d.Party {
				continue // an author that is not in the store, or what the party gave itself
			}
			leaf, err := d.one(ctx, &batch, o, live[id], head.Size+int64(len(leaves)))
			if err != nil {
				return err
			}
			leaves = append(leaves, leaf...)
		}
	}
	if len(leaves) > 0 {
		a, err := d.Node.appendTo(ctx, head, origin, leaves)
		if err != nil {
			return err
		}
		batch.Append = &a
	}
	if err := d.Node.Store.Disclose(ctx, batch); err != nil {
		d.last = 0
		return fmt.Errorf("commit decisions: %w", err)
	}
	return nil
}

// one adds the outcome o to the batch and returns the leaves that record it,
// the first of which will have index next.
func (d *Decider) one(ctx context.Context, b *accord.Disclosing, o outcome, live accord.Disclosure, next int64) ([]accord.Leaf, error) {
	given := live.Party != ""
	switch {
	case o.item.Withdrawn != 0:
		if !given {
			return nil, nil
		}
		why, err := ledger.ReasonLine(o.item.Why)
		if err != nil || why == "" {
			why = "withdrawn by its source"
		}
		return d.retract(ctx, b, live, why)
	case !o.shared():
		return d.withhold(ctx, b, o, live)
	}
	sent := o.bytes
	if sent == nil {
		sent = o.item.Bytes
	}
	disc := accord.Disclosure{
		Party: d.Party, Index: next, Item: o.item.ItemKey,
		Agreement: o.decision.Agreement, Version: o.decision.Version, Article: o.decision.Article,
		Redacted: o.removed, Sent: o.sent, Bytes: o.bytes, Sum: sha256.Sum256(sent),
	}
	if given && live.Sum == disc.Sum && live.Agreement == disc.Agreement &&
		live.Version == disc.Version && live.Article == disc.Article {
		return nil, nil // stands as it is
	}
	var leaves []accord.Leaf
	if given && live.Sent.ID != disc.Sent.ID {
		// It goes under another id now: the copy under the old one is taken back.
		var err error
		if leaves, err = d.retract(ctx, b, live, "replaced by another copy"); err != nil {
			return nil, err
		}
		disc.Index += int64(len(leaves))
	}
	stamp, err := d.stamp(ctx)
	if err != nil {
		return nil, err
	}
	disc.Stamp = stamp
	record, err := ledger.EncodeDisclosure(disc, o.decision.Terms)
	if err != nil {
		d.Node.Logger.Error("withheld: its disclosure cannot be recorded", "item", o.item.ID, "party", d.Party, "error", err)
		o.withhold(codeUnsound, err.Error())
		if leaves != nil {
			live = accord.Disclosure{} // taken back already
		}
		more, err := d.withhold(ctx, b, o, live)
		return append(leaves, more...), err
	}
	b.Disclosures = append(b.Disclosures, disc)
	leaf, err := ledger.NewLeaf(d.Node.Rand, record)
	return append(leaves, leaf), err
}

// withhold adds a withholding, and takes back what was given when an article or
// the item itself says so.
func (d *Decider) withhold(ctx context.Context, b *accord.Disclosing, o outcome, live accord.Disclosure) ([]accord.Leaf, error) {
	given, narrow := live.Party != "", narrowed(o.decision)
	if given && !narrow && live.Item == o.item.ItemKey {
		return nil, nil // the party has this version, and keeps it
	}
	b.Withheld = append(b.Withheld, withheldOf(d.Party, o, b.At))
	if !given || !narrow {
		return nil, nil
	}
	return d.retract(ctx, b, live, "narrowed: "+o.decision.Article)
}

// retract takes live back, and with it what was disclosed of the same object
// before and has not arrived yet: none of that is sent any more.
func (d *Decider) retract(ctx context.Context, b *accord.Disclosing, live accord.Disclosure, why string) ([]accord.Leaf, error) {
	all, err := d.Node.Store.DisclosuresOf(ctx, live.Item.ID)
	if err != nil {
		return nil, fmt.Errorf("read versions: %w", err)
	}
	var leaves []accord.Leaf
	for _, o := range all {
		late := o.Sent.ID == live.Sent.ID && o.Index < live.Index && o.Receipted == 0 && o.Retracted == 0
		if o.Party != d.Party || !late && o.Index != live.Index {
			continue
		}
		record, err := ledger.NewRetraction(ledger.Retraction{
			Origin: ledger.Origin(d.Node.Self.Name, d.Party),
			Item:   o.Sent, Spans: ledger.Spans([]int64{o.Index}), Reason: why, At: b.At,
		}, d.Node.Key.Signer())
		if err != nil {
			return nil, fmt.Errorf("sign retraction: %w", err)
		}
		leaf, err := ledger.NewLeaf(d.Node.Rand, record)
		if err != nil {
			return nil, err
		}
		b.Retracted, leaves = append(b.Retracted, o.Index), append(leaves, leaf)
	}
	return leaves, nil
}

// stamp returns the next TAXII date added for the party: the present, or one
// microsecond past the last one given, whichever is later.
func (d *Decider) stamp(ctx context.Context) (accord.Stamp, error) {
	if d.last == 0 {
		last, err := d.Node.Store.LastStamp(ctx, d.Party)
		if err != nil {
			return 0, fmt.Errorf("read last stamp: %w", err)
		}
		d.last = last
	}
	d.last = max(d.last+1, d.Node.now())
	return d.last, nil
}

// narrowed reports whether a withholding takes back what was given: an article
// or the item itself says so. The mere lack of an agreement in force does not:
// what was given stays under the terms it was given.
func narrowed(d agreement.Decision) bool {
	for _, r := range d.Reasons {
		if r.Code == agreement.CodeNoAgreement || r.Code == agreement.CodeSuspended {
			return false
		}
	}
	return true
}

func withheldOf(party string, o outcome, at accord.Stamp) accord.Withheld {
	return accord.Withheld{
		Party: party, Item: o.item.ItemKey, Type: o.item.Type,
		Agreement: o.decision.Agreement, Version: o.decision.Version, Article: o.decision.Article,
		Reasons: agreement.Texts(o.decision.Reasons), At: at,
	}
}

// appendTo computes the append of leaves to this node's log origin and signs
// the new head.
func (n *Node) appendTo(ctx context.Context, head accord.Head, origin string, leaves []accord.Leaf) (accord.LogAppend, error) {
	head.Origin = origin
	a, err := ledger.Append(ctx, n.Store, head, leaves)
	if err != nil {
		return a, fmt.Errorf("append to ledger: %w", err)
	}
	signer, err := n.Key.LogSigner(origin)
	if err != nil {
		return a, fmt.Errorf("log key: %w", err)
	}
	if a.Head.Checkpoint, err = ledger.SignHead(a.Head, signer); err != nil {
		return a, fmt.Errorf("sign checkpoint: %w", err)
	}
	return a, nil
}
