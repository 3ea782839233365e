// SPDX-License-Identifier: Apache-2.0

package protect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"accord"
)

// Store is what the worker needs of the node's store.
type Store interface {
	LastSeq(ctx context.Context) (int64, error)
	Changes(ctx context.Context, after int64, limit int) ([]accord.Change, error)
	Cursor(ctx context.Context, stage string) (int64, error)
	Advance(ctx context.Context, stage string, from, to int64) error
	Latest(ctx context.Context, ids []string) (map[string]accord.Item, error)
	Protect(ctx context.Context, p accord.Protecting) error
	Zone(ctx context.Context, zone string) (serial uint32, values int64, err error)
	ZoneValues(ctx context.Context, zone string, after accord.Observable, limit int) ([]accord.Observable, error)
	TrimJournal(ctx context.Context, zone string, keep int) error
	HotBefore(ctx context.Context, before accord.Stamp, limit int) ([]accord.Observable, error)
	RaiseSerial(ctx context.Context, zone string, atLeast uint32) error
}

// Holder says what must never be blocked: a [NeverBlock].
type Holder interface {
	Holds(o accord.Observable) (list string, held bool)
}

// The zones that the worker writes.
const (
	ZoneHot  = "hot"  // the last hours: small, so that resolvers take a change at once
	ZoneBase = "base" // all the rest
)

// The names of the worker's cursors in the store.
const (
	stage       = "protect"
	stageReview = "protect-review"
	reviewDone  = int64(1) << 62 // value of the review cursor when none is under way
)

// Config are the worker's bounds. A zero field takes its default.
type Config struct {
	HotFor        time.Duration // how long a value stays in the hot zone; default 6 h
	HotMax        int64         // values in the hot zone above which the oldest move to base; default 2,000
	BulkAt        int64         // feed entries behind which all goes to base; default 5,000
	BulkAdds      int           // additions in one batch of the feed from which all go to base; default 400
	MinConfidence int           // least confidence of an indicator that states one; default 0
	DefaultTTL    time.Duration // longest life of a protection; default 120 days
	PhishingTTL   time.Duration // the same for indicators labelled phishing; default 3 days
	Poll          time.Duration // pause when the feed is empty; default 200 ms
	Tidy          time.Duration // between expiries and moves, which change the base zone; default 10 min
	Review        time.Duration // between full reviews; default 24 h
	Journal       int           // journal lines kept per zone; default 200,000
}

// WithDefaults returns c with its zero fields filled.
func (c Config) WithDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&c.HotFor, 6*time.Hour)
	def(&c.DefaultTTL, 120*24*time.Hour)
	def(&c.PhishingTTL, 3*24*time.Hour)
	def(&c.Poll, 200*time.Millisecond)
	def(&c.Tidy, 10*time.Minute)
	def(&c.Review, 24*time.Hour)
	if c.HotMax <= 0 {
		c.HotMax = 2_000
	}
	if c.BulkAt <= 0 {
		c.BulkAt = 5_000
	}
	if c.BulkAdds <= 0 {
		c.BulkAdds = 400
	}
	if c.Journal <= 0 {
		c.Journal = 200_000
	}
	return c
}

// Worker keeps the zones: what indicators say now, permitted, free, and with an
// end. All fields but Changed are required.
type Worker struct {
	Store Store
	Never Holder
	// Permit says whether an item may be enforced at institutions, and why not:
	// agreement.MayBlock. It alone judges markings and terms.
	Permit func(accord.Item, accord.Stamp) (bool, string)
	// Ends is when an item's score falls below what counts, 0 for never; nil asks
	// nobody.
	Ends   func(*accord.Item) accord.Stamp
	Now    func() time.Time
	Log    *slog.Logger
	Config Config
	// Changed, when set, is called after a commit that may have changed a zone. It
	// must not block.
	Changed func()

	later    map[string]accord.Stamp // item id → when it becomes valid
	crowded  bool                    // the hot zone holds more than HotMax
	tidied   time.Time
	reviewed time.Time
}

const (
	batch     = 2000
	laterMost = 100_000
)

// slowest is the longest pause after a failure.
const slowest = 15 * time.Second

// Run keeps the zones until ctx ends, then returns nil. It first ends the
// protections of values that have come onto the never-block list, then follows the
// feed. A store that fails is logged and asked again, ever more slowly; the zones
// stay as they are meanwhile. A crash at any point repeats work and nothing else:
// effects and cursor are one commit.
func (w *Worker) Run(ctx context.Context) error {
	w.Config = w.Config.WithDefaults()
	w.later = map[string]accord.Stamp{}
	begun, delay := false, w.Config.Poll
	for ctx.Err() == nil {
		busy, err := false, error(nil)
		if begun {
			busy, err = w.Step(ctx)
		} else {
			err = w.begin(ctx)
			begun = err == nil
			busy = begun
		}
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // a worker whose ctx ended did not fail
		case errors.Is(err, accord.ErrConflict) && delay < time.Second:
			// Another node on the same store took this batch: look again.
			delay = min(delay*2, slowest)
		case err != nil:
			delay = min(delay*2, slowest)
			w.Log.Warn("protect will try again", "error", err, "in", delay.String())
		default:
			delay = w.Config.Poll
			if busy {
				continue
			}
		}
		if sleep(ctx, delay) != nil {
			return nil //nolint:nilerr // a worker whose ctx ended did not fail
		}
	}
	return nil
}

// begin sweeps, raises the serials, and marks a store that has no history as
// reviewed.
func (w *Worker) begin(ctx context.Context) error {
	w.reviewed = w.Now()
	if err := w.Sweep(ctx); err != nil {
		return err
	}
	if err := w.raise(ctx); err != nil {
		return err
	}
	from, err := w.Store.Cursor(ctx, stage)
	if err != nil || from != 0 {
		return wrap(err)
	}
	at, err := w.Store.Cursor(ctx, stageReview)
	if err != nil || at != 0 {
		return wrap(err)
	}
	return wrap(w.Store.Advance(ctx, stageReview, 0, reviewDone))
}

// raise gives every zone a serial that no resolver can hold: the seconds since
// 1970, as a zone changes less than once a second over time. After an older store
// was put back, resolvers would else take what they hold for newer, and keep blocks
// that were taken back. Who holds any other serial takes the whole zone, once.
func (w *Worker) raise(ctx context.Context) error {
	at := uint32(w.reviewed.Unix()) // serial numbers wrap (RFC 1982)
	for _, zone := range []string{ZoneHot, ZoneBase} {
		if err := w.Store.RaiseSerial(ctx, zone, at); err != nil {
			return wrap(err)
		}
	}
	if w.Changed != nil {
		w.Changed()
	}
	return nil
}

// Step does one batch of what is due: the feed first, then what became valid,
// expiry and moves, and last a review under way. It reports whether it found
// work.
func (w *Worker) Step(ctx context.Context) (busy bool, err error) {
	if w.later == nil {
		w.Config, w.later = w.Config.WithDefaults(), map[string]accord.Stamp{}
	}
	if busy, err = w.follow(ctx); busy || err != nil {
		return busy, err
	}
	if err := w.ripen(ctx); err != nil {
		return false, err
	}
	if err := w.cool(ctx); err != nil {
		return false, err
	}
	now := w.Now()
	if now.Sub(w.tidied) >= w.Config.Tidy {
		if err := w.tidy(ctx); err != nil {
			return false, err
		}
		w.tidied = now
	}
	if now.Sub(w.reviewed) >= w.Config.Review {
		if err := w.StartReview(ctx); err != nil {
			return false, err
		}
		w.reviewed = now
	}
	return w.review(ctx)
}

// follow takes one batch of the feed.
func (w *Worker) follow(ctx context.Context) (bool, error) {
	from, err := w.Store.Cursor(ctx, stage)
	if err != nil {
		return false, fmt.Errorf("protect: %w", err)
	}
	changes, err := w.Store.Changes(ctx, from, batch)
	if err != nil || len(changes) == 0 {
		return false, wrap(err)
	}
	last, err := w.Store.LastSeq(ctx)
	if err != nil {
		return false, wrap(err)
	}
	for _, c := range changes {
		if c.Kind != accord.ChangeAgreement {
			continue
		}
		// Terms changed: what is permitted must be decided again. The review
		// starts before the cursor passes, so that a crash cannot lose it.
		if err := w.StartReview(ctx); err != nil {
			return false, err
		}
		break
	}
	p, err := w.settle(ctx, idsOf(changes), last-from > w.Config.BulkAt)
	if err != nil {
		return false, err
	}
	p.From, p.To = from, changes[len(changes)-1].Seq
	return true, w.commit(ctx, p)
}

// settle decides items by their newest version: all their protections are
// replaced by what they say now.
func (w *Worker) settle(ctx context.Context, ids []string, bulk bool) (accord.Protecting, error) {
	at := accord.StampOf(w.Now())
	p := accord.Protecting{Stage: stage, At: at}
	if len(ids) == 0 {
		return p, nil
	}
	items, err := w.Store.Latest(ctx, ids)
	if err != nil {
		return p, wrap(err)
	}
	anyHot := false
	for _, id := range ids {
		it, ok := items[id]
		if ok && it.Type != "indicator" {
			continue
		}
		p.Remove = append(p.Remove, id)
		delete(w.later, id)
		if !ok {
			continue
		}
		values, _ := w.Decide(it, at)
		w.remember(it, at)
		fresh := !bulk && at-it.Added <= accord.Stamp(w.Config.HotFor/time.Microsecond)
		anyHot = anyHot || fresh && len(values) > 0
		for i := range values {
			values[i].Zone = ZoneBase
			if fresh {
				values[i].Zone = ZoneHot
			}
		}
		p.Add = append(p.Add, values...)
	}
	return p, w.spill(ctx, &p, anyHot)
}

// spillAt is how many times HotMax the hot zone may hold before additions go
// straight to base: what stands between is moved when the feed is quiet.
const spillAt = 4

// spill sends additions to base when they come in bulk, or when hot would hold
// far too many: a hot zone is small, or it is not hot.
func (w *Worker) spill(ctx context.Context, p *accord.Protecting, anyHot bool) error {
	if !anyHot {
		return nil
	}
	_, have, err := w.Store.Zone(ctx, ZoneHot)
	if err != nil {
		return wrap(err)
	}
	bulk := len(p.Add) >= w.Config.BulkAdds
	for i := range p.Add {
		if p.Add[i].Zone != ZoneHot {
			continue
		}
		if have++; bulk || have > spillAt*w.Config.HotMax {
			p.Add[i].Zone = ZoneBase
		}
	}
	w.crowded = have > w.Config.HotMax
	return nil
}

// cool moves the oldest values of a crowded hot zone to base, a quarter of
// HotMax more than it must so as not to do it at every addition. It is a commit
// of its own: a move alone lets resolvers take base before hot.
func (w *Worker) cool(ctx context.Context) error {
	if !w.crowded {
		return nil
	}
	_, have, err := w.Store.Zone(ctx, ZoneHot)
	if err != nil {
		return wrap(err)
	}
	w.crowded = false
	over := have - w.Config.HotMax
	if over <= 0 {
		return nil
	}
	old, err := w.Store.HotBefore(ctx, accord.StampOf(w.Now()), int(over+w.Config.HotMax/4))
	if err != nil || len(old) == 0 {
		return wrap(err)
	}
	return w.idle(ctx, accord.Protecting{Move: old})
}

// remember notes when an item becomes valid. What is forgotten, by a restart or
// because there are too many, is found by the next review.
func (w *Worker) remember(it accord.Item, at accord.Stamp) {
	if it.ValidFrom > at && it.Withdrawn == 0 && !it.Revoked && len(w.later) < laterMost {
		w.later[it.ID] = it.ValidFrom
	}
}

// ripen decides again the items that have become valid.
func (w *Worker) ripen(ctx context.Context) error {
	at := accord.StampOf(w.Now())
	var ids []string
	for id, from := range w.later {
		if from <= at && len(ids) < batch {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return w.again(ctx, ids)
}

// again decides items without moving the cursor.
func (w *Worker) again(ctx context.Context, ids []string) error {
	p, err := w.settle(ctx, ids, false)
	if err != nil {
		return err
	}
	if p.From, err = w.Store.Cursor(ctx, stage); err != nil {
		return wrap(err)
	}
	p.To = p.From
	return w.commit(ctx, p)
}

func (w *Worker) commit(ctx context.Context, p accord.Protecting) error {
	if err := w.Store.Protect(ctx, p); err != nil {
		return wrap(err)
	}
	if w.Changed != nil && len(p.Add)+len(p.Remove)+len(p.Drop)+len(p.Move) > 0 {
		w.Changed()
	}
	return nil
}

func idsOf(changes []accord.Change) []string {
	seen := map[string]bool{}
	var ids []string
	for _, c := range changes {
		if c.Kind != accord.ChangeItem && c.Kind != accord.ChangeWithdrawn || seen[c.Key.ID] {
			continue
		}
		seen[c.Key.ID] = true
		ids = append(ids, c.Key.ID)
	}
	return ids
}

func wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("protect: %w", err)
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
