// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"accord"
	"accord/agreement"
	"accord/api"
	"accord/exchange"
	"accord/feed"
	"accord/ingest"
	"accord/knowledge"
	"accord/match"
	"accord/misp"
	"accord/protect"
	"accord/protect/rpzserver"
	"accord/retain"
	"accord/store"
	"accord/taxii"
	"accord/web"
)

type serveCmd struct{}

// Run serves until it is interrupted.
func (c *serveCmd) Run(e *env) error {
	n, err := openNodeBy(e, openServing)
	if err != nil {
		return err
	}
	defer n.close()
	r, err := n.assemble()
	if err != nil {
		return err
	}
	return r.run(e.ctx)
}

// openServing opens a store that "accord init" or "accord restore" made, and
// brings its tables up to date.
func openServing(ctx context.Context, url string, log *slog.Logger) (*store.DB, error) {
	d, err := store.OpenReading(ctx, url, log) // an empty database would end every protection
	if err != nil {
		return nil, err
	}
	if err := d.Close(); err != nil {
		return nil, err
	}
	return store.Open(ctx, url, log)
}

// running is a node with everything it serves.
type running struct {
	*node
	exchange *exchange.Node
	adder    *exchange.Adder
	keeper   *match.Keeper
	attack   *knowledge.Keeper
	protect  *protect.Worker
	feeds    *feed.Worker
	recheck  *ingest.Recheck
	rpz      *rpzserver.Server // nil when listen.dns is empty
	partner  *http.Server
	console  *http.Server
	allowed  int64 // entries of the allow zone
	misp     *exchange.MISP
}

// derive returns a secret of its own for one purpose: the same across restarts,
// telling nothing of the key it comes from.
func (n *node) derive(purpose string) [32]byte {
	h := hmac.New(sha256.New, n.keys.pseudonym)
	h.Write([]byte("accord " + purpose))
	return [32]byte(h.Sum(nil))
}

// assemble builds the rooms and wires them. Nothing runs yet.
func (n *node) assemble() (*running, error) {
	r := &running{node: n}
	r.exchange = &exchange.Node{
		Self: n.self, Key: n.keys.node, Pseudonym: n.keys.pseudonym, Store: n.db,
		Now: now, Rand: rand.Reader, Logger: n.env.log,
	}
	r.adder = exchange.NewAdder(r.exchange)
	r.keeper = match.NewKeeper(n.db, match.Salt(n.derive("index")), 0, n.env.log)
	r.attack = knowledge.NewKeeper(n.db, 0, func(err error) {
		if err != nil {
			n.env.log.Error("ATT&CK is not kept current", "error", err)
		}
	})
	never, err := n.neverBlock()
	if err != nil {
		return nil, err
	}
	r.exchange.Never = never
	if r.feeds, err = n.feedWorker(never); err != nil {
		return nil, err
	}
	if r.recheck, err = n.recheck(never); err != nil {
		return nil, err
	}
	r.misp = &exchange.MISP{Node: r.exchange}
	if err := r.assembleProtect(never); err != nil {
		return nil, err
	}
	if err := r.assemblePartner(); err != nil {
		return nil, err
	}
	return r, r.assembleConsole()
}

// mayLeave and mayBlock are the one decision on what goes to institutions, to be
// looked for and to be blocked. No other room has a rule of its own.
func mayLeave(s accord.Sought) bool {
	ok, _ := agreement.MayProtect(s.Origin, s.TLP, accord.StampOf(now()))
	return ok
}

func mayBlock(it accord.Item, at accord.Stamp) (bool, string) {
	ok, why := agreement.MayBlock(&it, at)
	return ok, why.String()
}

func (r *running) assembleProtect(never *protect.NeverBlock) error {
	c := r.config.Protect
	r.protect = &protect.Worker{
		Store: r.db, Never: never, Now: now, Log: r.env.log,
		Permit: mayBlock, Ends: r.db.Ends,
		Config: protect.Config{HotFor: time.Duration(c.HotFor), HotMax: int64(c.HotMost), MinConfidence: c.MinConfidence},
	}
	if r.config.Listen.DNS == "" {
		return nil
	}
	cfg, err := r.config.rpz()
	if err != nil {
		return err
	}
	if r.rpz, err = rpzserver.New(cfg, r.db, never, never.Allow(), now, r.env.log); err != nil {
		return err
	}
	r.allowed = int64(len(never.Allow()))
	r.protect.Changed = r.rpz.Changed
	return nil
}

// rpz is the configuration of the zone server.
func (c Config) rpz() (rpzserver.Config, error) {
	p := c.Protect
	out := rpzserver.Config{
		Listen: c.Listen.DNS, Hot: "hot." + p.Suffix, Base: "base." + p.Suffix, Allow: "allow." + p.Suffix,
	}
	if p.TSIGName != "" {
		secret, err := os.ReadFile(c.path(p.TSIGKey))
		if err != nil {
			return out, fmt.Errorf("transfer key: %w", err)
		}
		out.Keys = []rpzserver.Key{{Name: p.TSIGName, Secret: strings.TrimSpace(string(secret))}}
	} else {
		for _, s := range p.AllowTransfer {
			prefix, err := netip.ParsePrefix(s)
			if err != nil {
				return out, fmt.Errorf("%w: protect.allow_transfer %q: want a network such as 192.0.2.0/24", accord.ErrInvalid, s)
			}
			out.Clients = append(out.Clients, prefix)
		}
	}
	for _, s := range p.Secondaries {
		addr, err := netip.ParseAddrPort(s)
		if err != nil {
			return out, fmt.Errorf("%w: protect.secondaries %q: want an address and port such as 192.0.2.1:53", accord.ErrInvalid, s)
		}
		out.Secondaries = append(out.Secondaries, rpzserver.Secondary{Addr: addr, Key: p.TSIGName})
	}
	return out, nil
}

// assemblePartner builds the listener for partners, TAXII clients and sensors.
func (r *running) assemblePartner() error {
	a := r.api()
	server, err := r.partnerTAXII(a)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/accord/v1/", a)
	mux.Handle("/api/v1/sensor/", a)
	mux.Handle("/api/v1/health", a)
	for _, path := range server.Paths() {
		mux.Handle(path, server)
	}
	events, err := r.partnerMISP(a)
	if err != nil {
		return err
	}
	mux.Handle(misp.Prefix, events)
	r.partner = r.httpServer(r.config.Listen.Node, mux)
	// TAXII asks for TLS 1.2 too (§8.2.2). Any certificate may be shown: what counts
	// is whether its key is pinned, which each route asks, and then 1.3 is wanted. A
	// stranger's proves nothing.
	r.partner.TLSConfig = taxii.TLSConfig()
	r.partner.TLSConfig.Certificates, r.partner.TLSConfig.ClientAuth = []tls.Certificate{r.keys.cert}, tls.RequestClientCert
	return nil
}

func (r *running) api() *api.API {
	return api.New(api.Config{
		Store: r.db, Exchange: r.exchange, Keeper: r.keeper, Allow: mayLeave, Now: now, Log: r.env.log,
		Version: versionText(), Self: r.self, Ready: r.ready, Metrics: r.metrics(),
	})
}

// ready reports what does not work.
func (r *running) ready(ctx context.Context) map[string]string {
	bad := map[string]string{}
	if _, err := r.db.LastSeq(ctx); err != nil {
		bad["store"] = err.Error()
	}
	return bad
}

// assembleConsole builds the listener for people and their tools.
func (r *running) assembleConsole() error {
	secure := r.config.Listen.ConsoleCert != ""
	pages, err := web.New(web.Config{
		Store: r.db, Node: console{r}, Attack: r.attack, Now: now, Log: r.env.log, Secure: secure, URL: r.config.Listen.ConsoleURL,
		Self: r.self, Version: versionText(),
	})
	if err != nil {
		return err
	}
	a := r.api()
	mux := http.NewServeMux()
	mux.Handle("/api/v1/", a)
	mux.Handle("/metrics", a)
	own, err := r.ownTAXII(a)
	if err != nil {
		return err
	}
	for _, path := range own.Paths() {
		mux.Handle(path, own)
	}
	events, err := r.ownMISP(a)
	if err != nil {
		return err
	}
	mux.Handle(misp.Prefix, events)
	mux.Handle("/", pages)
	r.console = r.httpServer(r.config.Listen.Console, mux)
	if secure {
		cert, err := tls.LoadX509KeyPair(r.config.path(r.config.Listen.ConsoleCert), r.config.path(r.config.Listen.ConsoleKey))
		if err != nil {
			return fmt.Errorf("%w: console certificate: %w", accord.ErrInvalid, err)
		}
		r.console.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}
	}
	return nil
}

func (r *running) httpServer(addr string, h http.Handler) *http.Server {
	return &http.Server{
		Addr: addr, Handler: h,
		// The API and TAXII give each answer a time of its own.
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 32 << 10, ErrorLog: slog.NewLogLogger(r.env.log.Handler(), slog.LevelInfo),
	}
}

// run keeps everything alive together until ctx ends or something fails.
func (r *running) run(ctx context.Context) error {
	if err := r.rescore(ctx); err != nil {
		return fmt.Errorf("look at the models of scores: %w", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	start := func(name string, run func(context.Context) error) {
		g.Go(func() error {
			if err := run(ctx); err != nil && !errors.Is(err, context.Canceled) {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		})
	}
	start("listen.node", func(ctx context.Context) error { return listen(ctx, r.partner) })
	start("listen.console", func(ctx context.Context) error { return listen(ctx, r.console) })
	start("adds", r.adder.Run)
	start("match", r.keeper.Run)
	start("attack", r.attack.Run)
	start("memory", r.trim)
	start("protect", r.protect.Run)
	start("feeds", r.feeds.Run)
	start("warning lists", r.recheckOnce)
	start("retain", (&retain.Worker{Store: r.db, Now: now, Log: r.env.log}).Run)
	if r.rpz != nil {
		start("rpz", func(ctx context.Context) error { return inUse(r.rpz.Run(ctx)) })
	}
	start("partners", func(ctx context.Context) error { return r.partners(ctx, start) })
	r.env.log.Info("serving", "party", r.self.Name, "node", r.config.Listen.Node, "console", r.config.Listen.Console,
		"dns", r.config.Listen.DNS, "version", versionText())
	return g.Wait()
}

// listen serves s until ctx ends, and lets requests under way finish.
func listen(ctx context.Context, s *http.Server) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.Addr)
	if err != nil {
		return inUse(err)
	}
	s.BaseContext = func(net.Listener) context.Context { return ctx }
	done := make(chan error, 1)
	go func() {
		if s.TLSConfig != nil {
			done <- s.ServeTLS(l, "", "")
			return
		}
		done <- s.Serve(l)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err = s.Shutdown(stop)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.Close()
	}
	<-done //nolint:errcheck // says that it was shut down
	return err
}

// inUse says what to look for when an address is taken.
func inUse(err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w: is another node running?", err)
	}
	return err
}
