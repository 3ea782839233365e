// SPDX-License-Identifier: Apache-2.0

package rpzserver_test

import (
	"encoding/base64"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"accord"
	"accord/protect/internal/memstore"
	"accord/protect/rpzserver"
)

func TestStrangersAreRefused(t *testing.T) {
	f := serve(t, rpzserver.Config{Keys: []rpzserver.Key{{Name: keyName, Secret: secret}}}, memstore.New())
	f.add(t, "hot", domain("bad.example"))
	if r := f.ask(t, question("bad.example.hot.rpz.", dns.TypeA), "udp"); r.Rcode != dns.RcodeRefused {
		t.Errorf("no key: %s", dns.RcodeToString[r.Rcode])
	}
	for _, m := range []*dns.Msg{axfr("hot.rpz."), ixfr("hot.rpz.", 1)} {
		if rrs, err := f.transfer(t, m); err == nil {
			t.Errorf("no key: took %d records", len(rrs))
		}
		signed := m.Copy()
		signed.SetTsig(keyName, dns.HmacSHA256, 300, time.Now().Unix())
		if rrs, err := f.transfer(t, signed); err != nil || len(rrs) < 4 {
			t.Errorf("with the key: %d records, %v", len(rrs), err)
		}
	}
	for name, tt := range map[string]struct {
		key, secret, algorithm string
		at                     time.Time
		want                   int
	}{
		"wrong secret":    {keyName, base64.StdEncoding.EncodeToString([]byte("another secret of some length")), dns.HmacSHA256, time.Now(), dns.RcodeBadSig},
		"unknown key":     {"nobody.", secret, dns.HmacSHA256, time.Now(), dns.RcodeBadKey},
		"other algorithm": {keyName, secret, dns.HmacSHA512, time.Now(), dns.RcodeBadKey},
		"old":             {keyName, secret, dns.HmacSHA256, time.Now().Add(-time.Hour), dns.RcodeBadTime},
	} {
		m := axfr("hot.rpz.")
		m.SetTsig(tt.key, tt.algorithm, 300, tt.at.Unix())
		c := dns.Client{Net: "tcp", TsigSecret: map[string]string{tt.key: tt.secret}}
		r, _, err := c.Exchange(m, f.addr)
		if r == nil {
			t.Errorf("%s: no answer, %v", name, err)
			continue
		}
		if sig := r.IsTsig(); r.Rcode != dns.RcodeNotAuth || sig == nil || int(sig.Error) != tt.want || len(r.Answer) != 0 {
			t.Errorf("%s: %v", name, r)
		}
	}
}

func TestAClientListedByAddressNeedsNoKey(t *testing.T) {
	keys := []rpzserver.Key{{Name: keyName, Secret: secret}}
	in := serve(t, rpzserver.Config{Keys: keys, Clients: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}, memstore.New())
	out := serve(t, rpzserver.Config{Clients: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}, memstore.New())
	if _, err := in.transfer(t, axfr("hot.rpz.")); err != nil {
		t.Error(err)
	}
	if _, err := out.transfer(t, axfr("hot.rpz.")); err == nil {
		t.Error("an address that is not listed took a zone")
	}
}

func TestWhatIsNotAQuestionIsRefused(t *testing.T) {
	f := serve(t, rpzserver.Config{}, memstore.New())
	spoofed := new(dns.Msg).SetNotify("hot.rpz.")
	if r := f.ask(t, spoofed, "udp"); r.Rcode != dns.RcodeRefused {
		t.Errorf("NOTIFY: %s", dns.RcodeToString[r.Rcode])
	}
	update := new(dns.Msg).SetUpdate("hot.rpz.")
	if r := f.ask(t, update, "udp"); r.Rcode != dns.RcodeRefused && r.Rcode != dns.RcodeNotImplemented {
		t.Errorf("UPDATE: %s", dns.RcodeToString[r.Rcode])
	}
	chaos := question("version.bind.", dns.TypeTXT)
	chaos.Question[0].Qclass = dns.ClassCHAOS
	if r := f.ask(t, chaos, "udp"); r.Rcode != dns.RcodeRefused {
		t.Errorf("CHAOS: %s", dns.RcodeToString[r.Rcode])
	}
}

func TestOneSourceCannotAskForEver(t *testing.T) {
	f := serve(t, rpzserver.Config{}, memstore.New())
	conn, err := net.Dial("udp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	m, err := question("x.hot.rpz.", dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	sent, answers := 5000, 0
	go func() {
		for range sent {
			conn.Write(m)
		}
	}()
	buf := make([]byte, 4096)
	for {
		if err := conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(buf); err != nil {
			break
		}
		answers++
	}
	if answers < 100 || answers > 2000 {
		t.Errorf("%d of %d answered", answers, sent)
	}
}

// Bytes that are no message, and names that point at themselves, get no answer
// that could be amplified, and stop nothing.
func TestGarbageStopsNothing(t *testing.T) {
	f := serve(t, rpzserver.Config{}, memstore.New())
	loop := []byte{0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1}
	for _, b := range [][]byte{{}, {1}, loop, []byte(strings.Repeat("\xff", 600))} {
		for _, network := range []string{"udp", "tcp"} {
			conn, err := net.Dial(network, f.addr)
			if err != nil {
				t.Fatal(err)
			}
			if network == "tcp" {
				b = append([]byte{byte(len(b) >> 8), byte(len(b))}, b...)
			}
			if _, err := conn.Write(b); err != nil {
				t.Error(err)
			}
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	f.ask(t, question("hot.rpz.", dns.TypeSOA), "udp")
}

func TestAConfigurationThatCannotBeServedIsRefused(t *testing.T) {
	addr := netip.MustParseAddrPort("127.0.0.1:53")
	for name, c := range map[string]rpzserver.Config{
		"root zone":     {Hot: "."},
		"odd zone":      {Hot: "h t."},
		"one in other":  {Hot: "a.base.rpz."},
		"twice":         {Hot: "x.", Base: "X"},
		"short secret":  {Keys: []rpzserver.Key{{Name: "k", Secret: "c2hvcnQ="}}},
		"not base64":    {Keys: []rpzserver.Key{{Name: "k", Secret: "%%%%"}}},
		"two of a name": {Keys: []rpzserver.Key{{Name: "k", Secret: secret}, {Name: "K.", Secret: secret}}},
		"no such key":   {Secondaries: []rpzserver.Secondary{{Addr: addr, Key: "k"}}},
		"no address":    {Secondaries: []rpzserver.Secondary{{}}},
		"garden":        {Garden: "rpz-drop"},
	} {
		if _, err := rpzserver.New(c, memstore.New(), never{}, nil, time.Now, slog.Default()); !errors.Is(err, accord.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
}
