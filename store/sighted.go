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
	"accord/score"
)

// sightedAgain is by how much a sighting must renew an indicator for the stages to
// be told: what it is scored by moves by the day.
const sightedAgain = accord.Stamp(24 * 3600 * 1_000_000)

// mostFuture is how far ahead of the present a sighting may claim to be.
const mostFuture = accord.Stamp(3600 * 1_000_000)

// delta is by how much what is known of an item's sightings changes.
type delta struct{ gain, lose accord.Sighted }

func (d *delta) count(s score.Said, to *accord.Sighted) {
	if s.Negative {
		to.Negative++
		return
	}
	to.Count += s.Count
	to.First, to.Last = earliest(to.First, s.First), max(to.Last, s.Last)
}

func earliest(a, b accord.Stamp) accord.Stamp {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// saying adds what r says of others to about.
func saying(about map[string]*delta, r *row, lose bool) {
	if r == nil || !r.latest {
		return
	}
	s, ok := score.Saying(&r.Item)
	if !ok {
		return
	}
	for _, id := range s.Of {
		d := about[id]
		if d == nil {
			d = &delta{}
			about[id] = d
		}
		if lose {
			d.count(s, &d.lose)
		} else {
			d.count(s, &d.gain)
		}
	}
}

// sight brings what sightings and opinions among the edited items say to the items
// they are about.
func (e *edit) sight(ctx context.Context) error {
	if e.sighted {
		return nil
	}
	about := map[string]*delta{}
	for _, v := range e.all {
		saying(about, v.was, true)
		saying(about, &v.row, false)
	}
	return e.t.sighted(ctx, about, e.at)
}

// sighted applies deltas to the newest versions of these items.
func (t *tx) sighted(ctx context.Context, about map[string]*delta, at accord.Stamp) error {
	maps.DeleteFunc(about, func(_ string, d *delta) bool { return d.gain == d.lose })
	if len(about) == 0 {
		return nil
	}
	e, err := t.load(ctx, slices.Sorted(maps.Keys(about)), at)
	if err != nil {
		return err
	}
	e.sighted = true
	for id, d := range about {
		v := e.newest(id)
		if v == nil || v.erased() {
			continue
		}
		was := v.Sighted
		v.Sighted = moved(was, *d, at)
		if v.Sighted == was {
			continue
		}
		kind := accord.ChangeKind("")
		renewed := v.Sighted.Last-max(was.Last, v.Added, v.ValidFrom) >= sightedAgain
		if v.Type == "indicator" && v.Withdrawn == 0 && (renewed || v.Sighted.Last < was.Last || v.Sighted.Negative != was.Negative) {
			kind = accord.ChangeItem // its end moves
		}
		e.touch(v, kind)
	}
	return e.finish(ctx)
}

// moved is what is known of sightings after d. What was lost takes its count along,
// and its instants once nothing is left: until then they are the newest known.
func moved(s accord.Sighted, d delta, at accord.Stamp) accord.Sighted {
	s.Count = max(0, s.Count+d.gain.Count-d.lose.Count)
	s.Negative = max(0, s.Negative+d.gain.Negative-d.lose.Negative)
	s.First = earliest(s.First, d.gain.First)
	s.Last = max(s.Last, min(d.gain.Last, at+mostFuture))
	if s.Count == 0 {
		s.First, s.Last = 0, 0
	}
	return s
}

// matched brings matches to what is known of their indicators.
func (t *tx) matched(ctx context.Context, ms map[string]*folded, at accord.Stamp) error {
	about := map[string]*delta{}
	for _, f := range ms {
		if f.grown <= 0 {
			continue
		}
		d := about[f.Indicator.ID]
		if d == nil {
			d = &delta{}
			about[f.Indicator.ID] = d
		}
		d.count(score.Said{Count: f.grown, First: f.First, Last: f.Last}, &d.gain)
	}
	return t.sighted(ctx, about, at)
}

const (
	sightingsListed = 200
	sightingsRead   = 2000
	sightingsAtOnce = 64 // with their bytes, which may be many
)

// Sightings returns who saw an item, and who says that it is a false positive: the
// newest of each, and what is known of all.
func (d *DB) Sightings(ctx context.Context, id string) (out accord.Sightings, err error) {
	it, err := d.Item(ctx, id)
	if err != nil {
		return out, fmt.Errorf("sightings: %w", err)
	}
	out.Sighted = it.Sighted
	matches, next, err := d.Matches(ctx, accord.MatchQuery{Indicator: id, Limit: sightingsListed})
	if err != nil {
		return out, fmt.Errorf("sightings: %w", err)
	}
	out.More = next != ""
	for _, m := range matches {
		out.By = append(out.By, accord.Sighting{Kind: "match", By: m.Sensor, Match: m.ID, First: m.First, Last: m.Last, Count: m.Count})
	}
	said, more, err := d.said(ctx, id)
	if err != nil {
		return out, fmt.Errorf("sightings: %w", err)
	}
	out.By, out.More = append(out.By, said...), out.More || more
	slices.SortFunc(out.By, func(a, b accord.Sighting) int {
		return cmp.Or(cmp.Compare(b.Last, a.Last), cmp.Compare(a.Match, b.Match), cmp.Compare(a.Item.ID, b.Item.ID))
	})
	if len(out.By) > sightingsListed {
		out.By, out.More = out.By[:sightingsListed], true
	}
	return out, nil
}

// said are the sightings and opinions among what refers to id.
func (d *DB) said(ctx context.Context, id string) (out []accord.Sighting, more bool, err error) {
	n := 0
	var ns []int64
	rows, err := d.query(ctx, "SELECT item FROM ref WHERE target = $1 ORDER BY item DESC LIMIT $2", id, sightingsRead)
	if err == nil {
		err = all(rows, func(r *sql.Rows) error {
			var x int64
			n++
			err := r.Scan(&x)
			ns = append(ns, x)
			return err
		})
	}
	if err != nil {
		return nil, false, err
	}
	for part := range slices.Chunk(ns, sightingsAtOnce) {
		found, err := rowsBy(ctx, d, true, "n", " AND type IN ('sighting', 'opinion')", part)
		if err != nil {
			return nil, false, err
		}
		for i := range found {
			s, ok := score.Saying(&found[i].Item)
			if !ok || !slices.Contains(s.Of, id) {
				continue
			}
			by := found[i].Origin.Party
			if by == "" {
				by = found[i].Source
			}
			x := accord.Sighting{Kind: found[i].Type, By: by, Item: found[i].ItemKey, Negative: s.Negative, First: s.First, Last: s.Last, Count: s.Count}
			out = append(out, x)
		}
	}
	return out, n == sightingsRead, nil
}
