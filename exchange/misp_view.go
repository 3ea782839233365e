// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/note"

	"accord"
	mispform "accord/format/misp"
	"accord/ledger"
	"accord/misp"
)

// mispRow is what is known of an item without its bytes: its newest disclosure to a
// party, or its newest version at the node.
type mispRow struct {
	sent      string // its id
	version   accord.Stamp
	stamp     accord.Stamp // when it was given, or changed
	retracted accord.Stamp
	agreement string
	aversion  int
	tlp       accord.TLP
	created   accord.Stamp
	author    string
	name      string // of an identity
	head      bool
	refs      []string
	summary   *misp.Head // of a head, what its event says of itself
}

// catalogue is what is known of the items of one caller.
type catalogue struct {
	party string

	mu      sync.Mutex
	version int64 // rises when the rows change
	size    int64 // of the log, up to which retractions are read
	next    int64 // stamp, or place in the change feed, up to which rows are read
	rows    map[string]*mispRow
	// memberOf are the events that a report has ever put an item into: what is taken
	// back leaves its mark there.
	memberOf map[string]map[string]bool
	views    map[string]*view
	full     bool // there are more rows than may be: none is kept
}

// group is an event to be.
type group struct {
	uuid    string
	head    *mispRow // nil for leftovers
	live    []*mispRow
	dead    []*mispRow
	authors []*mispRow
	part    int    // of the leftovers of an author's day
	parts   int    // into how many these go
	at      int64  // Unix seconds of the last change
	mark    uint64 // of the rows: it changes with them
}

// view is a catalogue as it stands for a feed at an instant.
type view struct {
	key    string
	feeds  []string
	giving map[string]int
	events map[string]*group
	heads  []misp.Head
	home   map[string]string // by sent id: the event that keeps its uuids

	mu      sync.Mutex
	written map[string]*mispform.EventJSON
	weight  int
}

// mostWeight is how many attributes of written events a view keeps.
const mostWeight = 200_000

func (v *view) kept(uuid string) *mispform.EventJSON {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.written[uuid]
}

func (v *view) keep(uuid string, e *mispform.EventJSON) {
	n := 1
	for range e.All {
		n++
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.weight += n; v.weight > mostWeight {
		v.written, v.weight = nil, n
	}
	if v.written == nil {
		v.written = map[string]*mispform.EventJSON{}
	}
	v.written[uuid] = e
}

// remember notes what a report holds.
func (c *catalogue) remember(r *mispRow, it *accord.Item) {
	if !r.head {
		return
	}
	for _, id := range r.refs {
		if c.memberOf[id] == nil {
			c.memberOf[id] = map[string]bool{}
		}
		c.memberOf[id][mispform.HeadID(it)] = true
	}
}

// put takes a row in the place of an older one of the same item.
func (c *catalogue) put(r *mispRow, it *accord.Item) {
	c.remember(r, it)
	if r.head {
		if e, _, err := mispform.WriteEvent(it, nil, mispform.WriteOptions{}); err == nil {
			r.summary = &misp.Head{UUID: e.UUID, Info: e.Info, Date: e.Date, Threat: e.Threat, Analysis: e.Analysis, Tags: e.Tags, Orgc: e.Orgc}
		}
	}
	c.rows[r.sent] = r
}

func logTo(n *Node, party string) string { return ledger.Origin(n.Self.Name, party) }

// retractions reads the leaves up to size and marks what they take back.
func (c *catalogue) retractions(ctx context.Context, n *Node, size int64) error {
	verifier, err := note.NewVerifier(n.Self.Key)
	if err != nil {
		return fmt.Errorf("own key: %w", err)
	}
	for from := c.size; from < size; {
		leaves, err := n.Store.Leaves(ctx, logTo(n, c.party), from, pushBatch)
		if err != nil {
			return fmt.Errorf("read ledger: %w", err)
		}
		if len(leaves) == 0 {
			return nil
		}
		for _, l := range leaves {
			from = l.Index + 1
			if l.Kind != accord.LeafRetraction {
				continue
			}
			back, err := ledger.OpenRetraction(l.Record, verifier)
			if err != nil {
				return fmt.Errorf("read ledger: leaf %d: %w", l.Index, err)
			}
			if r := c.rows[back.Item.ID]; r != nil && r.retracted == 0 && r.stamp <= back.At {
				r.retracted = back.At
			}
		}
	}
	return nil
}

// view groups the rows into events. An event's timestamp has whole seconds, and a
// reader asks for what is newer than the last it saw: so what changed in the second
// that is not over is not shown yet, or a later change in it would be missed. What
// was taken back is gone at once.
func (c *catalogue) view(feed string, giving map[string]int, now accord.Stamp, org mispform.OrgJSON) *view {
	cut := now - now%1e6
	open := false
	for _, r := range c.rows {
		open = open || r.stamp >= cut || r.retracted >= cut
	}
	key := fmt.Sprint(feed, "|", c.version, "|", giving)
	if open {
		key += fmt.Sprint("|", cut)
	}
	if v := c.views[feed]; v != nil && v.key == key {
		return v
	}
	v := &view{key: key, events: map[string]*group{}, feeds: slices.Sorted(maps.Keys(giving)), giving: giving}
	s := &sorting{c: c, v: v, live: map[string]*mispRow{}}
	for _, r := range c.rows {
		under := c.party == "" || giving[r.agreement] == r.aversion && r.aversion != 0 && (feed == "" || feed == r.agreement)
		switch {
		case !under || r.stamp >= cut:
		case r.retracted == 0:
			s.live[r.sent] = r
		case r.retracted < cut:
			s.dead = append(s.dead, r)
		}
	}
	s.sort()
	v.list(c, org)
	if c.views == nil || len(c.views) > 16 {
		c.views = map[string]*view{}
	}
	c.views[feed] = v
	return v
}

// sorting puts rows into events.
type sorting struct {
	c    *catalogue
	v    *view
	live map[string]*mispRow
	dead []*mispRow
}

func (s *sorting) sort() {
	parts := make([]mispform.Part, 0, len(s.live))
	for _, r := range s.live {
		parts = append(parts, mispform.Part{ID: r.sent, Version: r.version, Created: r.created, Author: r.author, Head: r.head, Refs: r.refs})
	}
	groups, home := mispform.Sort(parts)
	s.v.home = home
	for _, found := range groups {
		g := &group{uuid: found.UUID, head: s.live[found.Head], part: found.Part, parts: found.Parts}
		for _, id := range found.Members {
			g.live = append(g.live, s.live[id])
		}
		for _, id := range found.Authors {
			g.authors = append(g.authors, s.live[id])
		}
		s.v.events[g.uuid] = g
	}
	for _, r := range s.dead {
		s.bury(r)
	}
	for _, g := range s.v.events {
		date(g)
	}
}

// bury leaves the mark of what was taken back in the events that held it.
func (s *sorting) bury(r *mispRow) {
	n := 0
	for id := range s.c.memberOf[r.sent] {
		if g := s.v.events[id]; g != nil {
			g.dead = append(g.dead, r)
			n++
		}
	}
	if n > 0 {
		return
	}
	if g := s.v.events[mispform.LeftoverID(r.author, r.created, 0)]; g != nil {
		part := mispform.LeftoverPart(r.sent, max(g.parts, 1))
		if of := s.v.events[mispform.LeftoverID(r.author, r.created, part)]; of != nil {
			g = of
		}
		g.dead = append(g.dead, r)
	}
}

// date sets when an event last changed, and its mark.
func date(g *group) {
	slices.SortFunc(g.dead, func(a, b *mispRow) int { return cmp.Compare(a.sent, b.sent) })
	for _, r := range g.live {
		g.at = max(g.at, int64(r.stamp)/1e6)
		g.mark += markOf(r, "live")
	}
	for _, r := range g.authors {
		g.at = max(g.at, int64(r.stamp)/1e6)
		g.mark += markOf(r, "author")
	}
	for _, r := range g.dead {
		g.at = max(g.at, int64(r.retracted)/1e6)
		g.mark += markOf(r, "dead")
	}
}

// list writes the heads.
func (v *view) list(c *catalogue, org mispform.OrgJSON) {
	names := map[string]string{}
	for _, r := range c.rows {
		if r.name != "" {
			names[r.sent] = r.name
		}
	}
	author := func(id string) mispform.OrgJSON {
		_, uuid, ok := cutID(id)
		if !ok {
			return org
		}
		return mispform.OrgJSON{UUID: strings.ToLower(uuid), Name: cmp.Or(names[id], uuid)}
	}
	for _, id := range slices.Sorted(maps.Keys(v.events)) {
		g := v.events[id]
		h := misp.Head{UUID: id, Timestamp: g.at, Threat: "4", Analysis: "2"}
		if g.head != nil && g.head.summary != nil {
			h = *g.head.summary
			h.Timestamp, h.Orgc = g.at, author(g.head.author)
		} else if e, _, err := mispform.WriteEvent(nil, leftoverHeads(g), mispform.WriteOptions{Org: org, Part: g.part}); err == nil {
			h.Info, h.Date, h.Tags, h.Orgc = e.Info, e.Date, e.Tags, author(firstAuthor(g))
			h.Info = strings.Replace(h.Info, ", from "+e.Orgc.Name, ", from "+h.Orgc.Name, 1)
		}
		v.heads = append(v.heads, h)
	}
}

func firstAuthor(g *group) string {
	for _, r := range g.live {
		if r.author != "" {
			return r.author
		}
	}
	return ""
}

// leftoverHeads are items that say of a group's what its event says of itself.
func leftoverHeads(g *group) []accord.Item {
	out := make([]accord.Item, 0, len(g.live))
	for _, r := range g.live {
		out = append(out, accord.Item{ItemKey: accord.ItemKey{ID: r.sent, Version: r.version}, Created: r.created, CreatedBy: r.author, TLP: r.tlp, Bytes: []byte("{}")})
	}
	return out
}
