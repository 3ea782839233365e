// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"accord"
)

// A search walks one index, newest first, and drops what the other filters do
// not let through. It looks at no more than this many entries for one page: so
// a page may be short, and its cursor goes on from where the look ended.
const searchSpan = 4000

// Search returns a page of items without bytes, in their newest versions, newest
// first, and the cursor of the next page, empty at the end. Text selects items
// whose name or observable value begins with it, in the order of these texts; an
// id selects that item whatever its state.
func (d *DB) Search(ctx context.Context, q accord.Query) (out []accord.Item, next string, err error) {
	q.Text = fit(q.Text)
	switch {
	case q.Q != "":
		out, next, err = d.searchQ(ctx, q)
	case strings.Contains(q.Text, "--"):
		out, err = d.searchID(ctx, q)
	case q.Text != "":
		out, next, err = d.searchText(ctx, q)
	default:
		out, next, err = d.searchNewest(ctx, q)
	}
	if err != nil {
		return nil, "", fmt.Errorf("search: %w", err)
	}
	return out, next, nil
}

// passes reports whether q's filters let it through.
func passes(q *accord.Query, r *row) bool {
	switch q.State {
	case "withdrawn":
		if r.Withdrawn == 0 {
			return false
		}
	case "held":
		if r.Held == "" || r.Withdrawn != 0 {
			return false
		}
	default:
		if r.Withdrawn != 0 {
			return false
		}
	}
	party := q.Party
	if party == "own" {
		party = ""
	}
	return r.latest &&
		(q.Type == "" || q.Type == r.Type) &&
		(q.TLP == nil || *q.TLP == r.TLP) &&
		(q.Source == "" || q.Source == r.Source) &&
		(q.Party == "" || party == r.Origin.Party)
}

func (d *DB) searchID(ctx context.Context, q accord.Query) (out []accord.Item, err error) {
	rows, err := rowsBy(ctx, d, false, "id", " AND latest = 1", []string{q.Text})
	for _, r := range rows {
		if q.State == "" {
			q.State = "live"
			if r.Withdrawn != 0 {
				q.State = "withdrawn"
			}
		}
		if passes(&q, &r) {
			out = append(out, r.Item)
		}
	}
	return out, err
}

// walk is an index to walk, newest first.
type walk struct {
	order string // column
	where string // uses $2 when by is set
	by    string
}

// walkFor picks the index that is likely to be the shortest walk.
func walkFor(q *accord.Query) walk {
	switch {
	case q.State == "withdrawn":
		return walk{order: "seq", where: "withdrawn > 0"}
	case q.State == "held":
		return walk{order: "seq", where: "held <> ''"}
	case q.Party != "" && q.Party != "own":
		return walk{order: "n", where: "party <> '' AND party = $2", by: q.Party}
	case q.Source != "":
		return walk{order: "n", where: "source = $2", by: q.Source}
	case q.Type != "":
		return walk{order: "seq", where: "type = $2", by: q.Type}
	}
	return walk{order: "n"}
}

func (w walk) query(ctx context.Context, d *DB, below int64, limit int) (*sql.Rows, error) {
	query, args := "SELECT "+itemHead+" FROM item WHERE "+w.order+" < $1", []any{below}
	if w.where != "" {
		query += " AND " + w.where
	}
	if w.by != "" {
		args = append(args, w.by)
	}
	query += fmt.Sprintf(" ORDER BY %s DESC LIMIT $%d", w.order, len(args)+1)
	return d.query(ctx, query, append(args, limit)...)
}

func (d *DB) searchNewest(ctx context.Context, q accord.Query) (out []accord.Item, next string, err error) {
	below, err := cursorOf(q.After)
	if err != nil {
		return nil, "", err
	}
	limit, w := pageSize(q.Limit), walkFor(&q)
	for span, looked := limit, 0; looked < searchSpan; span = min(2*span, searchSpan) {
		rows, err := w.query(ctx, d, below, span)
		if err != nil {
			return nil, "", err
		}
		n := 0
		err = all(rows, func(r *sql.Rows) error {
			var x row
			if err := x.scan(r, false); err != nil {
				return err
			}
			n++
			if len(out) == limit {
				return nil
			}
			below = x.n
			if w.order == "seq" {
				below = x.Seq
			}
			if passes(&q, &x) {
				out = append(out, x.Item)
			}
			return nil
		})
		if err != nil {
			return nil, "", err
		}
		if len(out) < limit && n < span {
			return out, "", nil
		}
		if len(out) == limit {
			break
		}
		looked += n
	}
	return out, fmt.Sprint(below), nil
}

// found is an entry of an index by text.
type found struct {
	Text string `json:"t"`
	N    int64  `json:"n"`
}

func (a found) compare(b found) int {
	return cmp.Or(cmp.Compare(a.Text, b.Text), cmp.Compare(a.N, b.N))
}

const (
	byValue = "SELECT value, item FROM observable WHERE (value, item) > ($1, $2) AND value < $3 ORDER BY value, item LIMIT $4"
	byName  = "SELECT lname, n FROM item WHERE lname <> '' AND (lname, n) > ($1, $2) AND lname < $3 ORDER BY lname, n LIMIT $4"
)

// textSources are the indexes that a search text is looked for in.
func textSources(text string) (prefixes []string, queries []string) {
	lower := strings.ToLower(text)
	prefixes, queries = []string{indexed(lower), indexed(lower)}, []string{byValue, byName}
	if lower != text { // a URL may hold capitals
		prefixes, queries = append(prefixes, indexed(text)), append(queries, byValue)
	}
	return prefixes, queries
}

func (d *DB) searchText(ctx context.Context, q accord.Query) (out []accord.Item, next string, err error) {
	after := found{N: -1}
	if q.After != "" {
		b, err := base64.RawURLEncoding.DecodeString(q.After)
		if err != nil || json.Unmarshal(b, &after) != nil {
			return nil, "", fmt.Errorf("%w: cursor %q", accord.ErrInvalid, q.After)
		}
	}
	prefixes, queries := textSources(q.Text)
	limit := pageSize(q.Limit)
	for span, looked := 2*limit, 0; looked < searchSpan; looked, span = looked+span, 2*span {
		var page []found
		for i, prefix := range prefixes {
			got, err := d.findText(ctx, queries[i], prefix, after, span)
			if err != nil {
				return nil, "", err
			}
			page = append(page, got...)
		}
		slices.SortFunc(page, found.compare)
		page = slices.Compact(page)
		more := len(page) >= span
		page = page[:min(span, len(page))]
		byN, err := d.byNumber(ctx, page)
		if err != nil {
			return nil, "", err
		}
		for _, f := range page {
			after = f
			if r, ok := byN[f.N]; ok && passes(&q, &r) && f.Text == firstText(&r, prefixes) {
				out = append(out, r.Item)
			}
			if len(out) == limit {
				return out, after.cursor(), nil
			}
		}
		if !more {
			return out, "", nil
		}
	}
	return out, after.cursor(), nil
}

func (a found) cursor() string {
	b, _ := json.Marshal(a) // a text and a number always encode
	return base64.RawURLEncoding.EncodeToString(b)
}

func (d *DB) findText(ctx context.Context, query, prefix string, after found, limit int) (out []found, err error) {
	from := found{Text: prefix, N: -1}
	if after.compare(from) > 0 {
		from = after
	}
	rows, err := d.query(ctx, query, from.Text, from.N, prefix+"\U0010FFFF", limit)
	if err != nil {
		return nil, err
	}
	err = all(rows, func(r *sql.Rows) error {
		var f found
		err := r.Scan(&f.Text, &f.N)
		out = append(out, f)
		return err
	})
	return out, err
}

func (d *DB) byNumber(ctx context.Context, page []found) (map[int64]row, error) {
	var ns []int64
	for _, f := range page {
		ns = append(ns, f.N)
	}
	slices.Sort(ns)
	rows, err := rowsBy(ctx, d, false, "n", "", slices.Compact(ns))
	byN := make(map[int64]row, len(rows))
	for _, r := range rows {
		byN[r.n] = r
	}
	return byN, err
}

// firstText returns the first text in index order under which r is found by one
// of prefixes, so that an item found under several is listed once.
func firstText(r *row, prefixes []string) string {
	texts := values(&r.Item)
	if r.lname != "" {
		texts = append(texts, r.lname)
	}
	slices.Sort(texts)
	for _, text := range texts {
		for _, p := range prefixes {
			if strings.HasPrefix(text, p) {
				return text
			}
		}
	}
	return ""
}
