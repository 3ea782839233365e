// SPDX-License-Identifier: Apache-2.0

package match

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"accord"
)

// Live holds the present index. Any goroutine may read it; writers take turns.
type Live struct {
	mu sync.Mutex
	p  atomic.Pointer[Index]
}

// NewLive returns a Live that holds ix.
func NewLive(ix *Index) *Live {
	l := &Live{}
	l.p.Store(ix)
	return l
}

// Index returns the present index.
func (l *Live) Index() *Index { return l.p.Load() }

// Set replaces the index.
func (l *Live) Set(ix *Index) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.p.Store(ix)
}

// Apply brings changes in, as Index.Apply does.
func (l *Live) Apply(changes []accord.SoughtChange) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.p.Store(l.p.Load().Apply(changes))
}

// Feed is where a Keeper learns what is sought.
type Feed interface {
	LastSeq(ctx context.Context) (int64, error)
	SoughtSince(ctx context.Context, after int64, limit int) ([]accord.SoughtChange, error)
}

// Keeper keeps an index current with a change feed. Make it with NewKeeper.
type Keeper struct {
	feed  Feed
	log   *slog.Logger
	every time.Duration
	kick  chan struct{}
	live  *Live
	ready chan struct{}

	mu      sync.Mutex
	moved   int64         // the index's entry when something sought last changed
	changed chan struct{} // closed at the next change
}

// keeperPage is how many indicators are read at once.
const keeperPage = 10_000

// NewKeeper returns a keeper that looks for changes at every interval (200 ms
// when 0) and on Kick. The index is empty until Run has loaded it.
func NewKeeper(feed Feed, salt Salt, every time.Duration, log *slog.Logger) *Keeper {
	if every <= 0 {
		every = 200 * time.Millisecond
	}
	return &Keeper{
		feed: feed, log: log, every: every,
		kick: make(chan struct{}, 1), live: NewLive(NewIndex(salt)), ready: make(chan struct{}),
		changed: make(chan struct{}),
	}
}

// Index returns the present index.
func (k *Keeper) Index() *Index { return k.live.Index() }

// Ready is closed once the index holds all that was sought when Run began.
func (k *Keeper) Ready() <-chan struct{} { return k.ready }

// Changed returns a channel that is closed once something sought has changed after
// feed entry since. What changes nothing that is sought does not count.
func (k *Keeper) Changed(since int64) <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.moved > since {
		done := make(chan struct{})
		close(done)
		return done
	}
	return k.changed
}

// set replaces the index by one that seeks something else, and tells who waits.
func (k *Keeper) set(ix *Index) {
	k.live.Set(ix)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.moved = ix.seq
	close(k.changed)
	k.changed = make(chan struct{})
}

// Kick makes the keeper look for changes now. It does not wait.
func (k *Keeper) Kick() {
	select {
	case k.kick <- struct{}{}:
	default:
	}
}

// Run keeps the index current until ctx ends, then returns nil. A feed that
// fails is logged and asked again; the index stays as it was.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(k.every)
	defer tick.Stop()
	loaded, failing := false, false
	for {
		var err error
		if !loaded {
			err = k.load(ctx)
			loaded = err == nil
		} else {
			err = k.follow(ctx)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !failing {
			k.log.ErrorContext(ctx, "match index is not kept current", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-k.kick:
		}
	}
}

// load builds the first index.
func (k *Keeper) load(ctx context.Context) error {
	ix, err := Load(ctx, k.feed, k.Index().salt)
	if err != nil {
		return err
	}
	k.set(ix)
	k.log.InfoContext(ctx, "match index loaded", "values", ix.Size(), "bytes", ix.Bytes(), "skipped", ix.Skipped(), "seq", ix.Seq())
	close(k.ready)
	return nil
}

// follow brings in what has changed since.
func (k *Keeper) follow(ctx context.Context) error {
	ix := k.Index()
	last, err := k.feed.LastSeq(ctx)
	if err != nil {
		return fmt.Errorf("read last change: %w", err)
	}
	if last <= ix.seq {
		return nil
	}
	for after := ix.seq; ; {
		changes, err := k.feed.SoughtSince(ctx, after, keeperPage)
		if err != nil {
			return fmt.Errorf("read what is sought: %w", err)
		}
		if ix = ix.Apply(changes); len(changes) < keeperPage {
			ix = ix.At(last)
		}
		if len(changes) == 0 {
			k.live.Set(ix)
			return nil
		}
		k.set(ix)
		if len(changes) < keeperPage {
			return nil
		}
		after = changes[len(changes)-1].Seq
	}
}

// Load builds an index of all that feed holds.
func Load(ctx context.Context, feed Feed, salt Salt) (*Index, error) {
	last, err := feed.LastSeq(ctx)
	if err != nil {
		return nil, fmt.Errorf("read last change: %w", err)
	}
	b := NewBuilder(salt)
	var late []accord.SoughtChange
	for after := int64(0); ; {
		changes, err := feed.SoughtSince(ctx, after, keeperPage)
		if err != nil {
			return nil, fmt.Errorf("read what is sought: %w", err)
		}
		old := len(changes)
		for old > 0 && changes[old-1].Seq > last {
			old--
		}
		b.Add(changes[:old])
		late = append(late, changes[old:]...) // perhaps met before, at its earlier place in the feed
		if len(changes) < keeperPage || old < len(changes) {
			break
		}
		after = changes[len(changes)-1].Seq
	}
	return b.Index(last).Apply(late), nil
}
