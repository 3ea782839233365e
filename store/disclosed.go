// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"

	"accord"
)

// LiveDisclosures returns, for each of these item ids that party has, the latest
// disclosure, without bytes; nothing when that one was retracted.
func (d *DB) LiveDisclosures(ctx context.Context, party string, ids []string) (map[string]accord.Disclosure, error) {
	out := map[string]accord.Disclosure{}
	err := each(ctx, d, "SELECT "+disclosureHead+" FROM disclosure d WHERE d.party = $1 AND d.item_id IN ", "",
		[]any{party}, ids, func(r *sql.Rows) error {
			x, err := scanDisclosure(r, false)
			if old, ok := out[x.Item.ID]; !ok || old.Index < x.Index {
				out[x.Item.ID] = x
			}
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("live disclosures to %s: %w", party, err)
	}
	maps.DeleteFunc(out, func(_ string, x accord.Disclosure) bool { return x.Retracted != 0 })
	return out, nil
}

// Disclosures returns up to limit disclosures to party whose leaf index is above
// after, -1 for the first, with the bytes sent; those of erased items are left out.
func (d *DB) Disclosures(ctx context.Context, party string, after int64, limit int) ([]accord.Disclosure, error) {
	return d.disclosures(ctx, "disclosures to "+party, true, "SELECT "+disclosureFull+
		" WHERE d.party = $1 AND d.idx > $2 AND (d.bytes IS NULL OR length(d.bytes) > 0) ORDER BY d.idx LIMIT $3", party, after, limit)
}

// RecentDisclosures returns the newest disclosures to party, newest first, without bytes.
func (d *DB) RecentDisclosures(ctx context.Context, party string, limit int) ([]accord.Disclosure, error) {
	return d.disclosures(ctx, "recent disclosures to "+party, false, "SELECT "+disclosureHead+
		" FROM disclosure d WHERE d.party = $1 ORDER BY d.idx DESC LIMIT $2", party, limit)
}

// DisclosuresOf returns every disclosure of an item, of any version and to any
// party, without bytes.
func (d *DB) DisclosuresOf(ctx context.Context, itemID string) ([]accord.Disclosure, error) {
	return d.disclosures(ctx, "disclosures of "+itemID, false, "SELECT "+disclosureHead+
		" FROM disclosure d WHERE d.item_id = $1 ORDER BY d.party, d.idx", itemID)
}

func (d *DB) disclosures(ctx context.Context, what string, full bool, query string, args ...any) (out []accord.Disclosure, err error) {
	rows, err := d.query(ctx, query, args...)
	if err == nil {
		err = all(rows, func(r *sql.Rows) error {
			x, err := scanDisclosure(r, full)
			out = append(out, x)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return out, nil
}

// DisclosedSince reads party's collection: up to limit standing disclosures
// stamped after after, in order of stamp, with the bytes sent. Of each sent
// object and version only the newest disclosure stands; a retracted one does not.
func (d *DB) DisclosedSince(ctx context.Context, party string, after accord.Stamp, limit int, f accord.DisclosureFilter) ([]accord.Disclosure, error) {
	what := "disclosed to " + party
	if len(f.IDs) == 0 && len(f.Types) == 0 {
		return d.disclosures(ctx, what, true, "SELECT "+disclosureFull+
			" WHERE d.party = $1 AND d.standing = 1 AND d.stamp > $2 ORDER BY d.stamp LIMIT $3", party, int64(after), limit)
	}
	found, err := d.standing(ctx, party, after, limit, f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	slices.SortFunc(found, func(a, b sentRow) int { return cmp.Compare(a.stamp, b.stamp) })
	found = found[:min(limit, len(found))]
	indexes := make([]int64, len(found))
	for i, s := range found {
		indexes[i] = s.index
	}
	var out []accord.Disclosure
	err = each(ctx, d, "SELECT "+disclosureFull+" WHERE d.party = $1 AND d.idx IN ", "", []any{party}, indexes, func(r *sql.Rows) error {
		x, err := scanDisclosure(r, true)
		out = append(out, x)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	slices.SortFunc(out, func(a, b accord.Disclosure) int { return cmp.Compare(a.Stamp, b.Stamp) })
	return out, nil
}

// standing finds what a filter lets through: by id through the indexes by id, by
// type one type at a time, so that each is a short walk along its index.
func (d *DB) standing(ctx context.Context, party string, after accord.Stamp, limit int, f accord.DisclosureFilter) (out []sentRow, err error) {
	if len(f.IDs) > 0 {
		ids := slices.Compact(slices.Sorted(slices.Values(f.IDs)))
		found, err := sentTo(ctx, d, party, ids)
		for _, s := range found {
			kind, _, _ := strings.Cut(s.sent.ID, "--")
			if s.standing && s.stamp > after && (len(f.Types) == 0 || slices.Contains(f.Types, kind)) {
				out = append(out, s)
			}
		}
		return out, err
	}
	for _, kind := range slices.Compact(slices.Sorted(slices.Values(f.Types))) {
		rows, err := d.query(ctx, "SELECT idx, stamp FROM disclosure WHERE party = $1 AND standing = 1 AND sent_type = $2 AND stamp > $3 "+
			"ORDER BY stamp LIMIT $4", party, kind, int64(after), limit)
		if err != nil {
			return nil, err
		}
		err = all(rows, func(r *sql.Rows) error {
			var s sentRow
			err := r.Scan(&s.index, &s.stamp)
			out = append(out, s)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// WithheldOf returns the withholdings of an item, by party.
func (d *DB) WithheldOf(ctx context.Context, itemID string) (out []accord.Withheld, err error) {
	rows, err := d.query(ctx, "SELECT item_id, party, item_version, type, agreement, version, article, reasons, at FROM withheld "+
		"WHERE item_id = $1 ORDER BY party", itemID)
	if err == nil {
		err = all(rows, func(r *sql.Rows) error {
			var w accord.Withheld
			var reasons string
			err := r.Scan(&w.Item.ID, &w.Party, &w.Item.Version, &w.Type, &w.Agreement, &w.Version, &w.Article, &reasons, &w.At)
			if err == nil {
				w.Reasons, err = listOf(reasons)
			}
			out = append(out, w)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("withheld of %s: %w", itemID, err)
	}
	return out, nil
}

// WithheldBy returns how many items each article, of each version of each agreement, withholds from party, of the
// limit articles that withhold most.
func (d *DB) WithheldBy(ctx context.Context, party string, limit int) (map[accord.ArticleKey]int64, error) {
	return d.byArticle(ctx, "withheld", party, limit)
}

// DisclosedBy returns how many disclosures to party each article has made,
// retracted ones included.
func (d *DB) DisclosedBy(ctx context.Context, party string) (map[accord.ArticleKey]int64, error) {
	return d.byArticle(ctx, "disclosed", party, 1<<20)
}

// ReceivedBy counts what party gave that is held here, by article.
func (d *DB) ReceivedBy(ctx context.Context, party string) (map[accord.ArticleKey]int64, error) {
	return d.byArticle(ctx, "received", party, 1<<20)
}

func (d *DB) byArticle(ctx context.Context, kind, party string, limit int) (map[accord.ArticleKey]int64, error) {
	out := map[accord.ArticleKey]int64{}
	rows, err := d.query(ctx, "SELECT part, n FROM tally WHERE kind = $1 AND name = $2 AND n > 0 ORDER BY n DESC, part LIMIT $3", kind, party, limit)
	if err == nil {
		err = all(rows, func(r *sql.Rows) error {
			var text string
			var n int64
			if err := r.Scan(&text, &n); err != nil {
				return err
			}
			k, err := articleOf(text)
			out[k] = n
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("%s by article: %w", kind, err)
	}
	return out, nil
}

// PushState returns up to which leaf index, exclusive, disclosures were delivered to party.
func (d *DB) PushState(ctx context.Context, party string) (pushed int64, err error) {
	rows, err := d.query(ctx, "SELECT upto FROM pushed WHERE party = $1", party)
	if err == nil {
		err = all(rows, func(r *sql.Rows) error { return r.Scan(&pushed) })
	}
	if err != nil {
		return 0, fmt.Errorf("push state of %s: %w", party, err)
	}
	return pushed, nil
}

// SetPushed moves what PushState returns, and fails with ErrConflict when it is not from.
func (d *DB) SetPushed(ctx context.Context, party string, from, to int64) error {
	return d.write(ctx, "set pushed to "+party, func(t *tx) error {
		var at int64
		rows, err := t.query(ctx, "SELECT upto FROM pushed WHERE party = $1", party)
		if err == nil {
			err = all(rows, func(r *sql.Rows) error { return r.Scan(&at) })
		}
		if err != nil {
			return err
		}
		if at != from {
			return fmt.Errorf("%w: pushed up to %d, not %d", accord.ErrConflict, at, from)
		}
		_, err = t.exec(ctx, "INSERT INTO pushed (party, upto) VALUES ($1, $2) ON CONFLICT (party) DO UPDATE SET upto = excluded.upto", party, to)
		return err
	})
}
