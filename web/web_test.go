// SPDX-License-Identifier: Apache-2.0

package web

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"accord"
)

// world is a console over the invented world, on loopback.
type world struct {
	store   *fakeStore
	node    *fakeNode
	handler http.Handler
	url     string
	client  *http.Client // follows no redirect, keeps no cookie

	mu  sync.Mutex
	now time.Time
}

func start(t *testing.T) *world {
	t.Helper()
	w := &world{now: noon}
	w.store, w.node = newWorld()
	var err error
	w.handler, err = New(Config{Store: w.store, Node: w.node, Now: w.clock, Self: self, Version: "0.1.0"})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(w.handler)
	t.Cleanup(s.Close)
	w.url, w.client = s.URL, s.Client()
	w.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// session signs account in behind the door and returns the cookie's secret.
func (w *world) session(t *testing.T, account string) string {
	t.Helper()
	secret, sum, err := newSecret(strings.NewReader(strings.Repeat(account+"-secret-", 9)))
	if err != nil {
		t.Fatal(err)
	}
	now := w.clock()
	if err := w.store.PutSession(t.Context(), accord.Session{Sum: sum, Account: account, Created: accord.StampOf(now), Expires: accord.StampOf(now.Add(idle))}); err != nil {
		t.Fatal(err)
	}
	return secret
}

// ask sends a request with a session (none when secret is empty); a form makes
// it a POST as a browser of this console sends it.
func (w *world) ask(t *testing.T, method, path, secret string, form url.Values, headers ...string) (*http.Response, string) {
	t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(t.Context(), method, w.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if secret != "" {
		r.AddCookie(&http.Cookie{Name: "accord", Value: secret})
	}
	res, err := w.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}
