// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"accord"
	"accord/agreement"
	"accord/format/stix"
	"accord/ledger"
)

// Verdict is what became of one pushed object.
type Verdict struct {
	ID      string
	Version accord.Stamp
	Refused string // empty when it is held, now or from an earlier push
}

// Take stores objects that party pushed. Each must be announced in the party's
// mirrored log with exactly these bytes; what is not is refused by itself and
// the rest is taken. Taking the same object again is a success that changes
// nothing. One receipt, signed, covers all that was taken.
func (n *Node) Take(ctx context.Context, party accord.Party, objects [][]byte) ([]Verdict, error) {
	// What is taken is receipted in our log: see maySign.
	if may, err := n.maySign(ctx, party.Name); err != nil {
		return nil, err
	} else if !may {
		return nil, n.errNotYet(party.Name)
	}
	var all []Verdict
	for part := range slices.Chunk(objects, pushBatch) {
		verdicts, err := n.take(ctx, party, part)
		if err != nil {
			return nil, err
		}
		all = append(all, verdicts...)
	}
	return all, nil
}

// take is Take of as many objects as one receipt may name.
func (n *Node) take(ctx context.Context, party accord.Party, objects [][]byte) ([]Verdict, error) {
	verdicts := make([]Verdict, len(objects))
	items := make([]accord.Item, len(objects))
	var keys []accord.ItemKey
	for i, raw := range objects {
		// An unmarked object is what its disclosure says it is: see below.
		it, err := stix.Parse(stix.Raw{Bytes: raw, Spec: "2.1"}, accord.TLPClear)
		if err != nil {
			verdicts[i].Refused = err.Error()
			continue
		}
		items[i] = it
		verdicts[i] = Verdict{ID: it.ID, Version: it.Version}
		keys = append(keys, it.ItemKey)
	}
	if len(keys) == 0 {
		return verdicts, nil
	}
	// The receipt goes into our log: hold its lock while the rows are read, so
	// that two pushes of the same object cannot both be receipted.
	origin := ledger.Origin(n.Self.Name, party.Name)
	defer n.lock(origin)()
	pending, err := n.Store.PendingReceived(ctx, party.Name, keys)
	if err != nil {
		return nil, fmt.Errorf("look up announcements: %w", err)
	}
	if err := n.taking(ctx, party.Name, pending); err != nil {
		return nil, err
	}
	r := accord.Receiving{Party: party.Name, At: n.now()}
	for i, raw := range objects {
		if verdicts[i].Refused != "" {
			continue
		}
		rows, why := fulfils(pending[items[i].ItemKey], raw)
		verdicts[i].Refused = why
		for _, row := range rows {
			it := items[i]
			it.Origin, it.Source = row.Origin, party.Name
			it.TLP = max(it.TLP, row.Origin.TLP)
			it.Held = n.holds(it.Observables)
			r.Items, r.Index = append(r.Items, it), append(r.Index, row.Index)
		}
	}
	if len(r.Items) == 0 {
		return verdicts, nil
	}
	return verdicts, n.receipt(ctx, party, origin, r)
}

// taking fails with ErrConflict while an agreement that objects come under is
// suspended, by either side: nothing of the push is taken, and the giver comes
// again with it once the suspension is lifted.
func (n *Node) taking(ctx context.Context, party string, pending map[accord.ItemKey][]accord.Received) error {
	in, err := n.InForce(ctx)
	if err != nil {
		return err
	}
	suspended := map[string]bool{}
	for _, f := range agreement.Governing(in, n.now()) {
		suspended[f.Agreement.ID] = f.Suspended[n.Self.Name] || f.Suspended[party]
	}
	for _, rows := range pending {
		for _, row := range rows {
			if row.Held == 0 && suspended[row.Origin.Agreement] {
				return fmt.Errorf("%w: agreement %s is suspended: nothing is taken under it until it is resumed", accord.ErrConflict, row.Origin.Agreement)
			}
		}
	}
	return nil
}

// holds returns the never-block list that speaks of one of the values.
func (n *Node) holds(values []accord.Observable) string {
	if n.Never == nil {
		return ""
	}
	for _, o := range values {
		if list, held := n.Never.Holds(o); held {
			return list
		}
	}
	return ""
}

// fulfils returns the announced rows that raw fulfils and that are not held yet,
// oldest first: the same bytes may have been given anew, under other terms.
func fulfils(rows []accord.Received, raw []byte) (open []accord.Received, refused string) {
	if len(rows) == 0 {
		return nil, "no disclosure in the ledger announces this object: announce it first"
	}
	sum := sha256.Sum256(raw)
	refused = "the ledger announces other bytes for this version"
	for _, row := range rows {
		if row.Sum != sum {
			continue
		}
		refused = ""
		if row.Held == 0 {
			open = append(open, row)
		}
	}
	return open, refused
}

// receipt signs for r.Items and stores both in one transaction.
func (n *Node) receipt(ctx context.Context, party accord.Party, origin string, r accord.Receiving) error {
	theirs := ledger.Origin(party.Name, n.Self.Name)
	mirror, err := n.Store.Head(ctx, theirs)
	if err != nil {
		return fmt.Errorf("read mirror head: %w", err)
	}
	record, err := ledger.NewReceipt(ledger.Receipt{
		Origin: theirs, Spans: ledger.Spans(r.Index), Size: mirror.Size, Root: mirror.Root, At: r.At,
	}, n.Key.Signer())
	if err != nil {
		return fmt.Errorf("sign receipt: %w", err)
	}
	leaf, err := ledger.NewLeaf(n.Rand, record)
	if err != nil {
		return err
	}
	for range 5 {
		head, err := n.Store.Head(ctx, origin)
		if err != nil {
			return fmt.Errorf("read ledger head: %w", err)
		}
		if r.Append, err = n.appendTo(ctx, head, origin, []accord.Leaf{leaf}); err != nil {
			return err
		}
		err = n.Store.Receive(ctx, r)
		if !errors.Is(err, accord.ErrConflict) {
			if err != nil {
				return fmt.Errorf("store received items: %w", err)
			}
			return nil
		}
	}
	return fmt.Errorf("%w: the ledger moves too fast: push again", accord.ErrConflict)
}

// stands reports whether the agreement that d names lets this node give at now.
func stands(in []agreement.InForce, self string, d accord.Disclosure, now accord.Stamp) bool {
	for _, f := range agreement.Governing(in, now) {
		if f.Agreement.ID == d.Agreement {
			return f.Agreement.Version == d.Version && !f.Suspended[self] && !f.Suspended[d.Party]
		}
	}
	return false
}
