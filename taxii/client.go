// SPDX-License-Identifier: Apache-2.0

package taxii

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"accord"
)

// Client is a TAXII 2.1 Collections Client (§8.4.2) of one server. Set its fields
// before first use; zero limits mean the defaults. It is not to be copied.
//
// A root is named as discovery names it: "/accord/", or absolutely on the same
// server. Requests are retried where that is safe, which in TAXII is everywhere:
// pages are idempotent, and a duplicate added is a success (§5.5). Credentials
// never go to another host: redirects are not followed.
type Client struct {
	// HTTP makes the requests; nil is a client with [TLSConfig]. Its CheckRedirect is
	// not used.
	HTTP *http.Client
	// URL is the server's address, "https://host[:port]". Plain http is for
	// loopback only (§8.5.1).
	URL string
	// Token is a bearer token; else User and Password go as HTTP Basic (§8.5.1).
	Token          string
	User, Password string
	UserAgent      string // §3.2: software and version; default "accord"

	PageLimit   int           // objects asked for at a time; default 1000
	MaxPage     int           // a page with more objects is refused; default 10 000 or PageLimit
	MaxPages    int           // a query with more pages is refused; default 1 000 000
	MaxResponse int64         // octets of an answer, decompressed; default 64 MiB
	MaxRatio    int           // most that a gzip answer may expand; default 100
	Attempts    int           // tries of one request; default 4
	Timeout     time.Duration // of one try; default 60 s
	StatusWait  time.Duration // how long Add waits for a pending status; default 30 s

	once  sync.Once
	doer  *http.Client
	base  *url.URL
	bad   error // what is wrong with the fields
	mu    sync.Mutex
	infos map[string]rootInfo
}

// rootInfo is what Add must know of an API root.
type rootInfo struct {
	max  int64
	gzip bool
}

func (c *Client) init() error {
	c.once.Do(func() {
		c.bad = c.parseURL()
		c.defaults()
		c.infos = map[string]rootInfo{}
		inner := c.HTTP
		if inner == nil {
			inner = &http.Client{Transport: &http.Transport{
				TLSClientConfig: TLSConfig(), ForceAttemptHTTP2: true, Proxy: http.ProxyFromEnvironment,
				IdleConnTimeout: 90 * time.Second, MaxIdleConnsPerHost: 4,
			}}
		}
		doer := *inner
		doer.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		c.doer = &doer
	})
	return c.bad
}

func (c *Client) parseURL() error {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return fmt.Errorf("%w: TAXII server %q: want https://host[:port]", accord.ErrInvalid, c.URL)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return fmt.Errorf("%w: TAXII server %q: want https (§8.5.1)", accord.ErrInvalid, c.URL)
	}
	u.Path = "/"
	c.base = u
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (c *Client) defaults() {
	def := func(field *int, n int) {
		if *field <= 0 {
			*field = n
		}
	}
	def(&c.PageLimit, 1000)
	def(&c.MaxPage, max(10_000, c.PageLimit))
	def(&c.MaxPages, 1_000_000)
	def(&c.MaxRatio, 100)
	def(&c.Attempts, 4)
	if c.MaxResponse <= 0 {
		c.MaxResponse = 64 << 20
	}
	if c.Timeout <= 0 {
		c.Timeout = time.Minute
	}
	if c.StatusWait <= 0 {
		c.StatusWait = 30 * time.Second
	}
	if c.UserAgent == "" {
		c.UserAgent = "accord"
	}
}

// resolve returns the URL of an endpoint under an API root. §4.1.1: a root's URL
// is absolute or begins with a single "/", and has no query.
func (c *Client) resolve(root string, parts ...string) (string, error) {
	if err := c.init(); err != nil {
		return "", err
	}
	u, err := url.Parse(root)
	if err != nil || root == "" || strings.HasPrefix(root, "//") || u.RawQuery != "" || u.Fragment != "" || u.User != nil ||
		strings.ContainsAny(root, "\\") || u.Opaque != "" {
		return "", fmt.Errorf("%w: API root %q", accord.ErrInvalid, plain(root))
	}
	if u.IsAbs() && (u.Scheme != c.base.Scheme || u.Host != c.base.Host) {
		return "", fmt.Errorf("%w: API root %q is on another server than %s: it needs a client of its own",
			accord.ErrForbidden, plain(root), c.base.Host)
	}
	clean := path.Clean("/" + u.Path)
	if want := "/" + strings.Trim(u.Path, "/"); clean != want {
		return "", fmt.Errorf("%w: API root %q", accord.ErrInvalid, plain(root))
	}
	out := *c.base
	at := (&url.URL{Path: clean}).EscapedPath()
	if at != "/" {
		at += "/"
	}
	for _, p := range parts {
		if p == "" || p == "." || p == ".." {
			return "", fmt.Errorf("%w: empty name in a TAXII path", accord.ErrInvalid)
		}
		at += url.PathEscape(p) + "/"
	}
	return strings.TrimSuffix(out.String(), "/") + at, nil
}

// Discovery returns what the server says of itself (§4.1).
func (c *Client) Discovery(ctx context.Context) (Discovery, error) {
	var d Discovery
	return d, c.get(ctx, discoveryPath, nil, &d)
}

// Root returns an API root's resource (§4.2).
func (c *Client) Root(ctx context.Context, root string) (APIRoot, error) {
	var r APIRoot
	answer, err := c.getRaw(ctx, root, nil, &r)
	if err != nil {
		return r, err
	}
	if r.MaxContentLength <= 0 {
		return r, fmt.Errorf("API root %s: %w: max_content_length is not positive (§4.2.1)", plain(root), accord.ErrInvalid)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.infos[root] = rootInfo{max: r.MaxContentLength, gzip: takesGzip(answer.header)}
	return r, nil
}

// Collections returns the collections of an API root (§5.1).
func (c *Client) Collections(ctx context.Context, root string) ([]Collection, error) {
	var list collections
	return list.Collections, c.get(ctx, root, []string{"collections"}, &list)
}

// Collection returns one collection, by id or alias (§5.2).
func (c *Client) Collection(ctx context.Context, root, collection string) (Collection, error) {
	var one Collection
	return one, c.get(ctx, root, []string{"collections", collection}, &one)
}

// Status returns what became of an earlier Add (§4.3).
func (c *Client) Status(ctx context.Context, root, id string) (Status, error) {
	var st Status
	return st, c.get(ctx, root, []string{"status", id}, &st)
}

// Delete removes an object, or the versions that q.Versions and q.SpecVersions
// choose (§5.7).
func (c *Client) Delete(ctx context.Context, root, collection, id string, q Query) error {
	target, err := c.resolve(root, "collections", collection, "objects", id)
	if err != nil {
		return err
	}
	q = Query{Versions: q.Versions, SpecVersions: q.SpecVersions}
	if text := q.encode(); text != "" {
		target += "?" + text
	}
	_, err = c.do(ctx, http.MethodDelete, target, nil, false)
	return err
}

func (c *Client) get(ctx context.Context, root string, parts []string, into any) error {
	_, err := c.getRaw(ctx, root, parts, into)
	return err
}

func (c *Client) getRaw(ctx context.Context, root string, parts []string, into any) (*response, error) {
	target, err := c.resolve(root, parts...)
	if err != nil {
		return nil, err
	}
	answer, err := c.do(ctx, http.MethodGet, target, nil, false)
	if err != nil {
		return nil, err
	}
	return answer, decode(answer.body, into)
}

// decode reads a resource strictly; unknown properties are passed over (§7.1.1).
func decode(body []byte, into any) error {
	if err := checkDepth(body, maxDepth); err != nil {
		return err
	}
	if err := json.Unmarshal(body, into, jsontext.AllowDuplicateNames(false)); err != nil {
		return fmt.Errorf("%w: TAXII answer: %s", accord.ErrInvalid, plain(err.Error()))
	}
	return nil
}

// Resolver looks up SRV records; net.Resolver is one.
type Resolver interface {
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
}

// Lookup returns the URLs of a domain's TAXII servers, best first (§3.9: the
// service is taxii2, the protocol tcp).
func Lookup(ctx context.Context, r Resolver, domain string) ([]string, error) {
	_, records, err := r.LookupSRV(ctx, "taxii2", "tcp", domain)
	if err != nil {
		return nil, fmt.Errorf("look up TAXII servers of %q: %w", domain, err)
	}
	var urls []string
	for _, srv := range records {
		host := strings.TrimSuffix(srv.Target, ".")
		if host == "" {
			continue // RFC 2782: "." says that the service is decidedly not available
		}
		urls = append(urls, "https://"+net.JoinHostPort(host, fmt.Sprint(srv.Port)))
	}
	return urls, nil
}
