// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"accord"
	"accord/agreement"
	"accord/api"
	"accord/exchange"
	"accord/format/stix"
	"accord/match"
	"accord/testworld"
)

// world is the API of a nation that has a partner, over TLS.
type world struct {
	t       testing.TB
	nations *testworld.World
	*testworld.Nation
	config api.Config
	server *httptest.Server
	tokens map[string]string // secret by what it is called
	broken map[string]string // what Ready says
	said   *logged

	mu    sync.Mutex
	later time.Duration // how far its clock is ahead
}

// logged is what the API wrote to its log.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.later)
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, nations: testworld.New(t), tokens: map[string]string{"bad": "accord_nobody"}, said: &logged{}}
	w.Nation = w.nations.MA
	log := slog.New(slog.NewTextHandler(w.said, nil))
	w.config = api.Config{
		Store: w.DB, Exchange: w.Node, Keeper: match.NewKeeper(w.DB, match.NewSalt(), 5*time.Millisecond, log),
		Now: w.now, Log: log, Self: w.Self,
		Allow: func(s accord.Sought) bool {
			ok, _ := agreement.MayProtect(s.Origin, s.TLP, accord.StampOf(w.now()))
			return ok
		},
		Ready: func(context.Context) map[string]string { return w.broken },
		Metrics: http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "text/plain; version=0.0.4")
			fmt.Fprintln(rw, "accord_items 1")
		}),
	}
	for _, role := range []accord.Role{accord.RoleReader, accord.RoleSensor, accord.RoleAnalyst, accord.RoleDirector, accord.RoleOperator} {
		w.token(string(role), accord.Token{Role: role})
	}
	w.token("party", accord.Token{Party: w.nations.IL.Self.Name})
	w.token("expired", accord.Token{Role: accord.RoleOperator, Expires: accord.StampOf(time.Now().Add(-time.Second))})
	w.token("revoked", accord.Token{Role: accord.RoleOperator, Revoked: true})
	w.serve()
	return w
}

func (w *world) serve() {
	w.server = httptest.NewUnstartedServer(api.New(w.config))
	w.server.TLS = &tls.Config{Certificates: []tls.Certificate{w.Cert}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS13}
	w.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	w.server.StartTLS()
	w.t.Cleanup(w.server.Close)
}

func (w *world) token(name string, k accord.Token) {
	w.t.Helper()
	secret := "accord_" + name
	k.Sum, k.Name, k.Created = sha256.Sum256([]byte(secret)), name, accord.StampOf(time.Now())
	if err := w.DB.PutToken(context.Background(), k); err != nil {
		w.t.Fatal(err)
	}
	w.tokens[name] = secret
}

// keep loads the index and keeps it current.
func (w *world) keep() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- w.config.Keeper.Run(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	})
	<-w.config.Keeper.Ready()
}

// caller is who asks: a token by name, a certificate, both or neither.
type caller struct {
	token string
	cert  *tls.Certificate
}

type answer struct {
	*http.Response
	body []byte
}

// as asks and checks the answer against the description. Path is a route's pattern
// with its parts filled in; the pattern is found from it.
func (w *world) as(c caller, method, path, typ string, body []byte) answer {
	w.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, w.server.URL+path, bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+w.tokens[c.token])
	}
	if typ != "" {
		req.Header.Set("Content-Type", typ)
	}
	conf := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}
	if c.cert != nil {
		conf.Certificates = []tls.Certificate{*c.cert}
	}
	transport := &http.Transport{TLSClientConfig: conf}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if pattern := patternOf(req.URL); pattern != "" {
		checkAnswer(w.t, method, pattern, res, text)
	}
	if res.Header.Get("X-Content-Type-Options") != "nosniff" {
		w.t.Errorf("%s %s may be sniffed", method, path)
	}
	return answer{res, text}
}

func (w *world) get(path string) answer {
	w.t.Helper()
	return w.as(caller{token: "reader"}, "GET", path, "", nil)
}

// read asks and wants 200.
func (w *world) read(path string, into any) {
	w.t.Helper()
	a := w.get(path)
	if a.StatusCode != http.StatusOK {
		w.t.Fatalf("GET %s: %d: %s", path, a.StatusCode, a.body)
	}
	if err := decode(a.body, into); err != nil {
		w.t.Fatal(err)
	}
}

func decode(text []byte, into any) error {
	return json.Unmarshal(text, into, json.MatchCaseInsensitiveNames(true))
}

// problem wants a problem of this status whose detail has these words.
func (a answer) problem(t testing.TB, status int, words ...string) {
	t.Helper()
	var p struct{ Detail string }
	if err := decode(a.body, &p); err != nil || a.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("not a problem: %s (%v)", a.body, err)
		return
	}
	if a.StatusCode != status {
		t.Errorf("status %d, want %d: %s", a.StatusCode, status, a.body)
	}
	for _, s := range words {
		if !strings.Contains(p.Detail, s) {
			t.Errorf("detail %q does not say %q", p.Detail, s)
		}
	}
}

// problemNot wants 200.
func (a answer) problemNot(t testing.TB) {
	t.Helper()
	if a.StatusCode != http.StatusOK {
		t.Errorf("status %d: %s", a.StatusCode, a.body)
	}
}

// tlsOf is a connection whose client has shown cert.
func tlsOf(cert tls.Certificate) *tls.ConnectionState {
	return &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert.Leaf}}
}

// patternOf is the pattern of the route that takes u, "" when none does.
func patternOf(u *url.URL) string {
	for _, r := range api.Routes() {
		head, tail, open := strings.Cut(r.Pattern, "{")
		_, tail, _ = strings.Cut(tail, "}")
		rest, under := strings.CutPrefix(u.EscapedPath(), head)
		rest, ends := strings.CutSuffix(rest, tail)
		if u.Path == r.Pattern || open && under && ends && rest != "" && !strings.Contains(rest, "/") {
			return r.Pattern
		}
	}
	return ""
}

// partner is IL as a caller, stranger a certificate that nobody has pinned.
func (w *world) partner() caller { return caller{cert: &w.nations.IL.Cert} }

func (w *world) stranger() caller {
	c := testworld.Certificate(w.t, "il.accord.test") // the name proves nothing
	return caller{cert: &c}
}

// indicator is an item that looks for domain.
func indicator(t testing.TB, n int, domain string, change func(*accord.Item)) accord.Item {
	t.Helper()
	raw := fmt.Sprintf(`{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-%012d",
		"created":"2026-01-02T03:04:05.000Z","modified":"2026-01-02T03:04:05.000Z","name":%q,"indicator_types":["malicious-activity"],
		"confidence":80,"pattern":"[domain-name:value = '%s']","pattern_type":"stix","valid_from":"2026-01-02T03:04:05Z",
		"object_marking_refs":["marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"]}`, n, domain, domain)
	it, err := stix.Parse(stix.Raw{Bytes: []byte(raw), Spec: "2.1"}, accord.TLPGreen)
	if err != nil {
		t.Fatal(err)
	}
	it.Source = "feed"
	if change != nil {
		change(&it)
	}
	return it
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// quiet is a feed in which nothing happens.
type quiet struct{ api.Store }

func (quiet) LastSeq(context.Context) (int64, error) { return 1, nil }

func (quiet) SoughtSince(context.Context, int64, int) ([]accord.SoughtChange, error) { return nil, nil }

const firstIndicator = "indicator--00000000-0000-4000-8000-000000000001"

// announcement is one that the partner might send, well-formed and not signed.
func (w *world) announcement() exchange.Announcement {
	return exchange.Announcement{
		Origin: w.nations.IL.Self.Name + "/to/" + w.Self.Name,
		Leaves: []exchange.WireLeaf{{Kind: accord.LeafDisclosure, Salt: make([]byte, 16), Record: "accord disclosure v1\n"}}, Checkpoint: "none\n",
	}
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
