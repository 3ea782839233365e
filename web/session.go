// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"accord"
	"accord/web/page"
	"accord/web/pages/signin"
)

// How long a session lives: without use, and at all (NIST SP 800-63B-4 §2.2.3).
const (
	idle     = time.Hour
	lifetime = 12 * time.Hour
	// touch is how stale a session's expiry may get before it is written again.
	touch = time.Minute
)

// MaxName is how many bytes an account's name has at most: one that is longer
// cannot sign in with a password.
const MaxName = 100

// TicketStore keeps sign-in links until they are used.
type TicketStore interface {
	PutSession(ctx context.Context, s accord.Session) error
}

// NewTicket makes a one-time sign-in link for account, good for ttl from now. It
// returns the URL's path and query, to be put behind the console's base URL.
func NewTicket(ctx context.Context, store TicketStore, account string, ttl time.Duration, now time.Time) (path string, err error) {
	secret, sum, err := newSecret(rand.Reader)
	if err != nil {
		return "", fmt.Errorf("make sign-in link: %w", err)
	}
	err = store.PutSession(ctx, accord.Session{
		Sum: sum, Account: account, Ticket: true,
		Created: accord.StampOf(now), Expires: accord.StampOf(now.Add(ttl)),
	})
	if err != nil {
		return "", fmt.Errorf("make sign-in link: %w", err)
	}
	return "/sign-in/link?t=" + secret, nil
}

// newSecret returns 32 random bytes as text, and what is stored of them.
func newSecret(random io.Reader) (secret string, sum [32]byte, err error) {
	var b [32]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", sum, err
	}
	secret = base64.RawURLEncoding.EncodeToString(b[:])
	return secret, sumOf(secret), nil
}

func sumOf(secret string) [32]byte { return sha256.Sum256([]byte(secret)) }

// cookieName differs from party to party: browsers do not keep cookies apart by
// port, so two consoles on one host would end each other's sessions.
func (c *console) cookieName() string {
	sum := sha256.Sum256([]byte(c.Self.Name))
	name := "accord-" + hex.EncodeToString(sum[:4])
	if c.Secure {
		return "__Host-" + name
	}
	return name
}

func (c *console) sessionCookie(secret string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: c.cookieName(), Value: secret, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: c.Secure, SameSite: http.SameSiteStrictMode,
	}
}

// sessionSum is what is stored of the secret that r carries.
func (c *console) sessionSum(r *http.Request) [32]byte {
	cookie, err := r.Cookie(c.cookieName())
	if err != nil {
		return [32]byte{}
	}
	return sumOf(cookie.Value)
}

// whoAsks returns the account behind the request's session, the zero Account
// when there is none. awake keeps the session from idling out.
func (c *console) whoAsks(r *http.Request, awake bool) (accord.Account, error) {
	cookie, err := r.Cookie(c.cookieName())
	if err != nil || len(cookie.Value) > 100 {
		return accord.Account{}, nil //nolint:nilerr // no cookie, nobody
	}
	s, err := c.Store.Session(r.Context(), sumOf(cookie.Value))
	if errors.Is(err, accord.ErrNotFound) {
		return accord.Account{}, nil
	} else if err != nil {
		return accord.Account{}, fmt.Errorf("read session: %w", err)
	}
	now := c.Now()
	end := s.Created.Time().Add(lifetime)
	if s.Ticket || !now.Before(s.Expires.Time()) || !now.Before(end) {
		return accord.Account{}, nil
	}
	a, err := c.Store.Account(r.Context(), s.Account)
	if errors.Is(err, accord.ErrNotFound) || err == nil && (a.Disabled || !a.Role.Includes(accord.RoleReader)) {
		return accord.Account{}, nil
	} else if err != nil {
		return accord.Account{}, fmt.Errorf("read account: %w", err)
	}
	if until := earlier(now.Add(idle), end); awake && until.Sub(s.Expires.Time()) > touch {
		err := c.Store.ExtendSession(r.Context(), s.Sum, accord.StampOf(until))
		if errors.Is(err, accord.ErrNotFound) { // it ended since it was read
			return accord.Account{}, nil
		} else if err != nil {
			return accord.Account{}, fmt.Errorf("keep session: %w", err)
		}
	}
	return a, nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// open starts a session for a, ending the one the browser had, and goes to next.
func (c *console) open(ctx context.Context, r *page.Request, a accord.Account, how, next string) (*page.Answer, error) {
	if old, err := r.Cookie(c.cookieName()); err == nil {
		if err := c.Store.DeleteSession(ctx, sumOf(old.Value)); err != nil && !errors.Is(err, accord.ErrNotFound) {
			return nil, fmt.Errorf("end session: %w", err)
		}
	}
	secret, sum, err := newSecret(c.Rand)
	if err != nil {
		return nil, fmt.Errorf("open session: %w", err)
	}
	now := c.Now()
	s := accord.Session{Sum: sum, Account: a.Name, Created: accord.StampOf(now), Expires: accord.StampOf(now.Add(idle))}
	if err := c.Store.PutSession(ctx, s); err != nil {
		return nil, fmt.Errorf("open session: %w", err)
	}
	if err := c.audit(ctx, r, a.Name, "session.open", how); err != nil {
		return nil, err
	}
	cookies := []*http.Cookie{c.sessionCookie(secret, int(lifetime.Seconds()))}
	if a.Locale != "" {
		cookies = append(cookies, c.languageCookie(a.Locale))
	}
	return &page.Answer{To: next, Cookies: cookies}, nil
}

func (c *console) audit(ctx context.Context, r *page.Request, who, what, detail string) error {
	e := accord.AuditEntry{At: r.Now, Who: who, What: what, Object: who, Detail: detail + " from " + c.address(r.Request)}
	if err := c.Store.Audit(ctx, e); err != nil {
		return fmt.Errorf("audit %s: %w", what, err)
	}
	return nil
}

func (c *console) signIn(_ context.Context, r *page.Request) (*page.Answer, error) {
	next := localPath(r.URL.Query().Get("next"))
	if r.Account.Name != "" {
		return &page.Answer{To: next}, nil
	}
	return &page.Answer{Source: signin.Source, View: &signin.View{Next: next}}, nil
}

func (c *console) doSignIn(ctx context.Context, r *page.Request) (*page.Answer, error) {
	if err := r.ParseForm(); err != nil {
		return nil, fmt.Errorf("%w: form: %w", accord.ErrInvalid, err)
	}
	name, next := strings.TrimSpace(r.PostFormValue("account")), localPath(r.PostFormValue("next"))
	a, err := c.checkSecret(ctx, r, name, r.PostFormValue("password"))
	if errors.Is(err, accord.ErrForbidden) {
		if err := c.audit(ctx, r, clip(name), "session.refused", "password"); err != nil {
			return nil, err
		}
		v := &signin.View{Account: clip(name), Next: next, Problem: "wrong"}
		return &page.Answer{Status: http.StatusUnauthorized, Source: signin.Source, View: v}, nil
	} else if err != nil {
		return nil, err
	}
	return c.open(ctx, r, a, "password", next)
}

// checkSecret returns the account whose password was given, or ErrForbidden
// after the same work whether or not the account exists, or errTooMany.
func (c *console) checkSecret(ctx context.Context, r *page.Request, name, password string) (accord.Account, error) {
	if len(name) > MaxName { // no account's, and too long to be remembered
		if !c.guard.enter("", c.address(r.Request)) {
			return accord.Account{}, errTooMany
		}
		return accord.Account{}, fmt.Errorf("%w: account or password", accord.ErrForbidden)
	}
	if !c.guard.enter(name, c.address(r.Request)) {
		return accord.Account{}, errTooMany
	}
	a, err := c.Store.Account(ctx, name)
	if err != nil && !errors.Is(err, accord.ErrNotFound) {
		return accord.Account{}, fmt.Errorf("read account: %w", err)
	}
	known := err == nil && !a.Disabled && a.Role.Includes(accord.RoleReader)
	right, err := c.guard.check(ctx, a.Password, password)
	if err != nil {
		return accord.Account{}, err
	}
	if !known || !right {
		return accord.Account{}, fmt.Errorf("%w: account or password", accord.ErrForbidden)
	}
	c.guard.welcome(name, c.address(r.Request))
	return a, nil
}

func (c *console) link(_ context.Context, r *page.Request) (*page.Answer, error) {
	v := &signin.View{Ticket: r.URL.Query().Get("t")}
	if v.Ticket == "" || len(v.Ticket) > 100 {
		v = &signin.View{Problem: "badlink", Next: "/"}
	}
	return &page.Answer{Source: signin.Source, View: v}, nil
}

// doLink takes nothing from an allowance: a link's 256 random bits cannot be
// guessed, and who guesses passwords must not keep others from theirs.
func (c *console) doLink(ctx context.Context, r *page.Request) (*page.Answer, error) {
	var a accord.Account
	s, err := c.Store.TakeTicket(ctx, sumOf(r.PostFormValue("t")), r.Now)
	if err == nil {
		a, err = c.Store.Account(ctx, s.Account)
	}
	if err != nil && !errors.Is(err, accord.ErrNotFound) {
		return nil, fmt.Errorf("take ticket: %w", err)
	}
	if err != nil || !s.Ticket || s.Expires <= r.Now || a.Disabled || !a.Role.Includes(accord.RoleReader) {
		v := &signin.View{Problem: "badlink", Next: "/"}
		return &page.Answer{Status: http.StatusUnauthorized, Source: signin.Source, View: v}, nil //nolint:nilerr // the page says it
	}
	return c.open(ctx, r, a, "link", "/")
}

func (c *console) doSignOut(ctx context.Context, r *page.Request) (*page.Answer, error) {
	if cookie, err := r.Cookie(c.cookieName()); err == nil {
		if err := c.Store.DeleteSession(ctx, sumOf(cookie.Value)); err != nil && !errors.Is(err, accord.ErrNotFound) {
			return nil, fmt.Errorf("end session: %w", err)
		}
	}
	if r.Account.Name != "" {
		if err := c.audit(ctx, r, r.Account.Name, "session.close", "sign-out"); err != nil {
			return nil, err
		}
	}
	return &page.Answer{To: "/sign-in", Cookies: []*http.Cookie{c.sessionCookie("", -1)}}, nil
}

// localPath returns next when it is a path of this console, else "/": browsers
// read "//host", "/\host" and tabs inside either as another host.
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || len(next) > 2000 || !strings.HasPrefix(next, "/") || u.Scheme != "" || u.Host != "" || u.User != nil {
		return "/"
	}
	for _, r := range next {
		if r <= ' ' || r == '\\' || r == 0x7f {
			return "/"
		}
	}
	if strings.HasPrefix(next, "//") || strings.HasPrefix(u.Path, "//") || strings.Contains(u.Path, "\\") || strings.HasPrefix(next, "/sign-") {
		return "/"
	}
	return next
}

// clip keeps a name that nobody has checked short enough to store.
func clip(s string) string {
	s = strings.ToValidUTF8(s, "�")
	return string([]rune(s)[:min(len([]rune(s)), 100)])
}
