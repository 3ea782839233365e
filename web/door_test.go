// SPDX-License-Identifier: Apache-2.0

package web

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"

	"accord"
)

const secretWords = "correct horse battery staple"

// quick is secretWords under parameters that cost nothing.
func quick(t *testing.T, password string) string {
	t.Helper()
	salt := []byte("saltsaltsaltsalt")
	key := argon2.IDKey([]byte(password), salt, 1, 8, 1, 32)
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=19$m=8,t=1,p=1$%s$%s", b64(salt), b64(key))
}

func (w *world) give(t *testing.T, account, password string) {
	t.Helper()
	a := w.store.accounts[account]
	a.Password = quick(t, password)
	w.store.accounts[account] = a
}

// sessionName is the session's cookie of the party that the tests are of.
var sessionName = (&console{Config: Config{Self: self}}).cookieName()

func cookieOf(res *http.Response, name string) *http.Cookie {
	for _, c := range res.Cookies() {
		if c.Name == name {
			return c
		}
	}
	return nil
}

func TestSigningInOpensASessionAndSigningOutEndsIt(t *testing.T) {
	w := start(t)
	w.give(t, "analyst", secretWords)
	res, _ := w.ask(t, "POST", "/sign-in", "", url.Values{"account": {"analyst"}, "password": {secretWords}, "next": {"/items?type=malware"}})
	c := cookieOf(res, sessionName)
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/items?type=malware" || c == nil {
		t.Fatalf("sign-in: %s to %s with %v", res.Status, res.Header.Get("Location"), c)
	}
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" {
		t.Errorf("cookie = %v", c)
	}
	for sum := range w.store.sessions {
		if string(sum[:]) == c.Value {
			t.Error("the store holds the secret itself")
		}
	}
	if res, _ := w.ask(t, "GET", "/", c.Value, nil); res.StatusCode != http.StatusOK {
		t.Errorf("first page: %s", res.Status)
	}
	if res, _ := w.ask(t, "POST", "/sign-out", c.Value, url.Values{}); res.StatusCode != http.StatusSeeOther {
		t.Errorf("sign-out: %s", res.Status)
	}
	if res, _ := w.ask(t, "GET", "/", c.Value, nil); res.StatusCode != http.StatusSeeOther {
		t.Errorf("the session survives: %s", res.Status)
	}
	if n := len(w.store.audit); n != 2 || w.store.audit[0].What != "session.open" || w.store.audit[1].What != "session.close" {
		t.Errorf("audit = %+v", w.store.audit)
	}
}

func TestTheDoorRefusesAlikeWhateverIsWrong(t *testing.T) {
	w := start(t)
	for _, name := range []string{"analyst", "probe", "gone"} {
		w.give(t, name, secretWords)
	}
	w.store.accounts["gone"] = accord.Account{Name: "gone", Role: accord.RoleAnalyst, Disabled: true, Password: quick(t, secretWords)}
	pages := map[string]string{}
	for _, tt := range []struct{ account, password string }{
		{"analyst", "wrong"}, {"nobody", secretWords}, {"gone", secretWords}, {"probe", secretWords}, {"reader", ""}, {"reader", secretWords},
	} {
		res, body := w.ask(t, "POST", "/sign-in", "", url.Values{"account": {tt.account}, "password": {tt.password}})
		if res.StatusCode != http.StatusUnauthorized || cookieOf(res, sessionName) != nil {
			t.Errorf("%v: %s", tt, res.Status)
		}
		pages[strings.ReplaceAll(body, `value="`+tt.account+`"`, "")] = tt.account
	}
	if len(pages) != 1 {
		t.Errorf("%d different answers: %v", len(pages), pages)
	}
}

func TestGuessingIsSlowedPerAccountAndPerAddress(t *testing.T) {
	w := start(t)
	w.give(t, "analyst", secretWords)
	try := func(account, password string) int {
		res, _ := w.ask(t, "POST", "/sign-in", "", url.Values{"account": {account}, "password": {password}})
		return res.StatusCode
	}
	for i := range 10 {
		if got := try("analyst", "wrong"); got != http.StatusUnauthorized {
			t.Fatalf("attempt %d: %d", i, got)
		}
	}
	if got := try("analyst", secretWords); got != http.StatusTooManyRequests {
		t.Errorf("eleventh, right: %d", got)
	}
	w.pass(2 * time.Minute)
	if got := try("analyst", secretWords); got != http.StatusSeeOther {
		t.Errorf("two minutes later: %d", got)
	}

	l := newLimiter(w.clock, 3, time.Minute)
	for range 3 {
		l.take("203.0.113.7")
	}
	if l.take("203.0.113.7") || !l.take("203.0.113.8") {
		t.Error("the allowance is not per key")
	}
}

func TestASignInLinkServesOnceAndOnlyByItsButton(t *testing.T) {
	w := start(t)
	path, err := NewTicket(t.Context(), w.store, "reader", 10*time.Minute, noon)
	if err != nil {
		t.Fatal(err)
	}
	ticket := strings.TrimPrefix(path, "/sign-in/link?t=")
	for range 2 { // a prefetcher and the person
		res, body := w.ask(t, "GET", path, "", nil)
		if res.StatusCode != http.StatusOK || cookieOf(res, sessionName) != nil || !strings.Contains(body, ticket) {
			t.Fatalf("GET: %s", res.Status)
		}
	}
	if res, _ := w.ask(t, "GET", "/", ticket, nil); res.StatusCode != http.StatusSeeOther {
		t.Errorf("a ticket serves as a session: %s", res.Status)
	}
	res, _ := w.ask(t, "POST", "/sign-in/link", "", url.Values{"t": {ticket}})
	if res.StatusCode != http.StatusSeeOther || cookieOf(res, sessionName) == nil {
		t.Fatalf("POST: %s", res.Status)
	}
	if res, _ := w.ask(t, "POST", "/sign-in/link", "", url.Values{"t": {ticket}}); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("used twice: %s", res.Status)
	}

	path, _ = NewTicket(t.Context(), w.store, "reader", 10*time.Minute, noon)
	w.pass(10 * time.Minute)
	if res, _ := w.ask(t, "POST", "/sign-in/link", "", url.Values{"t": {strings.TrimPrefix(path, "/sign-in/link?t=")}}); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("expired: %s", res.Status)
	}
	path, _ = NewTicket(t.Context(), w.store, "probe", time.Hour, w.clock())
	if res, _ := w.ask(t, "POST", "/sign-in/link", "", url.Values{"t": {strings.TrimPrefix(path, "/sign-in/link?t=")}}); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a sensor signs in: %s", res.Status)
	}
}

func TestWhoGuessesPasswordsKeepsNobodyFromASignInLink(t *testing.T) {
	w := start(t)
	for {
		if res, _ := w.ask(t, "POST", "/sign-in", "", url.Values{"account": {strings.Repeat("x", MaxName+1)}, "password": {"guess"}}); res.StatusCode == http.StatusTooManyRequests {
			break
		} else if res.StatusCode != http.StatusUnauthorized {
			t.Fatal(res.Status)
		}
	}
	path, err := NewTicket(t.Context(), w.store, "reader", time.Hour, noon)
	if err != nil {
		t.Fatal(err)
	}
	res, _ := w.ask(t, "POST", "/sign-in/link", "", url.Values{"t": {strings.TrimPrefix(path, "/sign-in/link?t=")}})
	if res.StatusCode != http.StatusSeeOther || cookieOf(res, sessionName) == nil {
		t.Errorf("POST: %s", res.Status)
	}
}

func TestConsolesOnOneHostHaveCookiesOfTheirOwn(t *testing.T) {
	other := (&console{Config: Config{Self: accord.Party{Name: "cert.other.example"}}}).cookieName()
	if other == sessionName || !strings.HasPrefix(other, "accord-") || len(other) != len("accord-")+8 {
		t.Errorf("%q and %q", other, sessionName)
	}
	if secure := (&console{Config: Config{Self: self, Secure: true}}).cookieName(); secure != "__Host-"+sessionName {
		t.Errorf("%q over HTTPS", secure)
	}
}

func TestSessionsEndByIdlenessByAgeAndWithTheAccount(t *testing.T) {
	w := start(t)
	in := func(secret string) bool {
		res, _ := w.ask(t, "GET", "/account", secret, nil)
		return res.StatusCode == http.StatusOK
	}
	s := w.session(t, "reader")
	w.pass(idle - time.Second)
	if !in(s) {
		t.Error("ended before it idled out")
	}
	w.pass(idle - time.Second)
	if !in(s) {
		t.Error("use does not keep it awake")
	}
	w.pass(idle)
	if in(s) {
		t.Error("idle for an hour and still in")
	}

	s = w.session(t, "reader")
	began := w.clock()
	for w.clock().Sub(began) < lifetime-time.Minute {
		if !in(s) {
			t.Fatalf("out after %s", w.clock().Sub(began))
		}
		w.pass(30 * time.Minute)
	}
	if in(s) {
		t.Error("in after twelve hours")
	}

	s = w.session(t, "reader")
	for range 10 { // a page left open refreshes itself
		w.pass(10 * time.Minute)
		w.ask(t, "GET", "/situation/live", s, nil)
	}
	if res, _ := w.ask(t, "GET", "/situation/live", s, nil); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("refreshing keeps a session awake: %s", res.Status)
	}

	s = w.session(t, "reader")
	a := w.store.accounts["reader"]
	a.Disabled = true
	w.store.accounts["reader"] = a
	if in(s) {
		t.Error("a disabled account is in")
	}
}

func TestBehindTLSTheCookieIsBoundToTheHost(t *testing.T) {
	store, n := newWorld()
	h, err := New(Config{Store: store, Node: n, Now: func() time.Time { return noon }, Self: self, Secure: true})
	if err != nil {
		t.Fatal(err)
	}
	path, _ := NewTicket(t.Context(), store, "reader", time.Hour, noon)
	form := url.Values{"t": {strings.TrimPrefix(path, "/sign-in/link?t=")}}
	r := httptest.NewRequest("POST", "/sign-in/link", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	c := cookieOf(rec.Result(), "__Host-"+sessionName)
	if c == nil || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" {
		t.Errorf("cookie = %v (%d)", c, rec.Code)
	}
	if rec.Header().Get("Strict-Transport-Security") == "" {
		t.Error("no HSTS")
	}
}

func TestOnlyPathsOfThisConsoleAreReturnedTo(t *testing.T) {
	for _, good := range []string{"/", "/items", "/items?q=a%20b&type=x", "/items/indicator--x", "/items?next=//evil.example"} {
		if got := localPath(good); got != good {
			t.Errorf("localPath(%q) = %q", good, got)
		}
	}
	for _, bad := range []string{
		"", "items", "//evil.example", "///evil.example", `/\evil.example`, `\\evil.example`, "/\t/evil.example", "/\n/evil.example", " //evil.example",
		"https://evil.example", "https:/evil.example", "javascript:alert(1)", "/%2f/../..//\\x", "/%5cevil.example", "/%2fevil.example", "http:evil.example", "/sign-in", "/sign-out", "/" + strings.Repeat("a", 3000), "/\x00",
	} {
		if got := localPath(bad); got != "/" {
			t.Errorf("localPath(%q) = %q", bad, got)
		}
	}
}

func TestAPasswordIsChangedByWhoKnowsIt(t *testing.T) {
	w := start(t)
	w.give(t, "analyst", secretWords)
	old := w.session(t, "analyst")
	change := func(current, fresh, again string) *http.Response {
		res, _ := w.ask(t, "POST", "/account/password", old, url.Values{"current": {current}, "new": {fresh}, "again": {again}})
		return res
	}
	for _, tt := range [][3]string{
		{"wrong", "a brand new passphrase", "a brand new passphrase"},
		{secretWords, "short", "short"},
		{secretWords, "the analyst's passphrase", "the analyst's passphrase"},
		{secretWords, "a brand new passphrase", "another new passphrase"},
	} {
		if res := change(tt[0], tt[1], tt[2]); res.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%v: %s", tt, res.Status)
		}
	}
	res := change(secretWords, "a brand new passphrase", "a brand new passphrase")
	c := cookieOf(res, sessionName)
	if res.StatusCode != http.StatusSeeOther || c == nil || c.Value == old {
		t.Fatalf("change: %s, %v", res.Status, c)
	}
	if res, _ := w.ask(t, "GET", "/", old, nil); res.StatusCode != http.StatusSeeOther {
		t.Error("the old secret still opens")
	}
	if !CheckPassword(w.store.accounts["analyst"].Password, "a brand new passphrase") {
		t.Error("the new password does not open")
	}
}

func TestANewPasswordEndsEveryOtherSessionAndLink(t *testing.T) {
	w := start(t)
	w.give(t, "analyst", secretWords)
	mine, someone, other := w.session(t, "analyst"), w.session(t, "reader"), "another browser's secret"
	if err := w.store.PutSession(t.Context(), accord.Session{Sum: sumOf(other), Account: "analyst", Created: ago(0), Expires: ago(-idle)}); err != nil {
		t.Fatal(err)
	}
	if res, _ := w.ask(t, "GET", "/account", other, nil); res.StatusCode != http.StatusOK {
		t.Fatalf("before: %s", res.Status)
	}
	link, err := NewTicket(t.Context(), w.store, "analyst", time.Hour, noon)
	if err != nil {
		t.Fatal(err)
	}
	fresh := "a brand new passphrase"
	res, _ := w.ask(t, "POST", "/account/password", mine, url.Values{"current": {secretWords}, "new": {fresh}, "again": {fresh}})
	c := cookieOf(res, sessionName)
	if res.StatusCode != http.StatusSeeOther || c == nil {
		t.Fatalf("change: %s", res.Status)
	}
	for secret, want := range map[string]int{other: http.StatusSeeOther, mine: http.StatusSeeOther, c.Value: http.StatusOK, someone: http.StatusOK} {
		if res, _ := w.ask(t, "GET", "/account", secret, nil); res.StatusCode != want {
			t.Errorf("a session: %s, want %d", res.Status, want)
		}
	}
	if res, _ := w.ask(t, "POST", "/sign-in/link", "", url.Values{"t": {strings.TrimPrefix(link, "/sign-in/link?t=")}}); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a link made before: %s", res.Status)
	}
}

// What happens between a read and the write that follows from it is not undone.
func TestWhatEndsMeanwhileStaysEnded(t *testing.T) {
	w := start(t)
	w.give(t, "analyst", secretWords)
	s := w.session(t, "analyst")
	w.store.before["ExtendSession"] = func() { delete(w.store.sessions, sumOf(s)) }
	w.pass(30 * time.Minute)
	if res, _ := w.ask(t, "GET", "/account", s, nil); res.StatusCode != http.StatusSeeOther {
		t.Errorf("signed out meanwhile: %s", res.Status)
	}
	if _, ok := w.store.sessions[sumOf(s)]; ok {
		t.Error("a sign-out was undone by a page that was being read")
	}
	delete(w.store.before, "ExtendSession")

	disable := func() {
		a := w.store.accounts["analyst"]
		a.Disabled = true
		w.store.accounts["analyst"] = a
	}
	fresh := "a brand new passphrase"
	for path, tt := range map[string]struct {
		method string
		form   url.Values
	}{
		"/account/language": {"SetLocale", url.Values{"locale": {"fr"}}},
		"/account/password": {"SetPassword", url.Values{"current": {secretWords}, "new": {fresh}, "again": {fresh}}},
	} {
		a := w.store.accounts["analyst"]
		a.Disabled = false
		w.store.accounts["analyst"] = a
		s := w.session(t, "analyst")
		w.store.before = map[string]func(){tt.method: disable}
		w.ask(t, "POST", path, s, tt.form)
		if !w.store.accounts["analyst"].Disabled {
			t.Errorf("%s: what an operator disabled meanwhile is enabled again", path)
		}
	}
	if w.store.accounts["analyst"].Password != "" && CheckPassword(w.store.accounts["analyst"].Password, fresh) {
		t.Error("a disabled account got a password")
	}
}

func TestPasswordsAreArgon2idAndNormalised(t *testing.T) {
	phc, err := HashPassword("mot de passé très long", strings.NewReader("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(phc, "$argon2id$v=19$m=65536,t=3,p=4$") {
		t.Errorf("phc = %s", phc)
	}
	if !CheckPassword(phc, "mot de passe\u0301 tre\u0300s long") {
		t.Error("the same text, decomposed, does not open")
	}
	if CheckPassword(phc, "mot de passe tres long") {
		t.Error("another password opens")
	}
	for _, bad := range []string{
		"", "x", "$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=18$m=8,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=99999999,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=19$m=8,t=0,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=8,t=1,p=0$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=19$m=8,t=1,p=1$!$AAAA", "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$",
	} {
		if CheckPassword(bad, "") {
			t.Errorf("%s opens", bad)
		}
	}
}

func FuzzCheckPassword(f *testing.F) {
	f.Add("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", "x")
	f.Add("$argon2id$v=19$m=-8,t=1,p=256$$", "")
	f.Fuzz(func(t *testing.T, phc, password string) {
		if strings.Count(phc, "$") == 5 && !strings.Contains(phc, "m=8,t=1,p=1$") {
			t.Skip("costs too much to try")
		}
		if CheckPassword(phc, password) && !strings.HasPrefix(phc, "$argon2id$v=19$") {
			t.Errorf("%q opens", phc)
		}
	})
}

var errDisk = errors.New("disk on fire at sector 7")
