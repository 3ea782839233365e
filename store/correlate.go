// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"accord"
	"accord/search"
)

// Bounds of a correlation.
const (
	// correlateMost is how many items a value may be in to say anything: above it
	// the value is reported as such and its items are not listed.
	correlateMost   = 1000
	correlateListed = 20
	correlateValues = 50 // values and references of the item that are looked at
	correlateInside = 200
	// correlateRows is how much of the index one look reads, for all values
	// together, and correlateShare what part of what is left one lookup may take:
	// values that many items hold leave room for the rare ones, which say more.
	correlateRows  = 10_000
	correlateShare = 8
)

// Correlate returns what other items have in common with the newest version of an
// item: its values, what they lie under and what lies under them, and what both
// refer to. Nothing of it is stored: each is a bounded lookup.
func (d *DB) Correlate(ctx context.Context, id string) (out accord.Correlation, err error) {
	it, err := d.Item(ctx, id)
	if err != nil {
		return out, fmt.Errorf("correlate: %w", err)
	}
	out.Item = it.ItemKey
	c := correlating{db: d, self: id, left: correlateRows}
	for _, o := range it.Observables[:min(len(it.Observables), correlateValues)] {
		if err := c.value(ctx, o); err != nil {
			return out, fmt.Errorf("correlate %s: %w", id, err)
		}
	}
	refs := targets(&it)
	for _, to := range refs[:min(len(refs), correlateValues)] {
		if err := c.reference(ctx, to); err != nil {
			return out, fmt.Errorf("correlate %s: %w", id, err)
		}
	}
	out.Links = c.links
	return out, nil
}

// correlating gathers the links of one item.
type correlating struct {
	db    *DB
	self  string
	left  int // of correlateRows
	links []accord.Link
}

// most is how many items the next link may be to.
func (c *correlating) most() int {
	return min(correlateMost, c.left/correlateShare)
}

func (c *correlating) value(ctx context.Context, o accord.Observable) error {
	if err := c.holders(ctx, accord.LinkValue, o); err != nil {
		return err
	}
	wider, err := c.stored(ctx, search.Wider(o))
	if err != nil {
		return err
	}
	for _, w := range wider {
		if err := c.holders(ctx, accord.LinkWider, w); err != nil {
			return err
		}
	}
	return c.narrower(ctx, o)
}

// stored returns those of values that some item holds.
func (c *correlating) stored(ctx context.Context, values []accord.Observable) (out []accord.Observable, err error) {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = indexed(v.Value)
	}
	have := map[string]bool{}
	err = each(ctx, c.db, "SELECT DISTINCT value FROM observable WHERE value IN ", "", nil, texts, func(r *sql.Rows) error {
		var text string
		err := r.Scan(&text)
		have[text] = true
		return err
	})
	for i, v := range values {
		if have[texts[i]] {
			out = append(out, v)
		}
	}
	return out, err
}

// holders adds the other items that hold o.
func (c *correlating) holders(ctx context.Context, by accord.LinkBy, o accord.Observable) error {
	most := c.most()
	ns, err := c.db.holding(ctx, indexed(o.Value), 1<<62, most+2)
	if err != nil {
		return err
	}
	return c.link(ctx, accord.Link{By: by, Value: o}, ns, most)
}

// narrower adds what lies under o, as one link.
func (c *correlating) narrower(ctx context.Context, o accord.Observable) error {
	var ns []int64
	most := c.most()
	inside, err := c.db.valuesIn(ctx, o, min(queryValues, max(c.left, 1)))
	if err != nil {
		return err
	}
	for _, text := range inside[:min(len(inside), correlateInside)] {
		some, err := c.db.holding(ctx, text, 1<<62, most+2)
		if err != nil {
			return err
		}
		if ns = append(ns, some...); len(ns) > most+1 {
			break
		}
	}
	if key, ok := search.FiledUnder(o); ok && len(inside) == 0 {
		w, err := c.db.blocksOf(ctx, &clause{terms: []string{termOf(termUnder, key)}}, 1<<62)
		if err != nil {
			return err
		}
		for i := range w.blocks {
			w.blocks[i].set.descending(w.blocks[i].block, func(n int64) bool {
				ns = append(ns, n)
				return len(ns) < most+2
			})
		}
		if ns, err = c.lying(ctx, ns, o, key); err != nil {
			return err
		}
	}
	slices.Sort(ns)
	ns = slices.Compact(ns)
	slices.Reverse(ns)
	return c.link(ctx, accord.Link{By: accord.LinkNarrower, Value: o}, ns, most)
}

// lying leaves of the items filed under key those that hold what lies under o.
func (c *correlating) lying(ctx context.Context, ns []int64, o accord.Observable, key string) ([]int64, error) {
	if key == o.Value || len(ns) == 0 {
		return ns, nil
	}
	rows, err := rowsBy(ctx, c.db, false, "n", "", ns)
	ns = nil
	for _, r := range rows {
		if slices.ContainsFunc(r.Observables, func(v accord.Observable) bool { return search.Lies(v, o) }) {
			ns = append(ns, r.n)
		}
	}
	return ns, err
}

// reference adds the other items that refer to an object that says something:
// a malware, an actor, a report, not the sightings and relationships between.
func (c *correlating) reference(ctx context.Context, to string) error {
	typ, _, _ := strings.Cut(to, "--")
	if typ == "identity" || typ == "marking-definition" || typ == "extension-definition" {
		return nil
	}
	most := c.most()
	ns, err := c.db.referring(ctx, to, most+2)
	if err != nil {
		return err
	}
	l := accord.Link{By: accord.LinkReference, Value: accord.Observable{Value: to}}
	found, err := rowsBy(ctx, c.db, false, "id", " AND latest = 1", []string{to})
	if len(found) > 0 {
		l.Name = found[0].Name
	}
	if err != nil {
		return err
	}
	return c.link(ctx, l, ns, most)
}

// link adds a link to these items, itself and what is withdrawn apart; none when
// nothing is left. More than most are not read.
func (c *correlating) link(ctx context.Context, l accord.Link, ns []int64, most int) error {
	c.left = max(0, c.left-len(ns))
	if len(ns) > most+1 {
		l.Count, l.More = most, true
		c.links = append(c.links, l)
		return nil
	}
	rows, err := rowsBy(ctx, c.db, false, "n", "", ns)
	if err != nil {
		return err
	}
	rows = slices.DeleteFunc(rows, func(r row) bool { return r.ID == c.self || r.Withdrawn != 0 || !r.latest })
	if len(rows) == 0 {
		return nil
	}
	slices.SortFunc(rows, func(a, b row) int { return int(min(1, max(-1, b.n-a.n))) })
	l.Count = len(rows)
	for i, r := range rows {
		l.Sources, l.Parties = with(l.Sources, r.Source), with(l.Parties, r.Origin.Party)
		if i < correlateListed {
			l.Items = append(l.Items, accord.Linked{
				ItemKey: r.ItemKey, Type: r.Type, Name: r.Name, Source: r.Source, Party: r.Origin.Party, TLP: r.TLP, Added: r.Added,
			})
		}
	}
	c.links = append(c.links, l)
	return nil
}

// with adds name to a short sorted list.
func with(list []string, name string) []string {
	i, there := slices.BinarySearch(list, name)
	if name == "" || there || len(list) >= correlateListed {
		return list
	}
	return slices.Insert(list, i, name)
}

// SpreadOf returns, by id, in how many places the values of items are.
func (d *DB) SpreadOf(ctx context.Context, items []accord.Item) (map[string]accord.Spread, error) {
	const most = 200
	out := make(map[string]accord.Spread, len(items))
	for i := range items {
		texts := values(&items[i])
		var ns []int64
		s := accord.Spread{More: len(texts) > 10}
		for _, text := range texts[:min(len(texts), 10)] {
			some, err := d.holding(ctx, text, 1<<62, most)
			if err != nil {
				return nil, fmt.Errorf("spread: %w", err)
			}
			s.More = s.More || len(some) == most
			ns = append(ns, some...)
		}
		slices.Sort(ns)
		ns = slices.Compact(ns)
		sources := map[string]bool{}
		err := each(ctx, d, "SELECT source, withdrawn FROM item WHERE n IN ", "", nil, ns, pairs(func(source string, withdrawn int64) {
			if withdrawn == 0 {
				s.Items++
				sources[source] = true
			}
		}))
		if err != nil {
			return nil, fmt.Errorf("spread: %w", err)
		}
		s.Sources = len(sources)
		out[items[i].ID] = s
	}
	return out, nil
}

// pairs scans a source and a number.
func pairs(f func(string, int64)) func(*sql.Rows) error {
	return func(r *sql.Rows) error {
		var source string
		var at int64
		if err := r.Scan(&source, &at); err != nil {
			return err
		}
		f(source, at)
		return nil
	}
}

// Provenance returns from where an item version came: the source it was first
// taken from, and others that had it in the same bytes, in the order they came.
func (d *DB) Provenance(ctx context.Context, key accord.ItemKey) ([]accord.SourceOf, error) {
	found, err := d.Items(ctx, []accord.ItemKey{key})
	if err == nil && len(found) == 0 {
		err = accord.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("provenance of %s: %w", key.ID, err)
	}
	out := []accord.SourceOf{{Source: found[0].Source, Party: found[0].Origin.Party, First: found[0].Added}}
	rows, err := d.query(ctx, "SELECT source, first FROM provenance WHERE id = $1 AND version = $2 ORDER BY source LIMIT 100", key.ID, int64(key.Version))
	if err == nil {
		err = all(rows, pairs(func(source string, first int64) {
			out = append(out, accord.SourceOf{Source: source, First: accord.Stamp(first)})
		}))
	}
	if err != nil {
		return nil, fmt.Errorf("provenance of %s: %w", key.ID, err)
	}
	received, err := d.ReceivedOf(ctx, key.ID)
	for _, r := range received {
		if r.Item == key && r.Held != 0 && r.Retracted == 0 && r.Party != out[0].Party {
			out = append(out, accord.SourceOf{Source: r.Party, Party: r.Party, First: r.Held})
		}
	}
	return out, err
}

// Labels returns labels and tags that begin so, with roughly how many items carry
// each: what a person may choose from.
func (d *DB) Labels(ctx context.Context, prefix string, limit int) ([]accord.LabelCount, error) {
	terms, _, err := d.termsBeginning(ctx, termLabel, strings.ToLower(prefix), max(1, min(limit, 100)))
	if err != nil {
		return nil, fmt.Errorf("labels: %w", err)
	}
	var out []accord.LabelCount
	for _, term := range terms {
		blocks, err := d.postings(ctx, term, 1<<62, 64)
		if err != nil {
			return nil, fmt.Errorf("labels: %w", err)
		}
		c := accord.LabelCount{Label: strings.TrimPrefix(term, termLabel+":")}
		for i := range blocks {
			blocks[i].set.descending(0, func(int64) bool { c.Items++; return true })
		}
		out = append(out, c)
	}
	return out, nil
}
