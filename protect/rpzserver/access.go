// SPDX-License-Identifier: Apache-2.0

package rpzserver

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// keyring signs and verifies with hmac-sha256 and no other algorithm (RFC 8945).
type keyring map[string][]byte

var errAlgorithm = errors.New("only hmac-sha256 is accepted")

func keyringOf(keys []Key) keyring {
	k := keyring{}
	for _, key := range keys {
		b, err := base64.StdEncoding.DecodeString(key.Secret)
		if err == nil {
			k[key.Name] = b
		}
	}
	return k
}

// Generate implements dns.TsigProvider.
func (k keyring) Generate(msg []byte, t *dns.TSIG) ([]byte, error) {
	secret, ok := k[strings.ToLower(t.Hdr.Name)]
	if !ok {
		return nil, dns.ErrSecret
	}
	if !strings.EqualFold(t.Algorithm, dns.HmacSHA256) {
		return nil, errAlgorithm
	}
	h := hmac.New(sha256.New, secret)
	h.Write(msg)
	return h.Sum(nil), nil
}

// Verify implements dns.TsigProvider. Truncated codes are refused.
func (k keyring) Verify(msg []byte, t *dns.TSIG) error {
	want, err := k.Generate(msg, t)
	if err != nil {
		return err
	}
	got, err := hex.DecodeString(t.MAC)
	if err != nil {
		return err
	}
	if !hmac.Equal(want, got) {
		return dns.ErrSig
	}
	return nil
}

// admit decides who asks. It returns RcodeSuccess, or the code to answer with, and
// the TSIG error that goes with NOTAUTH (RFC 8945 §5.2).
func (s *Server) admit(w dns.ResponseWriter, r *dns.Msg) (rcode int, tsigError uint16) {
	if r.IsTsig() != nil {
		err := w.TsigStatus()
		switch {
		case err == nil:
			return dns.RcodeSuccess, 0
		case errors.Is(err, dns.ErrSecret), errors.Is(err, errAlgorithm):
			return dns.RcodeNotAuth, dns.RcodeBadKey
		case errors.Is(err, dns.ErrTime):
			return dns.RcodeNotAuth, dns.RcodeBadTime
		default:
			return dns.RcodeNotAuth, dns.RcodeBadSig
		}
	}
	if s.listed(remote(w)) {
		return dns.RcodeSuccess, 0
	}
	return dns.RcodeRefused, 0
}

// listed reports whether from needs no key.
func (s *Server) listed(from netip.Addr) bool {
	for _, p := range s.cfg.Clients {
		if p.Contains(from) {
			return true
		}
	}
	return false
}

func remote(w dns.ResponseWriter) netip.Addr { return address(w.RemoteAddr()) }

func address(a net.Addr) netip.Addr {
	switch a := a.(type) {
	case *net.UDPAddr:
		return a.AddrPort().Addr().Unmap().WithZone("")
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap().WithZone("")
	default:
		return netip.Addr{}
	}
}

// source is what is counted as one: an IPv4 address or an IPv6 /64 network.
func source(from netip.Addr) netip.Addr {
	if from.Is6() {
		if p, err := from.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return from
}

// limiter allows each source rate requests a second, and burst at once. It remembers a bounded number of them;
// when there are more, strangers share what is left.
type limiter struct {
	rate, burst float64
	now         func() time.Time

	mu      sync.Mutex
	buckets map[netip.Addr]bucket
}

type bucket struct {
	left float64
	at   time.Time
}

const maxSources = 20_000

func newLimiter(rate, burst float64, now func() time.Time) *limiter {
	return &limiter{rate: rate, burst: burst, now: now, buckets: map[netip.Addr]bucket{}}
}

func (l *limiter) allow(from netip.Addr) bool {
	from = source(from)
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	b, known := l.buckets[from]
	if !known {
		if len(l.buckets) >= maxSources {
			l.forget(now)
		}
		if len(l.buckets) >= maxSources {
			from = netip.Addr{}
			b, known = l.buckets[from]
		}
		if !known {
			b = bucket{left: l.burst, at: now}
		}
	}
	b.left = min(l.burst, b.left+l.rate*max(0, now.Sub(b.at).Seconds()))
	b.at = now
	ok := b.left >= 1
	if ok {
		b.left--
	}
	l.buckets[from] = b
	return ok
}

// forget drops the sources whose buckets have filled up again.
func (l *limiter) forget(now time.Time) {
	for from, b := range l.buckets {
		if b.left+l.rate*now.Sub(b.at).Seconds() >= l.burst {
			delete(l.buckets, from)
		}
	}
}
