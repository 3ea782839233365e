// SPDX-License-Identifier: Apache-2.0

package api

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"accord"
	"accord/exchange"
)

// caller is who calls, as far as the route needs to know.
type caller struct {
	party accord.Party // for partner routes
	token accord.Token // for role routes
}

// errUnauthorised asks for credentials: 401, not 403.
var errUnauthorised = errors.New("credentials are missing or not valid")

func (a *API) authorise(r *http.Request, who access) (caller, error) {
	switch {
	case who.public:
		return caller{}, nil
	case who.partner:
		parties, err := a.Store.Parties(r.Context())
		if err != nil {
			return caller{}, fmt.Errorf("read parties: %w", err)
		}
		p, err := exchange.PartyOf(r.TLS, parties)
		if err != nil {
			return caller{}, fmt.Errorf("%w: this route is for partners whose TLS key is pinned: %v", accord.ErrForbidden, err) //nolint:errorlint // 403 and not 404
		}
		return caller{party: p}, nil
	}
	t, err := a.Bearer(r)
	if err != nil {
		return caller{}, err
	}
	if t.Role.Includes(who.role) {
		return caller{token: t}, nil
	}
	return caller{}, fmt.Errorf("%w: token %q has role %q and this needs %q", accord.ErrForbidden, t.Name, t.Role, who.role)
}

// Unauthorised reports whether err of [API.Bearer] says that credentials are missing
// or not valid; any other is a failure.
func Unauthorised(err error) bool { return errors.Is(err, errUnauthorised) }

// Bearer returns the token that r carries; it fails with 401's error when there
// is none, or one that is unknown, expired or revoked: which, is not said.
func (a *API) Bearer(r *http.Request) (accord.Token, error) {
	secret, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || secret == "" {
		return accord.Token{}, errUnauthorised
	}
	t, err := a.Store.Token(r.Context(), sha256.Sum256([]byte(secret)))
	now := accord.StampOf(a.Now())
	switch {
	case errors.Is(err, accord.ErrNotFound):
		return accord.Token{}, errUnauthorised
	case err != nil:
		return accord.Token{}, fmt.Errorf("look up token: %w", err)
	case t.Revoked, t.Expires != 0 && t.Expires <= now:
		return accord.Token{}, errUnauthorised
	}
	const day = 24 * 3600 * 1_000_000
	if t.Used/day != now/day { // kept to the day: enough to see an unused token
		// Not PutToken: it would undo what was done to the token since it was read.
		if err := a.Store.UseToken(r.Context(), t.Sum, now); err != nil {
			a.Log.Warn("token use not recorded", "token", t.Name, "error", err)
		}
		t.Used = now
	}
	return t, nil
}
