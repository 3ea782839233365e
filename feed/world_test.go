// SPDX-License-Identifier: Apache-2.0

package feed_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"accord"
	"accord/feed"
	"accord/ingest"
	"accord/store"
	"accord/store/storetest"
)

// start is the instant at which the tests' clock stands at first.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const self = "identity--0b1c2d3e-0000-4000-a000-000000000001"

// world is a node's store, its ingest, and a server of feeds.
type world struct {
	t      *testing.T
	db     *store.DB
	worker *feed.Worker
	server *httptest.Server
	fail   func() error // called before each write, when set

	mu      sync.Mutex
	now     time.Time
	handler http.HandlerFunc
	asked   []string // requests, as "path" or "path if-none-match"
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, db: storetest.Open(t, storetest.SQLite(t)), now: start}
	w.server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		h := w.handler
		w.asked = append(w.asked, strings.TrimSpace(r.URL.Path+" "+r.Header.Get("If-None-Match")))
		w.mu.Unlock()
		h(rw, r)
	}))
	t.Cleanup(w.server.Close)
	w.worker = &feed.Worker{
		Store: w.db, Intake: w, Now: w.clock, Rand: rand.New(rand.NewPCG(1, 2)), //nolint:gosec // a test's dice
		Log: slog.New(slog.DiscardHandler), Config: feed.Config{Author: self, Spool: t.TempDir(), Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	}
	return w
}

// clock gives each caller a later instant.
func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(time.Millisecond)
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// serve has the server answer with h from now on.
func (w *world) serve(h http.HandlerFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.handler = h
}

// serveText has the server answer with text, and an ETag when there is one.
func (w *world) serveText(text, etag string) {
	w.serve(func(rw http.ResponseWriter, r *http.Request) {
		if etag != "" {
			rw.Header().Set("ETag", etag)
			if r.Header.Get("If-None-Match") == etag {
				rw.WriteHeader(http.StatusNotModified)
				return
			}
		}
		fmt.Fprint(rw, text)
	})
}

// add makes a feed of the server's.
func (w *world) add(f accord.Feed) {
	w.t.Helper()
	if f.Name == "" {
		f.Name = "f"
	}
	if f.Kind == "" {
		f.Kind = accord.FeedList
	}
	if f.URL == "" {
		f.URL = w.server.URL + "/feed"
	}
	f.PlainHTTP, f.Enabled = !strings.HasPrefix(f.URL, "file:"), true
	if err := w.db.AddFeed(w.t.Context(), f); err != nil {
		w.t.Fatal(err)
	}
}

// run runs feed f and wants this outcome, with words in its message.
func (w *world) run(outcome accord.RunOutcome, words string) accord.FeedRun {
	w.t.Helper()
	return w.runAs(false, outcome, words)
}

func (w *world) runAs(accept bool, outcome accord.RunOutcome, words string) accord.FeedRun {
	w.t.Helper()
	w.pass(time.Minute)
	run, err := w.worker.RunFeed(w.t.Context(), "f", accept)
	if err != nil {
		w.t.Fatal(err)
	}
	if run.Outcome != outcome || !strings.Contains(run.Message, words) {
		w.t.Errorf("run came to %s: %q; want %s: %q", run.Outcome, run.Message, outcome, words)
	}
	return run
}

func (w *world) state() accord.FeedState {
	w.t.Helper()
	f, err := w.db.Feed(w.t.Context(), "f")
	if err != nil {
		w.t.Fatal(err)
	}
	return f.State
}

// live counts the live items of feed f.
func (w *world) live() int64 {
	w.t.Helper()
	c, err := w.db.Counts(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return c.BySource["f"]
}

// Take is what the program wires: ingest, into the store, under the feed's name.
func (w *world) Take(ctx context.Context, f accord.Feed, in feed.Input) (feed.Taken, error) {
	s := &sink{world: w, name: f.Name, in: in}
	g := &ingest.Ingester{Store: s, Now: w.clock, Identity: self, DefaultTLP: accord.TLPAmber}
	o := ingest.Options{Source: f.Name, Labels: f.Labels, Form: f.List, Context: f.Context, Limit: in.Limit}
	if f.Mirror {
		o.Revive = feed.MirrorReason(f.Name)
	}
	r, err := g.File(ctx, in.Path, o)
	out := feed.Taken{FeedCounts: accord.FeedCounts{
		Objects: r.Objects, New: r.New, Updated: r.Updated, Same: r.Same, Conflicts: r.Conflicts, Refused: r.Refused, Held: r.Held,
	}, Refusals: r.Refusals}
	if err == nil && r.Broken > 0 {
		err = fmt.Errorf("%w: not read to the end", accord.ErrInvalid)
	}
	return out, err
}

// sink is the store as ingest sees it during a run.
type sink struct {
	*world
	name string
	in   feed.Input
	new  int64
}

func (s *sink) Ingest(ctx context.Context, items []accord.Item, at accord.Stamp) (accord.IngestResult, error) {
	if s.in.Dry {
		return accord.IngestResult{}, nil
	}
	if s.fail != nil {
		if err := s.fail(); err != nil {
			return accord.IngestResult{}, err
		}
	}
	if s.in.Seen != nil {
		var ids []string
		for _, it := range items {
			ids = append(ids, it.ID)
		}
		s.in.Seen(ids)
	}
	res, err := s.db.FeedIngest(ctx, s.name, "", items, at)
	if s.new += int64(res.New); err == nil && s.new > s.in.Room {
		err = feed.ErrFull
	}
	return res, err
}

func (s *sink) Latest(ctx context.Context, ids []string) (map[string]accord.Item, error) {
	return s.db.Latest(ctx, ids)
}

func (s *sink) RecordRefusal(ctx context.Context, source, what, why string, at accord.Stamp) error {
	return s.db.RecordRefusal(ctx, source, what, why, at)
}

// rows are n lines of a list, from the first-th.
func rows(first, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "host%d.example\n", first+i)
	}
	return b.String()
}

// oneFile is a list of one row.
func oneFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "list.txt")
	if err := os.WriteFile(path, []byte("a.example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
