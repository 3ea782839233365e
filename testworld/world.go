// SPDX-License-Identifier: Apache-2.0

// Package testworld is two or more nations in one process, for tests and
// benchmarks across the border: real stores, keys, TLS and TAXII over loopback,
// an agreement that both have signed. Only the program around them is missing.
//
// Failures end the test. A [Nation] may be stopped and started again on the same
// store, as after a crash. Times are the caller's clock.
package testworld

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"accord"
	"accord/agreement"
	"accord/api"
	"accord/exchange"
	"accord/ledger"
	"accord/match"
	"accord/store"
	"accord/taxii"
)

// World is two nations under one agreement.
type World struct {
	IL, MA *Nation
	// Agreement is the signed note both hold.
	Agreement []byte
}

// Nation is one authority.
type Nation struct {
	Self accord.Party
	Key  *ledger.Key
	Cert tls.Certificate
	DB   *store.DB
	Node *exchange.Node
	Log  *slog.Logger
	Now  func() time.Time
	// Through, when set, stands before the handler of partners: to cut, delay or
	// repeat what arrives.
	Through func(http.Handler) http.Handler

	t      testing.TB
	file   string
	addr   string
	server *httptest.Server
	cancel context.CancelFunc
	group  *errgroup.Group
}

// New returns a world whose agreement is in force. Nothing is served yet: see
// [Nation.Start].
func New(t testing.TB) *World { return NewWith(t, nil) }

// NewWith is New with the agreement's draft changed before it is signed.
func NewWith(t testing.TB, change func(string) string) *World {
	t.Helper()
	w := &World{IL: NewNation(t, "IL", "il.accord.test"), MA: NewNation(t, "MA", "ma.accord.test")}
	w.IL.Pin(w.MA.Self)
	w.MA.Pin(w.IL.Self)
	text, err := agreement.Template(agreement.Terms{
		ID: "ma-il", From: accord.StampOf(time.Now().Add(-time.Hour)), Self: w.IL.Self, Partner: w.MA.Self, Giver: w.IL.Self.Name,
	})
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		text = change(text)
	}
	msg := []byte(text)
	for _, n := range []*Nation{w.IL, w.MA} {
		if msg, err = agreement.Sign(msg, n.Key.Signer()); err != nil {
			t.Fatal(err)
		}
	}
	w.Agreement = msg
	a, err := agreement.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []*Nation{w.IL, w.MA} {
		at := accord.StampOf(n.Now())
		if err := n.DB.PutAgreement(context.Background(), accord.AgreementRecord{ID: a.ID, Version: a.Version, Note: msg, Added: at, InForce: at}); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// Start serves both nations.
func (w *World) Start() {
	w.IL.Start()
	w.MA.Start()
}

// NewNation makes keys, an address and an empty store.
func NewNation(t testing.TB, nation accord.Nation, name string) *Nation {
	t.Helper()
	skey, _, err := ledger.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ledger.ParseKey(skey)
	if err != nil {
		t.Fatal(err)
	}
	n := &Nation{
		Key: key, Cert: Certificate(t, name), Now: time.Now, t: t, addr: freeAddr(t),
		Log:  slog.New(slog.DiscardHandler),
		file: filepath.Join(t.TempDir(), "accord.db"),
	}
	n.Self = accord.Party{
		Name: name, Nation: nation, Title: "Authority of " + string(nation), URL: "https://" + n.addr,
		Key: key.Verifier(), TLSPin: exchange.Pin(n.Cert.Leaf),
		Identity: "identity--" + uuid.NewSHA1(uuid.NameSpaceURL, []byte(name)).String(),
	}
	n.Open()
	t.Cleanup(n.Stop)
	return n
}

// Certificate returns a self-signed one with a new key.
func Certificate(t testing.TB, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func freeAddr(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Pin makes other a party here.
func (n *Nation) Pin(other accord.Party) {
	n.t.Helper()
	if err := n.DB.PutParty(context.Background(), other); err != nil {
		n.t.Fatal(err)
	}
}

// Open opens the store and the exchange on it.
func (n *Nation) Open() {
	n.t.Helper()
	db, err := store.Open(context.Background(), "sqlite:"+n.file, n.Log)
	if err != nil {
		n.t.Fatal(err)
	}
	n.DB = db
	n.Node = &exchange.Node{
		Self: n.Self, Key: n.Key, Pseudonym: []byte("0123456789abcdef0123456789abcdef"), Store: db,
		Now: n.Now, Rand: rand.Reader, Logger: n.Log, Poll: 5 * time.Millisecond,
	}
}

// Start serves partners and runs the workers of every pinned partner.
func (n *Nation) Start() {
	n.t.Helper()
	if n.DB == nil {
		n.Open()
	}
	n.Serve()
	n.Work()
}

// Serve serves partners at the nation's address.
func (n *Nation) Serve() {
	n.t.Helper()
	l, err := net.Listen("tcp", n.addr)
	if err != nil {
		n.t.Fatal(err)
	}
	n.server = httptest.NewUnstartedServer(n.handler())
	if err := n.server.Listener.Close(); err != nil {
		n.t.Fatal(err)
	}
	n.server.Listener = l
	n.server.Config.ErrorLog = slog.NewLogLogger(n.Log.Handler(), slog.LevelDebug)
	n.server.TLS = &tls.Config{Certificates: []tls.Certificate{n.Cert}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS13}
	n.server.StartTLS()
}

func (n *Nation) handler() http.Handler {
	n.t.Helper()
	a := api.New(api.Config{
		Store: n.DB, Exchange: n.Node, Now: n.Now, Log: n.Log, Self: n.Self,
		Keeper: match.NewKeeper(n.DB, match.NewSalt(), 0, n.Log),
		Ready:  func(context.Context) map[string]string { return nil },
	})
	server, err := taxii.New(taxii.Config{
		Title: n.Self.Title, Roots: []taxii.Root{{Name: exchange.APIRoot, Title: n.Self.Title}},
		Backend: &exchange.Collections{Node: n.Node}, Key: []byte("0123456789abcdef"), Log: n.Log,
		Authenticate: func(r *http.Request) (taxii.Caller, error) {
			parties, err := n.DB.Parties(r.Context())
			if err != nil {
				return taxii.Caller{}, err
			}
			p, err := exchange.PartyOf(r.TLS, parties)
			if err != nil {
				return taxii.Caller{}, taxii.ErrUnauthenticated
			}
			return taxii.Caller{Name: p.Name, Party: p.Name}, nil
		},
	})
	if err != nil {
		n.t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/accord/v1/", a)
	for _, p := range server.Paths() {
		mux.Handle(p, server)
	}
	if n.Through != nil {
		return n.Through(mux)
	}
	return mux
}

// Work runs the workers of every pinned partner.
func (n *Nation) Work() {
	n.t.Helper()
	parties, err := n.DB.Parties(context.Background())
	if err != nil {
		n.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	n.group, ctx = errgroup.WithContext(ctx)
	for _, p := range parties {
		for _, run := range []func(context.Context) error{
			(&exchange.Decider{Node: n.Node, Party: p.Name}).Run,
			(&exchange.Pusher{Node: n.Node, Party: p, Remote: n.Remote(p)}).Run,
			(&exchange.Confirmer{Node: n.Node, Party: p.Name}).Run,
		} {
			n.group.Go(func() error { return run(ctx) })
		}
	}
}

// Remote is how this nation reaches p.
func (n *Nation) Remote(p accord.Party) *exchange.Client { return n.RemoteWith(p, n.Cert) }

// RemoteWith is Remote with another certificate shown.
func (n *Nation) RemoteWith(p accord.Party, cert tls.Certificate) *exchange.Client {
	c := exchange.PinnedClient(cert, p.TLSPin)
	return &exchange.Client{
		HTTP: c, URL: p.URL, Inbox: exchange.InboxID(p.Name, n.Self.Name),
		TAXII: &taxii.Client{HTTP: c, URL: p.URL, Attempts: 1},
	}
}

// Stop ends workers, server and store; Start begins again on the same store.
func (n *Nation) Stop() {
	if n.cancel != nil {
		n.cancel()
		if err := n.group.Wait(); err != nil {
			n.t.Errorf("%s: %v", n.Self.Name, err)
		}
		n.cancel = nil
	}
	if n.server != nil {
		n.server.CloseClientConnections()
		n.server.Close()
		n.server = nil
	}
	if n.DB != nil {
		if err := n.DB.Close(); err != nil {
			n.t.Errorf("%s: close store: %v", n.Self.Name, err)
		}
		n.DB = nil
	}
}

// Ingest stores items as the nation's own.
func (n *Nation) Ingest(items ...accord.Item) {
	n.t.Helper()
	const batch = 1000
	for len(items) > 0 {
		k := min(batch, len(items))
		if _, err := n.DB.Ingest(context.Background(), items[:k], accord.StampOf(n.Now())); err != nil {
			n.t.Fatal(err)
		}
		items = items[k:]
	}
}

// Until waits until check is true, and fails the test after most.
func Until(t testing.TB, most time.Duration, what string, check func() bool) {
	t.Helper()
	for end := time.Now().Add(most); !check(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s", what, most)
		}
	}
}

// Settled reports whether all that n decided to give to the party is receipted,
// and every retraction confirmed.
func (n *Nation) Settled(party string) bool {
	ctx := context.Background()
	c, err := n.DB.Counts(ctx)
	if err != nil {
		return false
	}
	at, err := n.DB.Cursor(ctx, "decide:"+party)
	return err == nil && at == c.Seq && c.Receipted[party] == c.Disclosed[party] && c.Confirmed[party] == c.Retracted[party]
}

// Verify recomputes every log at n and fails the test when one does not verify.
func (n *Nation) Verify(others ...accord.Party) {
	n.t.Helper()
	for _, o := range others {
		for _, pair := range [][2]accord.Party{{n.Self, o}, {o, n.Self}} {
			if _, err := ledger.Verify(context.Background(), n.DB, pair[0], pair[1]); err != nil {
				n.t.Errorf("at %s: %v", n.Self.Name, err)
			}
		}
	}
}

// Verbose logs to w from now on; call it before Start.
func (n *Nation) Verbose(w io.Writer) {
	n.Log = slog.New(slog.NewTextHandler(w, nil).WithAttrs([]slog.Attr{slog.String("at", n.Self.Name)}))
	n.Node.Logger = n.Log
}

// String names the nation.
func (n *Nation) String() string { return fmt.Sprintf("%s at %s", n.Self.Name, n.addr) }
