// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"accord"
)

// refusalsKept is how many refusals a run keeps in detail.
const refusalsKept = 20

// run is one run of one feed.
type run struct {
	*Worker
	feed   accord.Feed
	state  accord.FeedState // what the next run goes on from
	accept bool             // a person believes what is not believable
	sum    Taken
	room   int64  // items that may still be new
	notes  string // what to say of a run that went well
	again  bool   // an event was passed over: the next run reads the manifest again

	mu     sync.Mutex
	cursor string // guarded by mu: the keeper reads it
}

// RunFeed runs a feed now, enabled or not. accept takes what would be held. The
// run is stored, however it ends; an error is for a run that could not begin or be
// stored, or that was cut short by ctx. accord.ErrConflict: it is under way.
func (w *Worker) RunFeed(ctx context.Context, name string, accept bool) (accord.FeedRun, error) {
	c := w.Config.withDefaults()
	at := accord.StampOf(w.Now())
	f, err := w.Store.BeginFeedRun(ctx, name, at, at+micros(c.Lease))
	if err != nil {
		return accord.FeedRun{}, err
	}
	f = WithDefaults(f)
	r := &run{Worker: w, feed: f, state: f.State, accept: accept, cursor: f.State.Cursor}
	inner, cancel := context.WithTimeout(ctx, time.Duration(f.Timeout))
	var wg sync.WaitGroup
	wg.Go(func() { r.keep(inner, cancel, c.Lease) })
	err = r.take(inner)
	overdue := errors.Is(inner.Err(), context.DeadlineExceeded) && ctx.Err() == nil
	cancel()
	wg.Wait()
	last := context.WithoutCancel(ctx)
	if ctx.Err() != nil {
		// Stopped, not failed: the next run goes on at once.
		return accord.FeedRun{}, errors.Join(ctx.Err(), w.Store.KeepFeedRun(last, name, f.State.Run, r.at(), 0))
	}
	if overdue && err != nil {
		err = fmt.Errorf("%w: the run took longer than %s", accord.ErrInvalid, time.Duration(f.Timeout))
	}
	out := r.end(err)
	return out, w.Store.EndFeedRun(last, out, r.state)
}

func micros(d time.Duration) accord.Stamp { return accord.Stamp(d / time.Microsecond) }

// keep renews the lease while the run lives, and ends the run when another has
// begun.
func (r *run) keep(ctx context.Context, cancel func(), lease time.Duration) {
	for sleep(ctx, lease/4) == nil {
		err := r.Store.KeepFeedRun(ctx, r.feed.Name, r.feed.State.Run, r.at(), accord.StampOf(r.Now().Add(lease)))
		if errors.Is(err, accord.ErrConflict) {
			cancel()
		}
	}
}

func (r *run) at() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cursor
}

// reach notes, durably, how far a feed of pages was read.
func (r *run) reach(ctx context.Context, cursor string) error {
	r.mu.Lock()
	r.cursor = cursor
	r.mu.Unlock()
	return r.Store.KeepFeedRun(ctx, r.feed.Name, r.feed.State.Run, cursor, accord.StampOf(r.Now().Add(r.Config.withDefaults().Lease)))
}

// take fetches and reads the feed.
func (r *run) take(ctx context.Context) error {
	if err := Check(r.feed); err != nil {
		return err
	}
	q, err := r.Store.FeedQualities(ctx, []string{r.feed.Name})
	if err != nil {
		return err
	}
	if r.room = r.feed.MaxItems - q[r.feed.Name].Items; r.room <= 0 {
		return held("it has %d items, and may have %d in all: raise max_items or remove it", q[r.feed.Name].Items, r.feed.MaxItems)
	}
	u, err := url.Parse(r.feed.URL)
	if err != nil {
		return fmt.Errorf("%w: URL", accord.ErrInvalid)
	}
	switch {
	case u.Scheme == "file":
		return r.local(ctx, u.Path)
	case r.feed.Kind == accord.FeedMISP:
		return r.misp(ctx)
	case r.feed.Kind == accord.FeedTAXII:
		return r.taxii(ctx, u)
	}
	return r.whole(ctx)
}

// intake hands one text to ingest and counts what became of it. A page or part that
// passes max_run is taken whole, for the next run begins after it.
func (r *run) intake(ctx context.Context, in Input) error {
	if in.Room = r.room; r.sum.Objects >= r.feed.MaxRun {
		return held("over %d rows or objects in one run: raise max_run", r.feed.MaxRun)
	}
	got, err := r.Intake.Take(ctx, r.feed, in)
	r.room -= got.New
	r.sum.Add(got.FeedCounts)
	r.sum.Refusals = append(r.sum.Refusals, got.Refusals[:min(len(got.Refusals), refusalsKept-len(r.sum.Refusals))]...)
	if errors.Is(err, ErrFull) {
		return held("it may have %d items in all, and has them: raise max_items or remove it", r.feed.MaxItems)
	}
	return err
}

// part hands one part of a feed of many to ingest. A part that cannot be read is
// refused by itself, and not tried again until it changes.
func (r *run) part(ctx context.Context, in Input) error {
	err := r.intake(ctx, in)
	if _, isHeld := errors.AsType[*heldError](err); err == nil || isHeld || ctx.Err() != nil || !errors.Is(err, accord.ErrInvalid) {
		return err
	}
	r.refuse(in.Name, err)
	return nil
}

func (r *run) refuse(what string, why error) {
	r.sum.Refused++
	if len(r.sum.Refusals) < refusalsKept {
		r.sum.Refusals = append(r.sum.Refusals, accord.Refusal{At: accord.StampOf(r.Now()), Source: r.feed.Name, What: what, Why: plain(why.Error())})
	}
}

// end turns what take came to into what is stored.
func (r *run) end(err error) accord.FeedRun {
	now := accord.StampOf(r.Now())
	s := &r.state
	out := accord.FeedRun{
		Feed: r.feed.Name, N: r.feed.State.Run, Started: r.feed.State.Started, Ended: now,
		FeedCounts: r.sum.FeedCounts, Refusals: r.sum.Refusals, Message: r.notes,
	}
	why, isHeld := errors.AsType[*heldError](err)
	if isHeld || err != nil {
		// What is remembered of the content is what the last good run remembered.
		kept := r.feed.State
		kept.Run, kept.Started = s.Run, s.Started
		*s = kept
		s.Failures++
	}
	switch {
	case isHeld:
		out.Outcome, out.Message = accord.RunHeld, why.why
		s.Due = r.next(r.feed)
	case err != nil:
		out.Outcome, out.Message = accord.RunFailed, plain(err.Error())
		s.Due = r.retry(r.feed, s.Failures, askedToWait(err))
	default:
		out.Outcome = accord.RunTaken
		if out.Objects == 0 && out.Withdrawn == 0 {
			out.Outcome = accord.RunUnchanged
		}
		s.OK, s.Failures, s.Due = now, 0, r.next(r.feed)
	}
	if out.New+out.Updated+out.Withdrawn > 0 {
		s.Changed = now
	}
	s.Cursor, s.Outcome, s.Message = r.at(), out.Outcome, out.Message
	return out
}

// plain returns text fit to be shown: short, on one line, without control
// characters.
func plain(s string) string {
	if len(s) > 500 {
		s = s[:500] + "…"
	}
	out := []rune(s)
	for i, c := range out {
		if c < ' ' || c == 0x7f || c == '\ufffd' || c >= 0x200e && c <= 0x202e || c >= 0x2066 && c <= 0x2069 {
			out[i] = ' '
		}
	}
	return string(out)
}
