// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
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
	w.handler, err = New(Config{Store: w.store, Node: w.node, Attack: w.store.attack, Now: w.clock, Self: self, Version: "0.1.0"})
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
		r.AddCookie(&http.Cookie{Name: sessionName, Value: secret})
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

func TestRetractionAsksForAReasonAndIsTheGiversAlone(t *testing.T) {
	w := start(t)
	s := w.session(t, "analyst")
	path := "/items/" + botnet + "/retract"
	_, page := w.ask(t, "GET", path, s, nil)
	for _, want := range []string{"cert.xb.example", "cert.xe.example"} {
		if !strings.Contains(page, want) {
			t.Errorf("%s is not named among those to be told", want)
		}
	}
	if strings.Contains(page, "cert.xf.example") {
		t.Error("who has been told already is named again")
	}
	for _, form := range []url.Values{{}, {"reason": {"  "}, "sure": {"yes"}}, {"reason": {"false positive"}}, {"reason": {strings.Repeat("é", 251)}, "sure": {"yes"}}, {"reason": {"\u202etxt.exe"}, "sure": {"yes"}}} {
		if res, _ := w.ask(t, "POST", path, s, form); res.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%v: %s", form, res.Status)
		}
	}
	res, _ := w.ask(t, "POST", path, s, url.Values{"reason": {" false\r\n positive "}, "sure": {"yes"}})
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/items/"+botnet {
		t.Errorf("retract: %s", res.Status)
	}
	if got := strings.Join(w.node.retracted, ";"); got != botnet+" false positive analyst" {
		t.Errorf("retracted %q", got)
	}
	for id, want := range map[string]int{foreign: 403, "indicator--11112222-3333-4d5e-b1c9-1a2b3c4d5e06": 409, "indicator--none": 404} {
		if res, _ := w.ask(t, "POST", "/items/"+id+"/retract", s, url.Values{"reason": {"x"}, "sure": {"yes"}}); res.StatusCode != want {
			t.Errorf("%s: %s, want %d", id, res.Status, want)
		}
	}
}

func TestAnItemSaysWhoHasItWhoMayNotAndWhy(t *testing.T) {
	w := start(t)
	_, body := w.ask(t, "GET", "/items/"+botnet, w.session(t, "reader"), nil)
	for _, want := range []string{
		"may have a redacted copy", "may not have it", "Article <bdi>1</bdi> of <bdi>xa-xc-pilot</bdi>: it is <bdi>TLP:AMBER+STRICT</bdi>, above <bdi>TLP:GREEN</bdi>.",
		"No agreement is in force from <bdi>cert.xa.example</bdi> to <bdi>poll.xd.example</bdi>.", "object_refs[1], x_note", "not confirmed yet", "/agreements/xa-xb-2026?version=2",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Contains(body, "/retract") {
		t.Error("a reader is offered to retract")
	}
	w.node.fail["Explain"] = errDisk
	_, body = w.ask(t, "GET", "/items/"+botnet, w.session(t, "analyst"), nil)
	if !strings.Contains(body, "could not be made just now") || !strings.Contains(body, "/retract") {
		t.Error("without decisions the rest is not shown")
	}
	if _, old := w.ask(t, "GET", "/items/"+botnet+"?version="+strconv.FormatInt(int64(ago(220*time.Hour)), 10), w.session(t, "reader"), nil); !strings.Contains(old, "<h1><bdi>Loader beacon</bdi>") {
		t.Error("the old version is not shown")
	}
	for path, want := range map[string]int{"?version=x": 400, "?version=1": 404} {
		if res, _ := w.ask(t, "GET", "/items/"+botnet+path, w.session(t, "reader"), nil); res.StatusCode != want {
			t.Errorf("%s: %s", path, res.Status)
		}
	}
}

func TestVerifyingALogShowsWhatFailed(t *testing.T) {
	w := start(t)
	s := w.session(t, "reader")
	_, good := w.ask(t, "POST", "/ledger/verify", s, url.Values{"origin": {"cert.xa.example/to/cert.xb.example"}})
	_, bad := w.ask(t, "POST", "/ledger/verify", s, url.Values{"origin": {"cert.xc.example/to/cert.xa.example"}})
	if !strings.Contains(good, "Verified") || strings.Contains(good, "Does not verify") {
		t.Error("a good log does not verify")
	}
	if !strings.Contains(bad, "Does not verify") || !strings.Contains(bad, "compare keys") {
		t.Error("a bad log verifies")
	}
	if res, _ := w.ask(t, "POST", "/ledger/verify", s, url.Values{"origin": {"cert.zz.example/to/x"}}); res.StatusCode != http.StatusNotFound {
		t.Errorf("an unknown log: %s", res.Status)
	}
}

func TestWhatBreaksIsLoggedNotShown(t *testing.T) {
	w := start(t)
	var log bytes.Buffer
	h, err := New(Config{Store: w.store, Node: w.node, Now: w.clock, Self: self, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	w.store.fail["Counts"] = errDisk
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: sessionName, Value: w.session(t, "reader")})
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	body := rec.Body.String()
	if rec.Code != http.StatusInternalServerError || strings.Contains(body, "sector") {
		t.Errorf("%d: %s", rec.Code, body)
	}
	_, ref, _ := strings.Cut(body, `<bdi class="id" dir="ltr">`)
	ref, _, _ = strings.Cut(ref, "<")
	if len(ref) != 10 || !strings.Contains(log.String(), "reference="+ref) || !strings.Contains(log.String(), "sector 7") {
		t.Errorf("reference %q, log %s", ref, log.String())
	}
}

func TestTheLiveFragmentIsSentOnceAsLongAsItIsTheSame(t *testing.T) {
	w := start(t)
	s := w.session(t, "reader")
	res, body := w.ask(t, "GET", "/situation/live", s, nil)
	tag := res.Header.Get("ETag")
	if tag == "" || strings.Contains(body, "<html") || !strings.Contains(body, "1,612,408") {
		t.Fatalf("%s %q: %.200s", res.Status, tag, body)
	}
	if res, _ := w.ask(t, "GET", "/situation/live", s, nil, "If-None-Match", tag); res.StatusCode != http.StatusNotModified {
		t.Errorf("unchanged: %s", res.Status)
	}
	w.store.setItems(3)
	if res, _ := w.ask(t, "GET", "/situation/live", s, nil, "If-None-Match", tag); res.StatusCode != http.StatusOK {
		t.Errorf("changed: %s", res.Status)
	}
}

func TestTheLanguageIsTheOneChosenLast(t *testing.T) {
	w := start(t)
	speaks := func(path string, headers ...string) string {
		_, body := w.ask(t, "GET", path, "", nil, headers...)
		_, tag, _ := strings.Cut(body, `<html lang="`)
		return tag[:2]
	}
	if got := speaks("/sign-in", "Accept-Language", "ar"); got != "ar" {
		t.Errorf("Accept-Language: %s", got)
	}
	if got := speaks("/sign-in", "Accept-Language", "ar", "Cookie", "lang=he"); got != "he" {
		t.Errorf("cookie: %s", got)
	}
	if got := speaks("/sign-in?lang=fr", "Cookie", "lang=he"); got != "fr" {
		t.Errorf("?lang: %s", got)
	}
	if got := speaks("/sign-in?lang=xx", "Cookie", "lang=zz"); got != "en" {
		t.Errorf("unknown: %s", got)
	}
	res, _ := w.ask(t, "GET", "/sign-in?lang=ar", "", nil)
	if c := cookieOf(res, "lang"); c == nil || c.Value != "ar" || !c.HttpOnly {
		t.Errorf("cookie = %v", c)
	}
	s := w.session(t, "reader")
	res, _ = w.ask(t, "POST", "/account/language", s, url.Values{"locale": {"he"}})
	if c := cookieOf(res, "lang"); c == nil || c.Value != "he" || w.store.accounts["reader"].Locale != "he" {
		t.Errorf("account: %v", c)
	}
	if _, body := w.ask(t, "GET", "/", s, nil, "Accept-Language", "fr"); !strings.Contains(body, `<html lang="he" dir="rtl">`) {
		t.Error("the account's language is not spoken")
	}
	if res, _ := w.ask(t, "POST", "/account/language", s, url.Values{"locale": {"../en"}}); res.StatusCode != http.StatusBadRequest {
		t.Errorf("a language that is none: %s", res.Status)
	}
}

func TestAssetsAreImmutableAndNamedByContent(t *testing.T) {
	w := start(t)
	_, body := w.ask(t, "GET", "/sign-in", "", nil)
	for _, m := range regexp.MustCompile(`/assets/[a-z]+-[0-9a-f]{16}\.[a-z]+`).FindAllString(body, -1) {
		res, content := w.ask(t, "GET", m, "", nil)
		if res.StatusCode != http.StatusOK || !strings.Contains(res.Header.Get("Cache-Control"), "immutable") || res.Header.Get("X-Content-Type-Options") != "nosniff" || content == "" {
			t.Errorf("%s: %s %v", m, res.Status, res.Header)
		}
		if strings.HasSuffix(m, ".js") && len(content) > 3000 {
			t.Errorf("the script has grown to %d bytes", len(content))
		}
	}
	if res, _ := w.ask(t, "GET", "/assets/console-0000000000000000.css", "", nil); res.StatusCode != http.StatusNotFound {
		t.Errorf("an old name: %s", res.Status)
	}
	if res, _ := w.ask(t, "GET", "/sign-in", "", nil); res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("a page is cached: %s", res.Header.Get("Cache-Control"))
	}
}

func TestAListLeadsToItsNextPageWithItsFilters(t *testing.T) {
	w := start(t)
	s := w.session(t, "reader")
	_, first := w.ask(t, "GET", "/items?type=indicator&q=scan", s, nil)
	if !strings.Contains(first, `href="/items?after=8&amp;q=scan&#43;type%3Aindicator" rel="next"`) {
		t.Error("no next page")
	}
	_, second := w.ask(t, "GET", "/items?q=scan+type%3Aindicator&after=8", s, nil)
	if !strings.Contains(second, `href="/items?q=scan&#43;type%3Aindicator"`) || strings.Contains(second, `rel="next"`) {
		t.Error("the last page leads on, or not back")
	}
	if res, _ := w.ask(t, "GET", "/items?tlp=purple", s, nil); res.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a label that is none: %s", res.Status)
	}
}

// TestTextStandsOutFromItsGround checks WCAG 2.2 AA (1.4.3) for the pairs of
// colours the style sheet uses, in both schemes.
func TestTextStandsOutFromItsGround(t *testing.T) {
	css, err := files.ReadFile("assets/base.css")
	if err != nil {
		t.Fatal(err)
	}
	colour := regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6})`)
	light, dark, _ := strings.Cut(string(css), "prefers-color-scheme: dark")
	for scheme, text := range map[string]string{"light": light, "dark": dark} {
		c := map[string]float64{}
		for _, m := range colour.FindAllStringSubmatch(text, -1) {
			if _, seen := c[m[1]]; !seen {
				c[m[1]] = luminance(m[2])
			}
		}
		for _, ground := range []string{"ground", "sheet", "sunken", "wash"} {
			for _, ink := range []string{"ink", "soft", "accent", "good", "warn", "bad"} {
				if r := contrast(c[ink], c[ground]); r < 4.5 {
					t.Errorf("%s: %s on %s has %.2f", scheme, ink, ground, r)
				}
			}
		}
		for _, pair := range [][2]string{{"accent-ink", "accent"}, {"ink", "good-wash"}, {"good", "good-wash"}, {"soft", "good-wash"}, {"ink", "bad-wash"}, {"bad", "bad-wash"}, {"soft", "bad-wash"}, {"sheet", "bad"}} {
			if r := contrast(c[pair[0]], c[pair[1]]); r < 4.5 {
				t.Errorf("%s: %s on %s has %.2f", scheme, pair[0], pair[1], r)
			}
		}
		if r := contrast(c["edge"], c["sheet"]); r < 3 {
			t.Errorf("%s: edges of fields have %.2f", scheme, r)
		}
	}
}

func luminance(hex string) float64 {
	n, _ := strconv.ParseUint(hex, 16, 32)
	var l float64
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		v := float64(n>>(16-8*i)&0xff) / 255
		if v <= 0.04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+0.055)/1.055, 2.4)
		}
		l += weight * v
	}
	return l
}

func contrast(a, b float64) float64 {
	return (max(a, b) + 0.05) / (min(a, b) + 0.05)
}

// serveFor serves h on loopback until the test ends, and returns its URL.
func serveFor(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}
