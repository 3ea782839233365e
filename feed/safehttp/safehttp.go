// SPDX-License-Identifier: Apache-2.0

// Package safehttp makes HTTP clients for addresses that others chose: they reach
// the public Internet, and of the node's own networks only what is allowed.
//
// Source: RFC 6890 and its registries for special-purpose addresses, RFC 4291,
// 3056, 4380, 6052 for the forms that carry an IPv4 address in an IPv6 one, RFC
// 9110 §15.4 for redirects. An address is judged when the connection is made, so
// a name that resolves to another address the second time gains nothing. https
// alone, unless plain http is allowed; proxies of the environment are not used;
// redirects are few, never lead from https to http, and take no credential and no
// Referer to another host. Sizes are bytes.
//
// Failures: what is refused is accord.ErrForbidden, an answer beyond its bounds
// accord.ErrInvalid; the rest is the network's. Clients may be used by many
// goroutines.
package safehttp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"accord"
)

// Config says what a client may do. Zero fields take their defaults.
type Config struct {
	// Allow are networks that may be reached though they are not public: by requests
	// to the host of Origin, or any when there is none. Another host that a public
	// server redirects to is not let in.
	Allow     []netip.Prefix
	PlainHTTP bool           // http:// is allowed too
	Redirects int            // most followed; default 5
	Dial      time.Duration  // until connected; default 10 s
	Header    time.Duration  // until the answer's header is there; default 30 s
	MaxHeader int64          // of an answer; default 64 KiB
	Roots     *x509.CertPool // trusted beside nothing else; nil: the system's
	UserAgent string
	// Credential is for requests to the scheme and host of Origin, and no other.
	Credential Credential
	Origin     *url.URL
	// Resolver looks names up; nil is the system's.
	Resolver *net.Resolver
}

// Credential makes the node known to one server. The zero value is none.
type Credential struct {
	Header, Value string // a header
	Query, Secret string // a parameter of the query
}

// Client returns a client that does as c says.
func Client(c Config) *http.Client {
	if c.Redirects <= 0 {
		c.Redirects = 5
	}
	if c.Dial <= 0 {
		c.Dial = 10 * time.Second
	}
	if c.Header <= 0 {
		c.Header = 30 * time.Second
	}
	if c.MaxHeader <= 0 {
		c.MaxHeader = 64 << 10
	}
	dialer := &net.Dialer{Timeout: c.Dial, KeepAlive: 30 * time.Second, Resolver: c.Resolver, ControlContext: c.connecting}
	return &http.Client{
		CheckRedirect: c.redirect,
		Transport: &gate{Config: c, inner: &http.Transport{
			Proxy: nil, DialContext: dialer.DialContext, ForceAttemptHTTP2: true,
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.Roots},
			TLSHandshakeTimeout: c.Dial, ResponseHeaderTimeout: c.Header, MaxResponseHeaderBytes: c.MaxHeader,
			DisableCompression: true, MaxConnsPerHost: 4, IdleConnTimeout: 30 * time.Second,
		}},
	}
}

// connecting judges the address that a connection is about to be made to.
func (c Config) connecting(ctx context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: address %q", accord.ErrForbidden, address)
	}
	addr := to.Addr().Unmap()
	elsewhere := ctx.Value(elsewhereKey{}) != nil
	for _, p := range c.Allow {
		if !elsewhere && p.Contains(addr.WithZone("")) {
			return nil
		}
	}
	switch what := Special(addr); {
	case what != "" && elsewhere:
		return fmt.Errorf("%w: a redirect to %s, which is %s: if it is meant, give its URL as the feed's", accord.ErrForbidden, addr, what)
	case what != "":
		return fmt.Errorf("%w: %s is %s: if it is meant, name its network in feeds.allow_networks", accord.ErrForbidden, addr, what)
	}
	return nil
}

// elsewhereKey marks the context of a request to another host than the origin's.
type elsewhereKey struct{}

// redirect judges a redirect before it is followed.
func (c Config) redirect(req *http.Request, via []*http.Request) error {
	if len(via) > c.Redirects {
		return fmt.Errorf("%w: over %d redirects", accord.ErrForbidden, c.Redirects)
	}
	if via[len(via)-1].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return fmt.Errorf("%w: a redirect from https to %s", accord.ErrForbidden, req.URL.Scheme)
	}
	return nil
}

// gate judges every request, redirected ones too, and gives its credential to
// those that are for its origin.
type gate struct {
	Config
	inner http.RoundTripper
}

// RoundTrip does as http.RoundTripper says.
func (g *gate) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := CheckURL(req.URL, g.PlainHTTP); err != nil {
		return nil, err
	}
	ctx := req.Context()
	if g.Origin != nil && !strings.EqualFold(req.URL.Hostname(), g.Origin.Hostname()) {
		ctx = context.WithValue(ctx, elsewhereKey{}, true)
	}
	req = req.Clone(ctx)
	req.Header.Del("Referer")
	if g.UserAgent != "" {
		req.Header.Set("User-Agent", g.UserAgent)
	}
	if g.Origin != nil && sameOrigin(req.URL, g.Origin) {
		if g.Credential.Header != "" {
			req.Header.Set(g.Credential.Header, g.Credential.Value)
		}
		if g.Credential.Query != "" {
			q := req.URL.Query()
			q.Set(g.Credential.Query, g.Credential.Secret)
			req.URL.RawQuery = q.Encode()
		}
	}
	res, err := g.inner.RoundTrip(req)
	if err == nil {
		// What is written of this request must not show the credential.
		res.Request = req.Clone(req.Context())
		res.Request.Header, res.Request.URL = http.Header{}, strip(req.URL)
	}
	return res, err
}

// strip returns u without its query, for messages.
func strip(u *url.URL) *url.URL {
	out := *u
	out.RawQuery, out.Fragment, out.User = "", "", nil
	return &out
}

// sameOrigin reports whether two URLs have scheme, host and port in common.
func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	switch p := u.Port(); {
	case p != "":
		return p
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// CheckURL refuses what a client of this package would not ask for: another scheme
// than https (or http, when plain), a URL with a name or password in it, without a
// host, or with a backslash or a control character in it.
func CheckURL(u *url.URL, plain bool) error {
	switch {
	case u.Scheme == "http" && !plain:
		return fmt.Errorf("%w: http: the feed would travel unprotected: want https, or allow plain http for this feed", accord.ErrForbidden)
	case u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("%w: scheme %q: want https", accord.ErrForbidden, u.Scheme)
	case u.User != nil:
		return fmt.Errorf("%w: a name or password in the URL: give it as a credential, in a file", accord.ErrForbidden)
	case u.Hostname() == "" || u.Opaque != "":
		return fmt.Errorf("%w: a URL without host", accord.ErrForbidden)
	case strings.ContainsFunc(u.Host+u.Path, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }):
		return fmt.Errorf("%w: a backslash or control character in the URL", accord.ErrForbidden)
	}
	return nil
}
