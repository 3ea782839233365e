// SPDX-License-Identifier: Apache-2.0

package safehttp_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"accord"
	"accord/feed/safehttp"
)

func TestAddressesThatNoPublicServiceHasAreRefused(t *testing.T) {
	for _, s := range []string{
		"127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
		"100.64.0.1", "100.127.255.255", "169.254.0.1", "169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16",
		"192.0.0.1", "192.0.0.192", "192.88.99.1", "198.18.0.1", "198.19.255.255", "192.0.2.1", "198.51.100.1", "203.0.113.1",
		"224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::7f00:1", "::ffff:0:127.0.0.1",
		"64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::c0a8:101", "64:ff9b:1::1", "64:ff9b:1:ffff::7f00:1",
		"2002:7f00:1::1", "2002:c0a8:101::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:10::1", "2001:db8::1", "3fff::1",
		"fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "febf::1", "fec0::1", "ff02::1", "100::1", "5f00::1", "4000::1",
	} {
		if safehttp.Special(netip.MustParseAddr(s)) == "" {
			t.Errorf("%s counts as public", s)
		}
	}
	for _, s := range []string{"1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.32.0.1", "192.0.1.1", "223.255.255.255", "2606:4700::1111", "2a00::1", "::ffff:1.1.1.1", "64:ff9b::101:101"} {
		if what := safehttp.Special(netip.MustParseAddr(s)); what != "" {
			t.Errorf("%s counts as %s", s, what)
		}
	}
	if safehttp.Special(netip.Addr{}) == "" {
		t.Error("no address counts as public")
	}
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}

// get asks and returns the body.
func get(c *http.Client, target string) (string, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, target, nil)
	if err != nil {
		return "", err
	}
	res, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return string(b), err
}

// roots are what a test server's certificate is trusted by.
func roots(s *httptest.Server) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return pool
}

func refused(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, accord.ErrForbidden) {
		t.Errorf("%s: %v, want it refused", what, err)
	}
}

func TestTheNodesOwnNetworksAreNotReachedUnlessAllowed(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "inner") }))
	defer s.Close()
	_, err := get(safehttp.Client(safehttp.Config{Roots: roots(s)}), s.URL)
	refused(t, "loopback", err)
	if err != nil && !strings.Contains(err.Error(), "feeds.allow_networks") {
		t.Errorf("%v: does not say what to do", err)
	}
	_, err = get(safehttp.Client(safehttp.Config{Roots: roots(s), Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}), s.URL)
	refused(t, "loopback, when another network is allowed", err)
	body, err := get(safehttp.Client(safehttp.Config{Roots: roots(s), Allow: loopback}), s.URL)
	if err != nil || body != "inner" {
		t.Errorf("allowed: %q, %v", body, err)
	}
	port := s.URL[strings.LastIndexByte(s.URL, ':'):]
	for _, host := range []string{"[::ffff:127.0.0.1]", "[::1]", "localhost", "0.0.0.0", "[::]"} {
		_, err := get(safehttp.Client(safehttp.Config{Roots: roots(s)}), "https://"+host+port)
		refused(t, host, err)
	}
}

func TestOnlyWebAddressesWithoutSecretsAreAsked(t *testing.T) {
	for _, target := range []string{"http://feeds.example/x", "file:///etc/passwd", "gopher://feeds.example/", "ftp://feeds.example/", "https://user:secret@feeds.example/", "https:///x"} {
		_, err := get(safehttp.Client(safehttp.Config{}), target)
		if err == nil {
			t.Errorf("%s was asked", target)
		} else if !strings.HasPrefix(target, "https:///") {
			refused(t, target, err)
		}
	}
	for _, target := range []string{`https://feeds.example\.other.example/`, "https://feeds.example/\\x", "https:opaque"} {
		if u, err := url.Parse(target); err == nil && safehttp.CheckURL(u, true) == nil {
			t.Errorf("%s passes", target)
		}
	}
}

// A name that resolves to an allowed address first and to another the next time.
func TestANameThatMovesToAnotherAddressIsRefusedWhenItIsConnectedTo(t *testing.T) {
	var answers atomic.Int32
	resolver := nameServer(t, func() [4]byte {
		if answers.Add(1) == 1 {
			return [4]byte{127, 0, 0, 1}
		}
		return [4]byte{127, 0, 0, 2}
	})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "inner") }))
	defer s.Close()
	target := "http://rebind.example" + s.URL[strings.LastIndexByte(s.URL, ':'):]
	c := safehttp.Client(safehttp.Config{Allow: loopback, PlainHTTP: true, Resolver: resolver})
	if body, err := get(c, target); err != nil || body != "inner" {
		t.Fatalf("first: %q, %v", body, err)
	}
	s.CloseClientConnections()
	_, err := get(c, target)
	refused(t, "after it moved", err)
	_, err = get(safehttp.Client(safehttp.Config{PlainHTTP: true, Resolver: resolver}), target)
	refused(t, "a public name of an inner address", err)
}

// nameServer answers every question for an IPv4 address with what addr gives.
func nameServer(t *testing.T, addr func() [4]byte) *net.Resolver {
	t.Helper()
	pc, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { pc.Close(); <-done })
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			q := m.Questions[0]
			out := dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true, Authoritative: true}, Questions: m.Questions}
			if q.Type == dnsmessage.TypeA {
				out.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}, Body: &dnsmessage.AResource{A: addr()}}}
			}
			if b, err := out.Pack(); err == nil {
				_, _ = pc.WriteTo(b, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

func TestRedirectsAreFewAndNeverLeadDownOrInside(t *testing.T) {
	inner := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer inner.Close()
	var to string
	var asked atomic.Int32
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.Redirect(w, r, to, http.StatusFound)
	}))
	defer s.Close()
	c := func() *http.Client {
		return safehttp.Client(safehttp.Config{Roots: roots(s), Allow: loopback, PlainHTTP: true})
	}
	for _, target := range []string{inner.URL, "file:///etc/passwd", "https://127.0.0.2:9/", "https://[::1]:9/", "https://169.254.169.254/latest/", "https://u:p@127.0.0.1/"} {
		to = target
		_, err := get(c(), s.URL)
		refused(t, "redirect to "+target, err)
	}
	to = s.URL + "/again"
	asked.Store(0)
	_, err := get(c(), s.URL)
	refused(t, "endless redirects", err)
	if n := asked.Load(); n != 6 {
		t.Errorf("%d requests, want the first and five redirects", n)
	}
}

// What is allowed is allowed for the feed's own host: a public server does not get in
// by redirecting there.
func TestARedirectToAnotherHostDoesNotReachAnAllowedNetwork(t *testing.T) {
	inner := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer inner.Close()
	resolver := nameServer(t, func() [4]byte { return [4]byte{127, 0, 0, 1} })
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/here" {
			fmt.Fprint(w, "here")
			return
		}
		to := "http://inner.example" + inner.URL[strings.LastIndexByte(inner.URL, ':'):]
		if r.URL.Path == "/own" {
			to = "/here"
		}
		http.Redirect(w, r, to, http.StatusFound)
	}))
	defer s.Close()
	origin, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := safehttp.Client(safehttp.Config{Allow: loopback, PlainHTTP: true, Origin: origin, Resolver: resolver})
	if body, err := get(c, s.URL+"/own"); err != nil || body != "here" {
		t.Errorf("a redirect of its own: %q, %v", body, err)
	}
	_, err = get(c, s.URL)
	refused(t, "a redirect to another host", err)
}

func TestACredentialGoesToItsServerAlone(t *testing.T) {
	var seen []string
	note := func(r *http.Request) {
		seen = append(seen, r.Header.Get("Auth-Key")+"|"+r.URL.Query().Get("key")+"|"+r.Header.Get("Referer"))
	}
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { note(r) }))
	defer other.Close()
	var own *httptest.Server
	own = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		note(r)
		if r.URL.Path == "/" {
			http.Redirect(w, r, own.URL+"/here", http.StatusFound)
			return
		}
		http.Redirect(w, r, other.URL, http.StatusFound)
	}))
	defer own.Close()
	origin, err := url.Parse(own.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := safehttp.Client(safehttp.Config{
		Allow: loopback, PlainHTTP: true, Origin: origin,
		Credential: safehttp.Credential{Header: "Auth-Key", Value: "s3cret", Query: "key", Secret: "hush"},
	})
	if _, err := get(c, own.URL); err != nil {
		t.Fatal(err)
	}
	if want := []string{"s3cret|hush|", "s3cret|hush|", "||"}; fmt.Sprint(seen) != fmt.Sprint(want) {
		t.Errorf("servers saw %v, want %v", seen, want)
	}
	own.Close()
	if _, err := get(c, own.URL); err == nil || strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("the error shows the secret: %v", err)
	}
}

// answer fetches what handler gives through Body.
func answer(t *testing.T, lim safehttp.Limits, handler http.HandlerFunc) (int, error) {
	t.Helper()
	s := httptest.NewServer(handler)
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := safehttp.Client(safehttp.Config{Allow: loopback, PlainHTTP: true}).Do(req)
	if err != nil {
		return 0, err
	}
	body, err := safehttp.Body(res, lim, cancel)
	if err != nil {
		res.Body.Close()
		return 0, err
	}
	defer body.Close()
	n, err := io.Copy(io.Discard, body)
	return int(n), err
}

func TestAnAnswerIsBounded(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	for range 64 {
		_, _ = z.Write(make([]byte, 1<<20))
	}
	_ = z.Close()
	zipped := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb.Bytes())
	}
	for _, tt := range []struct {
		name    string
		lim     safehttp.Limits
		handler http.HandlerFunc
		want    string
	}{
		{"announced too long", safehttp.Limits{Bytes: 10}, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("x", 11)) }, "at most 10"},
		{"goes on", safehttp.Limits{Bytes: 10}, func(w http.ResponseWriter, _ *http.Request) {
			for range 10 {
				fmt.Fprint(w, "xxxxx")
				w.(http.Flusher).Flush()
			}
		}, "goes on after 10"},
		{"bomb by ratio", safehttp.Limits{}, zipped, "times its size"},
		{"bomb by size", safehttp.Limits{Bytes: 1 << 20}, zipped, "decompresses to over"},
		{"no gzip", safehttp.Limits{}, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			fmt.Fprint(w, "plain")
		}, "gzip"},
		{"another coding", safehttp.Limits{}, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Encoding", "br") }, "gzip alone"},
		{"shorter than it says", safehttp.Limits{}, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "short")
		}, "ends before its end"},
		{"stalls", safehttp.Limits{Stall: 50 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "x")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, "nothing came for 50ms"},
		{"header too long", safehttp.Limits{}, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("x", 128<<10))
		}, "header"},
	} {
		if n, err := answer(t, tt.lim, tt.handler); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %d bytes, %v; want an error that says %q", tt.name, n, err, tt.want)
		}
	}
	if n, err := answer(t, safehttp.Limits{Bytes: 1 << 30, Ratio: 2000}, zipped); err != nil || n != 64<<20 {
		t.Errorf("within its limits: %d bytes, %v", n, err)
	}
}
