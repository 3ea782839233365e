// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"accord"
)

const (
	disclosureHead = "d.party, d.idx, d.stamp, d.item_id, d.item_version, d.agreement, d.version, d.article, d.redacted, " +
		"d.sent_id, d.sent_version, d.sum, d.receipted, d.retracted, d.confirmed"
	// Bytes are the item's when the disclosure has none of its own.
	disclosureFull = disclosureHead + ", COALESCE(d.bytes, i.bytes) FROM disclosure d LEFT JOIN item i " +
		"ON d.bytes IS NULL AND i.id = d.item_id AND i.version = d.item_version"
)

var insertDisclosure = bulk{
	head: "INSERT INTO disclosure (party, idx, stamp, item_id, item_version, agreement, version, article, redacted, " +
		"sent_id, sent_version, sent_type, standing, latest, receipted, retracted, confirmed, sum, bytes) VALUES ",
	columns: 19,
}

func scanDisclosure(r *sql.Rows, full bool) (d accord.Disclosure, err error) {
	var redacted string
	var sum []byte
	into := []any{
		&d.Party, &d.Index, &d.Stamp, &d.Item.ID, &d.Item.Version, &d.Agreement, &d.Version, &d.Article, &redacted,
		&d.Sent.ID, &d.Sent.Version, &sum, &d.Receipted, &d.Retracted, &d.Confirmed,
	}
	if full {
		into = append(into, &d.Bytes)
	}
	if err := r.Scan(into...); err != nil {
		return d, err
	}
	copy(d.Sum[:], sum)
	d.Redacted, err = listOf(redacted)
	return d, err
}

// listText and listOf keep a list of texts in a column, nil as "".
func listText(list []string) (string, error) {
	if list == nil {
		return "", nil
	}
	b, err := json.Marshal(list)
	return string(b), err
}

func listOf(text string) (list []string, err error) {
	if text != "" {
		err = json.Unmarshal([]byte(text), &list)
	}
	return list, err
}

// articleText and articleOf keep an article of an agreement in a tally.
func articleText(k accord.ArticleKey) string {
	b, _ := json.Marshal([]any{k.Agreement, k.Version, k.Article}) // texts and a number always encode
	return string(b)
}

func articleOf(text string) (k accord.ArticleKey, err error) {
	err = json.Unmarshal([]byte(text), &[]any{&k.Agreement, &k.Version, &k.Article})
	return k, err
}

// Disclose commits what was decided for one party over a stretch of the change
// feed: leaves, disclosures, withholdings, retractions and the cursor. It fails
// with ErrConflict when the cursor or the log is not where the decision took it
// to be, and with ErrInvalid when there is a disclosure or a retraction without
// leaves, or a stamp or index that does not rise. A retraction takes back the
// object: all that was sent under the same id before it stands no more.
func (d *DB) Disclose(ctx context.Context, g accord.Disclosing) error {
	return d.write(ctx, "disclose to "+g.Party, func(t *tx) error {
		if err := t.advance(ctx, g.Stage, g.From, g.To); err != nil {
			return err
		}
		if g.Append != nil {
			if err := t.append(ctx, *g.Append); err != nil {
				return err
			}
		} else if len(g.Disclosures)+len(g.Retracted) > 0 {
			return fmt.Errorf("%w: disclosures or retractions without leaves", accord.ErrInvalid)
		}
		if err := t.disclose(ctx, g); err != nil {
			return err
		}
		if err := t.retract(ctx, g); err != nil {
			return err
		}
		return t.withhold(ctx, g)
	})
}

func (t *tx) disclose(ctx context.Context, g accord.Disclosing) error {
	if len(g.Disclosures) == 0 {
		return nil
	}
	if err := t.rising(ctx, g); err != nil {
		return err
	}
	sent := make([]accord.ItemKey, len(g.Disclosures))
	newest, latest := map[accord.ItemKey]int64{}, map[string]int64{}
	for i, x := range g.Disclosures {
		sent[i] = x.Sent
		newest[x.Sent], latest[x.Sent.ID] = x.Index, x.Index
	}
	before, err := sentTo(ctx, t, g.Party, idsOf(sent))
	if err != nil {
		return err
	}
	var args []any
	for _, x := range g.Disclosures {
		redacted, err := listText(x.Redacted)
		if err != nil {
			return err
		}
		sum := x.Sum
		args = append(args, g.Party, x.Index, int64(x.Stamp), x.Item.ID, int64(x.Item.Version), x.Agreement, int64(x.Version), x.Article, redacted,
			x.Sent.ID, int64(x.Sent.Version), typeOf(x.Sent.ID), number(newest[x.Sent] == x.Index), number(latest[x.Sent.ID] == x.Index), int64(x.Receipted), int64(x.Retracted), int64(x.Confirmed),
			sum[:], null(x.Bytes))
		t.tally("disclosed", g.Party, articleText(accord.ArticleKey{Agreement: x.Agreement, Version: x.Version, Article: x.Article}), 1)
	}
	for _, old := range before {
		_, again := newest[old.sent]
		if !old.standing || !again && !old.latest {
			continue
		}
		if err := t.stand(ctx, g.Party, old.index, !again); err != nil {
			return err
		}
	}
	return t.insert(ctx, insertDisclosure, args)
}

// typeOf returns the STIX type that an id begins with.
func typeOf(id string) string {
	kind, _, _ := strings.Cut(id, "--")
	return kind
}

func null(b []byte) any {
	if b == nil {
		return nil
	}
	return b
}

// rising checks that stamps and indexes follow one another and what is stored.
func (t *tx) rising(ctx context.Context, g accord.Disclosing) error {
	stamp, err := lastStamp(ctx, t, g.Party)
	if err != nil {
		return err
	}
	index := int64(-1)
	rows, err := t.query(ctx, "SELECT idx FROM disclosure WHERE party = $1 ORDER BY idx DESC LIMIT 1", g.Party)
	if err == nil {
		err = all(rows, func(r *sql.Rows) error { return r.Scan(&index) })
	}
	if err != nil {
		return err
	}
	for _, x := range g.Disclosures {
		if x.Stamp <= stamp || x.Index <= index {
			return fmt.Errorf("%w: disclosure %d stamped %d after %d stamped %d", accord.ErrInvalid, x.Index, int64(x.Stamp), index, int64(stamp))
		}
		stamp, index = x.Stamp, x.Index
	}
	return nil
}

// stand says of a disclosure whether it stands beside one that is newer.
func (t *tx) stand(ctx context.Context, party string, index int64, standing bool) error {
	_, err := t.exec(ctx, "UPDATE disclosure SET standing = $3, latest = 0 WHERE party = $1 AND idx = $2", party, index, number(standing))
	return err
}

// sentRow is what is known of one disclosure when looking by what was sent.
type sentRow struct {
	index     int64
	stamp     accord.Stamp
	sent      accord.ItemKey
	standing  bool
	latest    bool
	retracted accord.Stamp
}

// sentTo returns the disclosures to party that were sent under these ids.
func sentTo(ctx context.Context, q querier, party string, ids []string) (out []sentRow, err error) {
	scan := func(r *sql.Rows) error {
		var s sentRow
		err := r.Scan(&s.index, &s.stamp, &s.sent.ID, &s.sent.Version, &s.standing, &s.latest, &s.retracted)
		out = append(out, s)
		return err
	}
	const columns = "SELECT idx, stamp, sent_id, sent_version, standing, latest, retracted FROM disclosure WHERE "
	// As a rule an item is sent under its own id, and the index by item serves.
	err = each(ctx, q, columns+"party = $1 AND item_id IN ", " AND sent_id = item_id", []any{party}, ids, scan)
	if err == nil {
		err = each(ctx, q, columns+"party = $1 AND sent_id IN ", " AND sent_id <> item_id", []any{party}, ids, scan)
	}
	return out, err
}

// retract marks disclosures as taken back. With one go all earlier ones of the
// same sent object, in any version: they stand no more either.
func (t *tx) retract(ctx context.Context, g accord.Disclosing) error {
	gone := map[string]int64{} // sent id → newest index taken back
	for _, index := range g.Retracted {
		rows, err := t.query(ctx, "UPDATE disclosure SET retracted = $3, standing = 0 WHERE party = $1 AND idx = $2 AND retracted = 0 RETURNING sent_id",
			g.Party, index, int64(g.At))
		if err != nil {
			return err
		}
		var id string
		if err := one(rows, &id); err != nil {
			return fmt.Errorf("%w: disclosure %d to %s is not there to retract: %w", accord.ErrConflict, index, g.Party, err)
		}
		gone[id] = max(gone[id], index)
		t.tally("retracted", g.Party, "", 1)
	}
	sent, err := sentTo(ctx, t, g.Party, slices.Sorted(maps.Keys(gone)))
	if err != nil {
		return err
	}
	for _, s := range sent {
		if s.standing && s.index < gone[s.sent.ID] {
			if err := t.stand(ctx, g.Party, s.index, false); err != nil {
				return err
			}
		}
	}
	return nil
}

var upsertWithheld = bulk{
	head: "INSERT INTO withheld (item_id, party, item_version, type, agreement, version, article, reasons, at) VALUES ", columns: 9,
	tail: " ON CONFLICT (item_id, party) DO UPDATE SET item_version = excluded.item_version, type = excluded.type, " +
		"agreement = excluded.agreement, version = excluded.version, article = excluded.article, reasons = excluded.reasons, at = excluded.at",
}

// withhold replaces withholdings, and removes those of items now disclosed.
func (t *tx) withhold(ctx context.Context, g accord.Disclosing) error {
	var ids []string
	disclosed := map[string]bool{}
	for _, x := range g.Disclosures {
		ids = append(ids, x.Item.ID)
		disclosed[x.Item.ID] = true
	}
	last := map[string]accord.Withheld{} // a statement may not meet one row twice
	var order []string
	for _, w := range g.Withheld {
		if _, twice := last[w.Item.ID]; !twice {
			order = append(order, w.Item.ID)
		}
		last[w.Item.ID] = w
	}
	ids = append(ids, order...)
	before := map[string]accord.ArticleKey{}
	err := each(ctx, t, "SELECT item_id, agreement, version, article FROM withheld WHERE party = $1 AND item_id IN ", "", []any{g.Party}, ids, func(r *sql.Rows) error {
		var id string
		var k accord.ArticleKey
		err := r.Scan(&id, &k.Agreement, &k.Version, &k.Article)
		before[id] = k
		return err
	})
	if err != nil {
		return err
	}
	for id, article := range before {
		t.tally("withheld", g.Party, articleText(article), -1)
		if _, again := last[id]; disclosed[id] && !again {
			if _, err := t.exec(ctx, "DELETE FROM withheld WHERE item_id = $1 AND party = $2", id, g.Party); err != nil {
				return err
			}
		}
	}
	var args []any
	for _, id := range order {
		w := last[id]
		reasons, err := listText(w.Reasons)
		if err != nil {
			return err
		}
		args = append(args, w.Item.ID, g.Party, int64(w.Item.Version), w.Type, w.Agreement, int64(w.Version), w.Article, reasons, int64(w.At))
		t.tally("withheld", g.Party, articleText(accord.ArticleKey{Agreement: w.Agreement, Version: w.Version, Article: w.Article}), 1)
	}
	return t.insert(ctx, upsertWithheld, args)
}
