// SPDX-License-Identifier: Apache-2.0

package rpzserver

import (
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"

	"accord"
	"accord/protect/internal/memstore"
)

type nothing struct{}

func (nothing) Holds(accord.Observable) (string, bool) { return "", false }

// asker is the connection of one question, and keeps its answer.
type asker struct {
	from   net.Addr
	tsig   error
	answer *dns.Msg
}

func (a *asker) LocalAddr() net.Addr         { return &net.UDPAddr{} }
func (a *asker) RemoteAddr() net.Addr        { return a.from }
func (a *asker) WriteMsg(m *dns.Msg) error   { a.answer = m; return nil }
func (a *asker) Write(b []byte) (int, error) { return len(b), nil }
func (a *asker) Close() error                { return nil }
func (a *asker) TsigStatus() error           { return a.tsig }
func (a *asker) TsigTimersOnly(bool)         {}
func (a *asker) Hijack()                     {}

var (
	clientIP = net.ParseIP("192.0.2.53")
	byUDP    = &net.UDPAddr{IP: clientIP, Port: 5300}
	byTCP    = &net.TCPAddr{IP: clientIP, Port: 5300}
)

// still returns a server whose clock stands, so that no allowance comes back.
func still(t *testing.T, cfg Config) *Server {
	t.Helper()
	at := time.Now()
	s, err := New(cfg, memstore.New(), nothing{}, nil, func() time.Time { return at }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// rcode is what s answers to m, -1 for silence.
func rcode(s *Server, from net.Addr, m *dns.Msg) int {
	a := &asker{from: from}
	s.ServeDNS(a, m)
	if a.answer == nil {
		return -1
	}
	return a.answer.Rcode
}

func keyed() Config {
	return Config{Keys: []Key{{Name: "institution-1.", Secret: "YSBzZWNyZXQgb2YgbW9yZSB0aGFuIDE2IG9jdGV0cw=="}}}
}

func signed(m *dns.Msg) *dns.Msg {
	return m.SetTsig("institution-1.", dns.HmacSHA256, 300, time.Now().Unix())
}

func TestForgedUDPSpendsNothingOfASecondarys(t *testing.T) {
	s := still(t, keyed())
	refused := 0
	for range 5000 {
		if rcode(s, byUDP, new(dns.Msg).SetQuestion("hot.rpz.", dns.TypeSOA)) == dns.RcodeRefused {
			refused++
		}
	}
	if refused != strangerBurst {
		t.Errorf("%d strangers were answered, want %d", refused, strangerBurst)
	}
	for _, from := range []net.Addr{byUDP, byTCP} {
		if got := rcode(s, from, signed(new(dns.Msg).SetQuestion("hot.rpz.", dns.TypeSOA))); got != dns.RcodeSuccess {
			t.Errorf("%s with its key got %d", from.Network(), got)
		}
	}
}

func TestUDPFromAClientsAddressLeavesItTCP(t *testing.T) {
	cfg := Config{Clients: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
	for _, typ := range []uint16{dns.TypeSOA, dns.TypeIXFR} {
		s := still(t, cfg)
		m := new(dns.Msg).SetIxfr("hot.rpz.", 0, "localhost.", "localhost.")
		m.Question[0].Qtype = typ
		answered := 0
		for range 5000 {
			if rcode(s, byUDP, m.Copy()) != -1 {
				answered++
			}
		}
		if answered != queryBurst {
			t.Errorf("%s: %d answered by UDP, want %d", dns.TypeToString[typ], answered, queryBurst)
		}
		if got := rcode(s, byTCP, m.Copy()); got != dns.RcodeSuccess {
			t.Errorf("%s by TCP afterwards: %d", dns.TypeToString[typ], got)
		}
	}
}
