// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"accord"
)

// feedRunsKept is how many runs of a feed are kept.
const feedRunsKept = 100

// Feeds returns the feeds by name.
func (d *DB) Feeds(ctx context.Context) ([]accord.Feed, error) {
	out, err := feedsBy(ctx, d, " ORDER BY name")
	if err != nil {
		return nil, fmt.Errorf("feeds: %w", err)
	}
	return out, nil
}

// Feed returns one feed, or ErrNotFound.
func (d *DB) Feed(ctx context.Context, name string) (accord.Feed, error) {
	f, err := feedBy(ctx, d, name)
	if err != nil {
		return accord.Feed{}, fmt.Errorf("feed %s: %w", name, err)
	}
	return f, nil
}

func feedBy(ctx context.Context, q querier, name string) (accord.Feed, error) {
	fs, err := feedsBy(ctx, q, " WHERE name = $1", name)
	if err == nil && len(fs) == 0 {
		err = accord.ErrNotFound
	}
	if err != nil {
		return accord.Feed{}, err
	}
	return fs[0], nil
}

func feedsBy(ctx context.Context, q querier, tail string, args ...any) (out []accord.Feed, err error) {
	rows, err := q.query(ctx, "SELECT settings, state FROM feed"+tail, args...)
	if err != nil {
		return nil, err
	}
	return out, all(rows, func(r *sql.Rows) error {
		var settings, state string
		var f accord.Feed
		if err := r.Scan(&settings, &state); err != nil {
			return err
		}
		err := errors.Join(json.Unmarshal([]byte(settings), &f), json.Unmarshal([]byte(state), &f.State))
		out = append(out, f)
		return err
	})
}

// settingsText is what is stored of a feed beside its state.
func settingsText(f accord.Feed) (string, error) {
	f.State = accord.FeedState{}
	b, err := json.Marshal(f)
	return string(b), err
}

// AddFeed stores a new feed; ErrConflict when there is one of its name.
func (d *DB) AddFeed(ctx context.Context, f accord.Feed) error {
	settings, err := settingsText(f)
	if err != nil {
		return fmt.Errorf("add feed: %w", err)
	}
	return d.write(ctx, "add feed "+f.Name, func(t *tx) error {
		n, err := t.exec(ctx, "INSERT INTO feed (name, settings, state) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING", f.Name, settings, "{}")
		if err == nil && n == 0 {
			err = fmt.Errorf("%w: there is a feed of this name", accord.ErrConflict)
		}
		return err
	})
}

// EnableFeed switches a feed on or off. What is switched on runs at once.
func (d *DB) EnableFeed(ctx context.Context, name string, on bool) error {
	return d.editFeed(ctx, "enable feed "+name, name, func(f *accord.Feed) error {
		f.Enabled = on
		if on {
			f.State.Due = 0
		}
		return nil
	})
}

// editFeed changes a feed in one transaction.
func (d *DB) editFeed(ctx context.Context, what, name string, edit func(*accord.Feed) error) error {
	return d.write(ctx, what, func(t *tx) error { return t.editFeed(ctx, name, edit) })
}

func (t *tx) editFeed(ctx context.Context, name string, edit func(*accord.Feed) error) error {
	f, err := feedBy(ctx, t, name)
	if err != nil {
		return err
	}
	if err := edit(&f); err != nil {
		return err
	}
	settings, err := settingsText(f)
	if err != nil {
		return err
	}
	state, err := json.Marshal(f.State)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "UPDATE feed SET settings = $2, state = $3 WHERE name = $1", name, settings, string(state))
	return err
}

// RemoveFeed forgets a feed and its runs; what it brought, and what it was worth,
// stays.
func (d *DB) RemoveFeed(ctx context.Context, name string) error {
	return d.write(ctx, "remove feed "+name, func(t *tx) error {
		n, err := t.exec(ctx, "DELETE FROM feed WHERE name = $1", name)
		if err == nil && n == 0 {
			err = accord.ErrNotFound
		}
		if err != nil {
			return err
		}
		for _, table := range []string{"feed_run", "feed_part"} {
			if _, err := t.exec(ctx, "DELETE FROM "+table+" WHERE feed = $1", name); err != nil {
				return err
			}
		}
		return nil
	})
}

// BeginFeedRun notes that a run begins and returns the feed with its number in
// State.Run. It is ErrConflict while another run holds the feed.
func (d *DB) BeginFeedRun(ctx context.Context, name string, at, lease accord.Stamp) (f accord.Feed, err error) {
	err = d.editFeed(ctx, "begin run of "+name, name, func(g *accord.Feed) error {
		if g.State.Lease > at {
			return fmt.Errorf("%w: a run is under way", accord.ErrConflict)
		}
		g.State.Run++
		g.State.Started, g.State.Lease = at, lease
		f = *g
		return nil
	})
	return f, err
}

// KeepFeedRun says that a run still lives, and how far it is. It is ErrConflict
// when another has begun since.
func (d *DB) KeepFeedRun(ctx context.Context, name string, run int64, cursor string, lease accord.Stamp) error {
	return d.editFeed(ctx, "keep run of "+name, name, func(f *accord.Feed) error {
		if f.State.Run != run {
			return fmt.Errorf("%w: another run has begun", accord.ErrConflict)
		}
		f.State.Cursor, f.State.Lease = cursor, lease
		return nil
	})
}

// EndFeedRun stores what a run came to and the state that the next goes on from.
// It is ErrConflict when another has begun since.
func (d *DB) EndFeedRun(ctx context.Context, run accord.FeedRun, state accord.FeedState) error {
	doc, err := json.Marshal(run)
	if err != nil {
		return fmt.Errorf("end run: %w", err)
	}
	return d.write(ctx, "end run of "+run.Feed, func(t *tx) error {
		err := t.editFeed(ctx, run.Feed, func(f *accord.Feed) error {
			if f.State.Run != run.N {
				return fmt.Errorf("%w: another run has begun", accord.ErrConflict)
			}
			state.Run, state.Lease = run.N, 0
			f.State = state
			return nil
		})
		if err != nil {
			return err
		}
		if _, err := t.exec(ctx, "DELETE FROM feed_run WHERE feed = $1 AND n <= $2", run.Feed, run.N-feedRunsKept); err != nil {
			return err
		}
		if _, err := t.exec(ctx, "INSERT INTO feed_run (feed, n, doc) VALUES ($1, $2, $3)", run.Feed, run.N, string(doc)); err != nil {
			return err
		}
		failed := int64(0)
		if run.Outcome == accord.RunFailed {
			failed = 1
		}
		by := appraisal{}
		by.count(run.Feed, "runs", 1)
		by.count(run.Feed, "failed", failed)
		by.count(run.Feed, "refused", run.Refused)
		by.count(run.Feed, "conflicts", run.Conflicts)
		return t.appraised(ctx, by)
	})
}

// FeedRuns returns the newest runs of a feed, newest first.
func (d *DB) FeedRuns(ctx context.Context, name string, limit int) (out []accord.FeedRun, err error) {
	rows, err := d.query(ctx, "SELECT doc FROM feed_run WHERE feed = $1 ORDER BY n DESC LIMIT $2", name, limit)
	if err == nil {
		err = all(rows, func(r *sql.Rows) error {
			var doc string
			if err := r.Scan(&doc); err != nil {
				return err
			}
			var run accord.FeedRun
			err := json.Unmarshal([]byte(doc), &run)
			out = append(out, run)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("runs of %s: %w", name, err)
	}
	return out, nil
}

// FeedParts returns what a feed of many parts has taken: which version of each.
func (d *DB) FeedParts(ctx context.Context, name string) (map[string]string, error) {
	out := map[string]string{}
	rows, err := d.query(ctx, "SELECT part, mark FROM feed_part WHERE feed = $1", name)
	if err == nil {
		err = all(rows, func(r *sql.Rows) error {
			var part, mark string
			err := r.Scan(&part, &mark)
			out[part] = mark
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("parts of %s: %w", name, err)
	}
	return out, nil
}

// TakeFeedPart notes that a part of a feed was taken, in this version.
func (d *DB) TakeFeedPart(ctx context.Context, name, part, mark string) error {
	return d.write(ctx, "take part of "+name, func(t *tx) error {
		_, err := t.exec(ctx, "INSERT INTO feed_part (feed, part, mark) VALUES ($1, $2, $3) ON CONFLICT (feed, part) DO UPDATE SET mark = excluded.mark",
			name, part, mark)
		return err
	})
}

// FeedIngest is [DB.Ingest] for what a feed brought. An item that another source
// has stored already is noted too as brought by this feed. Of what author, the node
// itself, wrote and another source stored, a feed brings no new version: it is a
// conflict, for an object's creator alone makes new versions (STIX 2.1 §3.6), and
// whoever knows an id could revoke it. An empty author asks nothing.
func (d *DB) FeedIngest(ctx context.Context, feed, author string, items []accord.Item, at accord.Stamp) (res accord.IngestResult, err error) {
	if err := fitIDs(items); err != nil {
		return res, err
	}
	err = d.write(ctx, "ingest", func(t *tx) error {
		res = accord.IngestResult{}
		e, err := t.load(ctx, idsOfItems(items), at)
		if err != nil {
			return err
		}
		also := map[int64]bool{}
		for _, it := range items {
			if old := e.newest(it.ID); author != "" && old != nil && old.CreatedBy == author && old.Source != feed && e.find(it.ItemKey) == nil {
				res.Conflicts++
				res.Conflict = append(res.Conflict, it.ItemKey)
				continue
			}
			e.put(it, &res)
			if v := e.find(it.ItemKey); it.Type == "indicator" && v != nil && v.Source != feed {
				for _, o := range it.Observables {
					also[valueHash(o)] = true
				}
			}
		}
		if err := e.finish(ctx); err != nil {
			return err
		}
		return t.noteAlso(ctx, feed, also)
	})
	if err != nil {
		return accord.IngestResult{}, err
	}
	return res, nil
}

var insertAlso = bulk{head: "INSERT INTO feed_also (h, source, seq) VALUES ", columns: 3, tail: " ON CONFLICT (h, source) DO NOTHING"}

// noteAlso keeps values for the pass that counts them, but for those counted.
func (t *tx) noteAlso(ctx context.Context, feed string, values map[int64]bool) error {
	if len(values) == 0 {
		return nil
	}
	hashes := make([]int64, 0, len(values))
	for h := range values {
		hashes = append(hashes, h)
	}
	slices.Sort(hashes)
	err := each(ctx, t, "SELECT h FROM feed_value WHERE source = $1 AND h IN ", "", []any{feed}, hashes, func(r *sql.Rows) error {
		var h int64
		err := r.Scan(&h)
		delete(values, h)
		return err
	})
	if err != nil {
		return err
	}
	var args []any
	for _, h := range hashes {
		if values[h] {
			args = append(args, h, feed, t.seq)
		}
	}
	return t.insert(ctx, insertAlso, args)
}

// SourceItems returns the ids of live items of the node's own that source
// stored, after the cursor after (0 is the beginning), and the next cursor, 0 at
// the end.
func (d *DB) SourceItems(ctx context.Context, source string, after int64, limit int) (ids []string, next int64, err error) {
	rows, err := d.query(ctx, "SELECT n, id FROM item WHERE source = $1 AND n > $2 AND latest = 1 AND withdrawn = 0 AND party = '' ORDER BY n LIMIT $3",
		source, after, limit)
	if err == nil {
		err = all(rows, func(r *sql.Rows) error {
			var id string
			err := r.Scan(&next, &id)
			ids = append(ids, id)
			return err
		})
	}
	if err != nil {
		return nil, 0, fmt.Errorf("items of %s: %w", source, err)
	}
	if len(ids) < limit {
		next = 0
	}
	return ids, next, nil
}

// WithdrawMany takes back items of the node's own, as [DB.Withdraw] does, in one
// transaction. Ids that have nothing live of its own are passed over.
func (d *DB) WithdrawMany(ctx context.Context, ids []string, reason string, at accord.Stamp) (n int, err error) {
	err = d.write(ctx, "withdraw", func(t *tx) error {
		n = 0
		e, err := t.load(ctx, ids, at)
		if err != nil {
			return err
		}
		for _, id := range ids {
			gone := 0
			for _, v := range e.byID[id] {
				if v.Origin.Own() && v.Withdrawn == 0 {
					e.withdraw(v, reason)
					gone = 1
				}
			}
			n += gone
			e.settle(id)
		}
		return e.finish(ctx)
	})
	return n, err
}

func idsOfItems(items []accord.Item) []string {
	ids := make([]string, len(items))
	for i := range items {
		ids[i] = items[i].ID
	}
	return ids
}

func fitIDs(items []accord.Item) error {
	for i := range items {
		if items[i].ID == "" || len(items[i].ID) > longest {
			return fmt.Errorf("ingest: %w: id of %d bytes", accord.ErrInvalid, len(items[i].ID))
		}
	}
	return nil
}

// valueHash and idHash are what a value and an id are known by in the tables of
// this file: 64 bits, so that two of ten million share one with a chance of one
// in 370,000; then a count is wrong by one.
func valueHash(o accord.Observable) int64 { return hash64(string(o.Kind) + "\x00" + o.Value) }
func idHash(id string) int64              { return hash64(id) }

func hash64(s string) int64 {
	sum := sha256.Sum256([]byte(s))
	return int64(binary.BigEndian.Uint64(sum[:8]))
}
