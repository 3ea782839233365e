// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"accord"
	"accord/match"
)

// saveEvery is how often a changed index is saved, for starting while the node
// cannot be reached.
const saveEvery = 10 * time.Minute

// The node is asked to hold its answer back while nothing changes, so that a new
// indicator is looked for at once; what changes often is taken in one go.
const (
	hold   = 25 * time.Second
	gather = 500 * time.Millisecond
)

// keepIndex takes the index and keeps it current until ctx ends.
func (s *Sensor) keepIndex(ctx context.Context) error {
	ready := s.restoreIndex(ctx)
	if ready {
		close(s.loaded)
	}
	wait := backoff{least: s.IndexEvery, most: 5 * time.Minute}
	for {
		old, asked := s.live.Index(), s.Now()
		err := s.refresh(ctx, hold)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // a worker whose ctx ended did not fail
		}
		if err != nil && !wait.failing() {
			s.Log.ErrorContext(ctx, "index is not kept current", "error", err)
		}
		if err == nil && !ready {
			ready = true
			close(s.loaded)
		}
		pause := wait.next(err)
		if err == nil && (s.live.Index().Seq() != old.Seq() || s.Now().Sub(asked) > hold/2) {
			pause = min(pause, gather) // else the node does not hold answers back
		}
		if !sleep(ctx, pause) {
			return nil
		}
	}
}

// refresh asks the node for what has changed and takes it. The node may wait so
// long for a change.
func (s *Sensor) refresh(ctx context.Context, wait time.Duration) error {
	old := s.live.Index()
	next, err := s.client.index(ctx, old, wait)
	if errors.Is(err, accord.ErrConflict) {
		next, err = s.client.index(ctx, nil, 0)
	}
	if err != nil {
		return err
	}
	s.live.Set(next)
	whole := next.Generation() != old.Generation()
	if whole {
		s.Log.InfoContext(ctx, "index taken", "values", next.Size(), "bytes", next.Bytes(), "seq", next.Seq())
	}
	now := s.Now()
	if next.Seq() == old.Seq() && !whole || !whole && now.Sub(s.state.indexSaved) < saveEvery {
		return nil
	}
	s.state.indexSaved = now
	var b bytes.Buffer
	if err := match.WriteIndex(&b, next, func(accord.Sought) bool { return true }); err != nil {
		return err
	}
	if err := writeFile(s.indexPath(), b.Bytes()); err != nil {
		return fmt.Errorf("save index: %w", err)
	}
	return nil
}

func (s *Sensor) indexPath() string { return filepath.Join(s.State, "index") }

// restoreIndex takes the index saved before and reports whether there is one.
func (s *Sensor) restoreIndex(ctx context.Context) bool {
	f, err := os.Open(s.indexPath())
	if errors.Is(err, os.ErrNotExist) {
		return false
	}
	var ix *match.Index
	if err == nil {
		ix, err = match.ReadIndex(f, nil, match.Limits{})
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		s.Log.WarnContext(ctx, "index kept is not readable, asking for it anew", "error", err)
		return false
	}
	s.live.Set(ix)
	return true
}

// backoff doubles the wait after each failure.
type backoff struct {
	least, most time.Duration
	fails       int
}

func (b *backoff) failing() bool { return b.fails > 0 }

func (b *backoff) next(err error) time.Duration {
	if err == nil {
		b.fails = 0
		return b.least
	}
	b.fails++
	return min(b.most, b.least<<min(b.fails, 12))
}

// sleep waits and reports whether ctx is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
