// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"

	"accord"
)

// edit is the change of items within one transaction: rows are loaded by id with
// all their versions, altered in memory, and what follows from the difference
// (rows, indexes of the newest version, totals, feed) is written once.
type edit struct {
	t    *tx
	at   accord.Stamp
	byID map[string][]*version
	all  []*version // in the order they were touched
	keep []*version // of all, those whose bytes were replaced

	others  []any // where else what is stored came from: rows of provenance
	sighted bool  // it brings what sightings say: nothing follows from that
}

// version is one item version being edited.
type version struct {
	row
	was     *row // nil: not stored yet
	touched bool
	kind    accord.ChangeKind // change to append; empty for none
}

// fitted returns it with texts that both engines can hold.
func fitted(it accord.Item) accord.Item {
	it.Name = fit(it.Name)
	for i, o := range it.Observables {
		if !isFit(o.Value) {
			it.Observables = slices.Clone(it.Observables)
			it.Observables[i].Value = fit(o.Value)
		}
	}
	return it
}

// load starts an edit of the items with these ids.
func (t *tx) load(ctx context.Context, ids []string, at accord.Stamp) (*edit, error) {
	e := &edit{t: t, at: at, byID: make(map[string][]*version, len(ids))}
	err := each(ctx, t, "SELECT "+itemFull+" FROM item WHERE id IN ", "", nil, ids, func(rows *sql.Rows) error {
		v := &version{}
		if err := v.scan(rows, true); err != nil {
			return err
		}
		if e.find(v.ItemKey) != nil {
			return nil // an id given twice
		}
		was := v.row
		v.was = &was
		e.byID[v.ID] = append(e.byID[v.ID], v)
		return nil
	})
	return e, err
}

func (e *edit) find(key accord.ItemKey) *version {
	for _, v := range e.byID[key.ID] {
		if v.Version == key.Version {
			return v
		}
	}
	return nil
}

// touch marks v as altered, with the change it makes in the feed.
func (e *edit) touch(v *version, kind accord.ChangeKind) {
	if !v.touched {
		v.touched = true
		e.all = append(e.all, v)
	}
	if kind != "" {
		v.kind = kind
	}
}

// newest returns the version of id that stands for it; nil when none is stored.
func (e *edit) newest(id string) *version {
	for _, v := range e.byID[id] {
		if v.latest {
			return v
		}
	}
	return nil
}

// foreign reports whether a partner gives under an id that is another's: an id
// belongs to whoever its newest version came from, live or not.
func (e *edit) foreign(it *accord.Item) bool {
	v := e.newest(it.ID)
	return v != nil && !it.Origin.Own() && v.Origin.Party != it.Origin.Party
}

// settle chooses anew what stands for id once its newest version is withdrawn:
// the newest that lives, the node's own before a partner's. When none lives it
// stays.
func (e *edit) settle(id string) {
	old := e.newest(id)
	if old == nil || old.Withdrawn == 0 {
		return
	}
	best := old
	for _, v := range e.byID[id] {
		switch own := v.Origin.Own(); {
		case v.Withdrawn != 0:
		case best.Withdrawn != 0, own && !best.Origin.Own(), own == best.Origin.Own() && v.Version > best.Version:
			best = v
		}
	}
	if best == old {
		return
	}
	old.latest, best.latest = false, true
	e.touch(old, "")
	e.touch(best, accord.ChangeItem) // for those who follow the newest versions
}

// add stores a version that is not there yet, beside the older ones.
func (e *edit) add(it accord.Item) {
	it = fitted(it)
	v := &version{row: row{Item: it, latest: true, lname: searchName(&it)}}
	v.Added, v.Withdrawn = e.at, 0
	newest := e.newest(it.ID)
	if newest != nil {
		v.keepLocal(&newest.row)
		// What a partner took back stands before nothing that lives; what the node
		// itself withdrew is not brought back by an older copy.
		v.latest = it.Version > newest.Version || newest.Withdrawn != 0 && !newest.Origin.Own()
	}
	if v.latest && newest != nil {
		newest.latest = false
		e.touch(newest, "")
	}
	e.byID[it.ID] = append(e.byID[it.ID], v)
	e.touch(v, accord.ChangeItem)
}

// replace puts it, with other bytes or other terms, in the place of v.
func (e *edit) replace(v *version, it accord.Item) {
	if !bytes.Equal(v.Bytes, it.Bytes) {
		e.keep = append(e.keep, v)
	}
	it = fitted(it)
	if it.Held == "" {
		it.Held = v.Held
	}
	it.Type, it.Added, it.Seq, it.Withdrawn = v.Type, v.Added, v.Seq, 0
	was := v.row
	v.Item, v.lname, v.why = it, searchName(&it), ""
	v.keepLocal(&was)
	e.touch(v, accord.ChangeItem)
	e.settle(it.ID)
}

// put does what Ingest says for one item.
func (e *edit) put(it accord.Item, res *accord.IngestResult) {
	v := e.find(it.ItemKey)
	switch {
	case e.foreign(&it) && (v == nil || !bytes.Equal(v.Bytes, it.Bytes)):
		res.Conflicts++
		res.Conflict = append(res.Conflict, it.ItemKey)
	case v == nil && e.newest(it.ID) != nil:
		e.add(it)
		res.Updated++
	case v == nil:
		e.add(it)
		res.New++
	case !v.Origin.Own() && v.Origin.Party == it.Origin.Party:
		// The giver's newer copy, its newer terms, or its coming back.
		if bytes.Equal(v.Bytes, it.Bytes) && v.Origin == it.Origin && v.Withdrawn == 0 {
			e.another(v, &it)
			res.Same++
			return
		}
		e.replace(v, it)
		res.Updated++
	case v.erased() && it.Origin.Own():
		e.replace(v, it)
		res.Updated++
	case !bytes.Equal(v.Bytes, it.Bytes):
		res.Conflicts++
		res.Conflict = append(res.Conflict, it.ItemKey)
	case !v.Origin.Own() && (it.Origin.Own() || v.Withdrawn != 0):
		e.replace(v, it)
		res.Updated++
	default:
		e.another(v, &it)
		res.Same++
	}
}

// withdraw marks v as retracted. Who withdraws then settles the id.
func (e *edit) withdraw(v *version, why string) {
	v.Withdrawn, v.why = e.at, why
	e.touch(v, accord.ChangeWithdrawn)
}

// finish writes the difference.
func (e *edit) finish(ctx context.Context) error {
	if err := e.keepDisclosed(ctx); err != nil {
		return err
	}
	var rows []any
	var err error
	for _, v := range e.all {
		if v.kind != "" {
			v.Seq = e.t.change(v.kind, v.ItemKey, e.at)
		}
		e.count(v)
		if v.was != nil {
			if err := e.t.update(ctx, &v.row); err != nil {
				return err
			}
			continue
		}
		v.n = v.Seq
		if rows, err = v.args(rows); err != nil {
			return err
		}
	}
	if err := e.t.insert(ctx, insertItem, rows); err != nil {
		return err
	}
	if err := e.index(ctx); err != nil {
		return err
	}
	return e.know(ctx)
}

// keepDisclosed gives disclosures that shared the bytes of an item a copy of
// their own before the item's are replaced.
func (e *edit) keepDisclosed(ctx context.Context) error {
	for _, v := range e.keep {
		if v.was == nil {
			continue
		}
		_, err := e.t.exec(ctx, "UPDATE disclosure SET bytes = $3 WHERE item_id = $1 AND item_version = $2 AND bytes IS NULL",
			v.ID, int64(v.Version), v.was.Bytes)
		if err != nil {
			return err
		}
	}
	return nil
}

// count moves the totals from what v was to what it is.
func (e *edit) count(v *version) {
	one := func(r *row, by int64) {
		switch {
		case !r.latest:
		case r.Withdrawn != 0:
			e.t.tally("withdrawn", "", "", by)
		default:
			e.t.tally("items", "", "", by)
			e.t.tally("type", r.Type, "", by)
			e.t.tally("source", r.Source, "", by)
			if r.Held != "" {
				e.t.tally("held", "", "", by)
			}
		}
	}
	if v.was != nil {
		one(v.was, -1)
	}
	one(&v.row, 1)
}

var (
	insertObservable = bulk{head: "INSERT INTO observable (value, item) VALUES ", columns: 2}
	insertRef        = bulk{head: "INSERT INTO ref (target, item) VALUES ", columns: 2}
	upsertAuthor     = bulk{
		head: "INSERT INTO author (id, n) VALUES ", columns: 2,
		tail: " ON CONFLICT (id) DO UPDATE SET n = author.n + excluded.n",
	}
)

// authorOf returns who counts as an author because of r: what lives, in its
// newest version, and did not name itself.
func authorOf(r *row) string {
	if r == nil || !r.latest || r.Withdrawn != 0 || r.CreatedBy == r.ID {
		return ""
	}
	return fit(r.CreatedBy)
}

// authors returns by how much each author's items became more or fewer.
func (e *edit) authors() (args []any) {
	by := map[string]int64{}
	for _, v := range e.all {
		by[authorOf(v.was)]--
		by[authorOf(&v.row)]++
	}
	for _, id := range slices.Sorted(maps.Keys(by)) {
		if id != "" && by[id] != 0 {
			args = append(args, id, by[id])
		}
	}
	return args
}

// index moves the indexes by value, by reference and by author.
func (e *edit) index(ctx context.Context) error {
	var observables, refs []any
	for _, v := range e.all {
		var oldValues, oldTargets, newValues, newTargets []string
		if v.was != nil && v.was.latest {
			oldValues, oldTargets = values(&v.was.Item), targets(&v.was.Item)
		}
		if v.latest {
			newValues, newTargets = values(&v.Item), targets(&v.Item)
		}
		if err := e.drop(ctx, "DELETE FROM observable WHERE value = $1 AND item = $2", v.n, oldValues, newValues); err != nil {
			return err
		}
		if err := e.drop(ctx, "DELETE FROM ref WHERE target = $1 AND item = $2", v.n, oldTargets, newTargets); err != nil {
			return err
		}
		observables = gained(observables, v.n, newValues, oldValues)
		refs = gained(refs, v.n, newTargets, oldTargets)
	}
	return errors.Join(
		e.t.insert(ctx, insertObservable, observables),
		e.t.insert(ctx, insertRef, refs),
		e.t.insert(ctx, upsertAuthor, e.authors()))
}

func (e *edit) drop(ctx context.Context, query string, n int64, old, now []string) error {
	for _, value := range old {
		if slices.Contains(now, value) {
			continue
		}
		if _, err := e.t.exec(ctx, query, value, n); err != nil {
			return err
		}
	}
	return nil
}

func gained(to []any, n int64, now, old []string) []any {
	for _, value := range now {
		if len(old) == 0 || !slices.Contains(old, value) {
			to = append(to, value, n)
		}
	}
	return to
}

// Ingest stores a batch of items in one transaction.
//
// A key that is new is inserted: New for an id that is new, Updated for another
// version of one that is stored. A key that is stored with the same bytes counts
// as Same, but a partner's item that the node now has of its own becomes its
// own (Updated). Other bytes under a stored key are a conflict and the first are
// kept, unless both came from the same partner: then the newer replace them, and
// a withdrawn item that its giver, or another partner, gives again is live again
// (Updated). An id belongs to whoever its newest version came from: anything that
// another partner gives under it, but for the same bytes, is a conflict too.
func (d *DB) Ingest(ctx context.Context, items []accord.Item, at accord.Stamp) (res accord.IngestResult, err error) {
	if err := fitIDs(items); err != nil || len(items) == 0 {
		return res, err
	}
	ids := idsOfItems(items)
	err = d.write(ctx, "ingest", func(t *tx) error {
		res = accord.IngestResult{}
		e, err := t.load(ctx, ids, at)
		if err != nil {
			return err
		}
		for _, it := range items {
			e.put(it, &res)
		}
		return e.finish(ctx)
	})
	if err != nil {
		return accord.IngestResult{}, err
	}
	return res, nil
}

// Hold records that these items must not become protections because of list.
// Keys that are not stored are passed over.
func (d *DB) Hold(ctx context.Context, keys []accord.ItemKey, list string, at accord.Stamp) error {
	return d.write(ctx, "hold", func(t *tx) error { return t.hold(ctx, map[string][]accord.ItemKey{list: keys}, at) })
}

// HoldAndAdvance holds the items of each list as [DB.Hold] does, those of the list
// "" no more, and moves the cursor of a stage on, all or nothing.
func (d *DB) HoldAndAdvance(ctx context.Context, lists map[string][]accord.ItemKey, stage string, from, to int64, at accord.Stamp) error {
	return d.write(ctx, "hold for "+stage, func(t *tx) error {
		if err := t.advance(ctx, stage, from, to); err != nil {
			return err
		}
		return t.hold(ctx, lists, at)
	})
}

func (t *tx) hold(ctx context.Context, lists map[string][]accord.ItemKey, at accord.Stamp) error {
	var ids []string
	for _, keys := range lists {
		ids = append(ids, idsOf(keys)...)
	}
	if len(ids) == 0 {
		return nil
	}
	e, err := t.load(ctx, ids, at)
	if err != nil {
		return err
	}
	for list, keys := range lists {
		for _, key := range keys {
			if v := e.find(key); v != nil && v.Held != list {
				v.Held = list
				e.touch(v, accord.ChangeItem)
			}
		}
	}
	return e.finish(ctx)
}

// Withdraw takes back every version of an item of the node's own and returns how
// many were live. An id of which the node has no version of its own is ErrNotFound.
func (d *DB) Withdraw(ctx context.Context, id, reason string, at accord.Stamp) (n int, err error) {
	err = d.write(ctx, "withdraw "+id, func(t *tx) error {
		n = 0
		e, err := t.load(ctx, []string{id}, at)
		if err != nil {
			return err
		}
		var own bool
		for _, v := range e.byID[id] {
			if v.Origin.Own() {
				own = true
				if v.Withdrawn == 0 {
					e.withdraw(v, reason)
					n++
				}
			}
		}
		e.settle(id)
		if !own {
			return fmt.Errorf("%w: the node has no item of its own with this id", accord.ErrNotFound)
		}
		return e.finish(ctx)
	})
	return n, err
}

func idsOf(keys []accord.ItemKey) []string {
	ids := make([]string, len(keys))
	for i, k := range keys {
		ids[i] = k.ID
	}
	return ids
}
