// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// browser starts Chromium, or skips the test when there is none.
func browser(t *testing.T) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIP: a browser takes long")
	}
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Skip("SKIP: Chromium not installed: run make tools")
	}
	opts := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("hide-scrollbars", true), chromedp.UserDataDir(t.TempDir()))
	alloc, stop := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	return ctx
}

// complaints collects what the browser says against the pages.
type complaints struct {
	mu   sync.Mutex
	list []string
}

// listen collects until ctx, a browser's, ends; the test waits for that.
func (c *complaints) listen(t *testing.T, ctx context.Context) {
	ctx, stop := context.WithCancel(ctx)
	var wait sync.WaitGroup
	said := chromedp.Console(ctx)
	wait.Go(func() {
		for m, err := range said {
			if err != nil {
				return
			}
			// The error pages are asked for on purpose.
			if m.Source == "network" && strings.Contains(m.Text, "the server responded with a status of 4") {
				continue
			}
			c.mu.Lock()
			c.list = append(c.list, fmt.Sprintf("%s %s: %s", m.Source, m.Type, m.Text))
			c.mu.Unlock()
		}
	})
	t.Cleanup(func() { stop(); wait.Wait() })
}

func (c *complaints) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.list
	c.list = nil
	return l
}

// paper is the width at which a page is looked at as if printed: A4 at 96 px an
// inch, less margins.
const paper = 718

var shots = []struct {
	name, path string
	out        bool // looked at signed out
	brief      bool // looked at in two ways alone
}{
	{"sign-in", "/sign-in", true, false},
	{"link", "/sign-in/link?t=abc", true, false},
	{"situation", "/", false, false},
	{"items", "/items", false, false},
	{"items-none", "/items?q=nothing-like-it&tlp=red", false, true},
	{"item", "/items/" + botnet, false, false},
	{"item-foreign", "/items/" + foreign, false, true},
	{"retract", "/items/" + botnet + "/retract", false, false},
	{"attack", "/attack", false, false},
	{"attack-by", "/attack?by=Grey+Heron", false, true},
	{"attack-wrong", "/attack?by=Nobody", false, true},
	{"attack-groups", "/attack?kind=group", false, true},
	{"technique", "/attack/T1566", false, false},
	{"tactic", "/attack/TA0001", false, true},
	{"group", "/attack/G9001", false, true},
	{"matches", "/matches", false, false},
	{"protections", "/protections", false, false},
	{"feeds", "/feeds", false, false},
	{"items-wrong", "/items?q=score:high", false, true},
	{"agreements", "/agreements", false, false},
	{"agreement", "/agreements/xa-xb-2026", false, false},
	{"agreement-signing", "/agreements/xa-xc-pilot", false, true},
	{"ledger", "/ledger", false, false},
	{"parties", "/parties", false, false},
	{"account", "/account", false, false},
	{"not-found", "/nowhere", false, true},
}

// TestPagesInABrowser looks at every page in two widths, two directions and two
// colour schemes, at some in the other languages and on paper: nothing may be reported against them, nothing may be wider
// than a phone. The pictures go to ACCORD_SHOTS when it is set.
func TestPagesInABrowser(t *testing.T) {
	ctx := browser(t)
	w := start(t)
	dir := os.Getenv("ACCORD_SHOTS")
	if dir == "" {
		dir = t.TempDir()
	}
	var said complaints
	said.listen(t, ctx)
	for _, lang := range []string{"en", "ar", "fr", "he"} {
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range []int64{1440, 390, paper} {
				for _, s := range shots {
					if width == paper && (s.name != "agreement" || scheme == "dark") {
						continue
					}
					if (lang == "fr" || lang == "he") && (scheme == "dark" || s.name != "agreement" && s.name != "item") {
						continue
					}
					if s.brief && (lang == "en") != (scheme == "light") {
						continue
					}
					name := fmt.Sprintf("%s-%s-%s-%d", s.name, lang, scheme, width)
					if only := os.Getenv("ACCORD_SHOTS_ONLY"); only != "" && !strings.Contains(name, only) {
						continue
					}
					secret := ""
					if !s.out {
						secret = w.session(t, "leila.haddad")
					}
					url := w.url + s.path
					if strings.Contains(url, "?") {
						url += "&lang=" + lang
					} else {
						url += "?lang=" + lang
					}
					shoot(t, ctx, filepath.Join(dir, name+".png"), url, secret, scheme, width)
					for _, c := range said.take() {
						t.Errorf("%s: %s", name, c)
					}
				}
			}
		}
	}
}

func shoot(t *testing.T, ctx context.Context, file, url, secret, scheme string, width int64) {
	t.Helper()
	type measure struct {
		Wide, Wider int64
		Who         string
	}
	var got measure
	var picture []byte
	err := chromedp.Do(ctx,
		dress(scheme, width),
		cookie(url, secret),
		chromedp.Navigate(url),
		chromedp.Func(func(ctx context.Context, _ *chromedp.Target) (err error) {
			if got, err = chromedp.Run(ctx, chromedp.Evaluate[measure](measuring)); err != nil {
				return err
			}
			picture, err = chromedp.Run(ctx, chromedp.FullScreenshot(100))
			return err
		}),
	)
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	if got.Wider > got.Wide || got.Who != "" {
		t.Errorf("%s: %d px wide in a window of %d: %s", filepath.Base(file), got.Wider, got.Wide, got.Who)
	}
	if err := os.WriteFile(file, picture, 0o600); err != nil {
		t.Fatal(err)
	}
}

// measuring finds what sticks out of the window, but for what may scroll.
const measuring = `({
	wide: document.documentElement.clientWidth,
	wider: document.documentElement.scrollWidth,
	who: [...document.querySelectorAll('body *')].filter(e => {
		const r = e.getBoundingClientRect()
		return (r.right > innerWidth + 1 || r.left < -1) && !e.closest('pre, .skip, thead, .sr, .log .value, .matrix')
	}).slice(0, 3).map(e => e.tagName + '.' + e.className + ' ' + e.textContent.trim().slice(0, 40)).join(' | '),
})`

// dress sets the window's width and the colours the reader prefers.
func dress(scheme string, width int64) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		media := ""
		if width == paper {
			media = "print"
		}
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Media:    media,
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		if err != nil {
			return err
		}
		_, err = cdp.Call(ctx, t, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: width, Height: 900, DeviceScaleFactor: 1, Mobile: width < 600,
		})
		return err
	})
}

// cookie leaves the browser with this session alone, or with none.
func cookie(url, secret string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		if _, err := cdp.Call(ctx, t, network.ClearBrowserCookies, cdp.Empty{}); err != nil || secret == "" {
			return err
		}
		_, err := cdp.Call(ctx, t, network.SetCookie, network.SetCookieParams{Name: sessionName, Value: secret, URL: url})
		return err
	})
}

// TestTheSituationPageRefreshesItself changes the world behind an open page, and
// takes the node away from under it.
func TestTheSituationPageRefreshesItself(t *testing.T) {
	ctx := browser(t)
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	w := start(t)
	down := make(chan struct{})
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		select {
		case <-down:
			http.Error(rw, "down", http.StatusBadGateway)
		default:
			w.handler.ServeHTTP(rw, r)
		}
	}))
	defer front.Close()
	secret := w.session(t, "reader")
	err := chromedp.Do(ctx, cookie(front.URL, secret), chromedp.Navigate(front.URL+"/"))
	if err != nil {
		t.Fatal(err)
	}
	w.store.setItems(1612409)
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](`document.querySelector('.totals dd').textContent === '1,612,409'`)); err != nil {
		t.Fatalf("the change does not show: %v", err)
	}
	close(down)
	note, err := chromedp.Run(ctx, chromedp.Poll[string](`document.querySelector('[data-live-note]').textContent`))
	if err != nil {
		t.Fatalf("no word that the node is gone: %v", err)
	}
	if !strings.HasPrefix(note, "Not updating") {
		t.Errorf("note = %q", note)
	}
}

// TestTheDoorWorksInABrowser signs in by a link, as followed from elsewhere, and
// verifies a log: both post forms under the policy and the Strict cookie.
func TestTheDoorWorksInABrowser(t *testing.T) {
	ctx := browser(t)
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	w := start(t)
	var said complaints
	said.listen(t, ctx)
	path, err := NewTicket(t.Context(), w.store, "leila.haddad", time.Minute, noon)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(rw, `<a href="%s">sign in</a><a id="item" href="%s">an item</a>`, w.url+path, w.url+"/items/"+botnet)
	}))
	defer elsewhere.Close()
	// Another host name makes it another site.
	mail := strings.Replace(elsewhere.URL, "127.0.0.1", "localhost", 1)
	heading := func(want string) {
		t.Helper()
		await(t, ctx, fmt.Sprintf(`document.querySelector('h1')?.textContent === %q`, want))
	}
	click := func(selector string) {
		t.Helper()
		// Later, so that the answer comes before the click ends the document.
		await(t, ctx, fmt.Sprintf(`(e => e !== null && setTimeout(() => e.click(), 50) > 0)(document.querySelector(%q))`, selector))
	}
	if err := chromedp.Do(ctx, cookie(w.url, ""), dress("light", 1440), chromedp.Navigate(mail)); err != nil {
		t.Fatal(err)
	}
	click("a")
	heading("Sign in")
	click("button.primary")
	heading("Situation")

	if err := chromedp.Do(ctx, chromedp.Navigate(mail)); err != nil {
		t.Fatal(err)
	}
	click("#item")
	heading("Loader beacon, second stage")

	if err := chromedp.Do(ctx, chromedp.Navigate(w.url+"/ledger")); err != nil {
		t.Fatal(err)
	}
	click(".logbook:last-of-type button")
	await(t, ctx, `document.querySelector('.report.failed') !== null`)
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("ACCORD_SHOTS"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, "ledger-verified.png"), picture, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	click(".who button")
	heading("Sign in")
	for _, c := range said.take() {
		t.Error(c)
	}
}

// TestAnAnalystSearchesTagsAndFollowsATechniqueInABrowser walks from the search
// box to an item, its tags, a false positive, ATT&CK and back.
func TestAnAnalystSearchesTagsAndFollowsATechniqueInABrowser(t *testing.T) {
	ctx := browser(t)
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	w := start(t)
	var said complaints
	said.listen(t, ctx)
	click := func(selector string) {
		t.Helper()
		await(t, ctx, fmt.Sprintf(`(e => e !== null && setTimeout(() => e.click(), 50) > 0)(document.querySelector(%q))`, selector))
	}
	fill := func(selector, value string) {
		t.Helper()
		await(t, ctx, fmt.Sprintf(`(e => { if (e) e.value = %q; return e !== null })(document.querySelector(%q))`, value, selector))
	}
	if err := chromedp.Do(ctx, cookie(w.url, w.session(t, "leila.haddad")), dress("light", 1440), chromedp.Navigate(w.url+"/items")); err != nil {
		t.Fatal(err)
	}
	fill("input[name=q]", "Loader")
	fill("select[name=type]", "indicator")
	click("form[role=search] button")
	await(t, ctx, `document.querySelector('input[name=q]')?.value === 'Loader type:indicator' && document.querySelectorAll('.results tbody tr').length > 0`)
	click(".results .itemlink")
	await(t, ctx, `document.querySelector('.decay polyline') !== null`)
	fill("input[name=tag]:not([type=hidden])", "Sector:Energy")
	click(".oneline button")
	await(t, ctx, `[...document.querySelectorAll('.owntags .tag')].some(e => e.textContent === 'sector:energy')`)
	click(".owntags button")
	await(t, ctx, `document.querySelectorAll('.owntags li').length === 3`)
	click(".falseform summary")
	fill("input[name=why]", "the resolver's own name")
	click(".falseform button")
	await(t, ctx, `document.querySelector('.chips .state.false') !== null`)
	click("#known a[href='/attack/T1566']")
	await(t, ctx, `document.querySelector('h1')?.textContent === 'Phishing'`)
	click("a[href='/attack/G9001']")
	await(t, ctx, `document.querySelector('h1')?.textContent === 'Grey Heron'`)
	click(".links a")
	await(t, ctx, `document.querySelectorAll('.matrix > section').length === 1`)
	click(".matrix a[href='/attack/T1566']")
	await(t, ctx, `[...document.querySelectorAll('.cards .itemlink')].some(e => e.textContent.startsWith('Loader beacon'))`)
	for _, c := range said.take() {
		t.Error(c)
	}
}

// await tries an expression until it holds, over navigations that end the
// document it was tried in.
func await(t *testing.T, ctx context.Context, expression string) {
	t.Helper()
	for {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
		if err == nil && ok {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("%s never holds: %v", expression, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
