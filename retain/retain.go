// SPDX-License-Identifier: Apache-2.0

// Package retain keeps the promise that what a partner gave is deleted when its
// time has come: accord.Origin.Retain, which the giver's article sets.
//
// [Worker] asks the store what is past its time and has it erased. Erasing
// withdraws, and a withdrawal is a change like any other: blocks, the index and
// what was given onward follow it by the change feed, so nobody else is told.
//
// Instants are [accord.Stamp]. A store that fails is logged and asked again. A
// crash repeats work and nothing else. A Worker runs once at a time.
package retain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"accord"
)

// Store is what the worker needs of the node's store.
type Store interface {
	// PastRetain returns up to limit item versions whose time has come at at and
	// that are not erased, the most overdue first.
	PastRetain(ctx context.Context, at accord.Stamp, limit int) ([]accord.ItemKey, error)
	// Erase withdraws item versions and deletes their content.
	Erase(ctx context.Context, keys []accord.ItemKey, at accord.Stamp) error
}

// Worker erases what is past its time. All fields but Every are required.
type Worker struct {
	Store Store
	Now   func() time.Time
	Log   *slog.Logger
	Every time.Duration // between two looks; default 1 min
}

const (
	page     = 1000             // item versions erased in one transaction
	soonest  = time.Second      // pause after a first failure
	slowest  = 15 * time.Second // the longest pause after failures
	standard = time.Minute
)

// errStuck says that the store did not erase what it was told to.
var errStuck = errors.New("erased, and still there")

// Run looks at once and then at every interval until ctx ends, then returns nil.
func (w *Worker) Run(ctx context.Context) error {
	every := w.Every
	if every <= 0 {
		every = standard
	}
	failed := time.Duration(0)
	for {
		n, err := w.Pass(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // a worker whose ctx ended did not fail
		}
		if n > 0 {
			w.Log.InfoContext(ctx, "erased what was to be kept no longer", "items", n)
		}
		wait := every
		if failed = min(max(soonest, 2*failed), slowest); err == nil {
			failed = 0
		} else {
			wait = min(every, failed)
			w.Log.WarnContext(ctx, "retention will try again", "error", err, "in", wait.String())
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
	}
}

// Pass erases all that is past its time now, and returns how many item versions
// that were.
func (w *Worker) Pass(ctx context.Context) (n int, err error) {
	at := accord.StampOf(w.Now())
	var last []accord.ItemKey
	for {
		keys, err := w.Store.PastRetain(ctx, at, page)
		if err != nil {
			return n, fmt.Errorf("retain: %w", err)
		}
		if len(keys) == 0 {
			return n, nil
		}
		fresh := 0 // what is there still comes again, first
		for _, k := range keys {
			if !slices.Contains(last, k) {
				fresh++
			}
		}
		if fresh == 0 {
			return n - len(keys), fmt.Errorf("retain: %d items, first %s: %w", len(keys), keys[0].ID, errStuck)
		}
		if err := w.Store.Erase(ctx, keys, at); err != nil {
			return n, fmt.Errorf("retain: %w", err)
		}
		n, last = n+fresh, keys
	}
}
