// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strings"
	"time"

	"accord"
)

// The cursors of the pass that says what sources are worth.
const (
	stageAppraise  = "appraise"
	stageProtected = "appraise-protected"
	stageDisclosed = "appraise-disclosed:" // and a party
)

// appraiseAtOnce is how much one step of the pass looks at.
const appraiseAtOnce = 1000

// freshFor is how old a version may be when it is stored to count as fresh.
const freshFor = 7 * 24 * time.Hour

// What is marked of an indicator.
const (
	markMatched int64 = 1 << iota
	markProtected
	markDisclosed
	markHeld
	markFalse
)

const markUseful = markMatched | markProtected | markDisclosed

// metrics are the totals that follow from marks.
var metrics = map[int64]string{
	markMatched: "matched", markProtected: "protected", markDisclosed: "disclosed", markHeld: "held", markFalse: "false",
}

// metricKey names one total of one source.
type metricKey struct{ source, metric string }

// brought is a value that a source brought.
type brought struct {
	h      int64
	source string
}

// marking is a change of what is marked of an indicator.
type marking struct {
	source     string // of the indicator
	set, clear int64
}

// appraisal is what a step of the pass found, or a run of a feed came to.
type appraisal struct {
	totals map[metricKey]int64
	values []brought
	marks  map[int64]marking // by idHash
}

func (a *appraisal) count(source, metric string, by int64) {
	if by == 0 {
		return
	}
	if a.totals == nil {
		a.totals = map[metricKey]int64{}
	}
	a.totals[metricKey{source, metric}] += by
}

func (a *appraisal) mark(id, source string, set, gone int64) {
	if a.marks == nil {
		a.marks = map[int64]marking{}
	}
	m := a.marks[idHash(id)]
	m.source = source
	m.set, m.clear = m.set&^gone|set, m.clear&^set|gone
	a.marks[idHash(id)] = m
}

// Appraise takes the pass over the change feed, new protections and disclosures a
// step on, and reports whether there was something to do. What author wrote, the
// node itself, has no dates of its own. The pass is for one caller at a time:
// another loses with ErrConflict, without harm.
func (d *DB) Appraise(ctx context.Context, author string) (busy bool, err error) {
	for _, step := range []func(context.Context, string) (bool, error){
		d.appraiseChanges, d.appraiseAlso, d.appraiseProtected, d.appraiseDisclosed,
	} {
		more, err := step(ctx, author)
		if err != nil {
			return false, fmt.Errorf("appraise: %w", err)
		}
		busy = busy || more
	}
	return busy, nil
}

func (d *DB) appraiseChanges(ctx context.Context, author string) (bool, error) {
	from, err := d.Cursor(ctx, stageAppraise)
	if err != nil {
		return false, err
	}
	changes, err := d.Changes(ctx, from, appraiseAtOnce)
	if err != nil || len(changes) == 0 {
		return false, err
	}
	var ids []string
	for _, c := range changes {
		if c.Key.ID != "" {
			ids = append(ids, c.Key.ID)
		}
	}
	slices.Sort(ids)
	rows, err := rowsBy(ctx, d, false, "id", "", slices.Compact(ids))
	if err != nil {
		return false, err
	}
	byKey, oldest := map[accord.ItemKey]*row{}, map[string]int64{}
	for i := range rows {
		r := &rows[i]
		byKey[r.ItemKey] = r
		if n, ok := oldest[r.ID]; !ok || r.n < n {
			oldest[r.ID] = r.n
		}
	}
	a := appraisal{}
	var words []int64
	for _, c := range changes {
		r := byKey[c.Key]
		switch {
		case r == nil:
		case c.Kind == accord.ChangeMatch:
			a.mark(r.ID, r.Source, markMatched, 0)
		case r.Type == "indicator":
			a.indicator(r, c, author, oldest[r.ID])
		case r.Type == "opinion" || r.Type == "sighting":
			words = append(words, r.n)
		}
	}
	if err := d.appraiseWords(ctx, &a, words); err != nil {
		return false, err
	}
	return true, d.write(ctx, "appraise", func(t *tx) error {
		if err := t.advance(ctx, stageAppraise, from, changes[len(changes)-1].Seq); err != nil {
			return err
		}
		return t.appraised(ctx, a)
	})
}

// indicator counts one change of an indicator.
func (a *appraisal) indicator(r *row, c accord.Change, author string, oldest int64) {
	if c.Kind == accord.ChangeWithdrawn {
		if wrong(r.why) {
			a.mark(r.ID, r.Source, markFalse, 0)
		}
		return
	}
	for _, o := range r.Observables {
		a.values = append(a.values, brought{valueHash(o), r.Source})
	}
	switch {
	case r.Held == "" || strings.HasPrefix(r.Held, accord.HeldContext):
		a.mark(r.ID, r.Source, 0, markHeld)
	default:
		a.mark(r.ID, r.Source, markHeld|markFalse, 0)
	}
	if r.False != "" || r.Sighted.Negative > 0 {
		a.mark(r.ID, r.Source, markFalse, 0)
	}
	if r.n != c.Seq {
		return // not a new version
	}
	if r.n == oldest {
		a.count(r.Source, "indicators", 1)
	}
	if r.CreatedBy == author || r.Version == 0 {
		return // no date of its own
	}
	age := max(0, r.Added.Time().Sub(r.Version.Time()))
	a.count(r.Source, "dated", 1)
	a.count(r.Source, fmt.Sprintf("age:%02d", bits.Len64(uint64(age/time.Second))), 1)
	if age <= freshFor {
		a.count(r.Source, "fresh", 1)
	}
}

// wrong reports whether a person's reason says that an indicator was wrong.
func wrong(reason string) bool {
	return strings.Contains(strings.ReplaceAll(strings.ToLower(reason), "-", " "), "false positive")
}

// appraiseWords reads what opinions and sightings say of indicators: an opinion
// that disagrees (STIX 2.1 §4.12) and a sighting counted 0 call it wrong.
func (d *DB) appraiseWords(ctx context.Context, a *appraisal, ns []int64) error {
	read, err := bySize(ctx, d, ns)
	if err != nil {
		return err
	}
	var about []string
	for _, part := range read {
		items, err := rowsBy(ctx, d, true, "n", "", part)
		if err != nil {
			return err
		}
		for i := range items {
			about = append(about, calledWrong(&items[i].Item)...)
		}
	}
	return d.markAll(ctx, a, about, markFalse)
}

// calledWrong are the indicators that an opinion or a sighting calls wrong.
func calledWrong(it *accord.Item) (about []string) {
	var says struct {
		Opinion string `json:"opinion"`
		Count   *int64 `json:"count"`
	}
	if json.Unmarshal(it.Bytes, &says) != nil {
		return nil // erased
	}
	no := it.Type == "opinion" && strings.HasSuffix(says.Opinion, "disagree") || it.Type == "sighting" && says.Count != nil && *says.Count == 0
	for _, ref := range it.Refs {
		if no && (ref.Property == "object_refs" || ref.Property == "sighting_of_ref") && strings.HasPrefix(ref.To, "indicator--") {
			about = append(about, ref.To)
		}
	}
	return about
}

// markAll marks the indicators among ids that are stored.
func (d *DB) markAll(ctx context.Context, a *appraisal, ids []string, bit int64) error {
	slices.Sort(ids)
	rows, err := rowsBy(ctx, d, false, "id", " AND latest = 1", slices.Compact(ids))
	for i := range rows {
		if rows[i].Type == "indicator" {
			a.mark(rows[i].ID, rows[i].Source, bit, 0)
		}
	}
	return err
}

// appraiseAlso counts values noted by FeedIngest, once the pass has seen who
// brought them before.
func (d *DB) appraiseAlso(ctx context.Context, _ string) (bool, error) {
	at, err := d.Cursor(ctx, stageAppraise)
	if err != nil {
		return false, err
	}
	a := appraisal{}
	rows, err := d.query(ctx, "SELECT h, source FROM feed_also WHERE seq <= $1 ORDER BY seq LIMIT $2", at, appraiseAtOnce)
	if err == nil {
		err = all(rows, func(r *sql.Rows) error {
			var b brought
			err := r.Scan(&b.h, &b.source)
			a.values = append(a.values, b)
			return err
		})
	}
	if err != nil || len(a.values) == 0 {
		return false, err
	}
	return true, d.write(ctx, "appraise", func(t *tx) error {
		for _, b := range a.values {
			if _, err := t.exec(ctx, "DELETE FROM feed_also WHERE h = $1 AND source = $2", b.h, b.source); err != nil {
				return err
			}
		}
		return t.appraised(ctx, a)
	})
}

// appraiseProtected marks what became a protection.
func (d *DB) appraiseProtected(ctx context.Context, _ string) (bool, error) {
	from, err := d.Cursor(ctx, stageProtected)
	if err != nil {
		return false, err
	}
	var last int64
	rows, err := d.query(ctx, "SELECT n FROM counter WHERE name = 'protection'")
	if err == nil {
		err = one(rows, &last)
	}
	if err != nil || last <= from {
		return false, err
	}
	to := min(last, from+appraiseAtOnce)
	var ids []string
	for _, zone := range []string{zoneHot, zoneBase} {
		rows, err := d.query(ctx, "SELECT item FROM protection WHERE zone = $1 AND n > $2 AND n <= $3", zone, from, to)
		if err == nil {
			err = all(rows, func(r *sql.Rows) error {
				var id string
				err := r.Scan(&id)
				ids = append(ids, id)
				return err
			})
		}
		if err != nil {
			return false, err
		}
	}
	return true, d.appraiseUse(ctx, stageProtected, from, to, ids, markProtected)
}

// appraiseDisclosed marks what was given to a party.
func (d *DB) appraiseDisclosed(ctx context.Context, _ string) (busy bool, err error) {
	parties, err := d.Parties(ctx)
	if err != nil {
		return false, err
	}
	for _, p := range parties {
		stage := stageDisclosed + p.Name
		from, err := d.Cursor(ctx, stage) // one more than the index it stands at
		if err != nil {
			return false, err
		}
		var ids []string
		to := from
		rows, err := d.query(ctx, "SELECT idx, item_id FROM disclosure WHERE party = $1 AND idx >= $2 ORDER BY idx LIMIT $3", p.Name, from, appraiseAtOnce)
		if err == nil {
			err = all(rows, func(r *sql.Rows) error {
				var id string
				err := r.Scan(&to, &id)
				ids = append(ids, id)
				return err
			})
		}
		if err != nil {
			return false, err
		}
		if len(ids) == 0 {
			continue
		}
		if err := d.appraiseUse(ctx, stage, from, to+1, ids, markDisclosed); err != nil {
			return false, err
		}
		busy = true
	}
	return busy, nil
}

func (d *DB) appraiseUse(ctx context.Context, stage string, from, to int64, ids []string, bit int64) error {
	a := appraisal{}
	if err := d.markAll(ctx, &a, ids, bit); err != nil {
		return err
	}
	return d.write(ctx, "appraise", func(t *tx) error {
		if err := t.advance(ctx, stage, from, to); err != nil {
			return err
		}
		return t.appraised(ctx, a)
	})
}

var (
	insertValue = bulk{head: "INSERT INTO feed_value (h, source) VALUES ", columns: 2}
	upsertMark  = bulk{
		head: "INSERT INTO feed_mark (h, source, bits) VALUES ", columns: 3,
		tail: " ON CONFLICT (h) DO UPDATE SET source = excluded.source, bits = excluded.bits",
	}
	upsertWorth = bulk{
		head: "INSERT INTO feed_tally (source, metric, n) VALUES ", columns: 3,
		tail: " ON CONFLICT (source, metric) DO UPDATE SET n = feed_tally.n + excluded.n",
	}
)

// appraised writes an appraisal. The caller may run it again: a stays as it is.
func (t *tx) appraised(ctx context.Context, a appraisal) error {
	sum := appraisal{totals: maps.Clone(a.totals)}
	if err := t.bring(ctx, a.values, &sum); err != nil {
		return err
	}
	if err := t.remark(ctx, a.marks, &sum); err != nil {
		return err
	}
	keys := slices.SortedFunc(maps.Keys(sum.totals), func(x, y metricKey) int {
		return cmp.Or(cmp.Compare(x.source, y.source), cmp.Compare(x.metric, y.metric))
	})
	var args []any
	for _, k := range keys {
		if by := sum.totals[k]; by != 0 {
			args = append(args, fit(k.source), k.metric, by)
		}
	}
	return t.insert(ctx, upsertWorth, args)
}

// bring notes who brought which value, in order, and counts it.
func (t *tx) bring(ctx context.Context, values []brought, sum *appraisal) error {
	have := map[int64][]string{}
	for _, b := range values {
		have[b.h] = nil
	}
	err := each(ctx, t, "SELECT h, source FROM feed_value WHERE h IN ", "", nil, slices.Sorted(maps.Keys(have)), func(r *sql.Rows) error {
		var b brought
		err := r.Scan(&b.h, &b.source)
		have[b.h] = append(have[b.h], b.source)
		return err
	})
	if err != nil {
		return err
	}
	var args []any
	for _, b := range values {
		had := have[b.h]
		source := fit(b.source)
		if slices.Contains(had, source) {
			continue
		}
		sum.count(source, "values", 1)
		switch len(had) {
		case 0:
			sum.count(source, "first", 1)
			sum.count(source, "unique", 1)
		case 1:
			sum.count(had[0], "unique", -1)
		}
		have[b.h] = append(had, source)
		args = append(args, b.h, source)
	}
	return t.insert(ctx, insertValue, args)
}

// remark changes what is marked of indicators, and counts it.
func (t *tx) remark(ctx context.Context, marks map[int64]marking, sum *appraisal) error {
	was := map[int64]marking{}
	hashes := slices.Sorted(maps.Keys(marks))
	err := each(ctx, t, "SELECT h, source, bits FROM feed_mark WHERE h IN ", "", nil, hashes, func(r *sql.Rows) error {
		var h int64
		var m marking
		err := r.Scan(&h, &m.source, &m.set)
		was[h] = m
		return err
	})
	if err != nil {
		return err
	}
	var args []any
	for _, h := range hashes {
		m, old := marks[h], was[h]
		source := cmp.Or(old.source, fit(m.source)) // who stored it first keeps it
		now := old.set&^m.clear | m.set
		if now == old.set {
			continue
		}
		for bit, metric := range metrics {
			sum.count(source, metric, min(now&bit, 1)-min(old.set&bit, 1))
		}
		sum.count(source, "useful", min(now&markUseful, 1)-min(old.set&markUseful, 1))
		args = append(args, h, source, now)
	}
	return t.insert(ctx, upsertMark, args)
}
