// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"accord"
	"accord/web/locale"
	"accord/web/page"
	"accord/web/pages/problem"
)

// serve answers one route: who asks, may they, what the page says, in HTML.
func (c *console) serve(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req := &page.Request{Request: r, Now: accord.StampOf(c.Now())}
		req.Locale = c.language(w, req)
		account, err := c.whoAsks(r, !rt.live)
		if err != nil {
			c.problem(w, req, err)
			return
		}
		req.Account = account
		req.Locale = c.language(w, req)
		if rt.role != anyone && account.Name == "" {
			c.askToSignIn(w, req, rt)
			return
		}
		if rt.role != anyone && !req.May(rt.role) {
			c.problem(w, req, fmt.Errorf("%w: needs the role %s", accord.ErrForbidden, rt.role))
			return
		}
		answer, err := rt.handle(r.Context(), req)
		if err != nil {
			c.problem(w, req, err)
			return
		}
		c.write(w, req, answer)
	})
}

// askToSignIn sends a person without a session to the door, and back afterwards.
func (c *console) askToSignIn(w http.ResponseWriter, r *page.Request, rt route) {
	switch {
	case rt.live:
		w.WriteHeader(http.StatusUnauthorized)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		http.Redirect(w, r.Request, "/sign-in", http.StatusSeeOther)
	case r.Header.Get("Sec-Fetch-Site") == "cross-site":
		// Following a link from a mail or another site, the browser keeps a Strict
		// cookie back. Asking again from our own page brings it, if there is one.
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		again := template.HTMLEscapeString(r.URL.RequestURI())
		_, _ = io.WriteString(w, `<!doctype html><title>Accord</title><meta http-equiv="refresh" content="0;url=`+again+`">`)
	default:
		to := "/sign-in"
		if next := r.URL.RequestURI(); next != "/" {
			to += "?next=" + url.QueryEscape(next)
		}
		http.Redirect(w, r.Request, to, http.StatusSeeOther)
	}
}

// write sends a page's answer.
func (c *console) write(w http.ResponseWriter, r *page.Request, a *page.Answer) {
	for _, cookie := range a.Cookies {
		http.SetCookie(w, cookie)
	}
	if a.To != "" {
		http.Redirect(w, r.Request, a.To, http.StatusSeeOther)
		return
	}
	if a.Type != "" {
		w.Header().Set("Content-Type", a.Type)
		w.Header().Set("Content-Disposition", `attachment; filename="`+a.File+`"`)
		w.Header().Set("Content-Length", strconv.Itoa(len(a.Body)))
		_, _ = w.Write(a.Body) // the reader has gone, if this fails
		return
	}
	body, err := c.pages.Render(a.Source, a.Fragment, c.frame(r, a.View))
	if err != nil {
		c.problem(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if a.Fragment != "" {
		sum := sha256.Sum256(body)
		tag := `"` + hex.EncodeToString(sum[:12]) + `"`
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if a.Status != 0 {
		w.WriteHeader(a.Status)
	}
	_, _ = w.Write(body) // the reader has gone, if this fails
}

func (c *console) frame(r *page.Request, view any) page.Frame {
	f := page.Frame{
		Locale: r.Locale, Languages: c.languages.All(), Self: c.Self, Version: c.Version,
		Account: r.Account, Path: r.URL.Path, Query: r.URL.Query(), View: view,
	}
	for _, l := range rooms {
		l.Current = l.Path == r.URL.Path || l.Path != "/" && strings.HasPrefix(r.URL.Path, l.Path+"/")
		f.Nav = append(f.Nav, l)
	}
	return f
}

// language chooses what to speak: ?lang=, then what was chosen last in this
// browser, then the account's, then what the browser asks for. A ?lang= is
// remembered; signing in and the account page set what was chosen last.
func (c *console) language(w http.ResponseWriter, r *page.Request) *locale.Locale {
	if l, ok := c.languages.Get(r.URL.Query().Get("lang")); ok {
		if len(w.Header()["Set-Cookie"]) == 0 {
			http.SetCookie(w, c.languageCookie(l.Tag))
		}
		return l
	}
	if cookie, err := r.Cookie("lang"); err == nil {
		if l, ok := c.languages.Get(cookie.Value); ok {
			return l
		}
	}
	if l, ok := c.languages.Get(r.Account.Locale); ok {
		return l
	}
	return c.languages.Accept(r.Header.Get("Accept-Language"))
}

func (c *console) languageCookie(tag string) *http.Cookie {
	return &http.Cookie{
		Name: "lang", Value: tag, Path: "/", MaxAge: 365 * 24 * 3600,
		HttpOnly: true, Secure: c.Secure, SameSite: http.SameSiteLaxMode,
	}
}

// errTooMany: the caller must slow down.
var errTooMany = errors.New("too many attempts")

// problem answers with the page of an error: the one place where errors of the
// root's kinds become statuses.
func (c *console) problem(w http.ResponseWriter, r *page.Request, err error) {
	v := &problem.View{Home: r.Account.Name != ""}
	var tooBig *http.MaxBytesError
	switch {
	case errors.Is(err, context.Canceled) && r.Context().Err() != nil:
		return // nobody is there to read it
	case errors.Is(err, accord.ErrNotFound):
		v.Status, v.Kind = http.StatusNotFound, "notfound"
	case errors.Is(err, accord.ErrForbidden):
		v.Status, v.Kind = http.StatusForbidden, "forbidden"
	case errors.Is(err, accord.ErrConflict):
		v.Status, v.Kind = http.StatusConflict, "conflict"
	case errors.Is(err, accord.ErrInvalid):
		v.Status, v.Kind = http.StatusBadRequest, "invalid"
	case errors.Is(err, errTooMany):
		v.Status, v.Kind = http.StatusTooManyRequests, "toomany"
		w.Header().Set("Retry-After", "120")
	case errors.As(err, &tooBig):
		v.Status, v.Kind = http.StatusRequestEntityTooLarge, "invalid"
	default:
		v.Status, v.Kind = http.StatusInternalServerError, "broken"
		v.Reference = c.reference()
		c.Log.Error("answer page", "err", err, "method", r.Method, "path", r.URL.Path, "reference", v.Reference)
	}
	body, err := c.pages.Render(problem.Source, "", c.frame(r, v))
	if err != nil {
		c.Log.Error("render problem", "err", err)
		http.Error(w, http.StatusText(v.Status), v.Status)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(v.Status)
	_, _ = w.Write(body)
}

// reference is a short random word that finds a log line.
func (c *console) reference() string {
	var b [5]byte
	if _, err := io.ReadFull(c.Rand, b[:]); err != nil {
		return "none"
	}
	return hex.EncodeToString(b[:])
}
