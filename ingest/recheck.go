// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"accord"
)

// Recheck holds and releases the indicators that are stored, as the lists of what
// must not be blocked say now. It goes through the change feed from its own
// cursor, a batch at a time, so that a run cut short goes on where it was. What one
// value alone does not match is never blocked, and stays as it is.
type Recheck struct {
	Store RecheckStore
	Never Never
	Now   func() time.Time
	Log   *slog.Logger // may be nil
	Lists int64        // stands for what the lists say; another number starts the pass anew
}

// RecheckStore is what a recheck needs of the store.
type RecheckStore interface {
	SoughtSince(ctx context.Context, after int64, limit int) ([]accord.SoughtChange, error)
	HoldAndAdvance(ctx context.Context, lists map[string][]accord.ItemKey, stage string, from, to int64, at accord.Stamp) error
	LastSeq(ctx context.Context) (int64, error)
	Cursor(ctx context.Context, stage string) (int64, error)
	Advance(ctx context.Context, stage string, from, to int64) error
}

// Rechecked counts what a recheck changed.
type Rechecked struct{ Looked, Held, Released int }

// The cursors of the pass: which lists all is in keeping with, which it is going
// through for, and how far it is.
const (
	recheckDone = "recheck-lists"
	recheckFor  = "recheck-for"
	recheckAt   = "recheck-at"
	recheckSize = 1000
)

// Run does what is left to do for these lists; nothing when all is in keeping with
// them. It ends early, without error, when ctx does.
func (r *Recheck) Run(ctx context.Context) (sum Rechecked, err error) {
	done, err := r.Store.Cursor(ctx, recheckDone)
	if err != nil || done == r.Lists {
		return sum, wrapRecheck(err)
	}
	at, err := r.begin(ctx)
	if err != nil {
		return sum, wrapRecheck(err)
	}
	end, err := r.Store.LastSeq(ctx)
	for err == nil && at < end && ctx.Err() == nil {
		at, err = r.step(ctx, at, end, &sum)
	}
	if ctx.Err() != nil {
		return sum, nil //nolint:nilerr // it goes on at the next start
	}
	if err == nil {
		err = r.Store.Advance(ctx, recheckDone, done, r.Lists)
	}
	if r.Log != nil && err == nil {
		r.Log.Info("warning lists rechecked", "indicators", sum.Looked, "held", sum.Held, "released", sum.Released)
	}
	return sum, wrapRecheck(err)
}

// begin returns where the pass for these lists stands.
func (r *Recheck) begin(ctx context.Context) (int64, error) {
	which, err := r.Store.Cursor(ctx, recheckFor)
	if err != nil {
		return 0, err
	}
	at, err := r.Store.Cursor(ctx, recheckAt)
	if err != nil || which == r.Lists {
		return at, err
	}
	if err := r.Store.Advance(ctx, recheckAt, at, 0); err != nil {
		return 0, err
	}
	return 0, r.Store.Advance(ctx, recheckFor, which, r.Lists)
}

// step does one batch, commits what it changes with the cursor, and returns where
// the next begins.
func (r *Recheck) step(ctx context.Context, from, end int64, sum *Rechecked) (int64, error) {
	batch, err := r.Store.SoughtSince(ctx, from, recheckSize)
	if err != nil {
		return from, err
	}
	at := end
	change := map[string][]accord.ItemKey{}
	for _, c := range batch {
		if at = c.Seq; len(c.Sought) == 0 {
			continue
		}
		sum.Looked++
		has, list := c.Sought[0].Held, ""
		for _, s := range c.Sought {
			if name, held := r.Never.Holds(s.Observable); held {
				list = name
				break
			}
		}
		switch {
		case list == has, strings.HasPrefix(has, accord.HeldContext):
			continue // what is context stays so when a list that named it does no more
		case list == "":
			sum.Released++
		case has == "":
			sum.Held++
		}
		change[list] = append(change[list], c.Sought[0].Indicator)
	}
	at = min(at, end)
	return at, r.Store.HoldAndAdvance(ctx, change, recheckAt, from, at, accord.StampOf(r.Now()))
}

func wrapRecheck(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("recheck warning lists: %w", err)
}
