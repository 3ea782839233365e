// SPDX-License-Identifier: Apache-2.0

package protect_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"accord"
	"accord/protect"
	"accord/protect/internal/memstore"
)

func TestRunFollowsUntilItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Now = time.Now
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Run(ctx) }()
		it := indicator(1, domain("bad.example"))
		it.Added = stamp(time.Now())
		w.store.Put(it)
		time.Sleep(time.Second)
		synctest.Wait()
		if w.zoneOf(domain("bad.example")) != protect.ZoneHot {
			t.Error("not protected after a second")
		}
		time.Sleep(7 * time.Hour)
		synctest.Wait()
		if w.zoneOf(domain("bad.example")) != protect.ZoneBase {
			t.Error("not in base after seven hours")
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// flaky is a store that fails for a while.
type flaky struct {
	*memstore.Store
	mu    sync.Mutex
	fails int // how many calls are yet to fail
	when  []time.Time
}

func (f *flaky) fail() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fails == 0 {
		return nil
	}
	f.fails--
	f.when = append(f.when, time.Now())
	return errors.New("disk I/O error")
}

func (f *flaky) breaks(calls int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fails, f.when = calls, nil
}

func (f *flaky) Cursor(ctx context.Context, stage string) (int64, error) {
	if err := f.fail(); err != nil {
		return 0, err
	}
	return f.Store.Cursor(ctx, stage)
}

func (f *flaky) ZoneValues(ctx context.Context, zone string, after accord.Observable, limit int) ([]accord.Observable, error) {
	if err := f.fail(); err != nil {
		return nil, err
	}
	return f.Store.ZoneValues(ctx, zone, after, limit)
}

// A store that fails, when the worker begins or later, is asked again ever more
// slowly, and nothing is forgotten.
func TestAStoreThatFailsIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		f := &flaky{Store: w.store, fails: 3}
		w.Now, w.Store = time.Now, f
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		time.Sleep(time.Minute)
		f.breaks(20)
		it := indicator(1, domain("bad.example"))
		it.Added = stamp(time.Now())
		w.store.Put(it)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("the worker ended: %v", err)
		default:
		}
		if w.zoneOf(domain("bad.example")) == "" {
			t.Error("not protected once the store was well again")
		}
		if len(f.when) != 20 {
			t.Fatalf("the store was asked %d times while it failed", len(f.when))
		}
		for i := range f.when[1:] {
			if gap := f.when[i+1].Sub(f.when[i]); gap > 15*time.Second || i > 8 && gap < 10*time.Second {
				t.Errorf("asked again after %s at try %d", gap, i+1)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("after its context ended: %v", err)
		}
	})
}

// After an older store was put back, no resolver holds a serial that is as new as
// the zones'.
func TestSerialsRiseAboveWhatResolversHoldWhenAnOldStoreIsPutBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := func(s *memstore.Store, items ...accord.Item) map[string]uint32 {
			w := newWorld(t)
			w.store, w.Store, w.Now = s, s, time.Now
			told := make(chan struct{}, 100)
			w.Changed = func() { told <- struct{}{} }
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- w.Run(ctx) }()
			time.Sleep(time.Minute)
			if len(told) == 0 {
				t.Error("the server is not told that serials have risen")
			}
			for _, it := range items {
				it.Added = stamp(time.Now())
				s.Put(it)
				time.Sleep(time.Minute)
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			at := map[string]uint32{}
			for _, zone := range []string{protect.ZoneHot, protect.ZoneBase} {
				at[zone], _, _ = s.Zone(t.Context(), zone)
			}
			return at
		}
		known := run(memstore.New(), indicator(1, domain("a.example")), indicator(2, domain("b.example")))
		restored := memstore.New()
		for zone, serial := range run(restored) {
			if serial <= known[zone] {
				t.Errorf("%s: serial %d, and resolvers hold %d", zone, serial, known[zone])
			}
			if _, complete, _ := restored.ZoneJournal(t.Context(), zone, known[zone], 1); complete {
				t.Errorf("%s: the journal claims to lead on from what another history had", zone)
			}
		}
	})
}
