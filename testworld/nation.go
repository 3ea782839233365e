// SPDX-License-Identifier: Apache-2.0

package testworld

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
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
	"os"
	"path/filepath"
	"sync/atomic"
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

// Nation is one authority.
type Nation struct {
	Self accord.Party
	Key  *ledger.Key
	Cert tls.Certificate
	DB   *store.DB
	Node *exchange.Node
	// Adder does what was added and answered before it was done.
	Adder *exchange.Adder
	Log   *slog.Logger
	Now   func() time.Time
	// Through, when set, stands before the handler of partners: to cut, delay or
	// repeat what arrives. It is asked once a Serve.
	Through func(http.Handler) http.Handler
	// After names the stages that must have passed before a retraction is confirmed.
	After []string

	t      testing.TB
	passed atomic.Int64 // what the clock is ahead
	file   string
	addr   string
	server *httptest.Server
	cancel context.CancelFunc
	group  *errgroup.Group
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
		Key: key, Cert: Certificate(t, name), t: t, addr: freeAddr(t),
		Log:  slog.New(slog.DiscardHandler),
		file: filepath.Join(t.TempDir(), "accord.db"),
	}
	n.Now = func() time.Time { return time.Now().Add(time.Duration(n.passed.Load())) }
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

// nations counts those of this process, for an address each.
var nations atomic.Uint32

// freeAddr returns an address of this nation's own in 127.0.0.0/8, so that nobody
// else takes its port while it is stopped; where there is only 127.0.0.1, a port
// of that.
func freeAddr(t testing.TB) string {
	i := nations.Add(1)
	host := fmt.Sprintf("127.%d.%d.%d", 1+os.Getpid()%250, i/250%250, 1+i%250)
	l, err := net.Listen("tcp", host+":0")
	if err != nil {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
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

// Take stores an agreement's signed note.
func (n *Nation) Take(msg []byte) {
	n.t.Helper()
	text, err := agreement.TextOf(msg)
	if err != nil {
		n.t.Fatal(err)
	}
	a, err := agreement.Parse(text)
	if err != nil {
		n.t.Fatal(err)
	}
	at := accord.StampOf(n.Now())
	if err := n.DB.PutAgreement(context.Background(), accord.AgreementRecord{ID: a.ID, Version: a.Version, Note: msg, Added: at, InForce: at}); err != nil {
		n.t.Fatal(err)
	}
}

// Pass lets d pass on this nation's clock.
func (n *Nation) Pass(d time.Duration) { n.passed.Add(int64(d)) }

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
	n.Adder = exchange.NewAdder(n.Node)
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
	shelves := &exchange.Collections{Node: n.Node, Adder: n.Adder}
	server, err := taxii.New(taxii.Config{
		Title: n.Self.Title, Roots: []taxii.Root{{Name: exchange.APIRoot, Title: n.Self.Title}},
		Derived: &taxii.Derived{Prefix: exchange.AgreementsRoot, Roots: shelves.Roots},
		Backend: shelves, Key: []byte("0123456789abcdef"), Log: n.Log,
		Authenticate: caller(n.DB, a),
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

// caller tells who makes a TAXII request, by pinned key or by token.
func caller(db *store.DB, a *api.API) func(*http.Request) (taxii.Caller, error) {
	return func(r *http.Request) (taxii.Caller, error) {
		parties, err := db.Parties(r.Context())
		if err != nil {
			return taxii.Caller{}, err
		}
		if p, err := exchange.PartyOf(r.TLS, parties); err == nil {
			return taxii.Caller{Name: p.Name, Party: p.Name}, nil
		}
		t, err := a.Bearer(r)
		if err != nil || t.Party == "" {
			return taxii.Caller{}, taxii.ErrUnauthenticated
		}
		return taxii.Caller{Name: t.Name, Party: t.Party}, nil
	}
}

// Token makes a token for a party that has a plain TAXII client.
func (n *Nation) Token(party string) string {
	n.t.Helper()
	secret := uuid.NewString()
	err := n.DB.PutToken(context.Background(), accord.Token{
		Sum: sha256.Sum256([]byte(secret)), Name: party + " reads", Party: party, Created: accord.StampOf(n.Now()),
	})
	if err != nil {
		n.t.Fatal(err)
	}
	return secret
}

// Reader is a plain TAXII client that knows this nation's key and shows no
// certificate of a party.
func (n *Nation) Reader(token string) *taxii.Client {
	return &taxii.Client{HTTP: exchange.PinnedClient(tls.Certificate{}, n.Self.TLSPin), URL: n.Self.URL, Token: token, Attempts: 1}
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
	adder := n.Adder
	n.group.Go(func() error { return adder.Run(ctx) })
	for _, p := range parties {
		runs := []func(context.Context) error{(&exchange.Decider{Node: n.Node, Party: p.Name}).Run}
		if p.URL != "" {
			runs = append(runs,
				(&exchange.Pusher{Node: n.Node, Party: p, Remote: n.Remote(p)}).Run,
				(&exchange.Confirmer{Node: n.Node, Party: p.Name, After: n.After}).Run)
		}
		for _, run := range runs {
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

// Rest ends the workers; the server goes on.
func (n *Nation) Rest() {
	if n.cancel == nil {
		return
	}
	n.cancel()
	if err := n.group.Wait(); err != nil {
		n.t.Errorf("%s: %v", n.Self.Name, err)
	}
	n.cancel = nil
}

// Stop ends workers, server and store; Start begins again on the same store.
func (n *Nation) Stop() {
	n.Rest()
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

// Backup returns the store's file; the nation must be stopped.
func (n *Nation) Backup() []byte {
	n.t.Helper()
	if n.DB != nil {
		n.t.Fatalf("%s is not stopped", n)
	}
	b, err := os.ReadFile(n.file)
	if err != nil {
		n.t.Fatal(err)
	}
	return b
}

// Restore puts a backup in the store's place, nil for an empty store; the nation
// must be stopped. An empty store knows no party and no agreement.
func (n *Nation) Restore(backup []byte) {
	n.t.Helper()
	if n.DB != nil {
		n.t.Fatalf("%s is not stopped", n)
	}
	for _, end := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(n.file + end); err != nil && !os.IsNotExist(err) {
			n.t.Fatal(err)
		}
	}
	if backup != nil {
		if err := os.WriteFile(n.file, backup, 0o600); err != nil {
			n.t.Fatal(err)
		}
	}
	n.Open()
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

// Withdraw takes an own item back.
func (n *Nation) Withdraw(id string) {
	n.t.Helper()
	if _, err := n.DB.Withdraw(context.Background(), id, "a test", accord.StampOf(n.Now())); err != nil {
		n.t.Fatal(err)
	}
}

// Verbose logs to w from now on; call it before Start.
func (n *Nation) Verbose(w io.Writer) {
	n.Log = slog.New(slog.NewTextHandler(w, nil).WithAttrs([]slog.Attr{slog.String("at", n.Self.Name)}))
	n.Node.Logger = n.Log
}

// String names the nation.
func (n *Nation) String() string { return fmt.Sprintf("%s at %s", n.Self.Name, n.addr) }
