// SPDX-License-Identifier: Apache-2.0

// Package feed fetches intelligence from where others publish it, on a schedule,
// and hands it to ingest.
//
// Sources: STIX 2.1 bundles and lists over HTTPS (RFC 9110 §13 for conditional
// requests, §10.2.3 for Retry-After), MISP feeds (package misp), TAXII 2.1
// collections (package taxii), files and folders of the node's machine. Durations
// are time.Duration, sizes bytes as they come, instants accord.Stamp.
//
// Failures: a run that fails is stored with its reason and tried again, ever later;
// what is not believable is held, and nothing withdrawn. What a run took is stored
// before what it remembers, so that a crash repeats work and loses none; ids and
// bytes do not depend on the run, so that repeating is harmless. One run of a feed
// is under way at a time, also among several programs on one store. A Worker may
// be used by many goroutines.
package feed

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"accord"
)

// Store is what the worker needs of the node's store.
type Store interface {
	Feeds(ctx context.Context) ([]accord.Feed, error)
	BeginFeedRun(ctx context.Context, name string, at, lease accord.Stamp) (accord.Feed, error)
	KeepFeedRun(ctx context.Context, name string, run int64, cursor string, lease accord.Stamp) error
	EndFeedRun(ctx context.Context, run accord.FeedRun, state accord.FeedState) error
	FeedParts(ctx context.Context, name string) (map[string]string, error)
	TakeFeedPart(ctx context.Context, name, part, mark string) error
	SourceItems(ctx context.Context, source string, after int64, limit int) (ids []string, next int64, err error)
	WithdrawMany(ctx context.Context, ids []string, reason string, at accord.Stamp) (int, error)
	FeedQualities(ctx context.Context, sources []string) (map[string]accord.FeedQuality, error)
	Appraise(ctx context.Context, author string) (busy bool, err error)
}

// Intake is ingest, as feeds need it.
type Intake interface {
	// Take reads one text into the store. What it could read is counted also when
	// an error comes with it; a text that cannot be read to its end is an error.
	Take(ctx context.Context, f accord.Feed, in Input) (Taken, error)
}

// Input is one text that a feed brought.
type Input struct {
	Path  string             // a file, which the intake does not change
	Name  string             // what it is called in reports
	Limit int64              // rows or objects to take at most; 0 = all
	Room  int64              // items that may be new; then ErrFull
	Dry   bool               // count its objects; store nothing
	Seen  func(ids []string) // told the id of each item; may be nil
}

// Taken says what became of an input.
type Taken struct {
	accord.FeedCounts
	Refusals []accord.Refusal // the first ones
}

// ErrFull means that a feed would bring more items than it may have in all.
var ErrFull = errors.New("the feed has as many items as it may have in all")

// Config are the worker's bounds and surroundings. Zero fields take their defaults.
type Config struct {
	Home      string         // folder that relative names of credential files start from
	Spool     string         // folder for what is being read; default the system's
	Allow     []netip.Prefix // networks that feeds may be fetched from though they are not public
	Roots     *x509.CertPool // nil: the system's
	UserAgent string         // default "accord"
	Author    string         // the node's own identity: what it wrote has no dates of its own
	AtOnce    int            // runs under way at a time; default 4; of one host always one
	Poll      time.Duration  // between looks at the schedule; default 5 s
	Lease     time.Duration  // how long a run that fell silent keeps others out; default 2 min
}

func (c Config) withDefaults() Config {
	if c.AtOnce <= 0 {
		c.AtOnce = 4
	}
	if c.Poll <= 0 {
		c.Poll = 5 * time.Second
	}
	if c.Lease <= 0 {
		c.Lease = 2 * time.Minute
	}
	if c.UserAgent == "" {
		c.UserAgent = "accord"
	}
	return c
}

// Worker fetches feeds. All fields are needed; Config may be empty.
type Worker struct {
	Store  Store
	Intake Intake
	Now    func() time.Time
	Rand   *rand.Rand // spreads what would else happen at once
	Log    *slog.Logger
	Config Config

	dice sync.Mutex // guards Rand
}

// ended is a run that is over.
type ended struct{ name, host string }

// Run fetches what is due, and counts what sources are worth, until ctx ends; then
// it waits for what is under way and returns nil.
func (w *Worker) Run(ctx context.Context) error {
	c := w.Config.withDefaults()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { w.appraise(ctx) })
	done := make(chan ended, c.AtOnce)
	running, busy := map[string]bool{}, map[string]bool{}
	for ctx.Err() == nil {
		for _, f := range w.due(ctx) {
			host := hostOf(f)
			if len(running) >= c.AtOnce || running[f.Name] || busy[host] {
				continue
			}
			running[f.Name], busy[host] = true, true
			wg.Go(func() {
				w.scheduled(ctx, f.Name)
				done <- ended{f.Name, host}
			})
		}
		timer := time.NewTimer(c.Poll)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case e := <-done:
			delete(running, e.name)
			delete(busy, e.host)
		}
		timer.Stop()
	}
	return nil
}

// scheduled is one run that nobody waits for.
func (w *Worker) scheduled(ctx context.Context, name string) {
	run, err := w.RunFeed(ctx, name, false)
	switch {
	case ctx.Err() != nil, errors.Is(err, accord.ErrConflict): // another program runs it
	case err != nil:
		w.Log.Warn("feed was not run", "feed", name, "error", err)
	default:
		w.Log.Info("feed run", "feed", name, "outcome", string(run.Outcome), "message", run.Message, "objects", run.Objects,
			"new", run.New, "updated", run.Updated, "withdrawn", run.Withdrawn, "refused", run.Refused)
	}
}

// due are the feeds whose time has come, the longest overdue first.
func (w *Worker) due(ctx context.Context) (out []accord.Feed) {
	feeds, err := w.Store.Feeds(ctx)
	if err != nil {
		if ctx.Err() == nil {
			w.Log.Warn("schedule of feeds could not be read", "error", err)
		}
		return nil
	}
	at := accord.StampOf(w.Now())
	for _, f := range feeds {
		if f.Enabled && f.State.Due <= at && f.State.Lease <= at {
			out = append(out, f)
		}
	}
	sortByDue(out)
	return out
}

// hostOf is what only one run at a time talks to.
func hostOf(f accord.Feed) string {
	u, err := url.Parse(f.URL)
	if err != nil || u.Scheme == "file" {
		return f.Name
	}
	return u.Host
}

// appraise counts what sources are worth, for as long as ctx lives.
func (w *Worker) appraise(ctx context.Context) {
	c := w.Config.withDefaults()
	pause := c.Poll
	for ctx.Err() == nil {
		busy, err := w.Store.Appraise(ctx, c.Author)
		switch {
		case err != nil && ctx.Err() == nil && !errors.Is(err, accord.ErrConflict):
			w.Log.Warn("sources could not be appraised", "error", err)
			pause = min(2*pause, time.Minute)
		case busy:
			pause = 0
		default:
			pause = c.Poll
		}
		if sleep(ctx, pause) != nil {
			return
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// MirrorReason is why a mirror withdraws an item: its row may bring it back.
func MirrorReason(name string) string { return "no longer in the feed " + name }

// heldError says why a feed is held.
type heldError struct{ why string }

func (e *heldError) Error() string { return e.why }

func held(format string, args ...any) error { return &heldError{fmt.Sprintf(format, args...)} }
