// SPDX-License-Identifier: Apache-2.0

package knowledge

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"accord"
)

// Store is where a Keeper learns.
type Store interface {
	LastSeq(ctx context.Context) (int64, error)
	Changes(ctx context.Context, after int64, limit int) ([]accord.Change, error)
	Latest(ctx context.Context, ids []string) (map[string]accord.Item, error)
	// ItemsOfType returns up to limit items of a type with bytes, in their newest
	// version, in order of their place in the feed, after place after.
	ItemsOfType(ctx context.Context, typ string, after int64, limit int) ([]accord.Item, error)
	// Referring calls fn with every item, in its newest version and with bytes,
	// that refers to one of these ids.
	Referring(ctx context.Context, ids []string, fn func(accord.Item) error) error
	// MatchesOf counts the matches of these indicators.
	MatchesOf(ctx context.Context, indicators []string) (map[string]int64, error)
}

// Keeper keeps a base current with a store. Make it with NewKeeper.
type Keeper struct {
	store   Store
	every   time.Duration
	failing func(error)
	known   *known
	now     atomic.Pointer[Base]
}

// NewKeeper returns a keeper that looks for changes at every interval, 2 s when
// 0. failing is told the first error of a row, and nil once it is over; it may
// be nil itself. The base is empty until Run has loaded it.
func NewKeeper(store Store, every time.Duration, failing func(error)) *Keeper {
	if every <= 0 {
		every = 2 * time.Second
	}
	if failing == nil {
		failing = func(error) {}
	}
	k := &Keeper{store: store, every: every, failing: failing}
	k.now.Store(&Base{Loading: true})
	return k
}

// Base returns the present base.
func (k *Keeper) Base() *Base { return k.now.Load() }

// Run keeps the base current until ctx ends, then returns nil. While the store
// fails the base stays as it was.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(k.every)
	defer tick.Stop()
	failed := false
	for {
		err := k.Update(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if (err != nil) != failed {
			k.failing(err)
		}
		failed = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// page is how many changes or items are read at once.
const page = 500

// Update brings in what has changed: all of it the first time. It must not run
// beside Run or itself.
func (k *Keeper) Update(ctx context.Context) error {
	if k.known == nil {
		fresh, err := load(ctx, k.store)
		if err != nil {
			return fmt.Errorf("load ATT&CK: %w", err)
		}
		k.known = fresh
		k.now.Store(fresh.base())
		return nil
	}
	changed, err := k.follow(ctx)
	if err != nil {
		k.known = nil // half of a batch may be in: begin anew
		return fmt.Errorf("follow ATT&CK: %w", err)
	}
	if changed {
		k.now.Store(k.known.base())
	}
	return nil
}

func load(ctx context.Context, s Store) (*known, error) {
	k := newKnown()
	var err error
	if k.seq, err = s.LastSeq(ctx); err != nil {
		return nil, err
	}
	for _, typ := range append(slices.Sorted(maps.Keys(of)), "x-mitre-matrix") {
		for after := int64(0); ; {
			items, err := s.ItemsOfType(ctx, typ, after, page)
			if err != nil {
				return nil, err
			}
			for i := range items {
				k.learn(&items[i])
				after = items[i].Seq
			}
			if len(items) < page {
				break
			}
		}
	}
	if err := k.referring(ctx, s, slices.Sorted(maps.Keys(k.entities))); err != nil {
		return nil, err
	}
	ends := slices.Sorted(maps.Keys(k.others))
	if err := k.seeOthers(ctx, s, ends); err != nil {
		return nil, err
	}
	return k, k.seeMatches(ctx, s, ends)
}

func (k *known) referring(ctx context.Context, s Store, ids []string) error {
	return s.Referring(ctx, ids, func(it accord.Item) error {
		k.refer(&it)
		return ctx.Err()
	})
}

func (k *known) seeOthers(ctx context.Context, s Store, ids []string) error {
	for part := range slices.Chunk(ids, page) {
		items, err := s.Latest(ctx, part)
		if err != nil {
			return err
		}
		for _, id := range part {
			it, held := items[id]
			if o := k.others[id]; o != nil && held {
				o.see(&it)
			} else if o != nil {
				o.live = false
			}
		}
	}
	return nil
}

func (k *known) seeMatches(ctx context.Context, s Store, ids []string) error {
	ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !strings.HasPrefix(id, "indicator--") })
	n, err := s.MatchesOf(ctx, ids)
	for _, id := range ids {
		if o := k.others[id]; o != nil && err == nil {
			o.matches = n[id]
		}
	}
	return err
}

// follow brings in what has changed since, and reports whether the base has.
func (k *Keeper) follow(ctx context.Context) (changed bool, err error) {
	for {
		list, err := k.store.Changes(ctx, k.known.seq, 4*page)
		if err != nil || len(list) == 0 {
			return changed, err
		}
		c, err := k.known.apply(ctx, k.store, list)
		if err != nil {
			return changed, err
		}
		changed = changed || c
		k.known.seq = list[len(list)-1].Seq
	}
}

// bearers are the types, relationships apart, that may refer to anything.
var bearers = []string{"relationship", "report", "grouping", "note", "opinion", "sighting", "observed-data", "incident", "malware-analysis"}

// apply takes in what these changes are about.
func (k *known) apply(ctx context.Context, s Store, list []accord.Change) (changed bool, err error) {
	var items, ends, matched []string
	for _, c := range list {
		typ, _, _ := strings.Cut(c.Key.ID, "--")
		switch {
		case c.Kind == accord.ChangeMatch:
			if k.others[c.Key.ID] != nil {
				matched = append(matched, c.Key.ID)
			}
			continue
		case of[typ].kind != "" || typ == "x-mitre-matrix" || slices.Contains(bearers, typ):
			items = append(items, c.Key.ID)
		}
		if k.others[c.Key.ID] != nil {
			ends = append(ends, c.Key.ID)
		}
	}
	before := len(k.others)
	if changed, err = k.applyItems(ctx, s, items); err != nil {
		return changed, err
	}
	if len(k.others) > before {
		for id, o := range k.others {
			if !o.live && o.added == 0 {
				ends, matched = append(ends, id), append(matched, id)
			}
		}
	}
	if err := k.seeOthers(ctx, s, ends); err != nil {
		return changed, err
	}
	return changed || len(ends)+len(matched) > 0, k.seeMatches(ctx, s, matched)
}

func (k *known) applyItems(ctx context.Context, s Store, ids []string) (changed bool, err error) {
	slices.Sort(ids)
	var fresh []string
	for part := range slices.Chunk(slices.Compact(ids), page) {
		items, err := s.Latest(ctx, part)
		if err != nil {
			return changed, err
		}
		for _, it := range items {
			c, f := k.learn(&it)
			changed = changed || c
			if f {
				fresh = append(fresh, it.ID)
			}
		}
		for _, it := range items {
			changed = k.refer(&it) || changed
		}
	}
	if len(fresh) > 0 {
		return true, k.referring(ctx, s, fresh)
	}
	return changed, nil
}
