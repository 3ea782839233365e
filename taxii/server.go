// SPDX-License-Identifier: Apache-2.0

package taxii

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Config is what a Server is made of.
type Config struct {
	Title       string // §4.1.1, required
	Description string
	Contact     string
	// Roots are the API roots, at least one (§8.2.1), the default one first.
	Roots []Root
	// Derived are more roots, that come and go with what the node knows.
	Derived *Derived
	// URL is the server's own address, "https://host:port"; with it discovery
	// names API roots absolutely, without it relatively.
	URL string

	Backend Backend
	// Authenticate tells who makes a request. ErrUnauthenticated becomes 401; other errors
	// are told as a Backend's are. It sees every request, discovery included.
	Authenticate func(*http.Request) (Caller, error)
	// Allowed says whether a caller may know of a root; nil is yes to all. Who
	// may not gets 404, and discovery leaves the root out.
	Allowed func(c Caller, root string) bool
	// Challenges are the WWW-Authenticate values of a 401; default Basic and Bearer.
	Challenges []string
	// Key seals paging cursors: 16 octets or more, secret, the same across
	// restarts and on every node that serves these collections.
	Key []byte

	MaxPage      int           // most objects in an answer; default 1000
	MaxPageBytes int64         // an answer ends after the object that reaches this; default 16 MiB
	MaxRatio     int           // most that a gzip body may expand; default 100
	MaxAdds      int           // adds taken at once, a quarter of them from one caller; default 8
	Timeout      time.Duration // for reading a request and for the Backend; default 30 s
	// Rate is how many requests a second a caller may make in the long run, Burst
	// how many at once; who makes more gets 429 with Retry-After. Defaults 100 and
	// 1000. Now is the clock they are measured by; nil is no limit.
	Rate, Burst float64
	Now         func() time.Time
	Log         *slog.Logger // what failed inside; nil is silent
}

// Root is an API root: a URL under which collections live (§1.6.2).
type Root struct {
	Name        string // its path without the slashes at the ends: "accord", "taxii2/accord"
	Title       string
	Description string
	// MaxContentLength is the most octets of a POST, as sent and decompressed;
	// default 16 MiB (§4.2.1).
	MaxContentLength int64
}

// Derived are API roots under one path, of which the Backend says at each request
// which there are.
type Derived struct {
	Prefix string // path of them all, without the slashes at the ends: "agreements"
	// Roots returns those that a caller may know, named Prefix + "/" + something
	// without a slash, in an order that stays the same.
	Roots func(ctx context.Context, c Caller) ([]Root, error)
}

// Server is a TAXII 2.1 Collections Server (§8.1.2): an http.Handler for
// /taxii2/ and the API roots. It MUST be served over TLS made with [TLSConfig],
// or stand behind what does that.
type Server struct {
	cfg   Config
	roots map[string]*Root
	adds  gate
	pace  limiter
}

const discoveryPath = "/taxii2/" // §8.2.1: "located at the root of the server"

var rootShape = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$`)

// New returns a Server, or says what its configuration lacks.
func New(cfg Config) (*Server, error) {
	s := &Server{cfg: cfg, roots: map[string]*Root{}}
	c := &s.cfg
	switch {
	case c.Backend == nil || c.Authenticate == nil:
		return nil, errors.New("taxii server: needs a Backend and Authenticate")
	case len(c.Key) < 16:
		return nil, errors.New("taxii server: Key is shorter than 16 octets")
	case c.Title == "":
		return nil, errors.New("taxii server: needs a Title (§4.1.1)")
	case len(c.Roots) == 0:
		return nil, errors.New("taxii server: needs at least one API root (§8.2.1)")
	}
	if c.URL != "" {
		u, err := url.Parse(c.URL)
		if err != nil || u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
			return nil, fmt.Errorf("taxii server: URL %q: want https://host[:port] (§4.1.1)", c.URL)
		}
		c.URL = strings.TrimSuffix(c.URL, "/")
	}
	c.Roots = append([]Root(nil), c.Roots...)
	for i := range c.Roots {
		if err := s.addRoot(&c.Roots[i]); err != nil {
			return nil, err
		}
	}
	if d := c.Derived; d != nil {
		if err := s.fits(d.Prefix); err != nil {
			return nil, err
		}
	}
	s.defaults()
	if c.Now != nil {
		s.pace.rate, s.pace.burst = c.Rate, c.Burst
	}
	return s, nil
}

func (s *Server) addRoot(r *Root) error {
	if err := s.fits(r.Name); err != nil {
		return err
	}
	if r.Title == "" {
		return fmt.Errorf("taxii server: API root %q: want a title (§4.2.1)", r.Name)
	}
	r.defaults()
	s.roots[r.Name] = r
	return nil
}

func (r *Root) defaults() {
	if r.MaxContentLength <= 0 {
		r.MaxContentLength = 16 << 20
	}
}

// fits says what is wrong with the path of a root, or of derived ones.
func (s *Server) fits(name string) error {
	if !rootShape.MatchString(name) || name == "taxii2" {
		return fmt.Errorf("taxii server: API root %q: want a path other than taxii2", name)
	}
	for other := range s.roots {
		if other == name || strings.HasPrefix(other, name+"/") || strings.HasPrefix(name, other+"/") {
			return fmt.Errorf("taxii server: API roots %q and %q overlap (§4.2)", other, name)
		}
	}
	return nil
}

func (s *Server) defaults() {
	c := &s.cfg
	if c.MaxPage <= 0 {
		c.MaxPage = 1000
	}
	if c.MaxPageBytes <= 0 {
		c.MaxPageBytes = 16 << 20
	}
	if c.MaxRatio <= 0 {
		c.MaxRatio = 100
	}
	if c.MaxAdds <= 0 {
		c.MaxAdds = 8
	}
	if c.Timeout <= 0 {
		c.Timeout = 30 * time.Second
	}
	if c.Rate <= 0 {
		c.Rate = 100
	}
	if c.Burst < 1 {
		c.Burst = max(1000, c.Rate)
	}
	if len(c.Challenges) == 0 {
		c.Challenges = []string{`Basic realm="TAXII 2.1", charset="UTF-8"`, `Bearer realm="TAXII 2.1"`}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

// Paths returns the patterns under which the server belongs in an
// http.ServeMux.
func (s *Server) Paths() []string {
	paths := []string{discoveryPath}
	for _, r := range s.cfg.Roots {
		if p := "/" + r.Name + "/"; !strings.HasPrefix(p, discoveryPath) {
			paths = append(paths, p)
		}
	}
	if s.cfg.Derived != nil {
		paths = append(paths, "/"+s.cfg.Derived.Prefix+"/")
	}
	return paths
}

// request is one request on its way through the server.
type request struct {
	w      http.ResponseWriter
	r      *http.Request
	caller Caller
	root   *Root
	args   []string // what stands for the *s of its endpoint's path
}

type handler func(*Server, *request) error

// endpoint is a row of §3.1's table. A * in path is a parameter.
type endpoint struct {
	path              string
	get, post, delete handler
}

var discoveryEndpoint = endpoint{get: (*Server).discovery}

var endpoints = []endpoint{
	{path: "", get: (*Server).apiRoot},
	{path: "status/*/", get: (*Server).status},
	{path: "collections/", get: (*Server).listCollections},
	{path: "collections/*/", get: (*Server).getCollection},
	{path: "collections/*/manifest/", get: (*Server).manifest},
	{path: "collections/*/objects/", get: (*Server).objects, post: (*Server).add},
	{path: "collections/*/objects/*/", get: (*Server).object, delete: (*Server).deleteObject},
	{path: "collections/*/objects/*/versions/", get: (*Server).versions},
}

// ServeHTTP answers one request within the time limit.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), s.cfg.Timeout)
	defer cancel()
	if until, ok := ctx.Deadline(); ok {
		// Not every ResponseWriter has deadlines; then the server's own hold.
		rc := http.NewResponseController(w)
		_ = rc.SetReadDeadline(until)
		_ = rc.SetWriteDeadline(until.Add(s.cfg.Timeout))
	}
	q := &request{w: w, r: r.WithContext(ctx)}
	if err := s.serve(q); err != nil {
		s.fail(q, err)
	}
}

// serve checks in this order: who asks, what is asked for, how, in what form.
func (s *Server) serve(q *request) (err error) {
	if q.caller, err = s.cfg.Authenticate(q.r); err != nil {
		return fmt.Errorf("authenticate: %w", err)
	}
	if s.cfg.Now != nil {
		if wait := s.pace.take(q.caller.Party+"\x00"+q.caller.Name, s.cfg.Now()); wait > 0 {
			return tooFast(wait)
		}
	}
	e, ok, err := s.find(q)
	if err != nil {
		return err
	}
	if !ok {
		return refuse(http.StatusNotFound, "no such endpoint; a path ends in / (§3.1)")
	}
	h := e.method(q.r.Method)
	if h == nil {
		q.w.Header().Set("Allow", e.allow())
		return refuse(http.StatusMethodNotAllowed, "this endpoint takes %s", e.allow())
	}
	if !acceptable(q.r.Header) {
		return refuse(http.StatusNotAcceptable, "this server speaks %s", MediaType)
	}
	return h(s, q)
}

func (e endpoint) method(m string) handler {
	switch m {
	case http.MethodGet, http.MethodHead:
		return e.get
	case http.MethodPost:
		return e.post
	case http.MethodDelete:
		return e.delete
	}
	return nil
}

func (e endpoint) allow() string {
	list := []string{"GET", "HEAD"}
	if e.post != nil {
		list = append(list, "POST")
	}
	if e.delete != nil {
		list = append(list, "DELETE")
	}
	return strings.Join(list, ", ")
}

func (s *Server) allowed(c Caller, r *Root) bool {
	return s.cfg.Allowed == nil || s.cfg.Allowed(c, r.Name)
}

// find sets q.root and q.args from the path. §3.1: it "MUST end in a trailing
// slash", which is part of the URL. A root that is not for the caller is none.
func (s *Server) find(q *request) (endpoint, bool, error) {
	path := q.r.URL.Path
	if path == discoveryPath {
		return discoveryEndpoint, true, nil
	}
	path, ok := strings.CutPrefix(path, "/")
	if !ok {
		return endpoint{}, false, nil
	}
	for name, root := range s.roots {
		if rest, ok := strings.CutPrefix(path, name+"/"); ok && s.allowed(q.caller, root) {
			e, ok := q.enter(root, rest)
			return e, ok, nil
		}
	}
	if d := s.cfg.Derived; d == nil || !strings.HasPrefix(path, d.Prefix+"/") {
		return endpoint{}, false, nil
	}
	roots, err := s.derived(q)
	for i := range roots {
		if rest, ok := strings.CutPrefix(path, roots[i].Name+"/"); ok {
			e, ok := q.enter(&roots[i], rest)
			return e, ok, nil
		}
	}
	return endpoint{}, false, err
}

// enter finds the endpoint of a root that the rest of a path names.
func (q *request) enter(root *Root, rest string) (endpoint, bool) {
	q.root = root
	for _, e := range endpoints {
		if args, ok := matchPath(e.path, rest); ok {
			q.args = args
			return e, true
		}
	}
	return endpoint{}, false
}

// derived returns the derived roots that the caller may know.
func (s *Server) derived(q *request) ([]Root, error) {
	d := s.cfg.Derived
	if d == nil {
		return nil, nil
	}
	roots, err := d.Roots(q.r.Context(), q.caller)
	if err != nil {
		return nil, fmt.Errorf("API roots: %w", err)
	}
	for i := range roots {
		under, ok := strings.CutPrefix(roots[i].Name, d.Prefix+"/")
		if !ok || !rootShape.MatchString(under) || strings.Contains(under, "/") {
			return nil, fmt.Errorf("API root %q is not under %q", roots[i].Name, d.Prefix)
		}
		roots[i].defaults()
	}
	return roots, nil
}

func matchPath(pattern, path string) (args []string, ok bool) {
	want, have := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(have) {
		return nil, false
	}
	for i, w := range want {
		switch {
		case w == "*" && have[i] != "" && len(have[i]) <= 300:
			args = append(args, have[i])
		case w != have[i]:
			return nil, false
		}
	}
	return args, true
}

// fail sends err as an error message (§3.6.1), and logs what is the server's own.
func (s *Server) fail(q *request, err error) {
	invalid := http.StatusBadRequest
	if q.r.Method == http.MethodPost {
		invalid = http.StatusUnprocessableEntity
	}
	e := asError(err, invalid)
	if e.Status >= 500 {
		s.cfg.Log.ErrorContext(q.r.Context(), "taxii request failed", "method", q.r.Method,
			"path", plain(q.r.URL.Path), "caller", q.caller.Name, "status", e.Status, "err", err)
	}
	h := q.w.Header()
	if e.Status == http.StatusUnauthorized { // §1.6.9: with a WWW-Authenticate header
		h["Www-Authenticate"] = s.cfg.Challenges
	}
	if e.RetryAfter > 0 {
		h.Set("Retry-After", fmt.Sprint(int64((e.RetryAfter+time.Second-1)/time.Second)))
	}
	h.Del("X-TAXII-Date-Added-First")
	h.Del("X-TAXII-Date-Added-Last")
	s.send(q, e.Status, e.resource())
}
