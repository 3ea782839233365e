// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"accord"
	"accord/exchange"
	"accord/match"
	"accord/protect"
	"accord/protect/rpzserver"
	"accord/store"
)

// deaf is an address at which nobody answers.
func deaf(t *testing.T) netip.AddrPort {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return netip.MustParseAddrPort(c.LocalAddr().String())
}

// zoneNode is a node of which only the store and the zone server run, with these
// secondaries.
func zoneNode(t *testing.T, secondaries ...netip.AddrPort) *running {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "accord.db"), log)
	if err != nil {
		t.Fatal(err)
	}
	r := &running{
		node: &node{db: db, env: &env{log: log}}, exchange: &exchange.Node{},
		keeper: match.NewKeeper(db, match.NewSalt(), 0, log),
	}
	cfg := rpzserver.Config{Listen: "127.0.0.1:0"}
	for _, s := range secondaries {
		cfg.Secondaries = append(cfg.Secondaries, rpzserver.Secondary{Addr: s})
	}
	if r.rpz, err = rpzserver.New(cfg, db, protect.NewNever().Build(), nil, now, log); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := r.rpz.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- r.rpz.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// What the zone server knows of its resolvers is in the metrics, and one that does
// not answer is on the situation page.
func TestWhereResolversStandIsShown(t *testing.T) {
	r := zoneNode(t, deaf(t))
	if err := r.db.RaiseSerial(t.Context(), protect.ZoneHot, 1_800_000_000); err != nil {
		t.Fatal(err)
	}
	envelopes, err := new(dns.Transfer).In(new(dns.Msg).SetAxfr("hot.rpz."), r.rpz.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for e := range envelopes {
		if e.Error != nil {
			t.Fatal(e.Error)
		}
	}
	want := []string{
		`accord_zone_serial{zone="hot"} 1.8e+09`,
		`accord_resolver_serial{resolver="127.0.0.1",zone="hot"} 1.8e+09`,
		`accord_resolver_notify_unanswered{resolver="127.0.0.1"} 3`,
	}
	var missing, text string
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		w := httptest.NewRecorder()
		r.metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		missing, text = "", w.Body.String()
		for _, line := range want {
			if !strings.Contains(text, line+"\n") {
				missing = line
			}
		}
		if missing == "" {
			break
		}
	}
	if missing != "" {
		t.Errorf("the metrics do not say %s:\n%s", missing, text)
	}
	parts, err := console{r}.Health(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(parts) == 0 || parts[0].Part != "resolver" || parts[0].Name != "127.0.0.1" || parts[0].State != "late" || !strings.Contains(parts[0].Detail, "NOTIFY") {
		t.Errorf("health %+v, want the resolver first", parts)
	}
}

// A resolver is named once, and one that answers not at all.
func TestAResolverThatAnswersIsNoTrouble(t *testing.T) {
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	bad := resolverHealth(rpzserver.Status{Clients: []rpzserver.ClientStatus{
		{Addr: a, Zone: "base", Answered: at},
		{Addr: a, Zone: "hot"},
		{Addr: b, Zone: "allow"},
		{Addr: b, Zone: "base", Problem: "i/o timeout", Answered: at},
		{Addr: b, Zone: "hot", Problem: "i/o timeout"},
	}})
	if got := fmt.Sprint(bad); len(bad) != 1 || bad[0].Part != "resolver" || bad[0].Name != "192.0.2.2" || bad[0].Since != accord.StampOf(at) {
		t.Errorf("%s", got)
	}
}
