// SPDX-License-Identifier: Apache-2.0

package accord_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/go-json-experiment/json"

	"accord/demodata"
)

// The pictures of the documentation, taken from a running demonstration.
var pictures = []struct{ file, nation, path, scheme string }{
	{"situation.png", "MA", "/", "light"},
	{"item-withheld.png", "IL", "/items/{withheld}", "light"},
	{"item-redacted.png", "IL", "/items/{redacted}", "light"},
	{"agreement.png", "IL", "/agreements/{agreement}", "light"},
	{"protections-dark.png", "MA", "/protections", "dark"},
	{"ledger.png", "IL", "/ledger", "light"},
	{"attack.png", "IL", "/attack", "light"},
	{"search.png", "MA", "/items?q=type:indicator+score:%3E50+tide", "light"},
}

// pictureMost is how many bytes a picture may have.
const pictureMost = 300 << 10

// TestPicturesOfTheDocumentationAreTaken plays the demonstration with the sample
// and writes docs/img. It checks nothing, so it runs only when asked for:
// ACCORD_PICTURES=1.
func TestPicturesOfTheDocumentationAreTaken(t *testing.T) {
	if os.Getenv("ACCORD_PICTURES") == "" {
		t.Skip("SKIP: pictures are taken when ACCORD_PICTURES is set")
	}
	ctx := pictureBrowser(t)
	links := demonstration(t)
	paths := map[string]string{
		"{withheld}":  sampleID(t, "Seized server, under investigation"),
		"{redacted}":  sampleID(t, "Salt Lantern: a campaign against ports and hospitals"),
		"{agreement}": fmt.Sprintf("il-ma-%d", time.Now().UTC().Year()),
	}
	for _, p := range pictures {
		where := p.path
		for name, value := range paths {
			where = strings.ReplaceAll(where, name, value)
		}
		door, err := url.Parse(links[p.nation])
		if err != nil {
			t.Fatal(err)
		}
		takePicture(t, ctx, filepath.Join("docs", "img", p.file), door.Scheme+"://"+door.Host, where, signIn(t, door, p.nation), p.scheme)
	}
}

// sampleID is the identifier of the sample's object of that name.
func sampleID(t *testing.T, name string) string {
	t.Helper()
	text, err := demodata.FS.ReadFile(demodata.Bundle21)
	if err != nil {
		t.Fatal(err)
	}
	var bundle struct{ Objects []struct{ ID, Name string } }
	if err := json.Unmarshal(text, &bundle, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatal(err)
	}
	for _, o := range bundle.Objects {
		if o.Name == name {
			return o.ID
		}
	}
	t.Fatalf("the sample has no object named %q", name)
	return ""
}

var sessions = map[string]*http.Cookie{}

// signIn uses the one-time link and returns the session's cookie.
func signIn(t *testing.T, door *url.URL, nation string) *http.Cookie {
	t.Helper()
	if sessions[nation] != nil {
		return sessions[nation]
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	form := strings.NewReader(url.Values{"t": {door.Query().Get("t")}}.Encode())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, door.Scheme+"://"+door.Host+"/sign-in/link", form)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	for _, c := range res.Cookies() {
		if strings.HasPrefix(c.Name, "accord") && c.Value != "" {
			sessions[nation] = c
			return c
		}
	}
	t.Fatalf("no session at %s: %s", door.Host, res.Status)
	return nil
}

// demonstration runs accord demo and returns the sign-in link of each nation.
func demonstration(t *testing.T) map[string]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), buildAccord(t), "demo", "--sample")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // it was told to end
	links := map[string]string{}
	link := regexp.MustCompile(`^  ([A-Z]{2})  (http://\S+/sign-in/link\?t=\S+)$`)
	for lines := bufio.NewScanner(out); len(links) < 2 && lines.Scan(); {
		if m := link.FindStringSubmatch(lines.Text()); m != nil {
			links[m[1]] = m[2]
		}
	}
	if len(links) < 2 {
		t.Fatal("the demonstration gave no links")
	}
	return links
}

// pictureBrowser starts Chromium with a profile of its own.
func pictureBrowser(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("SKIP: Chromium not installed: run make tools")
	}
	opts := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.DisableGPU, chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("disable-quic", true), chromedp.Flag("no-first-run", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.UserDataDir(t.TempDir()))
	alloc, stop := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	return ctx
}

func takePicture(t *testing.T, ctx context.Context, file, base, path string, session *http.Cookie, scheme string) {
	t.Helper()
	var picture []byte
	err := chromedp.Do(ctx,
		chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			if _, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
			}); err != nil {
				return err
			}
			if _, err := cdp.Call(ctx, target, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
				Width: 1440, Height: 1000, DeviceScaleFactor: 1,
			}); err != nil {
				return err
			}
			if _, err := cdp.Call(ctx, target, network.ClearBrowserCookies, cdp.Empty{}); err != nil {
				return err
			}
			_, err := cdp.Call(ctx, target, network.SetCookie, network.SetCookieParams{Name: session.Name, Value: session.Value, URL: base})
			return err
		}),
		chromedp.Navigate(base+path),
		chromedp.Func(func(ctx context.Context, _ *chromedp.Target) (err error) {
			picture, err = chromedp.Run(ctx, chromedp.CaptureScreenshot())
			return err
		}),
	)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if len(picture) > pictureMost {
		t.Errorf("%s has %d bytes, more than %d", file, len(picture), pictureMost)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, picture, 0o644); err != nil {
		t.Fatal(err)
	}
}
