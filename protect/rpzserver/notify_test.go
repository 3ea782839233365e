// SPDX-License-Identifier: Apache-2.0

package rpzserver_test

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"accord/protect/internal/memstore"
	"accord/protect/rpzserver"
)

// fakeSecondary answers NOTIFY and records when each came.
type fakeSecondary struct {
	mu    sync.Mutex
	got   []uint32 // serials, of zone
	zone  string
	drop  int // how many to leave unanswered
	keyed bool
	addr  netip.AddrPort
}

func listenSecondary(t *testing.T, zone string, drop int) *fakeSecondary {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeSecondary{zone: zone, drop: drop, addr: netip.MustParseAddrPort(pc.LocalAddr().String())}
	srv := &dns.Server{PacketConn: pc, TsigSecret: map[string]string{keyName: secret}, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if r.Opcode != dns.OpcodeNotify || r.Question[0].Name != f.zone {
			m := new(dns.Msg).SetReply(r)
			_ = w.WriteMsg(m)
			return
		}
		f.keyed = r.IsTsig() != nil && w.TsigStatus() == nil
		f.got = append(f.got, r.Answer[0].(*dns.SOA).Serial)
		if len(f.got) <= f.drop {
			return
		}
		m := new(dns.Msg).SetReply(r)
		if f.keyed {
			m.SetTsig(keyName, dns.HmacSHA256, 300, time.Now().Unix())
		}
		_ = w.WriteMsg(m)
	})}
	go srv.ActivateAndServe()
	t.Cleanup(func() { _ = srv.Shutdown() })
	return f
}

func (f *fakeSecondary) serials() []uint32 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.got)
}

func eventually(t testing.TB, within time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not within %s: %s", within, what)
}

func TestSecondariesAreToldOnceOfManyChanges(t *testing.T) {
	sec := listenSecondary(t, "hot.rpz.", 0)
	f := serve(t, rpzserver.Config{
		Keys: []rpzserver.Key{{Name: keyName, Secret: secret}}, Secondaries: []rpzserver.Secondary{{Addr: sec.addr, Key: keyName}},
	}, memstore.New())
	eventually(t, 3*time.Second, "told at the start", func() bool { return slices.Equal(sec.serials(), []uint32{1}) })
	for i := range 20 {
		f.add(t, "hot", domain(fmt.Sprintf("h%d.example", i)))
	}
	eventually(t, 3*time.Second, "told of the change", func() bool { s := sec.serials(); return s[len(s)-1] == 21 })
	if got := sec.serials(); len(got) > 4 {
		t.Errorf("told of %v: not coalesced", got)
	}
	if !sec.keyed {
		t.Error("NOTIFY was not signed")
	}
	eventually(t, time.Second, "status", func() bool {
		for _, c := range f.Status().Clients {
			if c.Zone == "hot" && c.Notified == 21 && c.Problem == "" {
				return true
			}
		}
		return false
	})
}

func TestASecondaryThatDoesNotAnswerIsToldAgain(t *testing.T) {
	sec := listenSecondary(t, "hot.rpz.", 2)
	serve(t, rpzserver.Config{Secondaries: []rpzserver.Secondary{{Addr: sec.addr}}}, memstore.New())
	eventually(t, 15*time.Second, "three tries", func() bool { return len(sec.serials()) == 3 })
	time.Sleep(500 * time.Millisecond)
	if got := sec.serials(); len(got) != 3 {
		t.Errorf("told %v although the third was answered", got)
	}
}
