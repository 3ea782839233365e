// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// maxKeys bounds what a limiter remembers.
const maxKeys = 20_000

// limiter gives every key an allowance that refills one by one.
type limiter struct {
	now   func() time.Time
	burst float64
	every time.Duration // one more each

	mu   sync.Mutex
	keys map[string]allowance
}

type allowance struct {
	left float64
	at   time.Time
}

func newLimiter(now func() time.Time, burst int, every time.Duration) *limiter {
	return &limiter{now: now, burst: float64(burst), every: every, keys: map[string]allowance{}}
}

// take uses one of key's allowance; false when none is left.
func (l *limiter) take(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.fill(key)
	if a.left < 1 {
		l.keys[key] = a
		return false
	}
	a.left--
	if len(l.keys) >= maxKeys {
		l.forget()
	}
	l.keys[key] = a
	return true
}

// give returns one to key's allowance.
func (l *limiter) give(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.fill(key)
	if a.left++; a.left >= l.burst {
		delete(l.keys, key)
		return
	}
	l.keys[key] = a
}

// fill returns key's allowance as of now. The caller holds mu.
func (l *limiter) fill(key string) allowance {
	now := l.now()
	a, ok := l.keys[key]
	if !ok {
		return allowance{l.burst, now}
	}
	a.left = min(l.burst, a.left+float64(now.Sub(a.at))/float64(l.every))
	a.at = now
	return a
}

// forget drops the keys that are full again, and if none is, any one key. The
// caller holds mu.
func (l *limiter) forget() {
	before := len(l.keys)
	for k := range l.keys {
		if l.fill(k).left >= l.burst {
			delete(l.keys, k)
		}
	}
	if len(l.keys) < before {
		return
	}
	for k := range l.keys {
		delete(l.keys, k)
		return
	}
}

// address is whom attempts are counted against: the peer's IPv4 address, or the
// /64 of its IPv6 address, since one subscriber has all of that.
func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if ip = ip.Unmap(); ip.Is4() {
		return ip.String()
	}
	p, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return host
	}
	return p.String()
}
