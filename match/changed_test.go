// SPDX-License-Identifier: Apache-2.0

package match_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"accord"
	"accord/match"
)

// growing is a feed that a test lengthens.
type growing struct {
	mu   sync.Mutex
	last int64
	all  []accord.SoughtChange
}

func (g *growing) grow(sought ...accord.Sought) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last++
	if len(sought) > 0 {
		g.all = append(g.all, accord.SoughtChange{Seq: g.last, ID: sought[0].Indicator.ID, Sought: sought})
	}
	return g.last
}

func (g *growing) LastSeq(context.Context) (int64, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.last, nil
}

func (g *growing) SoughtSince(_ context.Context, after int64, _ int) (out []accord.SoughtChange, _ error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.all {
		if c.Seq > after {
			out = append(out, c)
		}
	}
	return out, nil
}

// Who waits for a change is told of what is sought, and of nothing else.
func TestChangedTellsOfWhatIsSoughtAlone(t *testing.T) {
	feed := &growing{}
	one := accord.Sought{
		Observable: accord.Observable{Kind: accord.KindDomain, Value: "bad.example"},
		Indicator:  accord.ItemKey{ID: "indicator--00000000-0000-4000-8000-000000000001"},
	}
	feed.grow(one)
	k := match.NewKeeper(feed, match.NewSalt(), time.Millisecond, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- k.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	<-k.Ready()
	closed := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	if !closed(k.Changed(0)) {
		t.Error("who holds nothing is not told of what the index holds")
	}
	waits := k.Changed(k.Index().Seq())
	at := feed.grow()
	for k.Index().Seq() < at {
		time.Sleep(time.Millisecond)
	}
	if closed(waits) {
		t.Error("told of an entry that changes nothing sought")
	}
	one.Value = "worse.example"
	feed.grow(one)
	select {
	case <-waits:
	case <-time.After(10 * time.Second):
		t.Fatal("not told of a new indicator")
	}
	if k.Index().Seq() != at+1 || !closed(k.Changed(at)) || closed(k.Changed(at+1)) {
		t.Errorf("index at %d: Changed(%d) and Changed(%d) do not tell before and after", k.Index().Seq(), at, at+1)
	}
}
