// SPDX-License-Identifier: Apache-2.0

package rpzserver_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"accord"
	"accord/protect/internal/memstore"
	"accord/protect/rpzserver"
)

// upstream answers every name under example. and test. with one address; ip.example.
// with another.
func upstream(t *testing.T) netip.AddrPort {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		m := new(dns.Msg).SetReply(r)
		m.RecursionAvailable = true
		q := r.Question[0]
		if q.Qtype == dns.TypeA {
			addr := "198.51.100.10"
			if strings.EqualFold(q.Name, "ip.example.") {
				addr = "192.0.2.7"
			}
			m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 3600}, A: net.ParseIP(addr)}}
		}
		if q.Qtype == dns.TypeAAAA && strings.EqualFold(q.Name, "ip6.example.") {
			m.Answer = []dns.RR{&dns.AAAA{Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeAAAA, Class: dns.ClassINET, Ttl: 3600}, AAAA: net.ParseIP("2001:db8:1:2::7")}}
		}
		_ = w.WriteMsg(m)
	})}
	go srv.ActivateAndServe()
	t.Cleanup(func() { _ = srv.Shutdown() })
	return netip.MustParseAddrPort(pc.LocalAddr().String())
}

func freePort(t *testing.T) netip.AddrPort {
	t.Helper()
	for range 20 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		at := netip.MustParseAddrPort(l.Addr().String())
		pc, err := net.ListenPacket("udp", at.String())
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err != nil {
			continue
		}
		if err := pc.Close(); err != nil {
			t.Fatal(err)
		}
		return at
	}
	t.Fatal("no free port")
	return netip.AddrPort{}
}

// start runs a resolver until the test ends; its output is shown when it failed.
func start(t *testing.T, name string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, name, args...)
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // killed
		if t.Failed() {
			b, _ := os.ReadFile(log.Name())
			t.Logf("%s:\n%s", name, b)
		}
		_ = log.Close()
	})
}

func installed(t *testing.T, name string) string {
	t.Helper()
	for _, p := range []string{name, "/usr/sbin/" + name, "/usr/local/sbin/" + name} {
		if path, err := exec.LookPath(p); err == nil {
			return path
		}
	}
	t.Skipf("SKIP: %s not installed: run make tools", name)
	return ""
}

// configure writes the generated files, and main, which includes them.
func configure(t *testing.T, c rpzserver.Config, r rpzserver.Resolver, mainFile string) string {
	t.Helper()
	r.Dir = t.TempDir()
	files, err := rpzserver.ResolverConfig(c, r)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(r.Dir, f.Name), []byte(f.Text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mainFile = strings.ReplaceAll(mainFile, "DIR", r.Dir)
	path := filepath.Join(r.Dir, "main.conf")
	if err := os.WriteFile(path, []byte(mainFile), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func startBIND(t *testing.T, c rpzserver.Config, primary, listen, up netip.AddrPort, key rpzserver.Key) {
	t.Helper()
	named := installed(t, "named")
	conf := configure(t, c, rpzserver.Resolver{Kind: "bind", Primary: primary, Key: key}, fmt.Sprintf(`
options {
	directory "DIR";
	pid-file "DIR/pid";
	session-keyfile "DIR/session.key";
	listen-on port %d { 127.0.0.1; };
	listen-on-v6 { none; };
	recursion yes;
	dnssec-validation no;
	forward only;
	forwarders { 127.0.0.1 port %d; };
	include "DIR/accord-policy.conf";
};
controls { };
include "DIR/accord-zones.conf";
`, listen.Port(), up.Port()))
	start(t, named, "-g", "-4", "-c", conf)
}

func startUnbound(t *testing.T, c rpzserver.Config, primary, listen, up netip.AddrPort) {
	t.Helper()
	unbound := installed(t, "unbound")
	conf := configure(t, c, rpzserver.Resolver{Kind: "unbound", Primary: primary}, fmt.Sprintf(`
server:
	directory: "DIR"
	chroot: ""
	username: ""
	pidfile: ""
	use-syslog: no
	logfile: ""
	verbosity: 2
	interface: 127.0.0.1@%d
	do-ip6: no
	do-daemonize: no
	do-not-query-localhost: no
include: "DIR/accord-unbound.conf"
forward-zone:
	name: "."
	forward-addr: 127.0.0.1@%d
remote-control:
	control-enable: no
`, listen.Port(), up.Port()))
	start(t, unbound, "-d", "-p", "-c", conf)
}

// resolve asks a resolver; it returns the answer's address, or the code.
func resolve(at netip.AddrPort, name string, typ uint16) string {
	m := question(name, typ)
	c := dns.Client{Timeout: time.Second}
	r, _, err := c.Exchange(m, at.String())
	switch {
	case err != nil:
		return err.Error()
	case r.Rcode != dns.RcodeSuccess:
		return dns.RcodeToString[r.Rcode]
	}
	for _, rr := range r.Answer {
		switch rr := rr.(type) {
		case *dns.A:
			return rr.A.String()
		case *dns.AAAA:
			return rr.AAAA.String()
		}
	}
	return "NODATA"
}

const up = "198.51.100.10"

func TestARealResolverBlocksWithinSeconds(t *testing.T) {
	for _, kind := range []string{"bind", "bind with TSIG", "unbound"} {
		t.Run(kind, func(t *testing.T) {
			listen := freePort(t)
			cfg := rpzserver.Config{Secondaries: []rpzserver.Secondary{{Addr: listen}}, BaseSpacing: 200 * time.Millisecond, MoveGrace: time.Second}
			var key rpzserver.Key
			if kind == "bind with TSIG" {
				key = rpzserver.Key{Name: keyName, Secret: secret}
				cfg.Keys = []rpzserver.Key{key}
				cfg.Secondaries[0].Key = keyName
			}
			f := serve(t, cfg, memstore.New())
			f.add(t, "base", domain("long-known.example"), accord.Observable{Kind: accord.KindCIDR, Value: "2001:db8:1::/48"})
			f.add(t, "hot", domain("bank.example"), domain("portal.gov.example")) // the allow zone must win
			primary := netip.MustParseAddrPort(f.addr)
			if kind == "unbound" {
				startUnbound(t, cfg, primary, listen, upstream(t))
			} else {
				startBIND(t, cfg, primary, listen, upstream(t), key)
			}
			blocksWithinSeconds(t, f, listen)
		})
	}
}

// become waits until name resolves as want, and returns how long it took.
func become(t *testing.T, at netip.AddrPort, name string, typ uint16, want string, within time.Duration) time.Duration {
	t.Helper()
	begin := time.Now()
	for last := ""; ; time.Sleep(2 * time.Millisecond) {
		if last = resolve(at, name, typ); last == want {
			return time.Since(begin)
		}
		if time.Since(begin) > within {
			t.Fatalf("%s is %s, not %s, after %s", name, last, want, within)
		}
	}
}

// hotTaken reports whether a resolver has taken hot as it is now.
func (f *fixture) hotTaken(t *testing.T) bool {
	serial, _, err := f.store.Zone(t.Context(), "hot")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range f.Status().Clients {
		if c.Zone == "hot" && c.Serial == serial {
			return true
		}
	}
	return false
}

func blocksWithinSeconds(t *testing.T, f *fixture, at netip.AddrPort) {
	t.Helper()
	become(t, at, "long-known.example.", dns.TypeA, "NXDOMAIN", 20*time.Second)
	become(t, at, "y.portal.gov.example.", dns.TypeA, "NXDOMAIN", 20*time.Second)
	become(t, at, "bank.example.", dns.TypeA, up, 20*time.Second)
	for name, want := range map[string]string{
		"sub.long-known.example.": "NXDOMAIN", "known.example.": up, "bad.example.": up, "deep.bad.example.": up, "ip.example.": "192.0.2.7",
		"portal.gov.example.": up, "bank.example.": up, "a.bank.example.": up, "x.portal.gov.example.": "NXDOMAIN",
	} {
		if got := resolve(at, name, dns.TypeA); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if got := resolve(at, "ip6.example.", dns.TypeAAAA); got != "NXDOMAIN" {
		t.Errorf("an address in a blocked IPv6 network: %s", got)
	}
	// The names are cached by now, for an hour: a block must not wait for that.
	id := f.add(t, "hot", domain("bad.example"))
	took := become(t, at, "bad.example.", dns.TypeA, "NXDOMAIN", 5*time.Second)
	become(t, at, "deep.bad.example.", dns.TypeA, "NXDOMAIN", time.Second)
	addr := f.add(t, "hot", accord.Observable{Kind: accord.KindIPv4, Value: "192.0.2.7"})
	become(t, at, "ip.example.", dns.TypeA, "NXDOMAIN", 5*time.Second)
	f.commit(t, accord.Protecting{Remove: []string{id, addr}})
	freed := become(t, at, "bad.example.", dns.TypeA, up, 5*time.Second)
	become(t, at, "ip.example.", dns.TypeA, "192.0.2.7", 5*time.Second)
	f.add(t, "hot", domain("moves.example"))
	become(t, at, "moves.example.", dns.TypeA, "NXDOMAIN", 5*time.Second)
	f.commit(t, accord.Protecting{Move: []accord.Observable{domain("moves.example")}})
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if got := resolve(at, "moves.example.", dns.TypeA); got != "NXDOMAIN" {
			t.Errorf("while it moved to base: %s", got)
			break
		}
	}
	eventually(t, 5*time.Second, "the resolver takes hot again", func() bool { return f.hotTaken(t) })
	kinds := map[string]string{}
	for _, c := range f.Status().Clients {
		kinds[c.Zone] = c.Kind
		if c.Problem != "" {
			t.Errorf("NOTIFY of %s: %s", c.Zone, c.Problem)
		}
	}
	if kinds["hot"] != "ixfr" {
		t.Errorf("last transfers were %v, want hot by difference", kinds)
	}
	t.Logf("blocked after %s, free again after %s", took, freed)
}

func TestARealResolverWithTheWrongKeyGetsNothing(t *testing.T) {
	listen := freePort(t)
	cfg := rpzserver.Config{Keys: []rpzserver.Key{{Name: keyName, Secret: secret}}}
	f := serve(t, cfg, memstore.New())
	f.add(t, "base", domain("bad.example"))
	wrong := rpzserver.Key{Name: keyName, Secret: base64.StdEncoding.EncodeToString([]byte("not the secret, though long enough"))}
	startBIND(t, cfg, netip.MustParseAddrPort(f.addr), listen, upstream(t), wrong)
	become(t, listen, "fine.example.", dns.TypeA, up, 20*time.Second)
	time.Sleep(time.Second)
	if got := resolve(listen, "bad.example.", dns.TypeA); got != up {
		t.Errorf("bad.example. is %s: the zone was given to a stranger", got)
	}
	for _, c := range f.Status().Clients {
		if !c.At.IsZero() {
			t.Errorf("transferred: %+v", c)
		}
	}
}

func TestGeneratedConfigurationIsAccepted(t *testing.T) {
	primary := netip.MustParseAddrPort("[2001:db8::1]:5399")
	conf := configure(t, rpzserver.Config{Hot: "hot.accord.example"}, rpzserver.Resolver{Kind: "bind", Primary: primary, Key: rpzserver.Key{Name: "K", Secret: secret}},
		"options { include \"DIR/accord-policy.conf\"; };\ninclude \"DIR/accord-zones.conf\";\n")
	if out, err := exec.Command(installed(t, "named-checkconf"), conf).CombinedOutput(); err != nil {
		t.Errorf("named-checkconf: %v\n%s", err, out)
	}
	conf = configure(t, rpzserver.Config{}, rpzserver.Resolver{Kind: "unbound", Primary: primary}, "server:\n\tchroot: \"\"\n\tusername: \"\"\n\tdirectory: \"DIR\"\ninclude: \"DIR/accord-unbound.conf\"\n")
	if out, err := exec.Command(installed(t, "unbound-checkconf"), conf).CombinedOutput(); err != nil {
		t.Errorf("unbound-checkconf: %v\n%s", err, out)
	}
}

func TestAResolverThatCannotBeConfiguredIsRefused(t *testing.T) {
	primary := netip.MustParseAddrPort("192.0.2.1:5399")
	for name, r := range map[string]rpzserver.Resolver{
		"kind":            {Kind: "knot", Primary: primary},
		"address":         {Kind: "bind"},
		"folder":          {Kind: "bind", Primary: primary, Dir: "a\"; };"},
		"key":             {Kind: "bind", Primary: primary, Key: rpzserver.Key{Name: "k", Secret: "short"}},
		"key for Unbound": {Kind: "unbound", Primary: primary, Key: rpzserver.Key{Name: "k", Secret: secret}},
	} {
		if _, err := rpzserver.ResolverConfig(rpzserver.Config{}, r); !errors.Is(err, accord.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
}
