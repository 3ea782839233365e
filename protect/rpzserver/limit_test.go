// SPDX-License-Identifier: Apache-2.0

package rpzserver

import (
	"bytes"
	"context"
	"errors"
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

// listening runs a server on loopback and returns its address.
func listening(t *testing.T, cfg Config) string {
	t.Helper()
	cfg.Listen = "127.0.0.1:0"
	s, err := New(cfg, memstore.New(), nothing{}, nil, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := s.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s.Addr().String()
}

// closedWithin reports whether the server ends c in time.
func closedWithin(t *testing.T, c net.Conn, d time.Duration) bool {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(d)); err != nil {
		t.Fatal(err)
	}
	_, err := c.Read(make([]byte, 1))
	var late net.Error
	return err != nil && !(errors.As(err, &late) && late.Timeout())
}

func dialFrom(t *testing.T, from, to string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("tcp", to)
	if err != nil {
		t.Skipf("SKIP: no second loopback address here: %v", err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestSilentConnectionsOfOneSourceLeaveRoomForOthers(t *testing.T) {
	addr := listening(t, keyed())
	var first, last net.Conn
	for i := range 130 {
		last = dialFrom(t, "127.0.0.2", addr)
		if i == 0 {
			first = last
		}
	}
	if !closedWithin(t, last, time.Second) {
		t.Error("the 130th connection of one source is open")
	}
	c := &dns.Conn{Conn: dialFrom(t, "127.0.0.3", addr)}
	if err := c.WriteMsg(new(dns.Msg).SetQuestion("hot.rpz.", dns.TypeSOA)); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if r, err := c.ReadMsg(); err != nil || r.Rcode != dns.RcodeRefused {
		t.Errorf("another source got %v, %v", r, err)
	}
	if !closedWithin(t, first, firstMessage+2*time.Second) {
		t.Error("a connection stays without a question")
	}
	c = &dns.Conn{Conn: dialFrom(t, "127.0.0.2", addr)}
	if closedWithin(t, c, 200*time.Millisecond) {
		t.Error("the source has no room when its connections have ended")
	}
}

func TestWithoutKeysAStrangersConnectionIsClosedAtOnce(t *testing.T) {
	addr := listening(t, Config{Clients: []netip.Prefix{netip.MustParsePrefix("127.0.0.3/32")}})
	if !closedWithin(t, dialFrom(t, "127.0.0.2", addr), time.Second) {
		t.Error("a stranger's connection is open")
	}
	if closedWithin(t, dialFrom(t, "127.0.0.3", addr), 200*time.Millisecond) {
		t.Error("a listed client's connection was closed")
	}
}

func TestAQuestionForADifferenceWithoutASerialIsMalformed(t *testing.T) {
	var said bytes.Buffer
	s := still(t, Config{Clients: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
	s.log = slog.New(slog.NewTextHandler(&said, nil)) // from Info on
	other := new(dns.Msg).SetIxfr("base.rpz.", 1, "localhost.", "localhost.")
	other.Question[0].Name = "hot.rpz."
	for what, m := range map[string]*dns.Msg{
		"no SOA": new(dns.Msg).SetQuestion("hot.rpz.", dns.TypeIXFR), "another zone's SOA": other,
	} {
		for _, from := range []net.Addr{byUDP, byTCP} {
			if got := rcode(s, from, m.Copy()); got != dns.RcodeFormatError {
				t.Errorf("%s by %s: %d", what, from.Network(), got)
			}
		}
	}
	if said.Len() > 0 {
		t.Errorf("anyone can fill the log: %s", said.String())
	}
}
