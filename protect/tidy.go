// SPDX-License-Identifier: Apache-2.0

package protect

import (
	"context"
	"time"

	"accord"
)

// Sweep ends the protections of values that are on the never-block list now, for
// the list may have grown since they were added.
func (w *Worker) Sweep(ctx context.Context) error {
	for _, zone := range []string{ZoneHot, ZoneBase} {
		var after accord.Observable
		for {
			values, err := w.Store.ZoneValues(ctx, zone, after, batch)
			if err != nil {
				return wrap(err)
			}
			if len(values) == 0 {
				break
			}
			after = values[len(values)-1]
			if err := w.dropHeld(ctx, zone, values); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *Worker) dropHeld(ctx context.Context, zone string, values []accord.Observable) error {
	var drop []accord.Observable
	for _, o := range values {
		if list, held := w.Never.Holds(o); held {
			w.Log.Warn("protection ended: value is on a never-block list", "zone", zone, "value", o.Value, "list", list)
			drop = append(drop, o)
		}
	}
	if len(drop) == 0 {
		return nil
	}
	return w.idle(ctx, accord.Protecting{Drop: drop})
}

// idle commits what does not come from the feed.
func (w *Worker) idle(ctx context.Context, p accord.Protecting) error {
	cursor, err := w.Store.Cursor(ctx, stage)
	if err != nil {
		return wrap(err)
	}
	p.Stage, p.From, p.To, p.At = stage, cursor, cursor, accord.StampOf(w.Now())
	return w.commit(ctx, p)
}

// tidy ends what has expired, moves what is no longer new to base, and trims the
// journals.
func (w *Worker) tidy(ctx context.Context) error {
	now := w.Now()
	if err := w.idle(ctx, accord.Protecting{Expired: accord.StampOf(now)}); err != nil {
		return err
	}
	before := accord.StampOf(now.Add(-w.Config.HotFor))
	for {
		old, err := w.Store.HotBefore(ctx, before, batch)
		if err != nil {
			return wrap(err)
		}
		if len(old) == 0 {
			break
		}
		if err := w.idle(ctx, accord.Protecting{Move: old}); err != nil {
			return err
		}
		if len(old) < batch {
			break
		}
	}
	for _, zone := range []string{ZoneHot, ZoneBase} {
		if err := w.Store.TrimJournal(ctx, zone, w.Config.Journal); err != nil {
			return wrap(err)
		}
	}
	return nil
}

// StartReview asks for all items to be decided again: terms have changed, or time
// has. It is durable, and done in the background by Run.
func (w *Worker) StartReview(ctx context.Context) error {
	at, err := w.Store.Cursor(ctx, stageReview)
	if err != nil {
		return wrap(err)
	}
	if at == 0 {
		return nil
	}
	return wrap(w.Store.Advance(ctx, stageReview, at, 0))
}

// review takes one batch of a review under way: it reads the feed again from its
// beginning up to the cursor, which it does not move.
func (w *Worker) review(ctx context.Context) (bool, error) {
	from, err := w.Store.Cursor(ctx, stageReview)
	if err != nil || from == reviewDone {
		return false, wrap(err)
	}
	end, err := w.Store.Cursor(ctx, stage)
	if err != nil {
		return false, wrap(err)
	}
	changes, err := w.Store.Changes(ctx, from, batch)
	if err != nil {
		return false, wrap(err)
	}
	to := reviewDone
	if n := len(changes); n > 0 && changes[n-1].Seq < end {
		to = changes[n-1].Seq
	}
	if ids := idsOf(changes); len(ids) > 0 && from < end {
		if err := w.again(ctx, ids); err != nil {
			return false, err
		}
	}
	if err := w.Store.Advance(ctx, stageReview, from, to); err != nil {
		return false, wrap(err)
	}
	// Leave most of the machine to the feed.
	return to != reviewDone, sleep(ctx, 10*time.Millisecond)
}
