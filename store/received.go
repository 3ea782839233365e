// SPDX-License-Identifier: Apache-2.0

package store

import (
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
// A retracted item that the node holds from this partner is withdrawn, unless
// the partner has given it again, or another partner has given the same bytes:
// then it stays, under that one's terms. The node's own items stay.
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
		gone = append(gone, row)
	}
	if len(gone) == 0 {
		return nil
	}
	keys := make([]accord.ItemKey, len(gone))
	for i, x := range gone {
		keys[i] = x.Item
	}
	e, err := t.load(ctx, idsOf(keys), m.At)
	if err != nil {
		return err
	}
	for _, x := range gone {
		if v := e.find(x.Item); v != nil && v.Origin.Party == m.Party && v.Withdrawn == 0 {
			if err := e.takeBack(ctx, v); err != nil {
				return err
			}
		}
	}
	if err := e.finish(ctx); err != nil {
		return err
	}
	for _, x := range gone {
		v := e.find(x.Item)
		if v == nil || v.Origin.Party != m.Party || v.Withdrawn == 0 {
			continue // nothing here that has to end first
		}
		if _, err := t.exec(ctx, "UPDATE received SET change_seq = $3 WHERE party = $1 AND idx = $2", m.Party, x.Index, v.Seq); err != nil {
			return err
		}
	}
	return nil
}

// takeBack ends v for its giver: another standing gift of it keeps it alive.
func (e *edit) takeBack(ctx context.Context, v *version) error {
	rows, err := e.t.query(ctx, "SELECT "+receivedColumns+" FROM received WHERE item_id = $1 AND held > 0 AND retracted = 0 ORDER BY party, idx DESC", v.ID)
	if err != nil {
		return err
	}
	var others []accord.Received
	sum := sha256.Sum256(v.Bytes)
	err = all(rows, func(r *sql.Rows) error {
		x, _, err := scanReceived(r)
		if x.Item == v.ItemKey && x.Sum == sum {
			others = append(others, x)
		}
		return err
	})
	if err != nil {
		return err
	}
	if len(others) == 0 {
		e.withdraw(v, "retracted by "+v.Origin.Party)
		return nil
	}
	heir := others[0]
	if i := slices.IndexFunc(others, func(x accord.Received) bool { return x.Party == v.Origin.Party }); i >= 0 {
		heir = others[i]
	}
	if v.Origin != heir.Origin {
		v.Origin, v.Source = heir.Origin, heir.Party
		e.touch(v, accord.ChangeItem)
	}
	return nil
}

func (t *tx) received(ctx context.Context, party string, index int64) (x accord.Received, found bool, err error) {
	rows, err := t.query(ctx, "SELECT "+receivedColumns+" FROM received WHERE party = $1 AND idx = $2", party, index)
	if err != nil {
		return x, false, err
	}
	return x, found, all(rows, func(r *sql.Rows) (err error) {
		found = true
		x, _, err = scanReceived(r)
		return err
	})
}

// PendingReceived returns, for each of these sent keys, party's announcements
// that were not taken back, held or not.
func (d *DB) PendingReceived(ctx context.Context, party string, keys []accord.ItemKey) (map[accord.ItemKey][]accord.Received, error) {
	want := make(map[accord.ItemKey]bool, len(keys))
	var ids []string
	for _, k := range keys {
		if !want[k] {
			ids = append(ids, k.ID)
		}
		want[k] = true
	}
	slices.Sort(ids)
	out := map[accord.ItemKey][]accord.Received{}
	err := each(ctx, d, "SELECT "+receivedColumns+" FROM received WHERE party = $1 AND item_id IN ", " AND retracted = 0 ORDER BY item_id, party, idx",
		[]any{party}, slices.Compact(ids), func(r *sql.Rows) error {
			x, _, err := scanReceived(r)
			if want[x.Item] {
				out[x.Item] = append(out[x.Item], x)
			}
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("pending from %s: %w", party, err)
	}
	return out, nil
}

// Receive commits a pushed batch: its items as [DB.Ingest] stores them, the rows
// they fulfil and the receipt. It fails with ErrConflict when a row was not
// announced for that item, or was retracted, or the log has moved on.
func (d *DB) Receive(ctx context.Context, g accord.Receiving) error {
	if len(g.Items) != len(g.Index) {
		return fmt.Errorf("receive from %s: %w: %d items for %d leaves", g.Party, accord.ErrInvalid, len(g.Items), len(g.Index))
	}
	return d.write(ctx, "receive from "+g.Party, func(t *tx) error {
		if err := t.append(ctx, g.Append); err != nil {
			return err
		}
		announced := map[int64]accord.Received{}
		err := each(ctx, t, "SELECT "+receivedColumns+" FROM received WHERE party = $1 AND idx IN ", "", []any{g.Party}, g.Index, func(r *sql.Rows) error {
			x, _, err := scanReceived(r)
			announced[x.Index] = x
			return err
		})
		if err != nil {
			return err
		}
		ids := make([]string, len(g.Items))
		for i := range g.Items {
			ids[i] = g.Items[i].ID
		}
		e, err := t.load(ctx, ids, g.At)
		if err != nil {
			return err
		}
		for i, it := range g.Items {
			x, ok := announced[g.Index[i]]
			if !ok || x.Retracted != 0 || x.Item != it.ItemKey {
				return fmt.Errorf("%w: leaf %d of %s does not stand for %s", accord.ErrConflict, g.Index[i], g.Party, it.ID)
			}
			e.put(it, &accord.IngestResult{})
			n, err := t.exec(ctx, "UPDATE received SET held = $3 WHERE party = $1 AND idx = $2 AND held = 0", g.Party, x.Index, int64(g.At))
			if err != nil {
				return err
			}
			t.tally("received", g.Party, "", n)
		}
		return e.finish(ctx)
	})
}

// Unconfirmed returns up to limit retracted rows of party that this node has not
// confirmed, and for each index the seq of the change that must have been
// consumed first, 0 for none.
func (d *DB) Unconfirmed(ctx context.Context, party string, limit int) (out []accord.Received, changes map[int64]int64, err error) {
	changes = map[int64]int64{}
	rows, err := d.query(ctx, "SELECT "+receivedColumns+" FROM received WHERE party = $1 AND retracted > 0 AND confirmed = 0 ORDER BY idx LIMIT $2", party, limit)
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
