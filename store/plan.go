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

// planner makes a plan of a query.
type planner struct {
	plan
	db      *DB
	below   int64
	now     accord.Stamp
	state   bool // the query says which state
	related int  // of queryRelated
}

// make turns every term into clauses and checks.
func (p *planner) make(ctx context.Context, q search.Query) error {
	for _, t := range q.Terms {
		if err := p.term(ctx, t); err != nil {
			return err
		}
	}
	if !p.state { // what has a state is all there is
		p.terms(false, termState, "live")
	}
	positive := slices.ContainsFunc(p.clauses, func(c clause) bool { return !c.not })
	if !positive {
		p.terms(false, termState, "live", "withdrawn")
	}
	return nil
}

// terms adds a clause of any of these.
func (p *planner) terms(not bool, kind string, texts ...string) {
	c := clause{not: not}
	for _, t := range texts {
		c.terms = append(c.terms, termOf(kind, t))
	}
	p.add(c)
}

func (p *planner) add(c clause) {
	if !c.not && len(c.terms) == 0 && len(c.ns) == 0 && c.floor == 0 {
		p.empty = true
	}
	p.clauses = append(p.clauses, c)
}

// check adds a condition that each item is asked.
func (p *planner) check(not bool, f func(*row) bool) {
	p.checks = append(p.checks, func(r *row) bool { return f(r) != not })
}

// byTerm are the fields whose alternatives are terms as they stand.
var byTerm = map[string]string{
	"type": termType, "tlp": termTLP, "source": termSource, "label": termLabel, "kind": termKind,
}

func (p *planner) term(ctx context.Context, t search.Term) error {
	if kind := byTerm[t.Field]; kind != "" {
		p.terms(t.Not, kind, t.Values...)
		return nil
	}
	switch t.Field {
	case "":
		return p.words(ctx, t)
	case "party":
		for i, v := range t.Values {
			if v == "own" {
				t.Values[i] = ""
			}
		}
		p.terms(t.Not, termParty, t.Values...)
	case "state":
		p.states(t)
	case "sighted":
		p.terms(t.Not != (t.Values[0] == "no"), termState, "sighted")
	case "id":
		return p.ids(ctx, t.Not, t.Values, true)
	case "value", "exact":
		return p.value(ctx, t, nil)
	case "family":
		return p.family(ctx, t, false)
	case "technique":
		return p.family(ctx, t, true)
	default:
		p.compare(t)
	}
	return nil
}

func (p *planner) states(t search.Term) {
	p.state = true
	if slices.Contains(t.Values, "any") {
		return
	}
	p.terms(t.Not, termState, t.Values...)
	if !slices.Contains(t.Values, "withdrawn") && !t.Not {
		p.terms(false, termState, "live")
	}
}

// compare adds what is asked of each item: the index does not say it, or says what
// was true when it was written.
func (p *planner) compare(t search.Term) {
	now, models := p.now, p.db.models
	p.check(t.Not, func(r *row) bool {
		switch t.Field {
		case "added":
			return t.Holds(r.Added)
		case "confidence":
			return r.Confidence >= 0 && t.Compares(float64(r.Confidence))
		case "score":
			return r.Type == "indicator" && t.Compares(models.Of(&r.Item, now).Now)
		}
		s := models.Of(&r.Item, now)
		valid := r.Withdrawn == 0 && !r.Revoked && r.False == "" && r.ValidFrom <= now && (r.ValidUntil == 0 || now < r.ValidUntil) && !s.Expired(now)
		return r.Type == "indicator" && valid == (t.Values[0] == "now")
	})
}

// words adds free words: all must be there, one after another when they are a
// phrase. What reads as a value is looked for as one too.
func (p *planner) words(ctx context.Context, t search.Term) error {
	if t.Value != nil {
		return p.value(ctx, t, t.Words)
	}
	if len(t.Words) == 0 {
		return nil
	}
	if t.Not && len(t.Words) > 1 {
		p.full = true
		p.check(true, func(r *row) bool { return search.Follow(search.TextOf(&r.Item).Words(), t.Words, t.Prefix) })
		return nil
	}
	for i, w := range t.Words {
		terms := []string{termOf(termWord, w)}
		if t.Prefix && i == len(t.Words)-1 {
			found, ok, err := p.db.termsBeginning(ctx, termWord, w, queryWords)
			if err != nil {
				return err
			}
			if ok { // else the beginning says too little, and stands for itself
				terms = found
			}
		}
		p.add(clause{not: t.Not, terms: terms})
	}
	if len(t.Words) > 1 {
		p.full = true
		p.check(false, func(r *row) bool { return search.Follow(search.TextOf(&r.Item).Words(), t.Words, t.Prefix) })
	}
	return nil
}

// value adds a value: as it is, what it lies under, what lies under it, and the
// phrase of words that it is too.
func (p *planner) value(ctx context.Context, t search.Term, words []string) error {
	o := *t.Value
	texts := []string{indexed(o.Value)}
	c := clause{not: t.Not}
	if t.Field != "exact" {
		for _, w := range search.Wider(o) {
			texts = append(texts, indexed(w.Value))
		}
		if key, ok := search.FiledUnder(o); ok {
			c.terms = append(c.terms, termOf(termUnder, key))
		}
		inside, err := p.db.valuesIn(ctx, o, queryValues)
		if err != nil {
			return err
		}
		texts = append(texts, inside...)
	}
	if err := p.db.holders(ctx, &c, texts, p.below); err != nil {
		return err
	}
	if len(words) > 0 { // the rarest word brings the candidates, the check decides
		c.terms = append(c.terms, termOf(termWord, slices.MaxFunc(words, func(a, b string) int { return len(a) - len(b) })))
		p.full = true
	}
	if t.Not {
		c.not = false
	} else {
		p.add(c)
	}
	if len(c.terms) > 0 || t.Not {
		p.check(t.Not, func(r *row) bool {
			for _, v := range r.Observables {
				if slices.Contains(texts, indexed(v.Value)) || t.Field != "exact" && search.Lies(v, o) {
					return true
				}
			}
			return len(words) > 0 && search.Follow(search.TextOf(&r.Item).Words(), words, false)
		})
	}
	return nil
}

// ids adds the newest versions of these ids.
func (p *planner) ids(ctx context.Context, not bool, ids []string, anyState bool) error {
	c := clause{not: not}
	rows, err := rowsBy(ctx, p.db, false, "id", " AND latest = 1", ids)
	for _, r := range rows {
		c.ns = append(c.ns, r.n)
	}
	slices.Sort(c.ns)
	c.ns = slices.Compact(c.ns)
	slices.Reverse(c.ns)
	p.state = p.state || anyState && !not
	p.add(c)
	return err
}

// family adds what is of a malware, tool, actor or technique of this name: the
// object itself, what a relationship joins with it, what refers to it, and what is
// labelled so.
func (p *planner) family(ctx context.Context, t search.Term, technique bool) error {
	c := clause{not: t.Not}
	var names []string
	for _, v := range t.Values {
		key := search.NameKey(v)
		names = append(names, termOf(termName, key))
		c.terms = append(c.terms, termOf(termLabel, strings.ToLower(v)), termOf(termLabel, "family:"+strings.ToLower(v)), termOf(termFamily, key))
		if technique { // T1059 is T1059.001 too
			more, _, err := p.db.termsBeginning(ctx, termName, key+" ", queryWords)
			if err != nil {
				return err
			}
			names = append(names, more...)
		}
	}
	if technique {
		names = slices.DeleteFunc(names, func(n string) bool { return len(n) > 200 })
	}
	ns, err := p.relatedTo(ctx, names)
	c.ns = ns
	p.add(c)
	return err
}

// relatedTo returns the numbers of the objects that these terms name, and of what
// is related to them, descending. A partner may make namesakes and references: when
// there are too many it fails with ErrInvalid, for half an answer would hide the rest.
func (p *planner) relatedTo(ctx context.Context, names []string) (ns []int64, err error) {
	d := p.db
	w, err := d.blocksOf(ctx, &clause{terms: names}, 1<<62)
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(w.blocks) && len(ns) < queryNamed; i++ {
		w.blocks[i].set.descending(w.blocks[i].block, func(n int64) bool {
			ns = append(ns, n)
			return len(ns) < queryNamed
		})
	}
	objects, err := rowsBy(ctx, d, false, "n", "", ns)
	if err != nil {
		return nil, err
	}
	var about []int64
	for _, o := range objects {
		if !named[o.Type] {
			continue
		}
		some, err := d.referring(ctx, o.ID, queryRelate)
		if err != nil {
			return nil, err
		}
		if p.related += len(some); p.related > queryRelated {
			return nil, fmt.Errorf("%w: more than %d objects refer to what has that name: name it more exactly, such as T1059.001 for T1059, "+
				"or look for the name as a word", accord.ErrInvalid, queryRelated)
		}
		about = append(about, some...)
	}
	slices.Sort(about)
	rows, err := rowsBy(ctx, d, false, "n", " AND withdrawn = 0", slices.Compact(about))
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, r := range rows {
		if r.Type != "relationship" {
			ns = append(ns, r.n)
			continue
		}
		for _, ref := range r.Refs {
			if ref.Property == "source_ref" || ref.Property == "target_ref" {
				ids = append(ids, ref.To)
			}
		}
	}
	slices.Sort(ids)
	related, err := rowsBy(ctx, d, false, "id", " AND latest = 1", slices.Compact(ids))
	for _, r := range related {
		ns = append(ns, r.n)
	}
	slices.Sort(ns)
	ns = slices.Compact(ns)
	slices.Reverse(ns)
	return ns, err
}

// referring returns the numbers of the newest that refer to id, descending.
func (d *DB) referring(ctx context.Context, id string, limit int) (ns []int64, err error) {
	rows, err := d.query(ctx, "SELECT item FROM ref WHERE target = $1 ORDER BY item DESC LIMIT $2", id, limit)
	if err != nil {
		return nil, err
	}
	return ns, all(rows, func(r *sql.Rows) error {
		var n int64
		err := r.Scan(&n)
		ns = append(ns, n)
		return err
	})
}

// holders adds to c the numbers below a number of the items that hold one of these
// values, as they stand in the index.
func (d *DB) holders(ctx context.Context, c *clause, texts []string, below int64) error {
	var floor int64
	for _, text := range texts {
		ns, err := d.holding(ctx, text, below, queryValues)
		if err != nil {
			return err
		}
		if len(ns) == queryValues {
			floor = max(floor, ns[len(ns)-1])
		}
		c.ns = append(c.ns, ns...)
	}
	slices.Sort(c.ns)
	c.ns = slices.Compact(c.ns)
	slices.Reverse(c.ns)
	c.floor = max(c.floor, floor)
	return nil
}

// holding returns the newest numbers of the items that hold a value.
func (d *DB) holding(ctx context.Context, text string, below int64, limit int) (ns []int64, err error) {
	rows, err := d.query(ctx, "SELECT item FROM observable WHERE value = $1 AND item < $2 ORDER BY item DESC LIMIT $3", text, below, limit)
	if err != nil {
		return nil, err
	}
	return ns, all(rows, func(r *sql.Rows) error {
		var n int64
		err := r.Scan(&n)
		ns = append(ns, n)
		return err
	})
}

// valuesIn returns up to limit stored addresses and networks that lie in network o,
// as they stand in the index. A network that is not made of whole groups of its
// address is found by reading those around it, at most limit.
func (d *DB) valuesIn(ctx context.Context, o accord.Observable, limit int) (out []string, err error) {
	begin := search.Beginning(o)
	if begin == "" {
		return nil, nil
	}
	rows, err := d.query(ctx, "SELECT value FROM observable WHERE value > $1 AND value < $2 ORDER BY value LIMIT $3", begin, begin+"\U0010FFFF", limit)
	if err != nil {
		return nil, err
	}
	err = all(rows, func(r *sql.Rows) error {
		var text string
		if err := r.Scan(&text); err != nil {
			return err
		}
		if v, ok := search.ValueOf(text); ok && v.Value == text && search.Lies(v, o) && (len(out) == 0 || out[len(out)-1] != text) {
			out = append(out, text)
		}
		return nil
	})
	return out, err
}
