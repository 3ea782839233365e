// SPDX-License-Identifier: Apache-2.0

package rpzserver_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"accord"
	"accord/format/rpz"
	"accord/protect"
	"accord/protect/internal/memstore"
	"accord/protect/rpzserver"
)

const keyName = "institution-1."

var secret = base64.StdEncoding.EncodeToString([]byte("a secret of more than 16 octets"))

func domain(v string) accord.Observable {
	return accord.Observable{Kind: accord.KindDomain, Value: v}
}

// fixture is a running server over a store in memory.
type fixture struct {
	*rpzserver.Server
	store *memstore.Store
	addr  string
	n     int
}

type never struct{ values []string }

func (n never) Holds(o accord.Observable) (string, bool) {
	return "test list", slices.Contains(n.values, o.Value)
}

func serve(t *testing.T, cfg rpzserver.Config, store *memstore.Store, holds ...string) *fixture {
	t.Helper()
	cfg.Listen = "127.0.0.1:0"
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	if os.Getenv("ACCORD_TEST_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	allowed := []protect.Allowed{
		{Observable: domain("portal.gov.example")},
		{Observable: domain("bank.example"), Under: true},
		{Observable: accord.Observable{Kind: accord.KindCIDR, Value: "192.0.2.64/26"}},
	}
	s, err := rpzserver.New(cfg, store, never{holds}, allowed, time.Now, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := s.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("Run has not returned")
		}
	})
	return &fixture{Server: s, store: store, addr: s.Addr().String()}
}

// add protects values, all for one item, and returns the item's id.
func (f *fixture) add(t testing.TB, zone string, values ...accord.Observable) string {
	t.Helper()
	f.n++
	id := fmt.Sprintf("indicator--%08d", f.n)
	p := accord.Protecting{Stage: "test"}
	for _, o := range values {
		p.Add = append(p.Add, accord.Protection{Observable: o, Zone: zone, Item: accord.ItemKey{ID: id}, Added: 1, Expires: 1 << 60})
	}
	f.commit(t, p)
	return id
}

func (f *fixture) commit(t testing.TB, p accord.Protecting) {
	t.Helper()
	p.Stage = "test"
	if err := f.store.Protect(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	if f.Server != nil {
		f.Changed()
	}
}

func (f *fixture) ask(t testing.TB, m *dns.Msg, network string) *dns.Msg {
	t.Helper()
	c := dns.Client{Net: network, Timeout: 5 * time.Second, TsigSecret: map[string]string{keyName: secret}}
	r, _, err := c.Exchange(m, f.addr)
	if err != nil {
		t.Fatalf("%s %s: %v", network, m.Question[0].String(), err)
	}
	return r
}

func question(name string, typ uint16) *dns.Msg { return new(dns.Msg).SetQuestion(name, typ) }

// transfer returns the records of a transfer and whether it was a difference.
func (f *fixture) transfer(t testing.TB, m *dns.Msg) ([]dns.RR, error) {
	t.Helper()
	tr := &dns.Transfer{DialTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second}
	if m.IsTsig() != nil {
		tr.TsigSecret = map[string]string{keyName: secret}
	}
	envelopes, err := tr.In(m, f.addr)
	if err != nil {
		return nil, err
	}
	var rrs []dns.RR
	for e := range envelopes {
		if e.Error != nil {
			err = e.Error
			continue
		}
		rrs = append(rrs, e.RR...)
	}
	return rrs, err
}

func axfr(zone string) *dns.Msg { return new(dns.Msg).SetAxfr(zone) }

func ixfr(zone string, serial uint32) *dns.Msg {
	return new(dns.Msg).SetIxfr(zone, serial, "localhost.", "hostmaster."+zone)
}

// secondary is a copy of a zone, kept as RFC 1995 says.
type secondary struct {
	serial  uint32
	records map[string]bool
}

// take applies a transfer; it fails where a strict secondary would.
func (s *secondary) take(rrs []dns.RR) (kind string, err error) {
	if len(rrs) == 0 {
		return "", errors.New("no records")
	}
	first := rrs[0].(*dns.SOA).Serial
	if len(rrs) == 1 {
		return "current", nil
	}
	if _, difference := rrs[1].(*dns.SOA); !difference {
		s.records = map[string]bool{}
		for _, rr := range rrs[1 : len(rrs)-1] {
			if s.records[rr.String()] {
				return "", fmt.Errorf("sent twice: %s", rr)
			}
			s.records[rr.String()] = true
		}
		s.serial = first
		if last := rrs[len(rrs)-1].(*dns.SOA).Serial; last != first {
			return "", fmt.Errorf("from serial %d to %d", first, last)
		}
		return "axfr", nil
	}
	return "ixfr", s.difference(rrs[1:len(rrs)-1], first)
}

func (s *secondary) difference(rrs []dns.RR, to uint32) error {
	adding := true
	for _, rr := range rrs {
		if soa, ok := rr.(*dns.SOA); ok {
			adding = !adding
			if !adding && soa.Serial != s.serial {
				return fmt.Errorf("difference from %d, have %d", soa.Serial, s.serial)
			}
			if adding {
				s.serial = soa.Serial
			}
			continue
		}
		if s.records[rr.String()] == adding {
			return fmt.Errorf("adding %v: %s", adding, rr)
		}
		if adding {
			s.records[rr.String()] = true
		} else {
			delete(s.records, rr.String())
		}
	}
	if s.serial != to {
		return fmt.Errorf("difference ends at %d, not %d", s.serial, to)
	}
	return nil
}

// owners returns the values of the policy records.
func (s *secondary) owners() []string {
	var out []string
	for r := range s.records {
		if name, _, _ := strings.Cut(r, "\t"); strings.Contains(r, "CNAME") {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func ownersOf(zone string, values ...accord.Observable) []string {
	var out []string
	for _, o := range values {
		owners, err := rpz.Owners(o, zone)
		if err != nil {
			panic(err)
		}
		out = append(out, owners...)
	}
	slices.Sort(out)
	return out
}

func TestAPlainClientCanLookARecordUp(t *testing.T) {
	f := serve(t, rpzserver.Config{}, memstore.New())
	f.add(t, "hot", domain("bad.example"), accord.Observable{Kind: accord.KindIPv4, Value: "192.0.2.7"}, accord.Observable{Kind: accord.KindCIDR, Value: "2001:db8::/48"})
	for _, network := range []string{"udp", "tcp"} {
		for name, want := range map[string]string{
			"bad.example.hot.rpz.": ".", "*.bad.example.hot.rpz.": ".", "a.b.bad.example.hot.rpz.": ".", "BAD.Example.hot.rpz.": ".",
			"32.7.2.0.192.rpz-ip.hot.rpz.": ".", "48.zz.db8.2001.rpz-ip.hot.rpz.": ".",
			"xbad.example.hot.rpz.": "", "example.hot.rpz.": "", "bad.example.base.rpz.": "", "32.8.2.0.192.rpz-ip.hot.rpz.": "",
			"portal.gov.example.allow.rpz.": "rpz-passthru.", "x.portal.gov.example.allow.rpz.": "", "x.bank.example.allow.rpz.": "rpz-passthru.",
		} {
			r := f.ask(t, question(name, dns.TypeA), network)
			got := ""
			if len(r.Answer) == 1 {
				got = r.Answer[0].(*dns.CNAME).Target
			}
			if got != want || (want == "") != (r.Rcode == dns.RcodeNameError) || !r.Authoritative {
				t.Errorf("%s %s: %q, %s", network, name, got, dns.RcodeToString[r.Rcode])
			}
		}
	}
	r := f.ask(t, question("hot.rpz.", dns.TypeSOA), "udp")
	if len(r.Answer) != 1 || r.Answer[0].(*dns.SOA).Serial != 2 {
		t.Errorf("SOA: %v", r.Answer)
	}
	if r := f.ask(t, question("hot.rpz.", dns.TypeNS), "udp"); len(r.Answer) != 1 {
		t.Errorf("NS: %v", r.Answer)
	}
	if r := f.ask(t, question("elsewhere.example.", dns.TypeA), "udp"); r.Rcode != dns.RcodeRefused {
		t.Errorf("outside the zones: %s", dns.RcodeToString[r.Rcode])
	}
}

func TestAWholeZoneIsSentInPieces(t *testing.T) {
	f := serve(t, rpzserver.Config{}, memstore.New())
	var values []accord.Observable
	for i := range 5000 {
		values = append(values, domain(fmt.Sprintf("host%d.example", i)))
	}
	f.add(t, "base", values...)
	var s secondary
	rrs, err := f.transfer(t, axfr("base.rpz."))
	if err != nil {
		t.Fatal(err)
	}
	if kind, err := s.take(rrs); err != nil || kind != "axfr" || s.serial != 2 {
		t.Fatalf("%s %d %v", kind, s.serial, err)
	}
	if d := cmp.Diff(ownersOf("base.rpz.", values...), s.owners()); d != "" {
		t.Error(d)
	}
	if rrs, err := f.transfer(t, axfr("allow.rpz.")); err != nil || len(rrs) != 2+1+4 {
		t.Errorf("allow zone: %d records, %v", len(rrs), err)
	}
}

func TestADifferenceIsADifference(t *testing.T) {
	f := serve(t, rpzserver.Config{}, memstore.New())
	var s secondary
	take := func(want string) {
		t.Helper()
		rrs, err := f.transfer(t, ixfr("hot.rpz.", s.serial))
		if err != nil {
			t.Fatal(err)
		}
		if kind, err := s.take(rrs); err != nil || kind != want {
			t.Fatalf("%s, %v; want %s", kind, err, want)
		}
	}
	first := f.add(t, "hot", domain("a.example"), domain("b.example"))
	take("axfr") // from serial 0, which the zone never had
	take("current")
	f.add(t, "hot", domain("c.example"))
	f.commit(t, accord.Protecting{Remove: []string{first}})
	brief := f.add(t, "hot", domain("brief.example"))
	f.commit(t, accord.Protecting{Remove: []string{brief}})
	take("ixfr")
	if d := cmp.Diff(ownersOf("hot.rpz.", domain("c.example")), s.owners()); d != "" {
		t.Error(d)
	}
	f.add(t, "hot", domain("d.example"))
	if err := f.store.TrimJournal(t.Context(), "hot", 0); err != nil {
		t.Fatal(err)
	}
	take("axfr")
	r := f.ask(t, ixfr("hot.rpz.", s.serial-1), "udp")
	if len(r.Answer) != 1 || r.Answer[0].(*dns.SOA).Serial != s.serial {
		t.Errorf("IXFR over UDP: %v", r.Answer)
	}
	if r := f.ask(t, question("hot.rpz.", dns.TypeAXFR), "udp"); r.Rcode != dns.RcodeFormatError {
		t.Errorf("AXFR over UDP: %s", dns.RcodeToString[r.Rcode])
	}
	if r := f.ask(t, question("hot.rpz.", dns.TypeIXFR), "tcp"); r.Rcode != dns.RcodeFormatError {
		t.Errorf("IXFR without a SOA: %s", dns.RcodeToString[r.Rcode])
	}
}

// While a zone is sent it changes after every page; what arrives is the zone as
// it was at the serial that is sent with it, and differences lead on from there.
func TestAZoneThatChangesWhileItIsSentIsSentAsItWas(t *testing.T) {
	for seed := range uint64(24) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { sendWhileChanging(t, rand.New(rand.NewPCG(seed, 7))) })
	}
}

func sendWhileChanging(t *testing.T, r *rand.Rand) {
	store := memstore.New()
	f := &fixture{store: store}
	initial := []int{0, 3, 2000, 4500}[r.IntN(4)]
	ids := map[string]bool{}
	toggle := func(p *accord.Protecting, i int) {
		o := domain(fmt.Sprintf("h%05d.example", i))
		if ids[o.Value] {
			p.Remove = append(p.Remove, o.Value)
		} else {
			p.Add = append(p.Add, accord.Protection{Observable: o, Zone: "hot", Item: accord.ItemKey{ID: o.Value}, Expires: 1 << 60})
		}
		ids[o.Value] = !ids[o.Value]
	}
	var p accord.Protecting
	for i := range initial {
		toggle(&p, i*2)
	}
	f.commit(t, p)
	srv := serve(t, rpzserver.Config{}, store)
	change := func() {
		for range r.IntN(3) {
			var p accord.Protecting
			for _, i := range r.Perm(2*initial + 5)[:r.IntN(6)] {
				toggle(&p, i)
			}
			f.commit(t, p)
		}
	}
	want := map[uint32][]string{}
	note := func() {
		serial, _, _ := store.Zone(t.Context(), "hot")
		all, _ := valuesOf(store)
		want[serial] = ownersOf("hot.rpz.", all...)
	}
	note()
	store.Between = change
	rrs, err := srv.transfer(t, axfr("hot.rpz."))
	store.Between = nil
	if err != nil {
		t.Fatal(err)
	}
	var s secondary
	if kind, err := s.take(rrs); err != nil || kind != "axfr" {
		t.Fatalf("%s %v", kind, err)
	}
	if d := cmp.Diff(want[s.serial], s.owners()); d != "" {
		t.Fatalf("serial %d: %s", s.serial, d)
	}
	change()
	note()
	rrs, err = srv.transfer(t, ixfr("hot.rpz.", s.serial))
	if _, wrong := s.take(rrs); err != nil || wrong != nil {
		t.Fatalf("%v %v", err, wrong)
	}
	if d := cmp.Diff(want[s.serial], s.owners()); d != "" {
		t.Fatalf("after the difference, serial %d: %s", s.serial, d)
	}
}

func valuesOf(s *memstore.Store) ([]accord.Observable, error) {
	return s.ZoneValues(context.Background(), "hot", accord.Observable{}, 1<<30)
}

func TestATransferThatCannotBeConsistentIsBrokenOff(t *testing.T) {
	store := memstore.New()
	f := serve(t, rpzserver.Config{}, store)
	var values []accord.Observable
	for i := range 5000 {
		values = append(values, domain(fmt.Sprintf("host%d.example", i)))
	}
	f.add(t, "hot", values...)
	n := 0
	store.Between = func() {
		n++
		f.add(t, "hot", domain(fmt.Sprintf("new%d.example", n)))
		if err := store.TrimJournal(t.Context(), "hot", 0); err != nil {
			t.Error(err)
		}
	}
	rrs, err := f.transfer(t, axfr("hot.rpz."))
	if err == nil {
		t.Errorf("took %d records without an error", len(rrs))
	}
}

func TestNothingOnTheNeverBlockListIsServed(t *testing.T) {
	f := serve(t, rpzserver.Config{}, memstore.New(), "never.example")
	f.add(t, "hot", domain("a.example"))
	rrs, err := f.transfer(t, axfr("hot.rpz."))
	if err != nil {
		t.Fatal(err)
	}
	before := rrs[0].(*dns.SOA).Serial
	f.add(t, "hot", domain("never.example"), domain("b.example"))
	for _, m := range []*dns.Msg{axfr("hot.rpz."), ixfr("hot.rpz.", before)} {
		rrs, err := f.transfer(t, m)
		if err != nil {
			t.Fatal(err)
		}
		if all := fmt.Sprint(rrs); strings.Contains(all, "never.example") || !strings.Contains(all, "b.example") {
			t.Errorf("%s: %v", m.Question[0].String(), rrs)
		}
	}
	if r := f.ask(t, question("never.example.hot.rpz.", dns.TypeCNAME), "udp"); r.Rcode != dns.RcodeNameError {
		t.Errorf("asked directly: %v", r)
	}
}
