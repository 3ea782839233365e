// SPDX-License-Identifier: Apache-2.0

// Package api is the node's HTTP interface for programs: partners' nodes,
// sensors, tools. People use package web; TAXII clients use package taxii.
//
// Every route stands in one table with who may call it (see [API.routes]), and
// openapi.yaml describes each: a test proves that the two agree. Errors are RFC
// 9457 problems. Bodies are bounded before they are read; JSON is strict
// (duplicate names refused, RFC 7493). Instants are RFC 3339 with microseconds.
//
// What a route does not know, a query parameter included, is refused: a mistyped
// filter must not read as no filter.
//
// Callers prove who they are by a bearer token (RFC 6750) or, partners, by the
// TLS client key that is pinned for them. An [API] is safe for concurrent use.
package api

import (
	"context"
	_ "embed"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"accord"
	"accord/exchange"
	"accord/match"
)

// Store is what the API reads and writes; package store satisfies it.
type Store interface {
	Token(ctx context.Context, sum [32]byte) (accord.Token, error)
	// UseToken records a token's last use and alters nothing else of it.
	UseToken(ctx context.Context, sum [32]byte, at accord.Stamp) error
	Parties(ctx context.Context) ([]accord.Party, error)
	Counts(ctx context.Context) (accord.Counts, error)
	Cursor(ctx context.Context, stage string) (int64, error)
	DisclosedBy(ctx context.Context, party string) (map[accord.ArticleKey]int64, error)
	WithheldBy(ctx context.Context, party string, limit int) (map[accord.ArticleKey]int64, error)
	Search(ctx context.Context, q accord.Query) ([]accord.Item, string, error)
	Item(ctx context.Context, id string) (accord.Item, error)
	Matches(ctx context.Context, q accord.MatchQuery) ([]accord.Match, string, error)
	Protections(ctx context.Context, q accord.ProtectionQuery) ([]accord.Protection, string, error)
	Score(it accord.Item, now accord.Stamp) accord.Score
	Correlate(ctx context.Context, id string) (accord.Correlation, error)
	Sightings(ctx context.Context, id string) (accord.Sightings, error)
	Provenance(ctx context.Context, key accord.ItemKey) ([]accord.SourceOf, error)
	Labels(ctx context.Context, prefix string, limit int) ([]accord.LabelCount, error)
	Retag(ctx context.Context, id string, add, remove []string, who string, at accord.Stamp) error
	MarkFalse(ctx context.Context, id, why, who string, at accord.Stamp) error
	MarkTrue(ctx context.Context, id, who string, at accord.Stamp) error
	AddMatchBatch(ctx context.Context, batch string, ms []accord.Match, at accord.Stamp) (added int, err error)
	Audit(ctx context.Context, e accord.AuditEntry) error
}

// Exchange is the part of exchange.Node that partners call.
type Exchange interface {
	Mirror(ctx context.Context, party accord.Party, a exchange.Announcement) (exchange.Mirrored, error)
	Mirrored(ctx context.Context, party string) (exchange.Mirrored, error)
}

// Config is what an API needs.
type Config struct {
	Store    Store
	Exchange Exchange
	Keeper   *match.Keeper
	// Allow says what may leave for a sensor at an institution, and so what a sensor
	// is believed about: the node's one rule. Without it nothing leaves.
	Allow   func(accord.Sought) bool
	Now     func() time.Time
	Log     *slog.Logger
	Version string
	Self    accord.Party
	// Ready reports what does not work, by part; empty when all is well.
	Ready func(ctx context.Context) map[string]string
	// Metrics serves Prometheus' text format; nil serves none.
	Metrics http.Handler
}

// API is the handler.
type API struct {
	Config
	mux *http.ServeMux
	// Bodies held in memory at once, those of partners and those of tokens apart
	// so that neither keeps the other out. The rest wait before theirs is read.
	fromPartners, fromTokens chan struct{}
}

// bodiesMost is how many bodies of each sort of caller are held at once.
const bodiesMost = 8

// access is who may call a route.
type access struct {
	public  bool
	partner bool        // a party that proved its pinned TLS key
	role    accord.Role // a token of this role, or of one that includes it
}

// route is one line of the table.
type route struct {
	method, pattern string
	who             access
	query           string // names of the query parameters it takes
	handle          func(http.ResponseWriter, *http.Request, caller) error
}

var (
	anyone   = access{public: true}
	partners = access{partner: true}
	readers  = access{role: accord.RoleReader}
	analysts = access{role: accord.RoleAnalyst}
	sensors  = access{role: accord.RoleSensor}
)

// routes is the whole interface on one screen.
func (a *API) routes() []route {
	return []route{
		{"GET", "/api/v1/health", anyone, "", a.health},
		{"GET", "/api/v1/openapi.yaml", anyone, "", a.description},
		{"GET", "/api/v1/situation", readers, "", a.situation},
		{"GET", "/api/v1/decisions", readers, "party", a.decisions},
		{"GET", "/api/v1/items", readers, "q text type tlp source party state after limit", a.items},
		{"GET", "/api/v1/items/{id}", readers, "", a.item},
		{"GET", "/api/v1/items/{id}/correlations", readers, "", a.correlations},
		{"GET", "/api/v1/items/{id}/sightings", readers, "", a.sightings},
		{"POST", "/api/v1/items/{id}/tags", analysts, "", a.tags},
		{"POST", "/api/v1/items/{id}/false-positive", analysts, "", a.falsePositive},
		{"GET", "/api/v1/labels", readers, "begins limit", a.labels},
		{"GET", "/api/v1/matches", readers, "text indicator after limit", a.matches},
		{"GET", "/api/v1/protections", readers, "text zone item after limit", a.protections},
		{"GET", "/api/v1/sensor/index", sensors, "since generation wait", a.sensorIndex},
		{"POST", "/api/v1/sensor/matches", sensors, "", a.sensorMatches},
		{"GET", "/metrics", readers, "", a.metrics},
		{"GET", exchange.LogPath, partners, "origin", a.logSize},
		{"POST", exchange.LogPath, partners, "", a.logAnnounce},
	}
}

// New returns the handler of every route.
func New(c Config) *API {
	a := &API{
		Config: c, mux: http.NewServeMux(),
		fromPartners: make(chan struct{}, bodiesMost), fromTokens: make(chan struct{}, bodiesMost),
	}
	for _, r := range a.routes() {
		a.mux.HandleFunc(r.method+" "+r.pattern, a.guard(r))
	}
	return a
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if _, pattern := a.mux.Handler(r); pattern == "" {
		a.unrouted(w, r)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// unrouted answers what no route takes: 404, or 405 with the methods that one does.
func (a *API) unrouted(w http.ResponseWriter, r *http.Request) {
	var allow []string
	for _, rt := range a.routes() {
		probe := r.Clone(r.Context())
		probe.Method = rt.method
		if _, pattern := a.mux.Handler(probe); pattern == rt.method+" "+rt.pattern {
			allow = append(allow, rt.method)
		}
	}
	if len(allow) > 0 {
		w.Header().Set("Allow", strings.Join(allow, ", "))
		a.problem(w, r, errMethod)
		return
	}
	a.problem(w, r, fmt.Errorf("%w: no such path: /api/v1/openapi.yaml describes those there are", accord.ErrNotFound))
}

// guard authorises, handles and writes a problem when the handler fails.
func (a *API) guard(rt route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		writeBy(w, makeWithin)
		c, err := a.authorise(r, rt.who)
		if err == nil {
			err = checkQuery(r, strings.Fields(rt.query))
		}
		if err == nil && rt.method == http.MethodPost {
			places := a.fromTokens
			if rt.who.partner {
				places = a.fromPartners
			}
			select {
			case places <- struct{}{}:
				defer func() { <-places }()
			case <-r.Context().Done():
				return
			}
		}
		if err == nil {
			err = rt.handle(w, r, c)
		}
		if err != nil {
			a.problem(w, r, err)
		}
	}
}

// checkQuery refuses parameters that a route does not know, and repeated ones.
func checkQuery(r *http.Request, known []string) error {
	given, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return fmt.Errorf("%w: query: %w", accord.ErrInvalid, err)
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !slices.Contains(known, name) {
			return fmt.Errorf("%w: query parameter %q: want %s", accord.ErrInvalid, name, oneOf(known))
		}
		if len(given[name]) > 1 {
			return fmt.Errorf("%w: query parameter %q is given %d times", accord.ErrInvalid, name, len(given[name]))
		}
	}
	return nil
}

func oneOf(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// Description is openapi.yaml, the interface in OpenAPI 3.1.
//
//go:embed openapi.yaml
var Description []byte

func (a *API) description(w http.ResponseWriter, _ *http.Request, _ caller) error {
	w.Header().Set("Content-Type", "application/yaml")
	writeBy(w, writeWithin)
	_, _ = w.Write(Description) // the client is gone when this fails
	return nil
}
