// SPDX-License-Identifier: Apache-2.0

// Package memstore is a store in memory that keeps the contracts which package
// protect and its server have with the real one, for their tests. Safe for
// concurrent use.
package memstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"accord"
)

// Store holds items, a change feed, cursors and zones.
type Store struct {
	mu      sync.Mutex
	feed    []accord.Change
	items   map[string]accord.Item
	cursors map[string]int64
	prot    map[accord.Observable]map[string]accord.Protection // value → item id → protection
	where   map[accord.Observable]string
	zones   map[string]*zone
	Commits int
	// Between, when set, is called after each page of ZoneValues, without the lock:
	// where a test lets the zone change under a reader.
	Between func()
}

type zone struct {
	serial  uint32
	sorted  []accord.Observable
	journal []accord.ZoneChange
	trimmed uint32 // journal holds all changes after this serial
}

// New returns an empty store.
func New() *Store {
	return &Store{
		items: map[string]accord.Item{}, cursors: map[string]int64{},
		prot: map[accord.Observable]map[string]accord.Protection{}, where: map[accord.Observable]string{},
		zones: map[string]*zone{"hot": {serial: 1, trimmed: 1}, "base": {serial: 1, trimmed: 1}},
	}
}

// Put stores items as the newest versions of their ids, and appends to the feed.
func (s *Store) Put(items ...accord.Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, it := range items {
		s.items[it.ID] = it
		kind := accord.ChangeItem
		if it.Withdrawn != 0 {
			kind = accord.ChangeWithdrawn
		}
		s.feed = append(s.feed, accord.Change{Seq: int64(len(s.feed) + 1), Kind: kind, Key: it.ItemKey})
	}
}

// Note appends a change of another kind to the feed.
func (s *Store) Note(kind accord.ChangeKind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.feed = append(s.feed, accord.Change{Seq: int64(len(s.feed) + 1), Kind: kind})
}

// LastSeq implements the stores' contract, as do the methods below.
func (s *Store) LastSeq(context.Context) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(len(s.feed)), nil
}

// Changes returns feed entries.
func (s *Store) Changes(_ context.Context, after int64, limit int) ([]accord.Change, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := min(after, int64(len(s.feed)))
	return slices.Clone(s.feed[from:min(from+int64(limit), int64(len(s.feed)))]), nil
}

// Cursor returns a stage's cursor.
func (s *Store) Cursor(_ context.Context, stage string) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cursors[stage], nil
}

// Advance moves a cursor.
func (s *Store) Advance(_ context.Context, stage string, from, to int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.advance(stage, from, to)
}

func (s *Store) advance(stage string, from, to int64) error {
	if s.cursors[stage] != from {
		return fmt.Errorf("%w: cursor %s is at %d, not %d", accord.ErrConflict, stage, s.cursors[stage], from)
	}
	s.cursors[stage] = to
	return nil
}

// Latest returns newest versions.
func (s *Store) Latest(_ context.Context, ids []string) (map[string]accord.Item, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]accord.Item{}
	for _, id := range ids {
		if it, ok := s.items[id]; ok {
			out[id] = it
		}
	}
	return out, nil
}

// Protect commits.
func (s *Store) Protect(_ context.Context, p accord.Protecting) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.advance(p.Stage, p.From, p.To); err != nil {
		return err
	}
	s.Commits++
	touched := map[accord.Observable]string{} // value → zone before
	touch := func(o accord.Observable) {
		if _, seen := touched[o]; !seen {
			touched[o] = s.where[o]
		}
	}
	old := map[accord.Observable]map[string]accord.Protection{}
	for o, by := range s.prot {
		for id, q := range by {
			if p.Expired > 0 && q.Expires <= p.Expired || slices.Contains(p.Drop, o) || slices.Contains(p.Remove, id) {
				touch(o)
				if old[o] == nil {
					old[o] = map[string]accord.Protection{}
				}
				old[o][id] = q
				delete(by, id)
			}
		}
	}
	for _, q := range p.Add {
		s.addOne(q, old, touch)
	}
	for _, o := range p.Move {
		if s.where[o] == "hot" && len(s.prot[o]) > 0 {
			touch(o)
			s.where[o] = "base"
		}
	}
	s.settle(touched)
	return nil
}

func (s *Store) addOne(q accord.Protection, old map[accord.Observable]map[string]accord.Protection, touch func(accord.Observable)) {
	o := q.Observable
	touch(o)
	if s.where[o] == "" {
		s.where[o] = q.Zone
	}
	if s.prot[o] == nil {
		s.prot[o] = map[string]accord.Protection{}
	}
	if was, ok := old[o][q.Item.ID]; ok {
		q.Added = was.Added
	} else if was, ok := s.prot[o][q.Item.ID]; ok {
		q.Added = was.Added
	}
	q.Zone = s.where[o]
	s.prot[o][q.Item.ID] = q
}

func (s *Store) settle(touched map[accord.Observable]string) {
	changed := map[string]bool{}
	note := func(zn string, add bool, o accord.Observable) {
		z := s.zones[zn]
		if !changed[zn] {
			changed[zn] = true
			z.serial++
		}
		z.journal = append(z.journal, accord.ZoneChange{Serial: z.serial, Add: add, Observable: o})
		i, found := slices.BinarySearchFunc(z.sorted, o, order)
		switch {
		case add && !found:
			z.sorted = slices.Insert(z.sorted, i, o)
		case !add && found:
			z.sorted = slices.Delete(z.sorted, i, i+1)
		default:
			panic("memstore: journal and zone differ")
		}
	}
	for o, before := range touched {
		after := s.where[o]
		if len(s.prot[o]) == 0 {
			after = ""
			delete(s.prot, o)
			delete(s.where, o)
		}
		if before == after {
			continue
		}
		if before != "" {
			note(before, false, o)
		}
		if after != "" {
			note(after, true, o)
		}
	}
}

func order(a, b accord.Observable) int {
	return cmp.Or(strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.Value, b.Value))
}

// Zone returns a zone's serial and size.
func (s *Store) Zone(_ context.Context, name string) (uint32, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.zones[name].serial, int64(len(s.zones[name].sorted)), nil
}

// ZoneValues returns a page of a zone.
func (s *Store) ZoneValues(_ context.Context, name string, after accord.Observable, limit int) ([]accord.Observable, error) {
	s.mu.Lock()
	z := s.zones[name]
	i, found := slices.BinarySearchFunc(z.sorted, after, order)
	if found {
		i++
	}
	out := slices.Clone(z.sorted[i:min(i+limit, len(z.sorted))])
	s.mu.Unlock()
	if s.Between != nil {
		s.Between()
	}
	return out, nil
}

// ZoneHas says whether a value is in a zone.
func (s *Store) ZoneHas(_ context.Context, name string, o accord.Observable) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, found := slices.BinarySearchFunc(s.zones[name].sorted, o, order)
	return found, nil
}

// ZoneJournal returns journal lines.
func (s *Store) ZoneJournal(_ context.Context, name string, after uint32, limit int) ([]accord.ZoneChange, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	z := s.zones[name]
	if after < z.trimmed || after > z.serial {
		return nil, false, nil
	}
	var out []accord.ZoneChange
	for _, c := range z.journal {
		if c.Serial <= after {
			continue
		}
		if len(out) >= limit && out[len(out)-1].Serial != c.Serial {
			break
		}
		out = append(out, c)
	}
	return out, true, nil
}

// TrimJournal forgets old lines.
func (s *Store) TrimJournal(_ context.Context, name string, keep int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	z := s.zones[name]
	for len(z.journal) > keep {
		z.trimmed = z.journal[0].Serial
		i := slices.IndexFunc(z.journal, func(c accord.ZoneChange) bool { return c.Serial != z.trimmed })
		if i < 0 {
			i = len(z.journal)
		}
		z.journal = z.journal[i:]
	}
	return nil
}

// RaiseSerial begins a zone's journal anew at a newer serial.
func (s *Store) RaiseSerial(_ context.Context, name string, atLeast uint32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	z := s.zones[name]
	if z.serial++; atLeast-z.serial < 1<<31 {
		z.serial = atLeast
	}
	z.journal, z.trimmed = nil, z.serial
	return nil
}

// HotBefore returns values that are no longer new.
func (s *Store) HotBefore(_ context.Context, before accord.Stamp, limit int) ([]accord.Observable, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []accord.Observable
	age := map[accord.Observable]accord.Stamp{}
	for o, by := range s.prot {
		for _, q := range by {
			age[o] = max(age[o], q.Added)
		}
		if s.where[o] == "hot" && age[o] < before {
			out = append(out, o)
		}
	}
	slices.SortFunc(out, func(a, b accord.Observable) int { return cmp.Compare(age[a], age[b]) })
	return out[:min(len(out), limit)], nil
}

// Protection returns what protects a value, by item id.
func (s *Store) Protection(o accord.Observable) map[string]accord.Protection {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]accord.Protection{}
	for id, q := range s.prot[o] {
		q.Zone = s.where[o]
		out[id] = q
	}
	return out
}
