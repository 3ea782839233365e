// SPDX-License-Identifier: Apache-2.0

package retain_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"accord"
	"accord/retain"
)

// shelf is a store: what it holds, and until when.
type shelf struct {
	mu     sync.Mutex
	until  map[accord.ItemKey]accord.Stamp
	stuck  map[accord.ItemKey]bool // not erased whatever it is told
	fails  int
	asked  []time.Time
	erased []time.Time
	most   int
}

func (s *shelf) PastRetain(_ context.Context, at accord.Stamp, limit int) (out []accord.ItemKey, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, time.Now())
	if s.fails > 0 {
		s.fails--
		return nil, errors.New("disk I/O error")
	}
	for k, until := range s.until {
		if until <= at {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(a, b accord.ItemKey) int {
		return cmp.Or(cmp.Compare(s.until[a], s.until[b]), strings.Compare(a.ID, b.ID))
	})
	return out[:min(limit, len(out))], nil
}

func (s *shelf) Erase(_ context.Context, keys []accord.ItemKey, at accord.Stamp) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.most = max(s.most, len(keys))
	for _, k := range keys {
		if s.until[k] == 0 || s.until[k] > at {
			return fmt.Errorf("%s may be kept until %s", k.ID, s.until[k])
		}
		if !s.stuck[k] {
			delete(s.until, k)
			s.erased = append(s.erased, time.Now())
		}
	}
	return nil
}

func (s *shelf) left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.until)
}

func key(n int) accord.ItemKey {
	return accord.ItemKey{ID: fmt.Sprintf("indicator--%08d", n), Version: 1}
}

// begin runs a worker over s until the test ends.
func begin(t *testing.T, s *shelf, log *bytes.Buffer) {
	w := &retain.Worker{Store: s, Now: time.Now, Log: slog.New(slog.NewTextHandler(log, nil))}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	synctest.Wait()
}

func TestWhatIsPastItsTimeIsErasedWithinAMinuteAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{until: map[accord.ItemKey]accord.Stamp{}}
		for n := range 2500 {
			s.until[key(n)] = accord.StampOf(time.Now())
		}
		s.until[key(3000)] = accord.StampOf(time.Now().Add(90 * time.Second))
		s.until[key(3001)] = accord.StampOf(time.Now().Add(time.Hour))
		begin(t, s, &bytes.Buffer{})
		if n := s.left(); n != 2 || s.most > 1000 {
			t.Errorf("at the start: %d left, want 2; up to %d at once", n, s.most)
		}
		time.Sleep(89 * time.Second)
		synctest.Wait()
		if n := s.left(); n != 2 {
			t.Errorf("before their time: %d left, want 2", n)
		}
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if n := s.left(); n != 1 {
			t.Errorf("within a minute of the first one's time: %d left, want 1", n)
		}
	})
}

func TestAStoreThatFailsIsAskedAgainAndNothingIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{until: map[accord.ItemKey]accord.Stamp{key(1): accord.StampOf(time.Now())}, fails: 12}
		var log bytes.Buffer
		begin(t, s, &log)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := s.left(); n != 0 {
			t.Errorf("%d left", n)
		}
		for i := range 12 {
			if gap := s.asked[i+1].Sub(s.asked[i]); gap > 15*time.Second || i > 5 && gap < 10*time.Second {
				t.Errorf("asked again after %s at try %d", gap, i+1)
			}
		}
		if !strings.Contains(log.String(), "disk I/O error") {
			t.Errorf("the log does not say why:\n%s", &log)
		}
	})
}

// A store that does not erase what it is told to is not asked for ever, and what
// it can erase goes.
func TestWhatCannotBeErasedIsSaidAndHoldsNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{until: map[accord.ItemKey]accord.Stamp{}, stuck: map[accord.ItemKey]bool{key(1): true}}
		for n := range 1500 {
			s.until[key(n)] = accord.StampOf(time.Now())
		}
		var log bytes.Buffer
		begin(t, s, &log)
		if n := s.left(); n != 1 {
			t.Errorf("%d left, want the one that is stuck", n)
		}
		if !strings.Contains(log.String(), "still there") || !strings.Contains(log.String(), key(1).ID) || !strings.Contains(log.String(), "items=1499") {
			t.Errorf("the log does not say so:\n%s", &log)
		}
	})
}
