// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"slices"

	"accord"
)

const receivedColumns = "party, idx, item_id, item_version, sum, origin, announced, held, retracted, confirmed, change_seq"

var insertReceived = bulk{
	head: "INSERT INTO received (" + receivedColumns + ") VALUES ", columns: 11,
	tail: " ON CONFLICT (party, idx) DO NOTHING",
}

func scanReceived(r *sql.Rows) (x accord.Received, change int64, err error) {
	var sum []byte
	var origin string
	err = r.Scan(&x.Party, &x.Index, &x.Item.ID, &x.Item.Version, &sum, &origin, &x.Announced, &x.Held, &x.Retracted, &x.Confirmed, &change)
	if err != nil {
		return x, 0, err
	}
	copy(x.Sum[:], sum)
	x.Origin, err = originOf(origin)
	return x, change, err
}

// Mirror commits what a partner's log brings. It fails with ErrConflict when the
// log is not where the append takes it to be, and with ErrNotFound when a row to
// retract was never announced.
//
// A retraction takes back the object: every version that the node holds from
// this partner is withdrawn, unless the partner has given it again since, or
// another partner has given the same bytes: then it stays, under that one's
// terms. The node's own items stay.
func (d *DB) Mirror(ctx context.Context, m accord.Mirroring) error {
	return d.write(ctx, "mirror "+m.Party, func(t *tx) error {
		if err := t.append(ctx, m.Append); err != nil {
			return err
		}
		var args []any
		for _, p := range m.Pending {
			origin, err := originText(p.Origin)
			if err != nil {
				return err
			}
			sum := p.Sum
			args = append(args, m.Party, p.Index, p.Item.ID, int64(p.Item.Version), sum[:], origin, int64(p.Announced), int64(p.Held),
				int64(p.Retracted), int64(p.Confirmed), int64(0))
		}
		if err := t.insert(ctx, insertReceived, args); err != nil {
			return err
		}
		for _, span := range m.Receipted {
			n, err := t.exec(ctx, "UPDATE disclosure SET receipted = $4 WHERE party = $1 AND idx >= $2 AND idx < $3 AND receipted = 0",
				m.Party, span.From, span.To, int64(m.At))
			if err != nil {
				return err
			}
			t.tally("receipted", m.Party, "", n)
		}
		for _, index := range m.Confirmed {
			n, err := t.exec(ctx, "UPDATE disclosure SET confirmed = $3 WHERE party = $1 AND idx = $2 AND retracted > 0 AND confirmed = 0",
				m.Party, index, int64(m.At))
			if err != nil {
				return err
			}
			t.tally("confirmed", m.Party, "", n)
		}
		return t.takeBack(ctx, m)
	})
}

// takeBack carries out a partner's retractions.
func (t *tx) takeBack(ctx context.Context, m accord.Mirroring) error {
	var gone []accord.Received
	var ids []string
	for _, x := range m.Retract {
		row, found, err := t.received(ctx, m.Party, x.Index)
		if err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("%w: %s retracts %d, which was not announced", accord.ErrNotFound, m.Party, x.Index)
		}
		if row.Retracted != 0 {
			continue
		}
		_, err = t.exec(ctx, "UPDATE received SET retracted = $3 WHERE party = $1 AND idx = $2", m.Party, x.Index, int64(m.At))
		if err != nil {
			return err
		}
		gone, ids = append(gone, row), append(ids, row.Item.ID)
	}
	if len(gone) == 0 {
		return nil
	}
	e, err := t.load(ctx, ids, m.At)
	if err != nil {
		return err
	}
	live, err := gifts(ctx, t, ids)
	if err != nil {
		return err
	}
	for id, vs := range e.byID {
		for _, v := range vs {
			if v.Origin.Party == m.Party && v.Withdrawn == 0 {
				e.takeBack(v, live[v.ItemKey])
			}
		}
		e.settle(id)
	}
	if err := e.finish(ctx); err != nil {
		return err
	}
	for _, x := range gone {
		var seq int64 // what has to have taken effect before it is confirmed
		for _, v := range e.byID[x.Item.ID] {
			if v.Origin.Party == m.Party && v.Withdrawn != 0 {
				seq = max(seq, v.Seq)
			}
		}
		if _, err := t.exec(ctx, "UPDATE received SET change_seq = $3 WHERE party = $1 AND idx = $2", m.Party, x.Index, seq); err != nil {
			return err
		}
	}
	return nil
}

// gifts returns the gifts of these items that stand. A retraction ends every
// earlier gift of the object by that party, in any version.
func gifts(ctx context.Context, q querier, ids []string) (map[accord.ItemKey][]accord.Received, error) {
	type giver struct{ party, id string }
	ended := map[giver]int64{}
	var found []accord.Received
	err := each(ctx, q, "SELECT "+receivedColumns+" FROM received WHERE item_id IN ", "", nil,
		slices.Compact(slices.Sorted(slices.Values(ids))), func(r *sql.Rows) error {
			x, _, err := scanReceived(r)
			found = append(found, x)
			if g := (giver{x.Party, x.Item.ID}); x.Retracted != 0 {
				ended[g] = max(ended[g], x.Index+1)
			}
			return err
		})
	out := map[accord.ItemKey][]accord.Received{}
	for _, x := range found {
		if x.Retracted == 0 && x.Index >= ended[giver{x.Party, x.Item.ID}] {
			out[x.Item] = append(out[x.Item], x)
		}
	}
	return out, err
}

// takeBack ends v for its giver, unless a gift that stands keeps it.
func (e *edit) takeBack(v *version, standing []accord.Received) {
	if !e.inherit(v, standing) {
		e.withdraw(v, "retracted by "+v.Origin.Party)
	}
}

// inherit puts v under the terms of a gift of the same bytes that stands, its
// giver's own first, and reports whether there is one. One whose time is over
// keeps nothing.
func (e *edit) inherit(v *version, standing []accord.Received) bool {
	sum := sha256.Sum256(v.Bytes)
	var heir accord.Received
	for _, x := range standing {
		over := x.Origin.Retain != 0 && x.Origin.Retain <= e.at
		if x.Held != 0 && x.Sum == sum && !over && heir.Party != v.Origin.Party {
			heir = x
		}
	}
	if heir.Party == "" {
		return false
	}
	if v.Origin != heir.Origin {
		v.Origin, v.Source = heir.Origin, heir.Party
		e.touch(v, accord.ChangeItem)
	}
	return true
}

func (t *tx) received(ctx context.Context, party string, index int64) (x accord.Received, found bool, err error) {
	rows, err := t.query(ctx, "SELECT "+receivedColumns+" FROM received WHERE party = $1 AND idx = $2", party, index)
	if err != nil {
		return x, false, err
	}
	err = all(rows, func(r *sql.Rows) (err error) {
		found = true
		x, _, err = scanReceived(r)
		return err
	})
	return x, found, err
}

// PendingReceived returns, for each of these sent keys, party's announcements
// that stand, held or not: neither they nor a later one of the object was
// retracted.
func (d *DB) PendingReceived(ctx context.Context, party string, keys []accord.ItemKey) (map[accord.ItemKey][]accord.Received, error) {
	live, err := gifts(ctx, d, idsOf(keys))
	if err != nil {
		return nil, fmt.Errorf("pending from %s: %w", party, err)
	}
	out := map[accord.ItemKey][]accord.Received{}
	for _, k := range keys {
		if _, twice := out[k]; twice {
			continue
		}
		for _, x := range live[k] {
			if x.Party == party {
				out[k] = append(out[k], x)
			}
		}
		if rows := out[k]; rows != nil {
			slices.SortFunc(rows, func(a, b accord.Received) int { return cmp.Compare(a.Index, b.Index) })
		}
	}
	return out, nil
}

// Receive commits a pushed batch: its items as [DB.Ingest] stores them, the rows
// they fulfil and the receipt. What conflicts with an item from elsewhere is not
// stored, but its row counts as held, as the receipt says. It fails with ErrConflict when a row was not
// announced for that item, or does not stand, or the log has moved on.
func (d *DB) Receive(ctx context.Context, g accord.Receiving) error {
	if len(g.Items) != len(g.Index) {
		return fmt.Errorf("receive from %s: %w: %d items for %d leaves", g.Party, accord.ErrInvalid, len(g.Items), len(g.Index))
	}
	var res accord.IngestResult
	err := d.write(ctx, "receive from "+g.Party, func(t *tx) error {
		if err := t.append(ctx, g.Append); err != nil {
			return err
		}
		ids := make([]string, len(g.Items))
		for i := range g.Items {
			ids[i] = g.Items[i].ID
		}
		live, err := gifts(ctx, t, ids)
		if err != nil {
			return err
		}
		e, err := t.load(ctx, ids, g.At)
		if err != nil {
			return err
		}
		res = accord.IngestResult{}
		for i, it := range g.Items {
			fulfils := func(x accord.Received) bool { return x.Party == g.Party && x.Index == g.Index[i] }
			if !slices.ContainsFunc(live[it.ItemKey], fulfils) {
				return fmt.Errorf("%w: leaf %d of %s does not stand for %s", accord.ErrConflict, g.Index[i], g.Party, it.ID)
			}
			e.put(it, &res)
			n, err := t.exec(ctx, "UPDATE received SET held = $3 WHERE party = $1 AND idx = $2 AND held = 0", g.Party, g.Index[i], int64(g.At))
			if err != nil {
				return err
			}
			t.tally("received", g.Party, articleText(accord.ArticleKey{
				Agreement: it.Origin.Agreement, Version: it.Origin.Version, Article: it.Origin.Article,
			}), n)
		}
		return e.finish(ctx)
	})
	for _, key := range res.Conflict {
		if err == nil {
			d.log.Warn("not stored: the node holds this object from elsewhere with other bytes", "party", g.Party, "item", key.ID)
		}
	}
	return err
}

// Unconfirmed returns up to limit retracted rows of party that this node has not
// confirmed, and for each index the seq of the change that must have been
// consumed first, 0 for none.
func (d *DB) Unconfirmed(ctx context.Context, party string, limit int) (out []accord.Received, changes map[int64]int64, err error) {
	changes = map[int64]int64{}
	// Party is hidden from the planner, which would walk the party's whole record
	// rather than the few rows of the partial index.
	rows, err := d.query(ctx, "SELECT "+receivedColumns+" FROM received WHERE confirmed = 0 AND retracted > 0 AND party || '' = $1 ORDER BY party, idx LIMIT $2", party, limit)
	if err == nil {
		err = all(rows, func(r *sql.Rows) error {
			x, change, err := scanReceived(r)
			out = append(out, x)
			changes[x.Index] = change
			return err
		})
	}
	if err != nil {
		return nil, nil, fmt.Errorf("unconfirmed to %s: %w", party, err)
	}
	return out, changes, nil
}

// Confirm commits that retractions of a partner have taken effect. It fails with
// ErrConflict when one of them is not there to confirm.
func (d *DB) Confirm(ctx context.Context, c accord.Confirming) error {
	return d.write(ctx, "confirm to "+c.Party, func(t *tx) error {
		if err := t.append(ctx, c.Append); err != nil {
			return err
		}
		for _, index := range c.Index {
			n, err := t.exec(ctx, "UPDATE received SET confirmed = $3 WHERE party = $1 AND idx = $2 AND retracted > 0 AND confirmed = 0",
				c.Party, index, int64(c.At))
			if err != nil {
				return err
			}
			if n != 1 {
				return fmt.Errorf("%w: %d of %s is not there to confirm", accord.ErrConflict, index, c.Party)
			}
		}
		return nil
	})
}

// ReceivedOf returns every gift of an item, of any version and from any party.
func (d *DB) ReceivedOf(ctx context.Context, itemID string) (out []accord.Received, err error) {
	rows, err := d.query(ctx, "SELECT "+receivedColumns+" FROM received WHERE item_id = $1 ORDER BY party, idx", itemID)
	if err == nil {
		err = all(rows, func(r *sql.Rows) error {
			x, _, err := scanReceived(r)
			out = append(out, x)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("received of %s: %w", itemID, err)
	}
	return out, nil
}
