// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"accord"
	"accord/api"
)

// may says which callers a route of each kind serves. Everybody else is told 401
// where a token would help and 403 where it would not.
var may = map[string][]string{
	"public":  {"nobody", "bad", "expired", "revoked", "reader", "sensor", "analyst", "director", "operator", "party", "partner", "stranger"},
	"reader":  {"reader", "analyst", "director", "operator"},
	"analyst": {"analyst", "director", "operator"},
	"sensor":  {"sensor"},
	"partner": {"partner"},
}

// unknown callers have shown no token that is good.
var unknown = []string{"nobody", "bad", "expired", "revoked", "partner", "stranger"}

// Every route is asked by every kind of caller. Routes are read from the table: a
// new one is in the matrix at once.
func TestEveryRouteServesThoseItIsForAndNobodyElse(t *testing.T) {
	w := newWorld(t)
	w.keep()
	stranger := w.stranger()
	for _, r := range api.Routes() {
		if may[r.Role] == nil {
			t.Fatalf("%s %s is for %q: say in may who that is", r.Method, r.Pattern, r.Role)
		}
		path := strings.Replace(r.Pattern, "{id}", firstIndicator, 1)
		for _, name := range may["public"] {
			c := caller{token: name}
			switch name {
			case "nobody":
				c = caller{}
			case "partner":
				c = w.partner()
			case "stranger":
				c = stranger
			}
			got := w.as(c, r.Method, path, "application/json", []byte("{}")).StatusCode
			switch {
			case slices.Contains(may[r.Role], name):
				if got == http.StatusUnauthorized || got == http.StatusForbidden && r.Pattern != "/accord/v1/log" {
					t.Errorf("%s %s by %s: %d", r.Method, r.Pattern, name, got)
				}
			case r.Role != "partner" && slices.Contains(unknown, name):
				if got != http.StatusUnauthorized {
					t.Errorf("%s %s by %s: %d, want 401", r.Method, r.Pattern, name, got)
				}
			case got != http.StatusForbidden:
				t.Errorf("%s %s by %s: %d, want 403", r.Method, r.Pattern, name, got)
			}
		}
	}
}

// Which of the three is wrong with a token is nobody's business.
func TestABadTokenAnExpiredAndARevokedOneAreToldTheSame(t *testing.T) {
	w := newWorld(t)
	want := w.as(caller{}, "GET", "/api/v1/items", "", nil)
	want.problem(t, http.StatusUnauthorized)
	if want.Header.Get("WWW-Authenticate") != `Bearer realm="accord"` {
		t.Errorf("challenge %q", want.Header.Get("WWW-Authenticate"))
	}
	for _, name := range []string{"bad", "expired", "revoked"} {
		if got := w.as(caller{token: name}, "GET", "/api/v1/items", "", nil); !bytes.Equal(got.body, want.body) {
			t.Errorf("%s: %s, want %s", name, got.body, want.body)
		}
	}
}

// A token stops at the instant it expires, and at once when it is revoked.
func TestATokenEndsWhenItShould(t *testing.T) {
	w := newWorld(t)
	ask := func() int { return w.as(caller{token: "reader"}, "GET", "/api/v1/situation", "", nil).StatusCode }
	k, err := w.DB.Token(t.Context(), sum(w.tokens["reader"]))
	if err != nil {
		t.Fatal(err)
	}
	k.Expires = stamp(w.now()) + 3600*1e6
	if err := w.DB.PutToken(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	if got := ask(); got != http.StatusOK {
		t.Errorf("an hour before it expires: %d", got)
	}
	w.ahead(2 * hour)
	if got := ask(); got != http.StatusUnauthorized {
		t.Errorf("an hour after: %d", got)
	}
	w.ahead(0)
	k.Revoked = true
	if err := w.DB.PutToken(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	if got := ask(); got != http.StatusUnauthorized {
		t.Errorf("revoked: %d", got)
	}
}

// That a token was used is kept to the day.
func TestATokensUseIsRecorded(t *testing.T) {
	w := newWorld(t)
	w.get("/api/v1/situation")
	first, err := w.DB.Token(t.Context(), sum(w.tokens["reader"]))
	if err != nil || first.Used == 0 {
		t.Fatalf("used %v, %v", first.Used, err)
	}
	w.get("/api/v1/situation")
	if again, _ := w.DB.Token(t.Context(), sum(w.tokens["reader"])); again.Used != first.Used {
		t.Error("recorded twice on one day")
	}
	w.ahead(25 * hour)
	w.get("/api/v1/situation")
	if next, _ := w.DB.Token(t.Context(), sum(w.tokens["reader"])); next.Used <= first.Used {
		t.Error("not recorded the day after")
	}
}

// revoking is a store in which a token is revoked right after it was looked up.
type revoking struct{ api.Store }

func (r revoking) Token(ctx context.Context, sum [32]byte) (accord.Token, error) {
	k, err := r.Store.Token(ctx, sum)
	if err == nil {
		gone := k
		gone.Revoked = true
		err = r.Store.(interface {
			PutToken(context.Context, accord.Token) error
		}).PutToken(ctx, gone)
	}
	return k, err
}

// What is done to a token while it is being used is not undone by its use.
func TestUsingATokenDoesNotUndoItsRevocation(t *testing.T) {
	w := newWorld(t)
	w.config.Store = revoking{w.DB}
	w.serve()
	w.get("/api/v1/situation")
	k, err := w.DB.Token(t.Context(), sum(w.tokens["reader"]))
	if err != nil || !k.Revoked || k.Used == 0 {
		t.Errorf("revoked %t, used %v, %v", k.Revoked, k.Used, err)
	}
	if got := w.get("/api/v1/situation").StatusCode; got != http.StatusUnauthorized {
		t.Errorf("a revoked token: %d", got)
	}
}

// A token in another place than the header is none: URLs end up in logs.
func TestATokenCountsInTheHeaderAlone(t *testing.T) {
	w := newWorld(t)
	w.as(caller{}, "GET", "/api/v1/situation?access_token="+w.tokens["operator"], "", nil).problem(t, http.StatusUnauthorized)
	for _, value := range []string{w.tokens["operator"], "Basic " + w.tokens["operator"], "Bearer", "Bearer ", "bearer\t" + w.tokens["operator"]} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", w.server.URL+"/api/v1/situation", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", value)
		client := w.server.Client()
		client.Transport.(*http.Transport).TLSClientConfig.InsecureSkipVerify = true
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusUnauthorized {
			t.Errorf("Authorization: %q: %d", value, res.StatusCode)
		}
	}
}

// A partner reads and writes its own log alone, whatever it claims.
func TestAPartnerCannotSpeakForAnother(t *testing.T) {
	w := newWorld(t)
	w.as(w.partner(), "GET", "/accord/v1/log?origin=fr.accord.test/to/"+w.Self.Name, "", nil).problem(t, http.StatusForbidden, "not yours")
	w.as(w.partner(), "GET", "/accord/v1/log?origin=il.accord.test/to/"+w.Self.Name, "", nil)
	a := w.announcement()
	a.Origin = "fr.accord.test/to/" + w.Self.Name
	w.as(w.partner(), "POST", "/accord/v1/log", "application/json", encode(t, a)).problem(t, http.StatusForbidden, "not yours")
	// Pinned anew with another key, the old one is a stranger's.
	il := w.nations.IL.Self
	il.TLSPin = strings.Repeat("0", 64)
	w.Pin(il)
	w.as(w.partner(), "GET", "/accord/v1/log", "", nil).problem(t, http.StatusForbidden)
}
