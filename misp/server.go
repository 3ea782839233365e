// SPDX-License-Identifier: Apache-2.0

package misp

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"accord"
	"accord/format/misp"
)

// Config is what a Server is made of.
type Config struct {
	Backend Backend
	// Authenticate tells who holds a secret: ErrUnauthenticated when nobody does. It gets
	// the request too, for callers that are known by their TLS key; the secret is
	// then empty.
	Authenticate func(r *http.Request, secret string) (Caller, error)
	Org          misp.OrgJSON // the node's own
	Version      string       // of the program, for getVersion
	Now          func() time.Time
	Log          *slog.Logger // what failed inside; nil is silent

	MaxRequests int           // answered at once, half of them for one caller; default 8
	MaxBody     int64         // bytes of a request; default 1 MiB
	Timeout     time.Duration // for an answer; default 60 s
	MostScanned int           // attributes that a search reads without sending one; default 500,000
}

// ErrUnauthenticated means that the request carries no secret that is known. It becomes 403,
// as MISP has it.
var ErrUnauthenticated = errors.New("authentication failed: send an authorization key of this node")

// Prefix is the path under which a Server belongs in an http.ServeMux; for PyMISP
// the URL of the "instance" ends in it.
const Prefix = "/misp/"

// Server serves feeds at /misp/feed/{name}/ and the part of MISP's automation API
// that reads events and attributes: an http.Handler.
type Server struct {
	cfg   Config
	mux   *http.ServeMux
	slots chan struct{}
	mu    sync.Mutex
	busy  map[string]int // requests at once, by caller
}

// New returns a Server, or says what its configuration lacks.
func New(cfg Config) (*Server, error) {
	if cfg.Backend == nil || cfg.Authenticate == nil || cfg.Now == nil {
		return nil, errors.New("misp server: needs a Backend, Authenticate and Now")
	}
	if cfg.MaxRequests <= 1 {
		cfg.MaxRequests = 8
	}
	if cfg.MaxBody <= 0 {
		cfg.MaxBody = 1 << 20
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = time.Minute
	}
	if cfg.MostScanned <= 0 {
		cfg.MostScanned = mostScanned
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{cfg: cfg, mux: http.NewServeMux(), slots: make(chan struct{}, cfg.MaxRequests), busy: map[string]int{}}
	for pattern, h := range s.routes() {
		method, path, _ := strings.Cut(pattern, " ")
		s.mux.HandleFunc(method+" "+Prefix+path, s.guard(h))
	}
	s.mux.HandleFunc(Prefix, s.guard(func(*http.Request, Caller) (answer, error) {
		return nil, fmt.Errorf("%w: no such action here: docs/reference/misp.md lists those there are", accord.ErrNotFound)
	}))
	return s, nil
}

// answer writes a response.
type answer func(w http.ResponseWriter) error

type handler func(r *http.Request, c Caller) (answer, error)

// routes is the whole interface.
func (s *Server) routes() map[string]handler {
	return map[string]handler{
		"GET feed/{$}":                      s.feeds,
		"GET feed/{feed}/{$}":               s.feedIndex,
		"GET feed/{feed}/manifest.json":     s.manifest,
		"GET feed/{feed}/hashes.csv":        s.hashes,
		"GET feed/{feed}/{file}":            s.feedEvent,
		"GET servers/getVersion":            s.version,
		"GET servers/getVersion.json":       s.version,
		"GET servers/getPyMISPVersion.json": s.version,
		"GET users/view/me":                 s.me,
		"GET users/view/me.json":            s.me,
		"GET attributes/describeTypes":      s.describeTypes,
		"GET attributes/describeTypes.json": s.describeTypes,
		"POST attributes/restSearch":        s.searchAttributes,
		"POST attributes/restSearch.json":   s.searchAttributes,
		"POST events/restSearch":            s.searchEvents,
		"POST events/restSearch.json":       s.searchEvents,
		"POST events/index":                 s.index,
		"GET events/index":                  s.index,
		"GET events/view/{id}":              s.view,
		"POST events/view/{id}":             s.view,
		"GET events/view/{id}/{more...}":    s.view,
		"GET events/{id}":                   s.view,
		"GET attributes/view/{id}":          s.viewAttribute,
		"GET attributes/{id}":               s.viewAttribute,
	}
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), s.cfg.Timeout)
	defer cancel()
	if until, ok := ctx.Deadline(); ok {
		// Not every ResponseWriter has deadlines; then the server's own hold.
		rc := http.NewResponseController(w)
		_ = rc.SetReadDeadline(until)
		_ = rc.SetWriteDeadline(until.Add(s.cfg.Timeout))
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	s.mux.ServeHTTP(w, r.WithContext(ctx))
}

// Secret returns what a request authenticates with: MISP's bare key in
// Authorization or X-MISP-AUTH, a bearer token, or a Basic password; empty for
// nothing.
func Secret(r *http.Request) string {
	if key := r.Header.Get("X-MISP-AUTH"); key != "" {
		return key
	}
	given := r.Header.Get("Authorization")
	kind, rest, two := strings.Cut(given, " ")
	switch {
	case !two:
		return given
	case strings.EqualFold(kind, "Bearer"):
		return strings.TrimSpace(rest)
	case strings.EqualFold(kind, "Basic"):
		b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(rest))
		if err != nil {
			return ""
		}
		_, password, _ := strings.Cut(string(b), ":")
		return password
	}
	return ""
}

// guard authenticates, waits for a place, answers, and writes what failed.
func (s *Server) guard(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := s.cfg.Authenticate(r, Secret(r))
		if err != nil {
			s.fail(w, r, err)
			return
		}
		leave, err := s.enter(r.Context(), c)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		defer leave()
		r.Body = http.MaxBytesReader(w, r.Body, s.cfg.MaxBody)
		write, err := h(r, c)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		out := &begun{ResponseWriter: w}
		if err := write(out); err != nil {
			if !out.yes {
				w.Header().Del("X-Response-Format")
				s.fail(w, r, err)
				return
			}
			// The answer has begun: cut it, so that nobody takes a part for the whole.
			if r.Context().Err() == nil {
				s.cfg.Log.ErrorContext(r.Context(), "misp answer cut", "path", r.URL.Path, "caller", c.Name, "error", err)
			}
			panic(http.ErrAbortHandler)
		}
	}
}

// errBusy: the caller has as many requests at once as it may.
var errBusy = errors.New("too many requests at once: wait for the answers")

// enter takes a place among the requests answered at once.
func (s *Server) enter(ctx context.Context, c Caller) (leave func(), err error) {
	s.mu.Lock()
	if s.busy[c.Name] >= s.cfg.MaxRequests/2 {
		s.mu.Unlock()
		return nil, errBusy
	}
	s.busy[c.Name]++
	s.mu.Unlock()
	out := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.busy[c.Name]--; s.busy[c.Name] == 0 {
			delete(s.busy, c.Name)
		}
	}
	select {
	case s.slots <- struct{}{}:
		return func() { <-s.slots; out() }, nil
	case <-ctx.Done():
		out()
		return nil, ctx.Err()
	}
}

// fail writes an error in MISP's shape.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, text := http.StatusInternalServerError, "An internal error has occurred."
	for _, k := range []struct {
		is     error
		status int
	}{
		{ErrUnauthenticated, http.StatusForbidden},
		{errBusy, http.StatusTooManyRequests},
		{accord.ErrNotFound, http.StatusNotFound},
		{accord.ErrForbidden, http.StatusForbidden},
		{accord.ErrInvalid, http.StatusBadRequest},
		{context.DeadlineExceeded, http.StatusServiceUnavailable},
	} {
		if errors.Is(err, k.is) {
			status, text = k.status, err.Error()
			break
		}
	}
	if _, big := errors.AsType[*http.MaxBytesError](err); big {
		status, text = http.StatusRequestEntityTooLarge, err.Error()
	}
	if status >= 500 && r.Context().Err() == nil {
		s.cfg.Log.ErrorContext(r.Context(), "misp request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	if status == http.StatusForbidden && errors.Is(err, ErrUnauthenticated) {
		w.Header().Add("WWW-Authenticate", `Bearer realm="MISP"`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	b, err := json.Marshal(map[string]string{"name": text, "message": text, "url": r.URL.Path}, json.Deterministic(true))
	if err == nil {
		_, _ = w.Write(b) // the client is gone when this fails
	}
}

// sendJSON answers with v, and 304 when the client has it.
func sendJSON(r *http.Request, v any) (answer, error) {
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("write answer: %w", err)
	}
	return sendBytes(r, "application/json", b), nil
}

// sendBytes answers with b, and 304 when the client has it.
func sendBytes(r *http.Request, typ string, b []byte) answer {
	sum := sha256.Sum256(b)
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`
	return func(w http.ResponseWriter) error {
		if unchanged(w, r, tag) {
			return nil
		}
		w.Header().Set("Content-Type", typ)
		_, err := w.Write(b)
		return err
	}
}

// unchanged sets the ETag, and answers 304 when the client has it.
func unchanged(w http.ResponseWriter, r *http.Request, tag string) bool {
	w.Header().Set("ETag", tag)
	w.Header().Set("Cache-Control", "private, no-cache")
	if r.Method != http.MethodGet {
		return false
	}
	for have := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		if have = strings.TrimPrefix(strings.TrimSpace(have), "W/"); have == tag || have == "*" {
			w.WriteHeader(http.StatusNotModified)
			return true
		}
	}
	return false
}
