// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strconv"

	"accord"
)

// mass sums up rows in any order: two sets of rows have the same mass when they
// are the same, and but for one chance in 2^64 only then.
type mass struct {
	seed maphash.Seed
	rows int64
	sum  uint64
}

func (m *mass) add(text string, n int64) {
	m.rows++
	m.sum += maphash.String(m.seed, strconv.FormatInt(n, 10)+" "+text)
}

func (m *mass) same(o *mass) bool { return m.rows == o.rows && m.sum == o.sum }

// index is a table of what items are found by, and how to tell what it must hold.
type index struct {
	table string
	query string // text and number
	of    func(*row) []string
}

var indexes = []index{
	{"observable", "SELECT value, item FROM observable", func(r *row) []string { return latestOnly(r, values) }},
	{"ref", "SELECT target, item FROM ref", func(r *row) []string { return latestOnly(r, targets) }},
}

func latestOnly(r *row, of func(*accord.Item) []string) []string {
	if !r.latest {
		return nil
	}
	return of(&r.Item)
}

// items reads every item once: what it is found by, who wrote it and the totals
// must be what the other tables say, and its bytes what its columns say.
func (s *snapshot) items(ctx context.Context, c *Checking) error {
	seed := maphash.MakeSeed()
	want := make([]mass, len(indexes))
	for i := range want {
		want[i].seed = seed
	}
	terms := mass{seed: seed}
	totals, authors := map[tallyKey]int64{}, map[string]int64{}
	unread := 0
	err := s.everyItem(ctx, func(r *row) error {
		c.Items++
		for i, x := range indexes {
			for _, text := range x.of(r) {
				want[i].add(text, r.n)
			}
		}
		for _, term := range slices.Compact(slices.Sorted(slices.Values(r.terms()))) {
			terms.add(term, r.n) // a posting is a set: a name and an alias may be one term
		}
		authors[authorOf(r)]++
		countRow(totals, r)
		if c.Read != nil && (c.Deep || c.Items%64 == 0) {
			c.reread(&unread, r)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, x := range indexes {
		if err := s.weigh(ctx, c, x.table, x.query, want[i], plainRow); err != nil {
			return err
		}
	}
	if err := s.weigh(ctx, c, "posting", "SELECT term, ns FROM posting", terms, postingRow); err != nil {
		return err
	}
	if err := s.authors(ctx, c, authors); err != nil {
		return err
	}
	return s.compareTallies(ctx, c, []string{"items", "type", "source", "held", "withdrawn"}, totals)
}

// everyItem reads all versions in order of n.
func (s *snapshot) everyItem(ctx context.Context, fn func(*row) error) error {
	rows, err := s.query(ctx, "SELECT "+itemFull+" FROM item ORDER BY n")
	if err != nil {
		return err
	}
	return all(rows, func(r *sql.Rows) error {
		var x row
		if err := x.scan(r, true); err != nil {
			return err
		}
		return fn(&x)
	})
}

// countRow adds a version to the totals as ingesting does.
func countRow(totals map[tallyKey]int64, r *row) {
	switch {
	case !r.latest:
	case r.Withdrawn != 0:
		totals[tallyKey{kind: "withdrawn"}]++
	default:
		totals[tallyKey{kind: "items"}]++
		totals[tallyKey{kind: "type", name: fit(r.Type)}]++
		totals[tallyKey{kind: "source", name: fit(r.Source)}]++
		if r.Held != "" {
			totals[tallyKey{kind: "held"}]++
		}
	}
}

// reread compares what the columns say of an item with what its bytes say.
func (c *Checking) reread(n *int, r *row) {
	if len(r.Bytes) == 0 {
		return // erased
	}
	it, err := c.Read(r.Item)
	tell := func(what string) {
		c.found(n, Problem{"bytes", r.ID, what, "ingest it again from its source; if that changes nothing, " + doReport})
	}
	switch it = fitted(it); {
	case err != nil:
		tell("has bytes that cannot be read: " + err.Error())
	case it.ID != r.ID || it.Type != r.Type:
		tell("has bytes of another object: " + it.ID)
	case !slices.Equal(values(&it), values(&r.Item)):
		tell("is found by other values than its bytes hold")
	case !slices.Equal(targets(&it), targets(&r.Item)):
		tell("is found by other references than its bytes hold")
	}
}

// plainRow and postingRow read a row of an index into a mass.
func plainRow(m *mass, r *sql.Rows) error {
	var text string
	var n int64
	err := r.Scan(&text, &n)
	m.add(text, n)
	return err
}

func postingRow(m *mass, r *sql.Rows) error {
	key, s, err := scanPosting(r)
	if err != nil {
		return err
	}
	term, block, err := ofKey(key)
	if err != nil {
		return err
	}
	s.descending(block, func(n int64) bool {
		m.add(term, n)
		return true
	})
	return nil
}

// weigh compares an index with what the items say it must hold.
func (s *snapshot) weigh(ctx context.Context, c *Checking, table, query string, want mass, add func(*mass, *sql.Rows) error) error {
	c.Checks++
	has := mass{seed: want.seed}
	n := 0
	rows, err := s.query(ctx, query)
	if err == nil {
		err = all(rows, func(r *sql.Rows) error {
			if err := add(&has, r); err != nil {
				c.found(&n, Problem{"index", table, "holds a row that cannot be read: " + err.Error(), doRepair})
			}
			return nil
		})
	}
	if err == nil && !has.same(&want) {
		c.found(&n, Problem{
			"index", table, fmt.Sprintf("has %d entries, and the items make %d, or others: some are not found, or found by what they lack",
				has.rows, want.rows), doRepair,
		})
	}
	return err
}

func (s *snapshot) authors(ctx context.Context, c *Checking, want map[string]int64) error {
	c.Checks++
	n := 0
	rows, err := s.query(ctx, "SELECT id, n FROM author")
	if err != nil {
		return err
	}
	tell := func(id string, has int64) {
		c.found(&n, Problem{"author", id, fmt.Sprintf("is said to have written %d items, and wrote %d", has, want[id]), doRepair})
	}
	err = all(rows, func(r *sql.Rows) error {
		var id string
		var has int64
		err := r.Scan(&id, &has)
		if has != want[id] {
			tell(id, has)
		}
		delete(want, id)
		return err
	})
	for _, id := range slices.Sorted(maps.Keys(want)) {
		if id != "" {
			tell(id, 0)
		}
	}
	return err
}

// tallies are counted from the tables they count.
func (s *snapshot) tallies(ctx context.Context, c *Checking) error {
	totals, err := countTables(ctx, s)
	if err != nil {
		return err
	}
	return s.compareTallies(ctx, c, tableTallies, totals)
}

var tableTallies = []string{"disclosed", "withheld", "receipted", "retracted", "confirmed", "matches", "matched"}

// countTables returns the totals of what is no item.
func countTables(ctx context.Context, q querier) (map[tallyKey]int64, error) {
	totals := map[tallyKey]int64{}
	for kind, query := range map[string]string{
		"disclosed": "SELECT party, agreement, version, article, count(*) FROM disclosure GROUP BY party, agreement, version, article",
		"withheld":  "SELECT party, agreement, version, article, count(*) FROM withheld GROUP BY party, agreement, version, article",
		"receipted": "SELECT party, '', 0, '', count(*) FROM disclosure WHERE receipted > 0 GROUP BY party",
		"retracted": "SELECT party, '', 0, '', count(*) FROM disclosure WHERE retracted > 0 GROUP BY party",
		"confirmed": "SELECT party, '', 0, '', count(*) FROM disclosure WHERE confirmed > 0 GROUP BY party",
		"matches":   "SELECT '', '', 0, '', count(*) FROM sighting",
		"matched":   "SELECT '', '', 0, '', CAST(COALESCE(sum(times), 0) AS BIGINT) FROM sighting",
	} {
		rows, err := q.query(ctx, query)
		if err == nil {
			err = all(rows, func(r *sql.Rows) error {
				var k accord.ArticleKey
				var party string
				var n int64
				err := r.Scan(&party, &k.Agreement, &k.Version, &k.Article, &n)
				part := ""
				if kind == "disclosed" || kind == "withheld" {
					part = articleText(k)
				}
				totals[tallyKey{kind, party, part}] += n
				return err
			})
		}
		if err != nil {
			return nil, fmt.Errorf("count %s: %w", kind, err)
		}
	}
	return totals, nil
}

// compareTallies compares the totals of these kinds with what was counted.
func (s *snapshot) compareTallies(ctx context.Context, c *Checking, kinds []string, want map[tallyKey]int64) error {
	c.Checks++
	n := 0
	tell := func(k tallyKey, has int64) {
		c.found(&n, Problem{"tally", fmt.Sprintf("%s %s %s", k.kind, k.name, k.part), fmt.Sprintf("is said to be %d, and is %d", has, want[k]), doRepair})
	}
	rows, err := s.query(ctx, "SELECT kind, name, part, n FROM tally")
	if err == nil {
		err = all(rows, func(r *sql.Rows) error {
			var k tallyKey
			var has int64
			err := r.Scan(&k.kind, &k.name, &k.part, &has)
			if slices.Contains(kinds, k.kind) {
				if has != want[k] {
					tell(k, has)
				}
				delete(want, k)
			}
			return err
		})
	}
	for k, counted := range want {
		if counted != 0 {
			tell(k, 0)
		}
	}
	return err
}

// sums compares what was sent with the hash that was recorded of it.
func (s *snapshot) sums(ctx context.Context, c *Checking) error {
	if !c.Deep {
		return nil
	}
	c.Checks++
	n := 0
	rows, err := s.query(ctx, "SELECT "+disclosureFull+" ORDER BY d.party, d.idx")
	if err != nil {
		return err
	}
	return all(rows, func(r *sql.Rows) error {
		x, err := scanDisclosure(r, true)
		if len(x.Bytes) > 0 && sha256.Sum256(x.Bytes) != x.Sum { // none: erased
			c.found(&n, Problem{"disclosure-sum", fmt.Sprintf("%s %d", x.Party, x.Index), "was sent in other bytes than are kept of it", doLedger})
		}
		return err
	})
}
