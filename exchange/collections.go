// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"accord"
	"accord/agreement"
	"accord/taxii"
)

// The TAXII API roots of a node. APIRoot holds all that a party reads and writes;
// under AgreementsRoot is one root for each agreement, a trust group (§1.6.2), that
// holds what was disclosed to it under that one.
const (
	APIRoot        = "accord"
	AgreementsRoot = "agreements"
)

// Collections is the TAXII backend of a node for its parties: for each party one
// collection it reads (what was disclosed to it) and one it writes (its pushes),
// and one to read under each agreement. A party sees its own and no others.
//
// What the readable ones serve are rows of the disclosure record that stand and
// whose agreement lets this node give at that moment: reading decides nothing.
// A row's stamp is its date added. A plain TAXII client reads and gives no
// receipts, so its rows stay without.
type Collections struct {
	Node *Node
	// Adder does what is too much to do at once; nil does all at once.
	Adder *Adder
}

var _ taxii.Backend = (*Collections)(nil)

// InboxID returns the id of the collection on holder's node that giver writes.
func InboxID(holder, giver string) string { return collectionID(holder, giver, "inbox") }

// OutboxID returns the id of the collection on holder's node that reader reads.
func OutboxID(holder, reader string) string { return collectionID(holder, reader, "outbox") }

// AgreementOutboxID returns the id of the collection on holder's node that reader
// reads of one agreement.
func AgreementOutboxID(holder, reader, agreement string) string {
	return collectionID(holder, reader, "outbox/"+agreement)
}

func collectionID(holder, party, box string) string { return boxID(holder + "/" + box + "/" + party) }

// boxID returns the id of a collection: in the form of a version 4 UUID (§2), and
// made of its name, for both sides must know it.
func boxID(name string) string {
	sum := sha256.Sum256([]byte("accord collection:" + name))
	id := uuid.UUID(sum[:16])
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id.String()
}

// Roots returns the API roots of the agreements that govern between this node and
// the caller, for [taxii.Derived].
func (c *Collections) Roots(ctx context.Context, who taxii.Caller) ([]taxii.Root, error) {
	in, err := c.governing(ctx, who.Party)
	var out []taxii.Root
	for _, f := range in {
		out = append(out, taxii.Root{
			Name: AgreementsRoot + "/" + f.Agreement.ID, Title: titleOf(f.Agreement),
			Description: "What " + c.Node.Self.Name + " discloses under this agreement alone.",
		})
	}
	return out, err
}

func titleOf(a *agreement.Agreement) string {
	if a.Title == "" {
		return a.ID
	}
	return a.Title
}

// governing returns the agreements that govern now and name the party.
func (c *Collections) governing(ctx context.Context, party string) (out []agreement.InForce, err error) {
	if party == "" {
		return nil, nil
	}
	in, err := c.Node.InForce(ctx)
	for _, f := range agreement.Governing(in, c.Node.now()) {
		if _, named := f.Agreement.Party(party); named {
			out = append(out, f)
		}
	}
	return out, err
}

// Collections implements [taxii.Backend].
func (c *Collections) Collections(ctx context.Context, who taxii.Caller, root string) ([]taxii.Collection, error) {
	if who.Party == "" {
		return nil, fmt.Errorf("%w: this API root is for parties", accord.ErrNotFound)
	}
	self := c.Node.Self.Name
	if root == APIRoot {
		return []taxii.Collection{
			{
				ID: OutboxID(self, who.Party), Title: "From " + self + " to " + who.Party,
				Description: "What " + self + " discloses under the agreements in force.", CanRead: true,
			},
			{
				ID: InboxID(self, who.Party), Title: "From " + who.Party + " to " + self,
				Description: "Where " + who.Party + " adds what its ledger has announced.", CanWrite: true,
			},
		}, nil
	}
	in, err := c.governing(ctx, who.Party)
	if err != nil {
		return nil, err
	}
	for _, f := range in {
		if id := f.Agreement.ID; root == AgreementsRoot+"/"+id {
			return []taxii.Collection{{
				ID: AgreementOutboxID(self, who.Party, id), Title: "From " + self + " to " + who.Party + " under " + id,
				Description: "What " + self + " discloses under " + titleOf(f.Agreement) + ".", CanRead: true,
			}}, nil
		}
	}
	return nil, fmt.Errorf("%w: no such API root", accord.ErrNotFound)
}

// Objects implements [taxii.Backend].
func (c *Collections) Objects(ctx context.Context, who taxii.Caller, root, collection string, q taxii.Query) (taxii.Page, error) {
	n := c.Node
	under, _ := strings.CutPrefix(root, AgreementsRoot+"/")
	if root == APIRoot {
		under = ""
	}
	if root == APIRoot && collection != OutboxID(n.Self.Name, who.Party) ||
		root != APIRoot && collection != AgreementOutboxID(n.Self.Name, who.Party, under) {
		return taxii.Page{}, fmt.Errorf("%w: no such collection to read", accord.ErrNotFound)
	}
	in, err := n.InForce(ctx)
	if err != nil {
		return taxii.Page{}, err
	}
	giving := givingUnder(in, n.Self.Name, who.Party, n.now())
	if len(giving) == 0 || under != "" && giving[under] == 0 {
		return taxii.Page{}, nil // all is hidden: nothing is read to find that out
	}
	r := entries{
		filter: accord.EntryFilter{Agreement: under},
		shown:  func(e accord.Entry) bool { return giving[e.Under] == e.UnderVersion && e.UnderVersion > 0 },
		list: func(ctx context.Context, after accord.Stamp, limit int, f accord.EntryFilter) ([]accord.Entry, error) {
			return n.Store.Disclosed(ctx, who.Party, after, limit, f)
		},
		bytes: func(ctx context.Context, rows []int64) (map[int64][]byte, error) {
			return n.Store.DisclosedBytes(ctx, who.Party, rows)
		},
	}
	return r.page(ctx, q)
}

// givingUnder returns the versions of the agreements that let this node give to
// party at now, by id.
func givingUnder(in []agreement.InForce, self, party string, now accord.Stamp) map[string]int {
	out := map[string]int{}
	for _, f := range agreement.Governing(in, now) {
		if !f.Suspended[self] && !f.Suspended[party] {
			out[f.Agreement.ID] = f.Agreement.Version
		}
	}
	return out
}

// Add implements [taxii.Backend].
func (c *Collections) Add(ctx context.Context, who taxii.Caller, root, collection string, objects [][]byte) (taxii.Status, error) {
	n := c.Node
	if root != APIRoot || collection != InboxID(n.Self.Name, who.Party) {
		return taxii.Status{}, fmt.Errorf("%w: no such collection to write", accord.ErrNotFound)
	}
	party, err := n.party(ctx, who.Party)
	if err != nil {
		return taxii.Status{}, err
	}
	if c.Adder != nil && len(objects) > pushBatch {
		return c.Adder.later(ctx, party, objects)
	}
	verdicts, err := n.Take(ctx, party, objects)
	if err != nil {
		return taxii.Status{}, err
	}
	good, bad := details(verdicts)
	s := taxii.NewStatus(uuid.NewString(), n.now(), good, bad, nil)
	return s, n.keep(ctx, party.Name, s, nil)
}

// party returns a pinned party by name.
func (n *Node) party(ctx context.Context, name string) (accord.Party, error) {
	parties, err := n.Store.Parties(ctx)
	if err != nil {
		return accord.Party{}, fmt.Errorf("read parties: %w", err)
	}
	i := slices.IndexFunc(parties, func(p accord.Party) bool { return p.Name == name })
	if i < 0 {
		return accord.Party{}, fmt.Errorf("%w: %s is not a party here", accord.ErrForbidden, name)
	}
	return parties[i], nil
}

// Status implements [taxii.Backend].
func (c *Collections) Status(ctx context.Context, who taxii.Caller, root, id string) (taxii.Status, error) {
	if root != APIRoot {
		return taxii.Status{}, fmt.Errorf("%w: no such status", accord.ErrNotFound)
	}
	b, err := c.Node.Store.Added(ctx, who.Party, id)
	if err != nil {
		return taxii.Status{}, err
	}
	return readStatus(b)
}

// Delete implements [taxii.Backend]. Nothing is deleted by TAXII: a retraction
// is a record in the ledger.
func (c *Collections) Delete(context.Context, taxii.Caller, string, string, string, taxii.Query) error {
	return fmt.Errorf("%w: items are taken back by a retraction in the ledger, not by DELETE", accord.ErrForbidden)
}

func typeOf(id string) string {
	t, _, _ := strings.Cut(id, "--")
	return t
}
