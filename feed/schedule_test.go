// SPDX-License-Identifier: Apache-2.0

package feed_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"accord"
	"accord/feed"
)

// memory keeps feeds in memory; begun tells when each run began.
type memory struct {
	mu    sync.Mutex
	feeds map[string]*accord.Feed
	begun map[string][]time.Time
}

func (m *memory) Feeds(context.Context) (out []accord.Feed, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.feeds {
		out = append(out, *f)
	}
	return out, nil
}

func (m *memory) BeginFeedRun(_ context.Context, name string, at, lease accord.Stamp) (accord.Feed, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.feeds[name]
	if f.State.Lease > at {
		return accord.Feed{}, accord.ErrConflict
	}
	f.State.Run, f.State.Started, f.State.Lease = f.State.Run+1, at, lease
	m.begun[name] = append(m.begun[name], time.Now())
	return *f, nil
}

func (m *memory) KeepFeedRun(_ context.Context, name string, _ int64, cursor string, lease accord.Stamp) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.feeds[name].State.Cursor, m.feeds[name].State.Lease = cursor, lease
	return nil
}

func (m *memory) EndFeedRun(_ context.Context, run accord.FeedRun, state accord.FeedState) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	state.Run, state.Lease = run.N, 0
	m.feeds[run.Feed].State = state
	return nil
}

func (*memory) FeedParts(context.Context, string) (map[string]string, error) { return nil, nil }
func (*memory) TakeFeedPart(context.Context, string, string, string) error   { return nil }
func (*memory) SourceItems(context.Context, string, int64, int) ([]string, int64, error) {
	return nil, 0, nil
}

func (*memory) WithdrawMany(context.Context, []string, string, accord.Stamp) (int, error) {
	return 0, nil
}

func (*memory) FeedQualities(context.Context, []string) (map[string]accord.FeedQuality, error) {
	return nil, nil
}
func (*memory) Appraise(context.Context, string) (bool, error) { return false, nil }

// slow takes an hour over each input, or fails, and counts how many are at it.
type slow struct {
	mu             sync.Mutex
	now, most, all int
	takes          time.Duration
	err            error
}

func (s *slow) Take(ctx context.Context, _ accord.Feed, _ feed.Input) (feed.Taken, error) {
	s.mu.Lock()
	s.now++
	s.all++
	s.most = max(s.most, s.now)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.now--
	}()
	select {
	case <-time.After(s.takes):
		return feed.Taken{FeedCounts: accord.FeedCounts{Objects: 1}}, s.err
	case <-ctx.Done():
		return feed.Taken{}, ctx.Err()
	}
}

// scheduled runs a worker over n local feeds for d of the bubble's time.
func scheduled(t *testing.T, m *memory, in feed.Intake, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	w := &feed.Worker{
		Store: m, Intake: in, Now: time.Now, Rand: rand.New(rand.NewPCG(3, 4)), //nolint:gosec // a test's dice
		Log: slog.New(slog.DiscardHandler),
	}
	if err := w.Run(ctx); err != nil {
		t.Error(err)
	}
}

func feeds(t *testing.T, n int, every time.Duration) *memory {
	t.Helper()
	m := &memory{feeds: map[string]*accord.Feed{}, begun: map[string][]time.Time{}}
	for i := range n {
		name := fmt.Sprintf("f%d", i)
		m.feeds[name] = &accord.Feed{Name: name, Kind: accord.FeedList, URL: "file://" + filepath.Join(t.TempDir(), "none"), Every: accord.FeedDuration(every), Enabled: true}
	}
	return m
}

// present gives every feed a folder that changes each time it is looked at.
func present(t *testing.T, m *memory) {
	t.Helper()
	for _, f := range m.feeds {
		f.URL = "file://" + oneFile(t)
	}
}

func TestAFeedRunsEveryIntervalATenthMoreOrLess(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		m := feeds(t, 1, time.Hour)
		m.feeds["f0"].URL = "file://" + dir // an empty folder: nothing to take, and no failure
		scheduled(t, m, &slow{}, 200*time.Hour)
		begun := m.begun["f0"]
		if len(begun) < 180 || len(begun) > 220 {
			t.Fatalf("%d runs in 200 hours", len(begun))
		}
		waits := map[time.Duration]bool{}
		for i := 1; i < len(begun); i++ {
			wait := begun[i].Sub(begun[i-1])
			if wait < 54*time.Minute || wait > 66*time.Minute+10*time.Second {
				t.Errorf("waited %s", wait)
			}
			waits[wait] = true
		}
		if len(waits) < 20 {
			t.Errorf("only %d different waits: nothing is spread", len(waits))
		}
	})
}

func TestAFeedThatFailsIsTriedEverLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := feeds(t, 1, 3*time.Hour)
		scheduled(t, m, &slow{}, 48*time.Hour)
		var waits []time.Duration
		for i := 1; i < len(m.begun["f0"]); i++ {
			waits = append(waits, m.begun["f0"][i].Sub(m.begun["f0"][i-1]))
		}
		want := []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 180, 180}
		if len(waits) < len(want) {
			t.Fatalf("waits %v", waits)
		}
		for i, minutes := range want {
			if least := minutes * time.Minute; waits[i] < least || waits[i] > least*11/10+10*time.Second {
				t.Errorf("wait %d is %s, want %s and up to a tenth more", i, waits[i], least)
			}
		}
		if f := m.feeds["f0"]; f.State.Failures != len(m.begun["f0"]) || f.State.Outcome != accord.RunFailed {
			t.Errorf("%+v after %d runs", f.State, len(m.begun["f0"]))
		}
	})
}

func TestOnlySoManyRunsAreUnderWayAndOneOfAHost(t *testing.T) {
	m := feeds(t, 9, 100*time.Hour)
	present(t, m)
	synctest.Test(t, func(t *testing.T) {
		in := &slow{takes: 10 * time.Minute}
		scheduled(t, m, in, 31*time.Minute)
		if in.most != 4 || in.all < 9 {
			t.Errorf("at most %d at once, %d in all; want 4 and all 9", in.most, in.all)
		}
	})
}

func TestARunUnderWayKeepsItsLeaseHoweverLongItTakes(t *testing.T) {
	m := feeds(t, 1, 100*time.Hour)
	present(t, m)
	m.feeds["f0"].Timeout = accord.FeedDuration(3 * time.Hour)
	synctest.Test(t, func(t *testing.T) {
		in := &slow{takes: 2 * time.Hour}
		scheduled(t, m, in, 4*time.Hour)
		if in.all != 1 || m.feeds["f0"].State.Outcome != accord.RunTaken {
			t.Errorf("%d runs, %+v", in.all, m.feeds["f0"].State)
		}
	})
}

func TestARunThatTakesTooLongIsEnded(t *testing.T) {
	m := feeds(t, 1, 100*time.Hour)
	present(t, m)
	m.feeds["f0"].Timeout = accord.FeedDuration(time.Hour)
	synctest.Test(t, func(t *testing.T) {
		scheduled(t, m, &slow{takes: 2 * time.Hour}, 61*time.Minute)
		if s := m.feeds["f0"].State; s.Outcome != accord.RunFailed || s.Failures == 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestAfterARestartTheScheduleGoesOn(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		m := feeds(t, 1, 10*time.Hour)
		m.feeds["f0"].URL = "file://" + dir
		for range 5 {
			scheduled(t, m, &slow{}, time.Hour)
		}
		if n := len(m.begun["f0"]); n != 1 {
			t.Errorf("%d runs within five hours and five starts, want 1", n)
		}
	})
}

func TestWhatIsSwitchedOffDoesNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := feeds(t, 2, time.Hour)
		m.feeds["f1"].Enabled = false
		scheduled(t, m, &slow{}, time.Hour)
		if len(m.begun["f1"]) != 0 || len(m.begun["f0"]) == 0 {
			t.Errorf("%v", m.begun)
		}
	})
}

var errAny = errors.New("any")

func TestAnIntakeThatFailsIsAFailedRun(t *testing.T) {
	m := feeds(t, 1, time.Hour)
	present(t, m)
	synctest.Test(t, func(t *testing.T) {
		scheduled(t, m, &slow{err: errAny}, 30*time.Second)
		if s := m.feeds["f0"].State; s.Outcome != accord.RunFailed || s.Message != errAny.Error() || s.Failures != 1 {
			t.Errorf("%+v", s)
		}
	})
}
