// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"accord"
)

// office is pinned partners, and which of their workers run.
type office struct {
	mu      sync.Mutex
	pinned  []accord.Party
	fails   error
	working []string // name, key, pin and address
	begun   int
}

func (o *office) parties(context.Context) ([]accord.Party, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.pinned), o.fails
}

func (o *office) work(ctx context.Context, p accord.Party) error {
	as := strings.Join([]string{p.Name, p.Key, p.TLSPin, p.URL}, " ")
	o.mu.Lock()
	o.working = append(o.working, as)
	o.begun++
	o.mu.Unlock()
	<-ctx.Done()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.working = slices.DeleteFunc(o.working, func(s string) bool { return s == as })
	return nil
}

func (o *office) set(pinned ...accord.Party) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pinned = pinned
}

// comes waits until exactly these work.
func (o *office) comes(t *testing.T, begun int, want ...string) {
	t.Helper()
	var got []string
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		o.mu.Lock()
		got = slices.Sorted(slices.Values(o.working))
		n := o.begun
		o.mu.Unlock()
		if slices.Equal(got, want) && n == begun {
			return
		}
	}
	t.Fatalf("%q work after %d starts, want %q after %d", got, o.begun, want, begun)
}

func TestAPartnerPinnedAnewIsServedAsItIsNow(t *testing.T) { synctest.Test(t, pinAnew) }

func pinAnew(t *testing.T) {
	o := &office{}
	ctx, cancel := context.WithCancel(t.Context())
	g, ctx := errgroup.WithContext(ctx)
	start := func(_ string, run func(context.Context) error) { g.Go(func() error { return run(ctx) }) }
	start("partners", func(ctx context.Context) error {
		return keepCrews(ctx, o.parties, o.work, start, slog.New(slog.DiscardHandler))
	})
	fr, il := accord.Party{Name: "fr", Key: "k1", TLSPin: "p1"}, accord.Party{Name: "il", Key: "k", TLSPin: "p", URL: "u"}
	o.set(fr)
	o.comes(t, 1, "fr k1 p1 ")
	o.set(fr, il)
	o.comes(t, 2, "fr k1 p1 ", "il k p u")
	fr.Title = "another title"
	o.set(fr, il)
	time.Sleep(1200 * time.Millisecond)
	o.comes(t, 2, "fr k1 p1 ", "il k p u")
	fr.URL = "u"
	o.set(fr, il)
	o.comes(t, 3, "fr k1 p1 u", "il k p u")
	fr.TLSPin = "p2"
	o.set(fr, il)
	o.comes(t, 4, "fr k1 p2 u", "il k p u")
	fr.Key = "k2"
	o.set(fr, il)
	o.comes(t, 5, "fr k2 p2 u", "il k p u")
	o.mu.Lock()
	o.fails, o.pinned = accord.ErrConflict, nil // the store fails for a moment
	o.mu.Unlock()
	time.Sleep(time.Minute)
	o.comes(t, 5, "fr k2 p2 u", "il k p u")
	cancel()
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	o.comes(t, 5)
}
