// SPDX-License-Identifier: Apache-2.0

package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"accord"
	"accord/web/page"
)

func TestTheLimiterForgetsRatherThanGrows(t *testing.T) {
	now := noon
	l := newLimiter(func() time.Time { return now }, 2, time.Minute)
	for i := range maxKeys + 500 {
		l.take(fmt.Sprint(i))
	}
	if len(l.keys) > maxKeys || l.used.Len() != len(l.keys) {
		t.Errorf("%d keys, %d in order", len(l.keys), l.used.Len())
	}
	if _, ok := l.keys["0"]; ok {
		t.Error("the least recently used is still there")
	}
	l.give("700")
	if _, ok := l.keys["700"]; ok || l.used.Len() != len(l.keys) {
		t.Error("a full allowance is remembered")
	}
}

// Whoever is held back stays so, however many others come.
func TestTheLimiterNeverForgetsWhoIsHeldBack(t *testing.T) {
	now := noon
	l := newLimiter(func() time.Time { return now }, 2, time.Minute)
	for l.take("guesser") {
	}
	for i := range 3 * maxKeys {
		l.take(fmt.Sprint(i))
	}
	if l.take("guesser") {
		t.Error("the guesser begins anew")
	}
	now = now.Add(time.Minute)
	if !l.take("guesser") || l.take("guesser") {
		t.Error("it does not refill one by one")
	}

	// All are held back: the next key is refused, until one of them is not.
	l = newLimiter(func() time.Time { return now }, 1, time.Minute)
	for i := range maxKeys {
		l.take(fmt.Sprint(i))
	}
	if l.take("one more") || len(l.keys) != maxKeys {
		t.Errorf("one more is let in, %d keys", len(l.keys))
	}
	now = now.Add(time.Minute)
	if !l.take("one more") {
		t.Error("refused though there is room")
	}
}

func TestANameTooLongToBeAnAccountsIsNotRemembered(t *testing.T) {
	store, n := newWorld()
	h, err := New(Config{Store: store, Node: n, Now: func() time.Time { return noon }, Self: self})
	if err != nil {
		t.Fatal(err)
	}
	c := &console{Config: Config{Store: store, Now: func() time.Time { return noon }}}
	if c.guard, err = newGuard(c.Now, strings.NewReader(strings.Repeat("x", 100))); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("a", MaxName+1)
	r := &page.Request{Request: httptest.NewRequest("POST", "/sign-in", nil)}
	for range 30 {
		if _, err := c.checkSecret(t.Context(), r, long, secretWords); !errors.Is(err, accord.ErrForbidden) {
			t.Fatal(err)
		}
	}
	if len(c.guard.accounts.keys) != 0 {
		t.Error("it became a key")
	}
	if _, err := c.checkSecret(t.Context(), r, long, secretWords); !errors.Is(err, errTooMany) {
		t.Errorf("guessing long names is not slowed: %v", err)
	}

	form := url.Values{"account": {strings.Repeat("é", 5_000)}, "password": {secretWords}}
	post := httptest.NewRequest("POST", "/sign-in", strings.NewReader(form.Encode()))
	post.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, post)
	if rec.Code != http.StatusUnauthorized || strings.Count(rec.Body.String(), "é") > 200 {
		t.Errorf("status %d, the name is given back whole", rec.Code)
	}
}

func TestAddressesAreCountedBySubscriber(t *testing.T) {
	for remote, want := range map[string]string{
		"203.0.113.7:4711":                 "203.0.113.7",
		"[::ffff:203.0.113.7]:4711":        "203.0.113.7",
		"[2001:db8:1:2:3:4:5:6]:4711":      "2001:db8:1:2::/64",
		"[fe80::1%eth0]:4711":              "fe80::/64",
		"nonsense":                         "nonsense",
		"[2001:db8:1:2:ffff:ffff::1]:4711": "2001:db8:1:2::/64",
	} {
		if got := new(console).address(&http.Request{RemoteAddr: remote}); got != want {
			t.Errorf("address(%s) = %s, want %s", remote, got, want)
		}
	}
}

// A proxy is believed only where there is one, about the last client alone.
func TestTheClientBehindAProxyIsTheLastThatItNames(t *testing.T) {
	for _, tt := range []struct {
		url, remote string
		forwarded   []string
		want        string
	}{
		{"https://console.cert.xa.example", "127.0.0.1:4711", []string{"203.0.113.7"}, "203.0.113.7"},
		{"https://console.cert.xa.example", "[::1]:4711", []string{"192.0.2.1, 203.0.113.7"}, "203.0.113.7"},
		{"https://console.cert.xa.example", "127.0.0.1:4711", []string{"192.0.2.1", "198.51.100.9 ,203.0.113.7"}, "203.0.113.7"},
		{"https://console.cert.xa.example", "127.0.0.1:4711", []string{"2001:db8:1:2:3:4:5:6"}, "2001:db8:1:2::/64"},
		{"https://console.cert.xa.example", "127.0.0.1:4711", []string{"203.0.113.7:9999"}, "203.0.113.7"},
		{"https://console.cert.xa.example", "127.0.0.1:4711", []string{"203.0.113.7, unknown"}, "127.0.0.1"},
		{"https://console.cert.xa.example", "127.0.0.1:4711", nil, "127.0.0.1"},
		{"https://console.cert.xa.example", "198.51.100.1:4711", []string{"203.0.113.7"}, "198.51.100.1"},
		{"", "127.0.0.1:4711", []string{"203.0.113.7"}, "127.0.0.1"},
	} {
		c := &console{Config: Config{URL: tt.url}}
		r := &http.Request{RemoteAddr: tt.remote, Header: http.Header{"X-Forwarded-For": tt.forwarded}}
		if got := c.address(r); got != tt.want {
			t.Errorf("%s from %s for %q: %s, want %s", tt.url, tt.remote, tt.forwarded, got, tt.want)
		}
	}
}

func TestBehindAProxyCookiesAreSecureAndItsOriginIsTrusted(t *testing.T) {
	store, n := newWorld()
	h, err := New(Config{Store: store, Node: n, Now: func() time.Time { return noon }, Self: self, URL: "https://console.cert.xa.example/"})
	if err != nil {
		t.Fatal(err)
	}
	for origin, want := range map[string]int{"https://console.cert.xa.example": http.StatusSeeOther, "https://evil.example": http.StatusForbidden} {
		path, err := NewTicket(t.Context(), store, "reader", time.Hour, noon)
		if err != nil {
			t.Fatal(err)
		}
		form := url.Values{"t": {strings.TrimPrefix(path, "/sign-in/link?t=")}}
		r := httptest.NewRequest("POST", "/sign-in/link", strings.NewReader(form.Encode()))
		r.Host = "127.0.0.1:8441"
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", origin)
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if rec.Code != want || rec.Header().Get("Strict-Transport-Security") == "" {
			t.Errorf("from %s: %d with %v", origin, rec.Code, rec.Header())
		}
		if c := cookieOf(rec.Result(), "__Host-"+sessionName); want == http.StatusSeeOther && (c == nil || !c.Secure) {
			t.Errorf("cookie %v", c)
		}
	}
	if _, err := New(Config{Store: store, Node: n, Now: func() time.Time { return noon }, URL: "console"}); err == nil {
		t.Error("a URL that is none is taken")
	}
}
