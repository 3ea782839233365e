// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"accord"
	"accord/web/page"
	"accord/web/pages/account"
)

func (c *console) account(_ context.Context, r *page.Request) (*page.Answer, error) {
	v := c.accountView(r)
	if done := r.URL.Query().Get("done"); done == "language" || done == "password" {
		v.Done = done + "-done"
	}
	return &page.Answer{Source: account.Source, View: v}, nil
}

func (c *console) accountView(r *page.Request) *account.View {
	return account.ViewOf(r.Account, c.languages, minPassword)
}

func (c *console) doLanguage(ctx context.Context, r *page.Request) (*page.Answer, error) {
	tag := r.PostFormValue("locale")
	if _, ok := c.languages.Get(tag); !ok && tag != "" {
		return nil, fmt.Errorf("%w: language %q", accord.ErrInvalid, tag)
	}
	if err := c.Store.SetLocale(ctx, r.Account.Name, tag); err != nil {
		return nil, fmt.Errorf("set language: %w", err)
	}
	cookie := c.languageCookie(tag)
	if tag == "" {
		cookie.MaxAge = -1
	}
	return &page.Answer{To: "/account?done=language", Cookies: []*http.Cookie{cookie}}, nil
}

// doPassword sets a password: the present one is asked for when there is one,
// attempts are counted as at the door. Every other session and link of the account
// ends, and this session gets a new secret.
func (c *console) doPassword(ctx context.Context, r *page.Request) (*page.Answer, error) {
	if r.Account.Password != "" {
		_, err := c.checkSecret(ctx, r, r.Account.Name, r.PostFormValue("current"))
		if errors.Is(err, accord.ErrForbidden) {
			return c.refuse(r, "wrong"), nil
		} else if err != nil {
			return nil, err
		}
	}
	fresh := r.PostFormValue("new")
	switch err := acceptable(r.Account.Name, fresh); {
	case errors.Is(err, errSame):
		return c.refuse(r, "same"), nil
	case err != nil:
		return c.refuse(r, "short"), nil //nolint:nilerr // the page says it
	case fresh != r.PostFormValue("again"):
		return c.refuse(r, "differ"), nil
	}
	phc, err := HashPassword(fresh, c.Rand)
	if err != nil {
		return nil, err
	}
	// The session that asks stays until open replaces it: should that fail, its
	// owner is not locked out.
	if err := c.Store.SetPassword(ctx, r.Account.Name, phc, c.sessionSum(r.Request)); err != nil {
		return nil, fmt.Errorf("set password: %w", err)
	}
	if err := c.audit(ctx, r, r.Account.Name, "account.password", "changed"); err != nil {
		return nil, err
	}
	return c.open(ctx, r, r.Account, "password change", "/account?done=password")
}

func (c *console) refuse(r *page.Request, problem string) *page.Answer {
	v := c.accountView(r)
	v.Problem = problem
	return &page.Answer{Status: http.StatusUnprocessableEntity, Source: account.Source, View: v}
}
