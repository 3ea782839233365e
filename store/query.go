// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"

	"accord"
	"accord/search"
)

// Bounds of one page of a query: what is beyond them is the next page's.
const (
	queryBlocks = 256  // blocks of the inverted index looked at: a million numbers
	querySpan   = 2000 // items looked at
	queryWords  = 200  // words that a beginning may stand for
	queryValues = 4000 // items of one value, or values of one network, looked at
	queryNamed  = 200  // objects of a family looked at
	queryRelate = 2000 // relationships of one of them looked at

	queryRelated = 20_000 // of all families of a query: beyond it fails
)

// clause is one condition on the numbers of items: postings, of which any will do,
// and numbers themselves.
type clause struct {
	not   bool
	terms []string
	ns    []int64 // descending; complete down to floor
	floor int64
}

// listed reports whether the clause is numbers alone, which are few.
func (c *clause) listed() bool { return len(c.terms) == 0 }

// plan is a query as the store answers it.
type plan struct {
	clauses []clause
	checks  []func(*row) bool // what the index does not say, asked of each item
	full    bool              // a check needs the item's bytes
	empty   bool              // nothing can be found
}

// searchQ answers a query in the query language.
func (d *DB) searchQ(ctx context.Context, q accord.Query) (out []accord.Item, next string, err error) {
	below, err := cursorOf(q.After)
	if err != nil {
		return nil, "", err
	}
	parsed, err := search.Parse(q.Q)
	if err != nil {
		return nil, "", err
	}
	terms, err := termsBeside(&q)
	if err != nil {
		return nil, "", err
	}
	parsed.Terms = append(parsed.Terms, terms...)
	p := &planner{db: d, below: below, now: q.Now}
	if err := p.make(ctx, parsed); err != nil || p.empty {
		return nil, "", err
	}
	return d.answer(ctx, &p.plan, below, pageSize(q.Limit))
}

// termsBeside are the other fields of q as terms.
func termsBeside(q *accord.Query) (out []search.Term, err error) {
	add := func(field, value string) {
		if value != "" {
			out = append(out, search.Term{Field: field, Values: []string{value}})
		}
	}
	add("type", q.Type)
	add("source", q.Source)
	add("party", q.Party)
	add("state", q.State)
	if q.TLP != nil {
		add("tlp", q.TLP.String())
	}
	if q.Text != "" {
		more, err := search.Parse(q.Text)
		if err != nil {
			return nil, err
		}
		out = append(out, more.Terms...)
	}
	return out, nil
}

// answer walks the driving clause from the newest number below, and returns what
// satisfies all.
func (d *DB) answer(ctx context.Context, p *plan, below int64, limit int) (out []accord.Item, next string, err error) {
	walk, err := d.drive(ctx, p, below)
	if err != nil {
		return nil, "", err
	}
	looked, floor := 0, walk.floor
	for len(walk.blocks) > 0 && len(out) < limit && looked < querySpan {
		n := min(16, len(walk.blocks))
		found, err := d.allowed(ctx, p, walk.blocks[:n], below)
		if err != nil {
			return nil, "", err
		}
		walk.blocks = walk.blocks[n:]
		found = slices.DeleteFunc(found, func(n int64) bool { return n < walk.floor })
		for len(found) > 0 && len(out) < limit && looked < querySpan {
			size := min(max(2*(limit-len(out)), 50), len(found), 256)
			rows, err := rowsBy(ctx, d, p.full, "n", "", found[:size])
			if err != nil {
				return nil, "", err
			}
			slices.SortFunc(rows, func(a, b row) int { return int(min(1, max(-1, b.n-a.n))) })
			for i := range rows {
				if len(out) == limit {
					size = slices.Index(found, rows[i-1].n) + 1
					break
				}
				if rows[i].latest && p.passes(&rows[i]) {
					rows[i].Bytes = nil
					out = append(out, rows[i].Item)
				}
			}
			looked += size
			floor = found[size-1]
			found = found[size:]
		}
		if len(found) > 0 {
			return out, strconv.FormatInt(floor, 10), nil
		}
		floor = walk.floor
		if len(walk.blocks) > 0 {
			floor = (walk.blocks[0].block + 1) * blockSize
		}
	}
	if len(walk.blocks) == 0 {
		floor = walk.floor
	}
	if floor <= 0 {
		return out, "", nil
	}
	return out, strconv.FormatInt(floor, 10), nil
}

func (p *plan) passes(r *row) bool {
	for _, c := range p.checks {
		if !c(r) {
			return false
		}
	}
	return true
}

// block is the numbers of one block that the driving clause allows.
type block struct {
	block int64
	set   set
}

// walked are the blocks that the driving clause has, the newest first, and the
// number down to which they are all.
type walked struct {
	blocks []block
	floor  int64
}

// drive picks the clause that is likely to allow the fewest, and walks it.
func (d *DB) drive(ctx context.Context, p *plan, below int64) (w walked, err error) {
	best, fewest := -1, int64(0)
	for i := range p.clauses {
		c := &p.clauses[i]
		if c.not {
			continue
		}
		var cost int64
		if !c.listed() {
			if cost, err = d.probe(ctx, c, below); err != nil {
				return w, err
			}
		}
		if best < 0 || cost < fewest {
			best, fewest = i, cost
		}
	}
	if w, err = d.blocksOf(ctx, &p.clauses[best], below); err != nil {
		return w, err
	}
	p.clauses[0], p.clauses[best] = p.clauses[best], p.clauses[0]
	for i := range p.clauses { // what is not known below a floor is the next page's
		if c := &p.clauses[i]; c.floor > w.floor {
			w.floor = c.floor
		}
	}
	return w, nil
}

// probe guesses how many blocks a clause has below a number.
func (d *DB) probe(ctx context.Context, c *clause, below int64) (cost int64, err error) {
	const most = 16
	for _, term := range c.terms[:min(len(c.terms), 8)] {
		blocks, err := d.postings(ctx, term, below, most)
		if err != nil {
			return 0, err
		}
		n := int64(len(blocks))
		if n == most { // as dense as it looks, all the way down
			if span := blocks[0].block - blocks[n-1].block; span > 0 {
				n = max(n, n*blocks[0].block/span)
			}
		}
		for _, b := range blocks {
			some := int64(0)
			b.set.descending(b.block, func(int64) bool { some++; return some < 64 })
			cost += some
		}
		cost += n * 16
	}
	return cost * int64(max(1, len(c.terms)/8)), nil
}

// postings returns a term's blocks below a number, the newest first.
func (d *DB) postings(ctx context.Context, term string, below int64, limit int) (out []block, err error) {
	top := min((below-1)/blockSize, 1<<32-1)
	if below <= 0 {
		return nil, nil
	}
	rows, err := d.query(ctx, "SELECT term, ns FROM posting WHERE term >= $1 AND term <= $2 ORDER BY term DESC LIMIT $3",
		postingKey(term, 0), postingKey(term, top), limit)
	if err != nil {
		return nil, err
	}
	return out, all(rows, func(r *sql.Rows) error {
		key, s, err := scanPosting(r)
		if err != nil {
			return err
		}
		_, n, err := ofKey(key)
		s.below(n, below)
		out = append(out, block{n, s})
		return err
	})
}

// blocksOf returns the blocks of a clause below a number.
func (d *DB) blocksOf(ctx context.Context, c *clause, below int64) (w walked, err error) {
	by := map[int64]*set{}
	w.floor = c.floor
	for _, term := range c.terms {
		blocks, err := d.postings(ctx, term, below, queryBlocks)
		if err != nil {
			return w, err
		}
		if len(blocks) == queryBlocks {
			w.floor = max(w.floor, blocks[len(blocks)-1].block*blockSize)
		}
		for i := range blocks {
			if s := by[blocks[i].block]; s != nil {
				s.or(&blocks[i].set)
			} else {
				by[blocks[i].block] = &blocks[i].set
			}
		}
	}
	for _, n := range c.ns {
		if n >= below {
			continue
		}
		s := by[n/blockSize]
		if s == nil {
			s = &set{}
			by[n/blockSize] = s
		}
		s.add(n)
	}
	for n, s := range by {
		if (n+1)*blockSize > w.floor {
			w.blocks = append(w.blocks, block{n, *s})
		}
	}
	slices.SortFunc(w.blocks, func(a, b block) int { return int(min(1, max(-1, b.block-a.block))) })
	return w, nil
}

// allowed returns the numbers of some blocks that every clause allows, descending.
// The first clause is where the blocks came from.
func (d *DB) allowed(ctx context.Context, p *plan, blocks []block, below int64) (out []int64, err error) {
	var keys []string
	for i := 1; i < len(p.clauses); i++ {
		for _, term := range p.clauses[i].terms {
			for _, b := range blocks {
				keys = append(keys, postingKey(term, b.block))
			}
		}
	}
	slices.Sort(keys)
	stored := map[string]set{}
	err = each(ctx, d, "SELECT term, ns FROM posting WHERE term IN ", "", nil, slices.Compact(keys), func(r *sql.Rows) error {
		key, s, err := scanPosting(r)
		stored[key] = s
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, b := range blocks {
		for i := 1; i < len(p.clauses) && !b.set.empty(); i++ {
			c := &p.clauses[i]
			var any set
			for _, term := range c.terms {
				s := stored[postingKey(term, b.block)]
				any.or(&s)
			}
			for _, n := range c.ns {
				if n/blockSize == b.block {
					any.add(n)
				}
			}
			if c.not {
				b.set.without(&any)
			} else {
				b.set.and(&any)
			}
		}
		b.set.descending(b.block, func(n int64) bool {
			if n < below {
				out = append(out, n)
			}
			return true
		})
	}
	return out, nil
}

// termsBeginning returns the terms of a kind whose text begins so; ok is false when
// there are too many to look at.
func (d *DB) termsBeginning(ctx context.Context, kind, text string, limit int) (out []string, ok bool, err error) {
	prefix := termOf(kind, text)
	for after := prefix; ; {
		rows, err := d.query(ctx, "SELECT term FROM posting WHERE term >= $1 AND term < $2 ORDER BY term LIMIT 1", after, prefix+"\U0010FFFF")
		key := ""
		if err == nil {
			err = all(rows, func(r *sql.Rows) error { return r.Scan(&key) })
		}
		if err != nil || key == "" {
			return out, err == nil, err
		}
		term, _, err := ofKey(key)
		if err != nil {
			return nil, false, fmt.Errorf("posting %q: %w", key, err)
		}
		if len(out) == limit {
			return out, false, nil
		}
		out = append(out, term)
		after = term + "\x02"
	}
}
