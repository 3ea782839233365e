// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"

	"accord"
)

// The zones. A value is in at most one of hot and base; allow stands apart.
const (
	zoneHot   = "hot"
	zoneBase  = "base"
	zoneAllow = "allow"
)

// expireAtOnce is how many protections one transaction lets expire.
const expireAtOnce = 50000

// spot is a value as the tables hold it.
type spot struct{ kind, value string }

func spotOf(o accord.Observable) spot { return spot{string(o.Kind), indexed(o.Value)} }

// holding is one protection of a value: an item's.
type holding struct {
	accord.Protection
	n      int64
	stored string // zone it is stored in; "" when new
	gone   bool
	grown  bool // its terms changed
}

// shielding is a Protect in memory: every protection of every value it touches.
type shielding struct {
	t     *tx
	spots map[spot][]*holding
	was   map[spot]map[string]bool // zones that held the value before
}

// Protect commits what the protect stage decided. In this order: protections of
// items in Remove, of values in Drop and expired ones end; those in Add begin or,
// when the item protects the value already, take the new terms and keep their
// beginning; values in Move that are hot become base. A value that is protected
// when the call begins stays in its zone. Every zone whose set
// of distinct values changed gets its serial + 1 and the difference in its
// journal. At most 50,000 protections expire in one call, the oldest first.
func (d *DB) Protect(ctx context.Context, p accord.Protecting) error {
	return d.write(ctx, "protect", func(t *tx) error {
		if err := t.advance(ctx, p.Stage, p.From, p.To); err != nil {
			return err
		}
		s := &shielding{t: t, spots: map[spot][]*holding{}, was: map[spot]map[string]bool{}}
		if err := s.load(ctx, p); err != nil {
			return err
		}
		s.end(p)
		if err := s.add(ctx, p); err != nil {
			return err
		}
		s.move(p.Move)
		if err := s.write(ctx); err != nil {
			return err
		}
		return s.publish(ctx)
	})
}

// load finds every value concerned, and all that protects it.
func (s *shielding) load(ctx context.Context, p accord.Protecting) error {
	want := map[spot]bool{}
	note := func(r *sql.Rows) error {
		var at spot
		err := r.Scan(&at.kind, &at.value)
		want[at] = true
		return err
	}
	if err := each(ctx, s.t, "SELECT kind, value FROM protection WHERE item IN ", "", nil, p.Remove, note); err != nil {
		return err
	}
	if p.Expired > 0 {
		rows, err := s.t.query(ctx, "SELECT kind, value FROM protection WHERE expires > 0 AND expires <= $1 ORDER BY expires LIMIT $2",
			int64(p.Expired), expireAtOnce)
		if err == nil {
			err = all(rows, note)
		}
		if err != nil {
			return err
		}
	}
	for _, o := range slices.Concat(p.Move, p.Drop) {
		want[spotOf(o)] = true
	}
	for _, x := range p.Add {
		want[spotOf(x.Observable)] = true
	}
	byKind := map[string][]string{}
	for at := range want {
		byKind[at.kind] = append(byKind[at.kind], at.value)
		s.spots[at], s.was[at] = nil, map[string]bool{}
	}
	for _, kind := range slices.Sorted(maps.Keys(byKind)) {
		slices.Sort(byKind[kind])
		for _, zone := range []string{zoneAllow, zoneBase, zoneHot} {
			if err := s.loadZone(ctx, zone, kind, byKind[kind]); err != nil {
				return err
			}
		}
	}
	return nil
}

const protectionColumns = "zone, kind, value, item, version, long, source, added, expires, n"

func scanProtection(r *sql.Rows) (p accord.Protection, n int64, err error) {
	var long string
	err = r.Scan(&p.Zone, &p.Kind, &p.Value, &p.Item.ID, &p.Item.Version, &long, &p.Source, &p.Added, &p.Expires, &n)
	if long != "" {
		p.Value = long
	}
	return p, n, err
}

func (s *shielding) loadZone(ctx context.Context, zone, kind string, values []string) error {
	return each(ctx, s.t, "SELECT "+protectionColumns+" FROM protection WHERE zone = $1 AND kind = $2 AND value IN ", "",
		[]any{zone, kind}, values, func(r *sql.Rows) error {
			p, n, err := scanProtection(r)
			at := spotOf(p.Observable)
			s.spots[at] = append(s.spots[at], &holding{Protection: p, n: n, stored: p.Zone})
			s.was[at][p.Zone] = true
			return err
		})
}

func (s *shielding) end(p accord.Protecting) {
	removed := map[string]bool{}
	for _, id := range p.Remove {
		removed[id] = true
	}
	for _, o := range p.Drop {
		for _, h := range s.spots[spotOf(o)] {
			h.gone = true
		}
	}
	for _, hs := range s.spots {
		for _, h := range hs {
			h.gone = h.gone || removed[h.Item.ID] || p.Expired > 0 && h.Expires > 0 && h.Expires <= p.Expired
		}
	}
}

func (s *shielding) move(values []accord.Observable) {
	for _, o := range values {
		for _, h := range s.spots[spotOf(o)] {
			if h.Zone == zoneHot {
				h.Zone = zoneBase
			}
		}
	}
}

func (s *shielding) add(ctx context.Context, p accord.Protecting) error {
	for _, x := range p.Add {
		at := spotOf(x.Observable)
		x.Zone = s.place(at, x.Zone)
		i := slices.IndexFunc(s.spots[at], func(h *holding) bool { return h.Zone == x.Zone && h.Item.ID == x.Item.ID })
		if i >= 0 {
			h := s.spots[at][i]
			h.gone, h.grown = false, true
			h.Item, h.Expires, h.Source = x.Item, x.Expires, x.Source
			continue
		}
		n, err := s.t.next(ctx, "protection")
		if err != nil {
			return err
		}
		s.spots[at] = append(s.spots[at], &holding{Protection: x, n: n})
	}
	return nil
}

// place returns the zone a new protection of the value goes to: the one it is
// in, or was in when this transaction began, before the one asked for.
func (s *shielding) place(at spot, asked string) string {
	if asked == zoneAllow {
		return asked
	}
	for _, h := range s.spots[at] {
		if h.Zone != zoneAllow {
			return h.Zone
		}
	}
	return asked
}

var insertProtection = bulk{head: "INSERT INTO protection (" + protectionColumns + ") VALUES ", columns: 10}

// write stores the differences of single protections.
func (s *shielding) write(ctx context.Context) error {
	var args []any
	for _, at := range slices.SortedFunc(maps.Keys(s.spots), compareSpots) {
		for _, h := range s.spots[at] {
			var err error
			switch {
			case h.gone && h.stored != "":
				_, err = s.t.exec(ctx, "DELETE FROM protection WHERE zone = $1 AND kind = $2 AND value = $3 AND item = $4",
					h.stored, at.kind, at.value, h.Item.ID)
			case h.gone:
			case h.stored == "":
				args = append(args, h.Zone, at.kind, at.value, h.Item.ID, int64(h.Item.Version), long(h.Value), h.Source,
					int64(h.Added), int64(h.Expires), h.n)
			case h.grown || h.Zone != h.stored:
				_, err = s.t.exec(ctx, "UPDATE protection SET zone = $5, version = $6, source = $7, added = $8, expires = $9 "+
					"WHERE zone = $1 AND kind = $2 AND value = $3 AND item = $4",
					h.stored, at.kind, at.value, h.Item.ID, h.Zone, int64(h.Item.Version), h.Source, int64(h.Added), int64(h.Expires))
			}
			if err != nil {
				return err
			}
		}
	}
	return s.t.insert(ctx, insertProtection, args)
}

func compareSpots(a, b spot) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.value, b.value))
}

var insertJournal = bulk{head: "INSERT INTO journal (zone, serial, kind, value, long, adds) VALUES ", columns: 6}

// publish gives each zone whose distinct values changed a new serial, and writes
// the difference to its journal.
func (s *shielding) publish(ctx context.Context) error {
	lines := map[string][]any{} // by zone, without zone and serial
	entries := map[string]int64{}
	for _, at := range slices.SortedFunc(maps.Keys(s.spots), compareSpots) {
		now, whole := map[string]bool{}, ""
		zones := maps.Clone(s.was[at])
		for _, h := range s.spots[at] {
			whole = long(h.Value)
			if !h.gone {
				now[h.Zone], zones[h.Zone] = true, true
			}
		}
		for zone := range zones {
			if now[zone] == s.was[at][zone] {
				continue
			}
			lines[zone] = append(lines[zone], at.kind, at.value, whole, number(now[zone]))
			entries[zone] += 2*number(now[zone]) - 1
		}
	}
	for _, zone := range slices.Sorted(maps.Keys(lines)) {
		if err := s.t.publish(ctx, zone, entries[zone], lines[zone]); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) publish(ctx context.Context, zone string, grown int64, lines []any) error {
	z, err := zoneOf(ctx, t, zone)
	if err != nil {
		return err
	}
	z.serial++
	_, err = t.exec(ctx, "INSERT INTO zone (name, serial, entries, since) VALUES ($1, $2, $3, $4) "+
		"ON CONFLICT (name) DO UPDATE SET serial = excluded.serial, entries = excluded.entries",
		zone, int64(z.serial), z.entries+grown, int64(z.since))
	if err != nil {
		return fmt.Errorf("zone %s: %w", zone, err)
	}
	var args []any
	for line := range slices.Chunk(lines, 4) {
		args = append(append(args, zone, int64(z.serial)), line...)
	}
	return t.insert(ctx, insertJournal, args)
}
