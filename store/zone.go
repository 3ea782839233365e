// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"

	"accord"
)

// zoneRow is a zone's line: its serial, its distinct values, and the serial
// after which its journal is whole.
type zoneRow struct {
	serial  uint32
	entries int64
	since   uint32
}

func zoneOf(ctx context.Context, q querier, zone string) (z zoneRow, err error) {
	rows, err := q.query(ctx, "SELECT serial, entries, since FROM zone WHERE name = $1", zone)
	if err == nil {
		err = all(rows, func(r *sql.Rows) error { return r.Scan(&z.serial, &z.entries, &z.since) })
	}
	if err != nil {
		return z, fmt.Errorf("zone %s: %w", zone, err)
	}
	return z, nil
}

// Zone returns a zone's serial, 0 before its first change, and how many distinct
// values it has.
func (d *DB) Zone(ctx context.Context, zone string) (serial uint32, values int64, err error) {
	z, err := zoneOf(ctx, d, zone)
	return z.serial, z.entries, err
}

// ZoneHas reports whether a value is in a zone.
func (d *DB) ZoneHas(ctx context.Context, zone string, o accord.Observable) (has bool, err error) {
	at := spotOf(o)
	rows, err := d.query(ctx, "SELECT 1 FROM protection WHERE zone = $1 AND kind = $2 AND value = $3 LIMIT 1", zone, at.kind, at.value)
	if err == nil {
		err = all(rows, func(*sql.Rows) error { has = true; return nil })
	}
	if err != nil {
		return false, fmt.Errorf("zone %s: %w", zone, err)
	}
	return has, nil
}

// ZoneValues returns up to limit distinct values of a zone after the value after
// (the zero value: from the first), by kind and value.
func (d *DB) ZoneValues(ctx context.Context, zone string, after accord.Observable, limit int) ([]accord.Observable, error) {
	at := spotOf(after)
	return d.observables(ctx, "values of zone "+zone, "SELECT kind, value, max(long) FROM protection "+
		"WHERE zone = $1 AND (kind, value) > ($2, $3) GROUP BY kind, value ORDER BY kind, value LIMIT $4", zone, at.kind, at.value, limit)
}

// HotBefore returns up to limit values of the hot zone whose newest protection
// was added before before, the oldest first.
func (d *DB) HotBefore(ctx context.Context, before accord.Stamp, limit int) ([]accord.Observable, error) {
	found, err := d.observables(ctx, "hot before", "SELECT p.kind, p.value, p.long FROM protection p "+
		"WHERE p.zone = 'hot' AND p.added < $1 AND NOT EXISTS (SELECT 1 FROM protection q WHERE q.zone = 'hot' AND q.kind = p.kind "+
		"AND q.value = p.value AND q.added >= $1) ORDER BY p.added LIMIT $2", int64(before), limit)
	seen := make(map[accord.Observable]bool, len(found))
	return slices.DeleteFunc(found, func(o accord.Observable) bool {
		twice := seen[o] // two items protect it
		seen[o] = true
		return twice
	}), err
}

func (d *DB) observables(ctx context.Context, what, query string, args ...any) (out []accord.Observable, err error) {
	rows, err := d.query(ctx, query, args...)
	if err == nil {
		err = all(rows, func(r *sql.Rows) error {
			var o accord.Observable
			var long string
			err := r.Scan(&o.Kind, &o.Value, &long)
			if long != "" {
				o.Value = long
			}
			out = append(out, o)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return out, nil
}

// ZoneJournal returns what changed in a zone after serial after: whole serials,
// in order, until there are limit lines or more. So it is read on from the last
// serial it returned, until it returns none. complete is false when it cannot be
// told, because after is older than the journal or newer than the zone; then the
// zone has to be taken in one piece.
func (d *DB) ZoneJournal(ctx context.Context, zone string, after uint32, limit int) (out []accord.ZoneChange, complete bool, err error) {
	z, err := zoneOf(ctx, d, zone)
	if err != nil {
		return nil, false, err
	}
	if after < z.since || after > z.serial {
		return nil, false, nil
	}
	const head = "SELECT serial, kind, value, long, adds FROM journal WHERE zone = $1 AND "
	out, err = d.journal(ctx, head+"serial > $2 ORDER BY serial, kind, value LIMIT $3", zone, int64(after), limit)
	if n := len(out); err == nil && n == limit && n > 0 {
		last, at := out[n-1].Serial, spotOf(out[n-1].Observable)
		var rest []accord.ZoneChange
		rest, err = d.journal(ctx, head+"serial = $2 AND (kind, value) > ($3, $4) ORDER BY kind, value", zone, int64(last), at.kind, at.value)
		out = append(out, rest...)
	}
	if err != nil {
		return nil, false, fmt.Errorf("journal of %s: %w", zone, err)
	}
	return out, true, nil
}

func (d *DB) journal(ctx context.Context, query string, args ...any) (out []accord.ZoneChange, err error) {
	rows, err := d.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	err = all(rows, func(r *sql.Rows) error {
		var c accord.ZoneChange
		var long string
		err := r.Scan(&c.Serial, &c.Kind, &c.Value, &long, &c.Add)
		if long != "" {
			c.Value = long
		}
		out = append(out, c)
		return err
	})
	return out, err
}

// TrimJournal removes the oldest serials of a zone's journal so that at most keep
// lines are left.
func (d *DB) TrimJournal(ctx context.Context, zone string, keep int) error {
	return d.write(ctx, "trim journal of "+zone, func(t *tx) error {
		rows, err := t.query(ctx, "SELECT serial FROM journal WHERE zone = $1 ORDER BY serial DESC LIMIT 1 OFFSET $2", zone, keep)
		if err != nil {
			return err
		}
		upto := int64(-1)
		if err := all(rows, func(r *sql.Rows) error { return r.Scan(&upto) }); err != nil || upto < 0 {
			return err
		}
		if _, err := t.exec(ctx, "DELETE FROM journal WHERE zone = $1 AND serial <= $2", zone, upto); err != nil {
			return err
		}
		_, err = t.exec(ctx, "UPDATE zone SET since = $2 WHERE name = $1", zone, upto)
		return err
	})
}

// RaiseSerial gives a zone a serial that is newer than the one it has (RFC 1982):
// atLeast, else the next. Its journal begins anew there, so that who holds any
// other serial takes the whole zone. It is for a store that may have been put back
// to an older state: the serials after that one are known to resolvers, with
// other contents.
func (d *DB) RaiseSerial(ctx context.Context, zone string, atLeast uint32) error {
	return d.write(ctx, "raise serial of "+zone, func(t *tx) error {
		z, err := zoneOf(ctx, t, zone)
		if err != nil {
			return err
		}
		next := z.serial + 1
		// A zone without a serial has nobody who holds one: any will do.
		if ahead := atLeast - z.serial; z.serial == 0 || ahead > 0 && ahead < 1<<31 {
			next = atLeast
		}
		next = max(next, 1) // 0 is "no change yet"
		if _, err := t.exec(ctx, "DELETE FROM journal WHERE zone = $1", zone); err != nil {
			return err
		}
		_, err = t.exec(ctx, "INSERT INTO zone (name, serial, entries, since) VALUES ($1, $2, $3, $2) "+
			"ON CONFLICT (name) DO UPDATE SET serial = excluded.serial, since = excluded.since", zone, int64(next), z.entries)
		return err
	})
}

// place is where a page of protections ended: by number, or by value when a
// text was looked for.
type place struct {
	N     int64  `json:"n,omitempty"`
	Zone  string `json:"z,omitempty"`
	Kind  string `json:"k,omitempty"`
	Value string `json:"v,omitempty"`
	Item  string `json:"i,omitempty"`
}

// Protections returns a page of protections and the cursor of the next one, empty
// at the end: newest first, or by zone, kind and value when q.Text is a value or
// the beginning of one.
func (d *DB) Protections(ctx context.Context, q accord.ProtectionQuery) (out []accord.Protection, next string, err error) {
	after := place{N: 1<<63 - 1}
	if q.After != "" {
		b, err := base64.RawURLEncoding.DecodeString(q.After)
		if err != nil || json.Unmarshal(b, &after) != nil {
			return nil, "", fmt.Errorf("protections: %w: cursor %q", accord.ErrInvalid, q.After)
		}
	}
	limit := pageSize(q.Limit)
	var found []placed
	if q.Text != "" {
		found, err = d.protectionsByText(ctx, q, after, limit)
	} else {
		found, err = d.protectionsByAge(ctx, q, after.N, limit)
	}
	if err != nil {
		return nil, "", fmt.Errorf("protections: %w", err)
	}
	for _, f := range found {
		out = append(out, f.Protection)
	}
	if len(found) == limit {
		f := found[limit-1]
		end := place{N: f.n}
		if q.Text != "" {
			end = place{Zone: f.Zone, Kind: string(f.Kind), Value: indexed(f.Value), Item: f.Item.ID}
		}
		b, err := json.Marshal(end)
		if err != nil {
			return nil, "", fmt.Errorf("protections: %w", err)
		}
		next = base64.RawURLEncoding.EncodeToString(b)
	}
	return out, next, nil
}

type placed struct {
	accord.Protection
	n int64
}

func (d *DB) placed(ctx context.Context, query string, args ...any) (out []placed, err error) {
	rows, err := d.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	err = all(rows, func(r *sql.Rows) error {
		p, n, err := scanProtection(r)
		out = append(out, placed{p, n})
		return err
	})
	return out, err
}

func zonesOf(q accord.ProtectionQuery) []string {
	if q.Zone != "" {
		return []string{q.Zone}
	}
	return []string{zoneAllow, zoneBase, zoneHot}
}

func (d *DB) protectionsByAge(ctx context.Context, q accord.ProtectionQuery, below int64, limit int) (out []placed, err error) {
	const head, tail = "SELECT " + protectionColumns + " FROM protection WHERE ", " ORDER BY n DESC LIMIT "
	if q.Item != "" {
		zone, args := "", []any{q.Item, below, limit}
		if q.Zone != "" {
			zone, args = " AND zone = $4", append(args, q.Zone)
		}
		return d.placed(ctx, head+"item = $1 AND n < $2"+zone+tail+"$3", args...)
	}
	for _, zone := range zonesOf(q) {
		found, err := d.placed(ctx, head+"zone = $1 AND n < $2"+tail+"$3", zone, below, limit)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	slices.SortFunc(out, func(a, b placed) int { return int(b.n - a.n) })
	return out[:min(limit, len(out))], nil
}

// kinds are the kinds a protection can have, in order.
var kinds = []accord.Kind{
	accord.KindAddrPort, accord.KindCIDR, accord.KindDomain, accord.KindEmail, accord.KindIPv4, accord.KindIPv6,
	accord.KindMD5, accord.KindSHA1, accord.KindSHA256, accord.KindSHA512, accord.KindURL,
}

// protectionsByText walks the key of the table once for each zone and kind.
func (d *DB) protectionsByText(ctx context.Context, q accord.ProtectionQuery, after place, limit int) (out []placed, err error) {
	prefix := indexed(q.Text)
	for _, zone := range zonesOf(q) {
		for _, kind := range kinds {
			from := place{Zone: zone, Kind: string(kind), Value: prefix}
			switch {
			case after.Zone == "":
			case zone < after.Zone || zone == after.Zone && string(kind) < after.Kind:
				continue
			case zone == after.Zone && string(kind) == after.Kind:
				from = after
			}
			for len(out) < limit {
				found, err := d.placed(ctx, "SELECT "+protectionColumns+" FROM protection WHERE zone = $1 AND kind = $2 "+
					"AND (value, item) > ($3, $4) AND value < $5 ORDER BY value, item LIMIT $6",
					zone, string(kind), from.Value, from.Item, prefix+"\U0010FFFF", limit)
				if err != nil {
					return nil, err
				}
				for _, f := range found {
					from.Value, from.Item = indexed(f.Value), f.Item.ID
					if len(out) < limit && (q.Item == "" || q.Item == f.Item.ID) {
						out = append(out, f)
					}
				}
				if len(found) < limit {
					break
				}
			}
		}
	}
	return out, nil
}
