// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"accord"
)

func TestWhoMayAskWhatIsTheRouteTable(t *testing.T) {
	w := start(t)
	c := &console{Config: Config{Store: w.store, Node: w.node, Now: w.clock, Self: self}}
	fillIn := strings.NewReplacer("{$}", "", "{id}", botnet)
	for _, r := range c.routes() {
		if r.role == anyone {
			continue
		}
		path := fillIn.Replace(r.pattern)
		switch r.pattern {
		case "/agreements/{id}":
			path = "/agreements/xa-xb-2026"
		case "/items/export":
			path = "/items/export?format=csv"
		case "/attack/{id}":
			path = "/attack/T1566"
		}
		for _, who := range []string{"", "probe", "reader", "analyst", "director", "operator"} {
			secret := ""
			if who != "" {
				secret = w.session(t, who)
			}
			var form url.Values
			if r.method == "POST" {
				form = url.Values{"origin": {"cert.xa.example/to/cert.xb.example"}, "feed": {"urlhaus"}, "do": {"run"}, "entry": {"feodo"}, "tag": {"x"}}
			}
			res, _ := w.ask(t, r.method, path, secret, form)
			got := res.StatusCode
			switch out := who == "" || who == "probe"; {
			case out && r.live:
				if got != http.StatusUnauthorized {
					t.Errorf("%s %s by %q: %d", r.method, path, who, got)
				}
			case out:
				if got != http.StatusSeeOther || !strings.HasPrefix(res.Header.Get("Location"), "/sign-in") {
					t.Errorf("%s %s by %q: %d to %s", r.method, path, who, got, res.Header.Get("Location"))
				}
			case !accord.Role(who).Includes(r.role):
				if got != http.StatusForbidden {
					t.Errorf("%s %s by %s: %d", r.method, path, who, got)
				}
			default:
				if got == http.StatusForbidden || got == http.StatusNotFound || got >= 500 || strings.HasPrefix(res.Header.Get("Location"), "/sign-in") {
					t.Errorf("%s %s by %s: %d", r.method, path, who, got)
				}
			}
		}
	}
	if len(w.node.retracted) > 0 {
		t.Errorf("retracted without a reason: %v", w.node.retracted)
	}
}

func TestFormsFromOtherSitesAreRefused(t *testing.T) {
	w := start(t)
	s := w.session(t, "analyst")
	form := url.Values{"reason": {"x"}, "sure": {"yes"}}
	for _, h := range [][]string{
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "", "Origin", "https://evil.example"}, {"Sec-Fetch-Site", "", "Origin", "null"},
	} {
		res, _ := w.ask(t, "POST", "/items/"+botnet+"/retract", s, form, h...)
		if res.StatusCode != http.StatusForbidden {
			t.Errorf("%v: %s", h, res.Status)
		}
	}
	if len(w.node.retracted) > 0 {
		t.Errorf("retracted: %v", w.node.retracted)
	}
	big := url.Values{"reason": {strings.Repeat("x", 100_000)}, "sure": {"yes"}}
	if res, _ := w.ask(t, "POST", "/items/"+botnet+"/retract", s, big); res.StatusCode < 400 || len(w.node.retracted) > 0 {
		t.Errorf("an oversize form: %s", res.Status)
	}
}

func TestALinkFromElsewhereFindsTheSession(t *testing.T) {
	w := start(t)
	res, body := w.ask(t, "GET", "/items?q=a&type=%22%3E%3Cscript%3E", "", nil, "Sec-Fetch-Site", "cross-site")
	if res.StatusCode != http.StatusOK || !strings.Contains(body, `content="0;url=/items?q=a&amp;type=%22%3E%3Cscript%3E"`) {
		t.Errorf("%s: %s", res.Status, body)
	}
	res, _ = w.ask(t, "GET", "/items?q=a", "", nil, "Sec-Fetch-Site", "same-origin")
	if res.Header.Get("Location") != "/sign-in?next="+url.QueryEscape("/items?q=a") {
		t.Errorf("then to %s", res.Header.Get("Location"))
	}
}
