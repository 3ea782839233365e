// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"

	"accord"
	"accord/taxii"
)

// APIRoot is the TAXII API root that a node serves its collections under.
const APIRoot = "accord"

// Collections is the TAXII backend of a node: for each party one collection it
// reads (what was disclosed to it) and one it writes (its pushes). A party sees
// its own two and no others.
//
// What the readable one serves are rows of the disclosure record that stand and
// whose agreement lets this node give at that moment: reading decides nothing.
// A row's stamp is its date added. A plain TAXII client reads and gives no
// receipts, so its rows stay without.
type Collections struct {
	Node *Node

	mu     sync.Mutex
	status map[string]statusOf
	order  []string
}

type statusOf struct {
	party  string
	status taxii.Status
}

// statusKept is how many statuses are remembered. Adds are done when they are
// answered, so a status is for the record only; none survives a restart.
const statusKept = 10000

var _ taxii.Backend = (*Collections)(nil)

// InboxID returns the id of the collection on holder's node that giver writes.
func InboxID(holder, giver string) string { return collectionID(holder, giver, "inbox") }

// OutboxID returns the id of the collection on holder's node that reader reads.
func OutboxID(holder, reader string) string { return collectionID(holder, reader, "outbox") }

func collectionID(holder, party, box string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("accord:"+holder+"/"+box+"/"+party)).String()
}

// Collections implements [taxii.Backend].
func (c *Collections) Collections(_ context.Context, who taxii.Caller, root string) ([]taxii.Collection, error) {
	if root != APIRoot || who.Party == "" {
		return nil, fmt.Errorf("%w: this API root is for parties", accord.ErrNotFound)
	}
	self := c.Node.Self.Name
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

// Objects implements [taxii.Backend].
func (c *Collections) Objects(ctx context.Context, who taxii.Caller, _, collection string, q taxii.Query) (taxii.Page, error) {
	n := c.Node
	if collection != OutboxID(n.Self.Name, who.Party) {
		return taxii.Page{}, fmt.Errorf("%w: no such collection to read", accord.ErrNotFound)
	}
	if len(q.SpecVersions) > 0 && !slices.Contains(q.SpecVersions, "2.1") {
		return taxii.Page{}, nil
	}
	in, err := n.InForce(ctx)
	if err != nil {
		return taxii.Page{}, err
	}
	now := n.now()
	var page taxii.Page
	for size := q.Limit; ; size = max(q.Limit, pushBatch) {
		rows, err := n.Store.DisclosedSince(ctx, who.Party, q.AddedAfter, size+1, accord.DisclosureFilter{IDs: q.IDs, Types: q.Types})
		if err != nil {
			return taxii.Page{}, fmt.Errorf("read disclosures: %w", err)
		}
		more := len(rows) > size
		rows = rows[:min(size, len(rows))]
		chosen, err := c.choose(ctx, who.Party, q.Versions, rows)
		if err != nil {
			return taxii.Page{}, err
		}
		for i, d := range rows {
			if !chosen[i] || !stands(in, n.Self.Name, d, now) {
				continue
			}
			if len(page.Objects) == q.Limit {
				more = true
				break
			}
			page.Objects = append(page.Objects, taxii.Object{
				ID: d.Sent.ID, Type: typeOf(d.Sent.ID), Version: d.Sent.Version, Added: d.Stamp, Bytes: d.Bytes,
			})
		}
		if len(page.Objects) > 0 || !more {
			page.More = more
			return page, nil
		}
		// A whole page that may not be given now: look further.
		q.AddedAfter = rows[len(rows)-1].Stamp
	}
}

// Add implements [taxii.Backend].
func (c *Collections) Add(ctx context.Context, who taxii.Caller, _, collection string, objects [][]byte) (taxii.Status, error) {
	n := c.Node
	if collection != InboxID(n.Self.Name, who.Party) {
		return taxii.Status{}, fmt.Errorf("%w: no such collection to write", accord.ErrNotFound)
	}
	parties, err := n.Store.Parties(ctx)
	if err != nil {
		return taxii.Status{}, fmt.Errorf("read parties: %w", err)
	}
	i := slices.IndexFunc(parties, func(p accord.Party) bool { return p.Name == who.Party })
	if i < 0 {
		return taxii.Status{}, fmt.Errorf("%w: %s is not a party here", accord.ErrForbidden, who.Party)
	}
	verdicts, err := n.Take(ctx, parties[i], objects)
	if err != nil {
		return taxii.Status{}, err
	}
	s := statusFrom(verdicts, n.now())
	c.keep(who.Party, s)
	return s, nil
}

// Status implements [taxii.Backend].
func (c *Collections) Status(_ context.Context, who taxii.Caller, _, id string) (taxii.Status, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.status[id]
	if !ok || s.party != who.Party {
		return taxii.Status{}, fmt.Errorf("%w: no such status", accord.ErrNotFound)
	}
	return s.status, nil
}

// Delete implements [taxii.Backend]. Nothing is deleted by TAXII: a retraction
// is a record in the ledger.
func (c *Collections) Delete(context.Context, taxii.Caller, string, string, string, taxii.Query) error {
	return fmt.Errorf("%w: items are taken back by a retraction in the ledger, not by DELETE", accord.ErrForbidden)
}

func (c *Collections) keep(party string, s taxii.Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status == nil {
		c.status = map[string]statusOf{}
	}
	c.status[s.ID] = statusOf{party, s}
	c.order = append(c.order, s.ID)
	if len(c.order) > statusKept {
		delete(c.status, c.order[0])
		c.order = c.order[1:]
	}
}

// choose reports which rows match[version] asks for (TAXII 2.1 §3.4.1).
func (c *Collections) choose(ctx context.Context, party string, v taxii.Versions, rows []accord.Disclosure) ([]bool, error) {
	out := make([]bool, len(rows))
	var ids []string
	for i, d := range rows {
		out[i] = v.All || slices.Contains(v.Exact, d.Sent.Version)
		ids = append(ids, d.Item.ID)
	}
	if v.All || len(rows) == 0 {
		return out, nil
	}
	if v.Last || !v.First && len(v.Exact) == 0 {
		live, err := c.Node.Store.LiveDisclosures(ctx, party, ids)
		if err != nil {
			return nil, fmt.Errorf("read newest disclosures: %w", err)
		}
		for i, d := range rows {
			out[i] = out[i] || live[d.Item.ID].Index == d.Index
		}
	}
	if !v.First {
		return out, nil
	}
	for i, d := range rows {
		all, err := c.Node.Store.DisclosuresOf(ctx, d.Item.ID)
		if err != nil {
			return nil, fmt.Errorf("read versions: %w", err)
		}
		first := d.Sent.Version
		for _, o := range all {
			if o.Party == party && o.Retracted == 0 && o.Sent.ID == d.Sent.ID {
				first = min(first, o.Sent.Version)
			}
		}
		out[i] = out[i] || d.Sent.Version == first
	}
	return out, nil
}

func statusFrom(verdicts []Verdict, at accord.Stamp) taxii.Status {
	var good, bad []taxii.StatusDetail
	for _, v := range verdicts {
		d := taxii.StatusDetail{ID: v.ID, Version: v.Version.String(), Message: v.Refused}
		if v.Refused == "" {
			good = append(good, d)
		} else {
			bad = append(bad, d)
		}
	}
	return taxii.NewStatus(uuid.NewString(), at, good, bad, nil)
}

func typeOf(id string) string {
	t, _, _ := strings.Cut(id, "--")
	return t
}
