// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"accord"
	mispform "accord/format/misp"
	"accord/format/stix"
	"accord/misp"
)

// OwnFeed is the name of the one feed of a caller that stands for no party: what
// the node holds.
const OwnFeed = "own"

// mostRows is how many items a caller's events are made of at most: what is known
// of each is kept in memory.
const mostRows = 1_000_000

// MISP is the backend of a node's MISP feeds and searches. A party has, under each
// agreement, what the TAXII outbox serves it: the newest disclosure of an item,
// when it stands and its agreement lets this node give at that moment. Reading
// decides nothing. A caller without a party and of role reader or more has what the
// node holds.
//
// What is known of a party's items is kept in memory and follows its log; their
// bytes are read when an event is asked for.
type MISP struct {
	Node *Node
	// MostRows is how many items are known of all callers together: beyond it, what is
	// known of who asked longest ago is forgotten. Default 1,250,000.
	MostRows int

	mu    sync.Mutex
	cats  map[string]*catalogue // by party; "" is the node's own
	order []string              // of use, the oldest first
	sizes map[string]int        // by party: rows, and one
	held  held
}

var _ misp.Backend = (*MISP)(nil)

// Feeds implements [misp.Backend].
func (m *MISP) Feeds(ctx context.Context, who misp.Caller) ([]string, error) {
	v, err := m.view(ctx, who, "")
	if err != nil {
		return nil, err
	}
	if who.Party == "" {
		return []string{OwnFeed}, nil
	}
	return v.feeds, nil
}

// Heads implements [misp.Backend].
func (m *MISP) Heads(ctx context.Context, who misp.Caller, feed string) ([]misp.Head, error) {
	v, err := m.view(ctx, who, feed)
	if err != nil {
		return nil, err
	}
	return v.heads, nil
}

// Event implements [misp.Backend].
func (m *MISP) Event(ctx context.Context, who misp.Caller, feed, uuid string) (*mispform.EventJSON, error) {
	v, err := m.view(ctx, who, feed)
	if err != nil {
		return nil, err
	}
	g := v.events[uuid]
	if g == nil {
		return nil, fmt.Errorf("%w: no such event for %s", accord.ErrNotFound, who.Name)
	}
	if e := v.kept(uuid); e != nil {
		return e, nil
	}
	items, err := m.items(ctx, who.Party, v.giving, append(slices.Clone(g.live), g.authors...))
	if err != nil {
		return nil, err
	}
	e, err := v.write(g, items, m.org())
	if err != nil {
		return nil, err
	}
	v.keep(uuid, e)
	if feed == "" {
		m.held.learn(who.Party, g, e)
	}
	return e, nil
}

// org is the node as a MISP organisation.
func (m *MISP) org() mispform.OrgJSON { return OrgOf(m.Node.Self) }

// OrgOf is a party as a MISP organisation.
func OrgOf(p accord.Party) mispform.OrgJSON {
	_, id, _ := cutID(p.Identity)
	return mispform.OrgJSON{UUID: id, Name: p.Name}
}

func cutID(id string) (typ, uuid string, ok bool) {
	typ = typeOf(id)
	if len(id) < len(typ)+2 {
		return typ, "", false
	}
	return typ, id[len(typ)+2:], true
}

// view returns what the caller has now.
func (m *MISP) view(ctx context.Context, who misp.Caller, feed string) (*view, error) {
	if who.Party == "" && !who.Role.Includes(accord.RoleReader) {
		return nil, fmt.Errorf("%w: a key for MISP is a party's, or of role reader", accord.ErrForbidden)
	}
	in, err := m.Node.InForce(ctx)
	if err != nil {
		return nil, err
	}
	c := m.catalogue(who.Party)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.full {
		return nil, errTooMany
	}
	if who.Party == "" {
		err = c.followFeed(ctx, m.Node)
	} else {
		err = c.followLog(ctx, m.Node)
	}
	if errors.Is(err, errTooMany) { // known from here on, without what it took to find out
		c.full, c.rows, c.memberOf, c.views = true, nil, nil, nil
	}
	m.room(c)
	if err != nil {
		return nil, err
	}
	now := m.Node.now()
	v := c.view(feed, givingUnder(in, m.Node.Self.Name, who.Party, now), now, m.org())
	if feed != "" && !slices.Contains(v.feeds, feed) && !(who.Party == "" && feed == OwnFeed) {
		return nil, fmt.Errorf("%w: no such feed for %s", accord.ErrNotFound, who.Name)
	}
	return v, nil
}

// catalogue returns the party's.
func (m *MISP) catalogue(party string) *catalogue {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cats == nil {
		m.cats = map[string]*catalogue{}
	}
	m.order = append(slices.DeleteFunc(m.order, func(s string) bool { return s == party }), party)
	if m.cats[party] == nil {
		m.cats[party] = &catalogue{party: party, rows: map[string]*mispRow{}, memberOf: map[string]map[string]bool{}, next: 0}
	}
	return m.cats[party]
}

// room notes how large a catalogue, whose lock is held, has become, and forgets those
// that were used longest ago until there is room for it.
func (m *MISP) room(c *catalogue) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cats[c.party] != c {
		return // forgotten meanwhile
	}
	if m.sizes == nil {
		m.sizes = map[string]int{}
	}
	m.sizes[c.party] = 1 + len(c.rows)
	total := 0
	for _, n := range m.sizes {
		total += n
	}
	for _, party := range slices.Clone(m.order) {
		if total <= cmp.Or(m.MostRows, mostRows+mostRows/4) {
			return
		}
		if party == c.party {
			continue
		}
		total -= m.sizes[party]
		delete(m.cats, party)
		delete(m.sizes, party)
		m.held.forget(party)
		m.order = slices.DeleteFunc(m.order, func(s string) bool { return s == party })
	}
}

// items reads the bytes of rows, of a party as they were sent and as the outbox
// would serve them.
func (m *MISP) items(ctx context.Context, party string, giving map[string]int, rows []*mispRow) ([]accord.Item, error) {
	var out []accord.Item
	for chunk := range slices.Chunk(rows, pushBatch) {
		ids := make([]string, len(chunk))
		want := map[string]*mispRow{}
		for i, r := range chunk {
			ids[i], want[r.sent] = r.sent, r
		}
		if party == "" {
			got, err := m.Node.Store.Latest(ctx, ids)
			if err != nil {
				return nil, fmt.Errorf("read items: %w", err)
			}
			for _, id := range slices.Sorted(maps.Keys(got)) {
				if it := got[id]; it.Withdrawn == 0 {
					out = append(out, it)
				}
			}
			continue
		}
		got, err := m.disclosed(ctx, party, giving, ids)
		if err != nil {
			return nil, err
		}
		for i := range got {
			if r := want[got[i].ID]; r.version == got[i].Version {
				out = append(out, got[i])
			}
		}
	}
	return out, nil
}

// disclosed reads what the party's outbox serves of these ids.
func (m *MISP) disclosed(ctx context.Context, party string, giving map[string]int, ids []string) ([]accord.Item, error) {
	entries, err := m.Node.Store.Disclosed(ctx, party, 0, len(ids), accord.EntryFilter{IDs: ids, Latest: true})
	if err != nil {
		return nil, fmt.Errorf("read disclosures: %w", err)
	}
	entries = slices.DeleteFunc(entries, func(e accord.Entry) bool { return giving[e.Under] != e.UnderVersion || e.UnderVersion == 0 })
	items, _, err := readEntries(ctx, m.Node, party, entries)
	return items, err
}

// readEntries reads the objects of entries, as they were sent, and names those that
// cannot be read: they are left out and logged, for one must not take the others
// from a party.
func readEntries(ctx context.Context, n *Node, party string, entries []accord.Entry) (items []accord.Item, refused []string, err error) {
	rows := make([]int64, len(entries))
	for i, e := range entries {
		rows[i] = e.Row
	}
	bytes, err := n.Store.DisclosedBytes(ctx, party, rows)
	if err != nil {
		return nil, nil, fmt.Errorf("read what was sent: %w", err)
	}
	items = make([]accord.Item, 0, len(entries))
	for _, e := range entries {
		b := bytes[e.Row]
		if len(b) == 0 {
			continue // erased
		}
		it, ok := readSent(ctx, n, party, e.ID, b)
		if !ok {
			refused = append(refused, e.ID)
			continue
		}
		items = append(items, it)
	}
	return items, refused, nil
}

// readSent reads one object as it was sent.
func readSent(ctx context.Context, n *Node, party, id string, b []byte) (it accord.Item, ok bool) {
	it, err := stix.Parse(stix.Raw{Bytes: b, Spec: "2.1"}, accord.TLPRed)
	if err != nil {
		n.Logger.WarnContext(ctx, "left out of MISP events: what was sent cannot be read", "party", party, "id", id, "error", err)
	}
	return it, err == nil
}

var errTooMany = fmt.Errorf("%w: over %d items: read by TAXII or by the API instead", accord.ErrForbidden, mostRows)

// followFeed reads what has changed at the node.
func (c *catalogue) followFeed(ctx context.Context, n *Node) error {
	last, err := n.Store.LastSeq(ctx)
	if err != nil {
		return fmt.Errorf("read change feed: %w", err)
	}
	for c.next < last {
		changes, err := n.Store.Changes(ctx, c.next, pushBatch)
		if err != nil || len(changes) == 0 {
			return err
		}
		at := map[string]accord.Stamp{}
		for _, ch := range changes {
			if ch.Key.ID != "" {
				at[ch.Key.ID] = max(at[ch.Key.ID], ch.At)
			}
		}
		items, err := n.Store.Latest(ctx, slices.Collect(maps.Keys(at)))
		if err != nil {
			return fmt.Errorf("read changed items: %w", err)
		}
		for _, id := range slices.Sorted(maps.Keys(items)) {
			it := items[id]
			c.put(rowOf(&it, &mispRow{stamp: at[id], retracted: it.Withdrawn}), &it)
		}
		c.next = changes[len(changes)-1].Seq
		c.version = c.next
		if len(c.rows) > mostRows {
			return errTooMany
		}
	}
	return nil
}

// followLog reads what was disclosed to the party since, and what was taken back.
func (c *catalogue) followLog(ctx context.Context, n *Node) error {
	head, err := n.Store.Head(ctx, logTo(n, c.party))
	if err != nil && !errors.Is(err, accord.ErrNotFound) {
		return fmt.Errorf("read ledger head: %w", err)
	}
	last, err := n.Store.LastStamp(ctx, c.party)
	if err != nil {
		return fmt.Errorf("read disclosures: %w", err)
	}
	if head.Size == c.size && int64(last) <= c.next {
		return nil
	}
	if c.version == 0 {
		if err := c.history(ctx, n); err != nil {
			return err
		}
		c.size = head.Size
	}
	for {
		entries, err := n.Store.Disclosed(ctx, c.party, accord.Stamp(c.next), pushBatch, accord.EntryFilter{Latest: true})
		if err != nil {
			return fmt.Errorf("read disclosures: %w", err)
		}
		under := map[string]accord.Entry{}
		for _, e := range entries {
			under[e.ID] = e
			c.next = int64(e.Stamp)
		}
		items, refused, err := readEntries(ctx, n, c.party, entries)
		if err != nil {
			return err
		}
		for _, id := range refused {
			delete(c.rows, id) // an older version that was read no longer stands
		}
		for i := range items {
			it := &items[i]
			e := under[it.ID]
			c.put(rowOf(it, &mispRow{stamp: e.Stamp, agreement: e.Under, aversion: e.UnderVersion}), it)
		}
		if len(c.rows) > mostRows {
			return errTooMany
		}
		if len(entries) < pushBatch {
			break
		}
	}
	if err := c.retractions(ctx, n, head.Size); err != nil {
		return err
	}
	c.size = head.Size
	c.version++
	return nil
}

// history reads what no longer stands: what was taken back, and what older versions
// of reports held.
func (c *catalogue) history(ctx context.Context, n *Node) error {
	for after := int64(-1); ; {
		ds, err := n.Store.Disclosures(ctx, c.party, after, pushBatch)
		if err != nil {
			return fmt.Errorf("read disclosures: %w", err)
		}
		for i := range ds {
			d := &ds[i]
			after = d.Index
			if d.Retracted == 0 && typeOf(d.Sent.ID) != "report" && typeOf(d.Sent.ID) != "grouping" {
				continue
			}
			if len(d.Bytes) == 0 {
				continue // erased
			}
			it, ok := readSent(ctx, n, c.party, d.Sent.ID, d.Bytes)
			if !ok {
				continue
			}
			r := rowOf(&it, &mispRow{stamp: d.Stamp, retracted: d.Retracted, agreement: d.Agreement, aversion: d.Version})
			if c.remember(r, &it); r.retracted != 0 {
				c.put(r, &it)
			}
		}
		if len(ds) < pushBatch {
			return nil
		}
	}
}

// rowOf fills in what an item says.
func rowOf(it *accord.Item, r *mispRow) *mispRow {
	r.sent, r.version, r.tlp, r.created, r.author, r.name = it.ID, it.Version, it.TLP, it.Created, it.CreatedBy, it.Name
	part := mispform.PartOf(it)
	r.head, r.refs = part.Head, part.Refs
	if it.Type != "identity" {
		r.name = ""
	}
	return r
}

// write makes the event of a group.
func (v *view) write(g *group, items []accord.Item, org mispform.OrgJSON) (*mispform.EventJSON, error) {
	var head *accord.Item
	var members, extra []accord.Item
	authors := map[string]bool{}
	for _, r := range g.authors {
		authors[r.sent] = true
	}
	for i := range items {
		switch it := &items[i]; {
		case g.head != nil && it.ID == g.head.sent:
			head = it
		case authors[it.ID]:
			extra = append(extra, *it)
		default:
			members = append(members, *it)
		}
	}
	if g.head != nil && head == nil {
		return nil, fmt.Errorf("%w: the event is no longer given", accord.ErrNotFound)
	}
	e, _, err := mispform.WriteEvent(head, members, mispform.WriteOptions{
		Org: org, Extra: extra, Timestamp: accord.Stamp(g.at * 1e6), Part: g.part,
		Elsewhere: func(id string) bool { home := v.home[id]; return home != "" && home != g.uuid },
	})
	if err != nil {
		return nil, err
	}
	e.UUID = cmp.Or(g.uuid, e.UUID)
	for _, r := range g.dead {
		if a, ok := tombstone(r); ok {
			e.Attributes = append(e.Attributes, a)
		}
	}
	e.Org = &org
	e.Number()
	return &e, nil
}

// tombstone is what stays of an attribute that was taken back: that it is deleted.
// Not what it said, so that a MISP that has it overwrites that.
func tombstone(r *mispRow) (mispform.AttributeJSON, bool) {
	typ, id, ok := cutID(r.sent)
	if !ok || !slices.Contains([]string{"indicator", "observed-data", "note", "vulnerability"}, typ) {
		return mispform.AttributeJSON{}, false
	}
	return mispform.AttributeJSON{
		UUID: id, Type: "other", Category: "Other", Value: "retracted", Timestamp: fmt.Sprint(int64(r.retracted) / 1e6), Comment: "Taken back by its giver.",
		Deleted: true, Distribution: "5",
	}, true
}
