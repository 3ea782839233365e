// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"

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

const (
	entryHead = "SELECT d.idx, d.stamp, d.sent_id, d.sent_version, d.agreement, d.version, d.latest, " +
		"CASE WHEN d.bytes IS NULL THEN COALESCE(length(i.bytes), 0) ELSE length(d.bytes) END " +
		"FROM disclosure d LEFT JOIN item i ON d.bytes IS NULL AND i.id = d.item_id AND i.version = d.item_version " +
		"WHERE d.party = $1 AND "
	entriesAfter = "d.standing = 1 AND d.stamp > $2"
)

func scanEntry(r *sql.Rows) (e accord.Entry, err error) {
	err = r.Scan(&e.Row, &e.Stamp, &e.ID, &e.Version, &e.Under, &e.UnderVersion, &e.Last, &e.Size)
	return e, err
}

// Disclosed reads party's collection: up to limit standing disclosures stamped
// after after, in order of stamp. Of each sent object and version only the newest
// disclosure stands; a retracted one does not.
func (d *DB) Disclosed(ctx context.Context, party string, after accord.Stamp, limit int, f accord.EntryFilter) (out []accord.Entry, err error) {
	if len(f.IDs) > 0 {
		out, err = d.disclosedIDs(ctx, party, after, f)
	} else {
		out, err = d.disclosedTypes(ctx, party, after, limit, f)
	}
	if err == nil && !f.Latest {
		err = d.markFirst(ctx, party, out)
	}
	if err != nil {
		return nil, fmt.Errorf("disclosed to %s: %w", party, err)
	}
	slices.SortFunc(out, func(a, b accord.Entry) int { return cmp.Compare(a.Stamp, b.Stamp) })
	return out[:min(limit, len(out))], nil
}

// disclosedTypes reads one type at a time, so that each is a short walk along an index.
func (d *DB) disclosedTypes(ctx context.Context, party string, after accord.Stamp, limit int, f accord.EntryFilter) (out []accord.Entry, err error) {
	types := slices.Compact(slices.Sorted(slices.Values(f.Types)))
	if len(types) == 0 {
		types = []string{""}
	}
	for _, kind := range types {
		where, args := entriesAfter, []any{party, int64(after)}
		also := func(column, value string) {
			if value != "" {
				args = append(args, value)
				where += fmt.Sprintf(" AND d.%s = $%d", column, len(args))
			}
		}
		also("sent_type", kind)
		also("agreement", f.Agreement)
		if f.Latest {
			where += " AND d.latest = 1"
		}
		args = append(args, limit)
		rows, err := d.query(ctx, entryHead+where+fmt.Sprintf(" ORDER BY d.stamp LIMIT $%d", len(args)), args...)
		if err == nil {
			err = all(rows, func(r *sql.Rows) error {
				e, err := scanEntry(r)
				out = append(out, e)
				return err
			})
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// disclosedIDs reads through the indexes by id.
func (d *DB) disclosedIDs(ctx context.Context, party string, after accord.Stamp, f accord.EntryFilter) (out []accord.Entry, err error) {
	found, err := sentTo(ctx, d, party, slices.Compact(slices.Sorted(slices.Values(f.IDs))))
	var rows []int64
	for _, s := range found {
		if s.standing && s.stamp > after && (!f.Latest || s.latest) && (len(f.Types) == 0 || slices.Contains(f.Types, typeOf(s.sent.ID))) {
			rows = append(rows, s.index)
		}
	}
	if err != nil {
		return nil, err
	}
	err = each(ctx, d, entryHead+"d.idx IN ", "", []any{party}, rows, func(r *sql.Rows) error {
		e, err := scanEntry(r)
		if f.Agreement == "" || e.Under == f.Agreement {
			out = append(out, e)
		}
		return err
	})
	return out, err
}

// markFirst marks the earliest standing version of each object.
func (d *DB) markFirst(ctx context.Context, party string, list []accord.Entry) error {
	var ids []string
	for _, e := range list {
		ids = append(ids, e.ID)
	}
	found, err := sentTo(ctx, d, party, slices.Compact(slices.Sorted(slices.Values(ids))))
	first := map[string]sentRow{}
	for _, s := range found {
		old, ok := first[s.sent.ID]
		if s.standing && (!ok || s.sent.Version < old.sent.Version || s.sent.Version == old.sent.Version && s.index < old.index) {
			first[s.sent.ID] = s
		}
	}
	for i, e := range list {
		list[i].First = first[e.ID].index == e.Row
	}
	return err
}

// DisclosedBytes returns the bytes that were sent with these disclosures to party,
// by index; those of which nothing is left are left out.
func (d *DB) DisclosedBytes(ctx context.Context, party string, rows []int64) (map[int64][]byte, error) {
	out := make(map[int64][]byte, len(rows))
	err := each(ctx, d, "SELECT d.idx, COALESCE(d.bytes, i.bytes) FROM disclosure d LEFT JOIN item i "+
		"ON d.bytes IS NULL AND i.id = d.item_id AND i.version = d.item_version WHERE d.party = $1 AND d.standing = 1 AND d.idx IN ",
		"", []any{party}, rows, func(r *sql.Rows) error { return scanBytes(r, out) })
	if err != nil {
		return nil, fmt.Errorf("bytes disclosed to %s: %w", party, err)
	}
	return out, nil
}

func scanBytes(r *sql.Rows, into map[int64][]byte) error {
	var row int64
	var b []byte
	err := r.Scan(&row, &b)
	if len(b) > 0 {
		into[row] = b
	}
	return err
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
