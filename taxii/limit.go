// SPDX-License-Identifier: Apache-2.0

package taxii

import (
	"net/http"
	"sync"
	"time"
)

// limiter is a token bucket per caller: rate requests a second, and burst of them
// at once after a pause. Callers are authenticated, so they are few; buckets that
// are full again are forgotten.
type limiter struct {
	rate, burst float64
	mu          sync.Mutex
	by          map[string]*bucket
}

type bucket struct {
	left float64
	at   time.Time
}

const bucketsMost = 1024

// take returns how long the caller must wait, 0 when it may go on.
func (l *limiter) take(caller string, now time.Time) time.Duration {
	if l.rate <= 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by == nil {
		l.by = map[string]*bucket{}
	}
	b := l.by[caller]
	if b == nil {
		l.forget(now)
		b = &bucket{left: l.burst, at: now}
		l.by[caller] = b
	}
	// A clock that goes back fills nothing.
	b.left = min(l.burst, b.left+max(0, now.Sub(b.at).Seconds())*l.rate)
	b.at = now
	if b.left >= 1 {
		b.left--
		return 0
	}
	return time.Duration((1 - b.left) / l.rate * float64(time.Second))
}

func (l *limiter) forget(now time.Time) {
	if len(l.by) < bucketsMost {
		return
	}
	for caller, b := range l.by {
		if b.left+now.Sub(b.at).Seconds()*l.rate >= l.burst {
			delete(l.by, caller)
		}
	}
}

// tooFast is RFC 6585 §4; TAXII lists no status for it and forbids none (§3.6).
func tooFast(wait time.Duration) error {
	e := refuse(http.StatusTooManyRequests, "too many requests: wait as Retry-After says")
	e.RetryAfter = max(wait, time.Second)
	return e
}
