// SPDX-License-Identifier: Apache-2.0

package misp

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"accord"
)

// Part is what sorting items into events needs to know of one.
type Part struct {
	ID      string
	Version accord.Stamp // 0: an observable
	Created accord.Stamp
	Author  string
	Head    bool     // a report, or a grouping that is no MISP object: see [HeadID]
	Refs    []string // what it refers to, author and place of a sighting excluded
}

// PartOf returns what sorting needs to know of an item.
func PartOf(it *accord.Item) Part {
	p := Part{ID: it.ID, Version: it.Version, Created: it.Created, Author: it.CreatedBy, Head: isHead(it)}
	for _, r := range it.Refs {
		if r.Property != "created_by_ref" && r.Property != "where_sighted_refs" {
			p.Refs = append(p.Refs, r.To)
		}
	}
	return p
}

// Group is an event to be.
type Group struct {
	UUID    string
	Head    string   // id of the report or grouping; empty for leftovers
	Members []string // ids, the head's too
	Authors []string // ids of authors that are no members
	Part    int      // of the leftovers of an author's day: see [LeftoverID]
	Parts   int      // into how many these go; 0 for a report
}

// Sort puts items into events, in order of uuid: a report or grouping holds what
// it refers to; what none holds goes by author and day of creation; observables
// go with what refers to them; relationships, sightings, opinions and notes with
// what they refer to. Identities that none holds are authors or in no event. home
// names, by id, the event that keeps an item's uuids: the oldest that holds it.
func Sort(parts []Part) (groups []Group, home map[string]string) {
	s := &sorting{by: make(map[string]*Part, len(parts)), groups: map[string]*Group{}, home: map[string]string{}}
	for i := range parts {
		s.by[parts[i].ID] = &parts[i]
	}
	for _, id := range slices.Sorted(maps.Keys(s.by)) {
		s.order = append(s.order, s.by[id])
	}
	s.heads()
	s.leftovers(func(p *Part) bool { return p.Version != 0 && !depends(p.ID) })
	s.hangOn()
	s.leftovers(func(*Part) bool { return true })
	for _, id := range slices.Sorted(maps.Keys(s.groups)) {
		groups = append(groups, s.finish(s.groups[id]))
	}
	return groups, s.home
}

// sorting is Sort at work.
type sorting struct {
	by     map[string]*Part
	order  []*Part
	groups map[string]*Group
	home   map[string]string
}

// depends reports whether an object belongs with what it refers to.
func depends(id string) bool {
	typ, _, _ := strings.Cut(id, "--")
	return slices.Contains([]string{"relationship", "sighting", "opinion", "note"}, typ)
}

func headUUID(id string) string { _, u, _ := strings.Cut(id, "--"); return strings.ToLower(u) }

func (s *sorting) put(p *Part, g *Group) {
	g.Members = append(g.Members, p.ID)
	if s.home[p.ID] == "" {
		s.home[p.ID] = g.UUID
	}
}

// heads makes an event of each report, the oldest first.
func (s *sorting) heads() {
	var heads []*Part
	for _, p := range s.order {
		if p.Head {
			heads = append(heads, p)
		}
	}
	slices.SortFunc(heads, func(a, b *Part) int { return cmp.Or(cmp.Compare(a.Created, b.Created), cmp.Compare(a.ID, b.ID)) })
	for _, h := range heads {
		g := &Group{UUID: headUUID(h.ID), Head: h.ID, Members: []string{h.ID}}
		if s.groups[g.UUID] != nil { // a report and a grouping of one uuid
			g.UUID = derived("event", h.ID)
		}
		s.groups[g.UUID] = g
		seen := map[string]bool{h.ID: true}
		for _, ref := range h.Refs {
			if p := s.by[ref]; p != nil && !seen[ref] {
				seen[ref] = true
				s.put(p, g)
			}
		}
	}
}

// leftovers puts what is in no event, and fits, into its author's of its day, or
// into parts of that.
func (s *sorting) leftovers(fits func(*Part) bool) {
	days := map[string][]*Part{}
	for _, p := range s.order {
		if s.home[p.ID] != "" || p.Head || strings.HasPrefix(p.ID, "identity--") || !fits(p) {
			continue
		}
		id := LeftoverID(p.Author, p.Created, 0)
		days[id] = append(days[id], p)
	}
	for _, list := range days {
		parts := 1
		for len(list) > parts*leftoversMost {
			parts *= 2
		}
		for _, p := range list {
			part := LeftoverPart(p.ID, parts)
			id := LeftoverID(p.Author, p.Created, part)
			if s.groups[id] == nil {
				s.groups[id] = &Group{UUID: id, Part: part}
			}
			s.groups[id].Parts = max(s.groups[id].Parts, parts)
			s.put(p, s.groups[id])
		}
	}
}

// hangOn puts observables with what refers to them, and what depends with what it
// refers to.
func (s *sorting) hangOn() {
	queue := slices.Clone(s.order)
	for again, n := true, 0; again && n < 50; n++ { // longer chains go with the leftovers
		again = false
		var rest []*Part
		for _, p := range queue {
			switch home := s.home[p.ID]; {
			case p.Head:
			case home != "":
				again = s.observables(p, home) || again
			case depends(p.ID) && s.depend(p):
				again = true
				rest = append(rest, p)
			default:
				rest = append(rest, p)
			}
		}
		queue = rest
	}
}

// observables puts what p refers to, and is nowhere yet, into p's event.
func (s *sorting) observables(p *Part, home string) (some bool) {
	for _, ref := range p.Refs {
		if to := s.by[ref]; to != nil && to.Version == 0 && s.home[ref] == "" {
			s.put(to, s.groups[home])
			s.observables(to, home)
			some = true
		}
	}
	return some
}

// depend puts p where what it refers to is.
func (s *sorting) depend(p *Part) bool {
	for _, ref := range p.Refs {
		home := s.home[ref]
		if to := s.by[ref]; to != nil && to.Head {
			home = headUUID(ref)
		}
		if g := s.groups[home]; g != nil {
			s.put(p, g)
			return true
		}
	}
	return false
}

// finish finds a group's authors.
func (s *sorting) finish(g *Group) Group {
	authors := map[string]bool{}
	for _, id := range g.Members {
		authors[s.by[id].Author] = true
	}
	for _, id := range g.Members {
		delete(authors, id)
	}
	for _, id := range slices.Sorted(maps.Keys(authors)) {
		if s.by[id] != nil {
			g.Authors = append(g.Authors, id)
		}
	}
	return *g
}

// Events writes items as events, in order of uuid, and says what is lost.
func Events(items []accord.Item, o WriteOptions) ([]EventJSON, []Loss, error) {
	parts := make([]Part, len(items))
	by := make(map[string]*accord.Item, len(items))
	for i := range items {
		parts[i] = PartOf(&items[i])
		if old := by[items[i].ID]; old == nil || old.Version < items[i].Version {
			by[items[i].ID] = &items[i]
		}
	}
	groups, home := Sort(parts)
	var out []EventJSON
	var losses []Loss
	for _, g := range groups {
		var members, extra []accord.Item
		for _, id := range g.Members {
			members = append(members, *by[id])
		}
		for _, id := range g.Authors {
			extra = append(extra, *by[id])
		}
		o.Extra, o.Part = extra, g.Part
		o.Elsewhere = func(id string) bool { return home[id] != "" && home[id] != g.UUID }
		e, lost, err := WriteEvent(by[g.Head], members, o)
		if err != nil {
			return nil, nil, err
		}
		e.UUID = g.UUID
		out, losses = append(out, e), append(losses, lost...)
	}
	return out, losses, nil
}
