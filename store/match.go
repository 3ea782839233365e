// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"accord"
)

// SoughtSince returns up to limit indicators that changed after seq after, in
// order of seq, each with the values to look for now: none when it is withdrawn,
// revoked, or cannot be matched by one value alone. From 0, the first load,
// withdrawn and revoked ones are left out.
func (d *DB) SoughtSince(ctx context.Context, after int64, limit int) ([]accord.SoughtChange, error) {
	live := ""
	if after == 0 {
		live = " AND withdrawn = 0 AND revoked = 0"
	}
	rows, err := d.query(ctx, "SELECT id, version, seq, withdrawn, held, name, valid_from, valid_until, revoked, tlp, atomic, origin, facts, confidence, added, source, local "+
		"FROM item WHERE type = 'indicator' AND seq > $1 AND latest = 1"+live+" ORDER BY seq LIMIT $2", after, limit)
	if err != nil {
		return nil, fmt.Errorf("sought: %w", err)
	}
	var out []accord.SoughtChange
	err = all(rows, func(r *sql.Rows) error {
		it, err := scanSought(r)
		out = append(out, accord.SoughtChange{Seq: it.Seq, ID: it.ID, Sought: d.soughtOf(&it)})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sought: %w", err)
	}
	return out, nil
}

// scanSought reads of an indicator what an index is made of.
func scanSought(r *sql.Rows) (it accord.Item, err error) {
	var origin, fact, added string
	err = r.Scan(&it.ID, &it.Version, &it.Seq, &it.Withdrawn, &it.Held, &it.Name, &it.ValidFrom, &it.ValidUntil, &it.Revoked, &it.TLP, &it.Atomic,
		&origin, &fact, &it.Confidence, &it.Added, &it.Source, &added)
	if err != nil {
		return it, err
	}
	it.Type = "indicator"
	if added != "" {
		x := row{Item: it}
		if err := x.setLocal(added); err != nil {
			return it, fmt.Errorf("what is known of %s: %w", it.ID, err)
		}
		it = x.Item
	}
	var f facts
	if err := json.Unmarshal([]byte(fact), &f); err != nil {
		return it, fmt.Errorf("facts of %s: %w", it.ID, err)
	}
	f.into(&it)
	if it.Origin, err = originOf(origin); err != nil {
		return it, fmt.Errorf("origin of %s: %w", it.ID, err)
	}
	return it, nil
}

// soughtOf is what to look for because of it: nothing once its score is below its
// model's threshold from the start, and until it will be else.
func (d *DB) soughtOf(it *accord.Item) []accord.Sought {
	if it.Withdrawn != 0 || it.Revoked || !it.Atomic || it.False != "" {
		return nil
	}
	until := it.ValidUntil
	if ends := d.models.Ends(it); ends != 0 && (until == 0 || ends < until) {
		until = ends
	}
	out := make([]accord.Sought, 0, len(it.Observables))
	for _, o := range it.Observables {
		out = append(out, accord.Sought{
			Observable: o, Indicator: it.ItemKey, Name: it.Name, TLP: it.TLP, Origin: it.Origin,
			ValidFrom: it.ValidFrom, ValidUntil: until, Held: it.Held,
		})
	}
	return out
}

var insertSighting = bulk{
	head: "INSERT INTO sighting (n, id, indicator, value, first, last, times, doc) VALUES ", columns: 8,
}

// folded is a match as it is stored, while matches are added to it.
type folded struct {
	accord.Match
	stored bool
	grown  int64
}

// AddMatches stores matches and returns how many are new. One that is there
// already is folded into it: the counts add up, the interval grows.
func (d *DB) AddMatches(ctx context.Context, ms []accord.Match, at accord.Stamp) (added int, err error) {
	if len(ms) == 0 {
		return 0, nil
	}
	err = d.write(ctx, "add matches", func(t *tx) (err error) {
		added, err = t.addMatches(ctx, ms, at)
		return err
	})
	return added, err
}

// appliedFor is how long a batch's id is remembered.
const appliedFor = accord.Stamp(30 * 24 * 3600 * 1_000_000)

// AddMatchBatch is AddMatches for a batch that may come twice: the second time
// nothing is added. An id has at most 200 bytes.
func (d *DB) AddMatchBatch(ctx context.Context, batch string, ms []accord.Match, at accord.Stamp) (added int, err error) {
	if batch == "" || len(batch) > 200 {
		return 0, fmt.Errorf("add matches: %w: batch id of %d bytes", accord.ErrInvalid, len(batch))
	}
	err = d.write(ctx, "add matches", func(t *tx) error {
		added = 0
		if _, err := t.exec(ctx, "DELETE FROM applied WHERE at < $1", int64(at-appliedFor)); err != nil {
			return err
		}
		n, err := t.exec(ctx, "INSERT INTO applied (batch, at) VALUES ($1, $2) ON CONFLICT (batch) DO NOTHING", batch, int64(at))
		if err != nil || n == 0 || len(ms) == 0 {
			return err
		}
		added, err = t.addMatches(ctx, ms, at)
		return err
	})
	return added, err
}

// addMatches folds matches into those that are there and returns how many are
// new.
func (t *tx) addMatches(ctx context.Context, ms []accord.Match, at accord.Stamp) (added int, err error) {
	ids := make([]string, len(ms))
	for i, m := range ms {
		ids[i] = m.ID
	}
	byID := map[string]*folded{}
	err = each(ctx, t, "SELECT id, indicator, first, last, times FROM sighting WHERE id IN ", "", nil, ids, func(r *sql.Rows) error {
		f := folded{stored: true}
		err := r.Scan(&f.ID, &f.Indicator.ID, &f.First, &f.Last, &f.Count)
		byID[f.ID] = &f
		return err
	})
	if err != nil {
		return 0, err
	}
	var order []*folded
	for _, m := range ms {
		f, ok := byID[m.ID]
		if !ok {
			f = &folded{Match: m}
			f.Reported = at
			byID[m.ID] = f
			order = append(order, f)
		} else {
			f.First, f.Last = min(f.First, m.First), max(f.Last, m.Last)
			f.Count += m.Count
		}
		f.grown += m.Count
	}
	for _, f := range byID {
		if f.stored && f.grown > 0 {
			_, err := t.exec(ctx, "UPDATE sighting SET first = $2, last = $3, times = $4 WHERE id = $1",
				f.ID, int64(f.First), int64(f.Last), f.Count)
			if err != nil {
				return 0, err
			}
		}
		t.tally("matched", "", "", f.grown)
	}
	if err := t.insertMatches(ctx, order, at); err != nil {
		return 0, err
	}
	return len(order), t.matched(ctx, byID, at)
}

func (t *tx) insertMatches(ctx context.Context, ms []*folded, at accord.Stamp) error {
	var args []any
	for _, f := range ms {
		doc, err := json.Marshal(f.Match)
		if err != nil {
			return fmt.Errorf("match %s: %w", f.ID, err)
		}
		n := t.change(accord.ChangeMatch, f.Indicator, at)
		args = append(args, n, f.ID, f.Indicator.ID, indexed(f.Value.Value), int64(f.First), int64(f.Last), f.Count, string(doc))
	}
	t.tally("matches", "", "", int64(len(ms)))
	return t.insert(ctx, insertSighting, args)
}

// Matches returns a page of matches, newest first, and the cursor of the next
// one, empty at the end.
func (d *DB) Matches(ctx context.Context, q accord.MatchQuery) (out []accord.Match, next string, err error) {
	after, err := cursorOf(q.After)
	if err != nil {
		return nil, "", fmt.Errorf("matches: %w", err)
	}
	limit := pageSize(q.Limit)
	where, args := "", []any{after}
	indicator, value := q.Indicator, ""
	if strings.Contains(q.Text, "--") && indicator == "" {
		indicator = q.Text
	} else if q.Text != "" {
		value = indexed(q.Text)
	}
	if indicator != "" {
		where, args = where+" AND indicator = $2", append(args, indicator)
	}
	if value != "" {
		where, args = where+" AND value = $"+strconv.Itoa(len(args)+1), append(args, value)
	}
	query := "SELECT n, first, last, times, doc FROM sighting WHERE n < $1" + where + " ORDER BY n DESC LIMIT $" + strconv.Itoa(len(args)+1)
	rows, err := d.query(ctx, query, append(args, limit)...)
	var last int64
	if err == nil {
		err = all(rows, func(r *sql.Rows) error {
			var m accord.Match
			var first, latest accord.Stamp
			var times int64
			var doc string
			if err := r.Scan(&last, &first, &latest, &times, &doc); err != nil {
				return err
			}
			err := json.Unmarshal([]byte(doc), &m)
			m.First, m.Last, m.Count = first, latest, times
			out = append(out, m)
			return err
		})
	}
	if err != nil {
		return nil, "", fmt.Errorf("matches: %w", err)
	}
	if len(out) == limit {
		next = strconv.FormatInt(last, 10)
	}
	return out, next, nil
}

// cursorOf reads a cursor that is one number; the empty one is before all.
func cursorOf(text string) (int64, error) {
	if text == "" {
		return 1<<63 - 1, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: cursor %q", accord.ErrInvalid, text)
	}
	return n, nil
}

// pageSize is the size of a page: 1 to 500, 50 by default.
func pageSize(limit int) int {
	if limit <= 0 {
		return 50
	}
	return min(limit, 500)
}
