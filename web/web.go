// SPDX-License-Identifier: Apache-2.0

// Package web is the console: what analysts, operators and lawyers of an
// authority look at, rendered on the server in four languages.
//
// [New] gives one http.Handler. Every route stands in one table (routes.go) with
// the least role that may use it; every page is a folder under web/pages; what
// is said is in web/locale. Pages work without JavaScript; one small module
// refreshes the situation page. The Content-Security-Policy allows nothing
// inline and nothing from elsewhere. Sessions are 32 random bytes kept as their
// SHA-256; passwords are argon2id (RFC 9106) in PHC string form. Instants shown
// are UTC.
//
// The four kinds of root error become pages with statuses 404, 403, 409 and 400;
// any other error is logged once, with a reference, and becomes 500. The handler
// is safe for concurrent use; it starts no goroutine.
package web

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"accord"
	"accord/knowledge"
	"accord/web/locale"
	"accord/web/node"
	"accord/web/page"
	"accord/web/pages/attack"
	"accord/web/pages/feeds"
	"accord/web/pages/item"
	"accord/web/pages/items"
	"accord/web/pages/ledger"
	"accord/web/pages/matches"
	"accord/web/pages/parties"
	"accord/web/pages/protections"
	"accord/web/pages/retract"
	"accord/web/pages/situation"
)

// Store is everything the console reads and writes: what each page needs, and
// who may come in.
type Store interface {
	situation.Store
	items.Store
	item.Store
	retract.Store
	matches.Store
	protections.Store
	ledger.Store
	parties.Store
	feeds.Store
	AccountStore
	TicketStore
}

// AccountStore keeps people and their sessions.
type AccountStore interface {
	Account(ctx context.Context, name string) (accord.Account, error)
	SetLocale(ctx context.Context, account, locale string) error
	// SetPassword ends every session and ticket of the account but the session
	// keep. A disabled account is ErrForbidden.
	SetPassword(ctx context.Context, account, phc string, keep [32]byte) error
	// PutSession stores a session, or replaces the one with the same sum.
	PutSession(ctx context.Context, s accord.Session) error
	Session(ctx context.Context, sum [32]byte) (accord.Session, error)
	// ExtendSession moves a session's end; one that is gone stays gone, ErrNotFound.
	ExtendSession(ctx context.Context, sum [32]byte, expires accord.Stamp) error
	DeleteSession(ctx context.Context, sum [32]byte) error
	// TakeTicket returns an unexpired ticket and deletes it.
	TakeTicket(ctx context.Context, sum [32]byte, at accord.Stamp) (accord.Session, error)
	Audit(ctx context.Context, e accord.AuditEntry) error
}

// Node is what the console asks of the running node beyond its store.
type Node = node.Node

// Attack gives ATT&CK as it is held now.
type Attack = attack.Base

// Config is what the console is made with. Store, Node, Now and Self are needed.
type Config struct {
	Store   Store
	Node    Node
	Attack  Attack // nil = an empty base
	Now     func() time.Time
	Rand    io.Reader    // secrets come from here; nil = crypto/rand
	Log     *slog.Logger // nil = nowhere
	Secure  bool         // people reach it over TLS: Secure cookies and HSTS
	URL     string       // https://…, where a TLS proxy on this machine serves it; implies Secure
	Self    accord.Party
	Version string
}

// console is the handler's state; it does not change after New.
type console struct {
	Config
	languages *locale.Set
	pages     *page.Set
	assets    *assets
	guard     *guard
}

// New returns the console's handler.
func New(cfg Config) (http.Handler, error) {
	if cfg.Store == nil || cfg.Node == nil || cfg.Now == nil {
		return nil, errors.New("open console: Store, Node and Now are needed")
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Attack == nil {
		cfg.Attack = nothingKnown{}
	}
	cfg.Secure = cfg.Secure || cfg.URL != ""
	languages, err := locale.Load()
	if err != nil {
		return nil, fmt.Errorf("open console: %w", err)
	}
	assets, err := newAssets(sources)
	if err != nil {
		return nil, fmt.Errorf("open console: %w", err)
	}
	pages, err := page.Compile(sources, languages, assets.url)
	if err != nil {
		return nil, fmt.Errorf("open console: %w", err)
	}
	c := &console{Config: cfg, languages: languages, pages: pages, assets: assets}
	if c.guard, err = newGuard(cfg.Now, cfg.Rand); err != nil {
		return nil, fmt.Errorf("open console: %w", err)
	}
	mux := http.NewServeMux()
	for _, r := range c.routes() {
		mux.Handle(r.method+" "+r.pattern, c.serve(r))
	}
	mux.Handle("GET /assets/", assets)
	mux.Handle("/", c.serve(route{handle: nothing}))

	origin := http.NewCrossOriginProtection()
	if cfg.URL != "" { // the proxy may name this console otherwise in Host
		if err := origin.AddTrustedOrigin(strings.TrimRight(cfg.URL, "/")); err != nil {
			return nil, fmt.Errorf("open console: %w: URL %q: %w", accord.ErrInvalid, cfg.URL, err)
		}
	}
	origin.SetDenyHandler(c.serve(route{handle: crossOrigin}))
	return c.headers(http.MaxBytesHandler(origin.Handler(mux), 64<<10)), nil
}

// nothingKnown is an empty base.
type nothingKnown struct{}

func (nothingKnown) Base() *knowledge.Base { return &knowledge.Base{} }

func nothing(context.Context, *page.Request) (*page.Answer, error) { return nil, accord.ErrNotFound }

func crossOrigin(context.Context, *page.Request) (*page.Answer, error) {
	return nil, fmt.Errorf("%w: posted from another site", accord.ErrForbidden)
}

// policy lets a page use its own origin's style sheet, module, images and forms,
// refresh a fragment of itself, and nothing else.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

func (c *console) headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		// Not no-referrer: a form's Origin would become "null" and be refused.
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
		h.Set("Cache-Control", "no-store")
		if c.Secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}
