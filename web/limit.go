// SPDX-License-Identifier: Apache-2.0

package web

import (
	"container/list"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// maxKeys bounds what a limiter remembers, maxLook how many it looks at to make
// room.
const (
	maxKeys = 20_000
	maxLook = 64
)

// limiter gives every key an allowance that refills one by one.
type limiter struct {
	now   func() time.Time
	burst float64
	every time.Duration // one more each

	mu   sync.Mutex
	keys map[string]*list.Element // of *allowance
	used *list.List               // the least recently used first
}

type allowance struct {
	key  string
	left float64
	at   time.Time
}

func newLimiter(now func() time.Time, burst int, every time.Duration) *limiter {
	return &limiter{now: now, burst: float64(burst), every: every, keys: map[string]*list.Element{}, used: list.New()}
}

// take uses one of key's allowance; false when none is left, or when there is no
// room for another key.
func (l *limiter) take(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.keys[key]
	if !ok {
		if len(l.keys) >= maxKeys && !l.forget() {
			return false
		}
		e = l.used.PushBack(&allowance{key, l.burst, l.now()})
		l.keys[key] = e
	}
	l.used.MoveToBack(e)
	a := l.fill(e)
	if a.left < 1 {
		return false
	}
	a.left--
	return true
}

// give returns one to key's allowance.
func (l *limiter) give(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.keys[key]
	if !ok {
		return
	}
	if a := l.fill(e); a.left+1 >= l.burst {
		l.drop(e)
	} else {
		a.left++
	}
}

// fill brings an allowance up to now. The caller holds mu.
func (l *limiter) fill(e *list.Element) *allowance {
	a, now := e.Value.(*allowance), l.now()
	a.left = min(l.burst, a.left+float64(now.Sub(a.at))/float64(l.every))
	a.at = now
	return a
}

// forget drops the least recently used key that is not being held back: one that
// is must not begin anew because many others came. It reports whether one was
// dropped. The caller holds mu.
func (l *limiter) forget() bool {
	e := l.used.Front()
	for range maxLook {
		if e == nil {
			break
		}
		if l.fill(e).left >= 1 {
			l.drop(e)
			return true
		}
		e = e.Next()
	}
	return false
}

func (l *limiter) drop(e *list.Element) {
	delete(l.keys, l.used.Remove(e).(*allowance).key)
}

// address is whom attempts are counted against: the client's IPv4 address, or the
// /64 of its IPv6 address, since one subscriber has all of that. Behind a proxy on
// this machine the client is the last that X-Forwarded-For names: the proxy itself
// wrote that, what stands before it anyone may have.
func (c *console) address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if c.URL != "" && ip.Unmap().IsLoopback() {
		ip = forwarded(r, ip)
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

// forwarded is for whom the proxy at peer asks; peer, when it does not say.
func forwarded(r *http.Request, peer netip.Addr) netip.Addr {
	all := r.Header.Values("X-Forwarded-For")
	if len(all) == 0 {
		return peer
	}
	last := all[len(all)-1]
	last = strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
	if ip, err := netip.ParseAddr(last); err == nil {
		return ip
	}
	if at, err := netip.ParseAddrPort(last); err == nil {
		return at.Addr()
	}
	return peer
}
