// SPDX-License-Identifier: Apache-2.0

package taxii_test

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// The page that says which test holds which requirement names tests that exist.
func TestTheConformancePageNamesTestsThatExist(t *testing.T) {
	page, err := os.ReadFile("../docs/reference/taxii-conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	for _, dir := range []string{".", "../exchange", "../cmd/accord", "../store"} {
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil || len(files) == 0 {
			t.Fatal(dir, err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range declared.FindAllSubmatch(text, -1) {
				there[string(m[1])] = true
			}
		}
	}
	rows := regexp.MustCompile(`(?m)^\| [0-9A].*\| (.*) \|$`).FindAllSubmatch(page, -1)
	if len(rows) < 50 {
		t.Errorf("only %d rows", len(rows))
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`")
	for _, row := range rows {
		tests := named.FindAllSubmatch(row[1], -1)
		if len(tests) == 0 {
			t.Errorf("no test in %s", row[0])
		}
		for _, m := range tests {
			if !there[string(m[1])] {
				t.Errorf("no test %s", m[1])
			}
		}
	}
}

// §3.4.1: "Requests for types defined in STIX Version 2.1 MUST NOT result in an
// error due to an invalid type."
func TestEveryTypeOfSTIXMayBeAskedFor(t *testing.T) {
	w := newWorld(t)
	w.fill(1)
	for _, kind := range []string{
		"attack-pattern", "campaign", "course-of-action", "grouping", "identity", "incident", "indicator", "infrastructure", "intrusion-set",
		"location", "malware", "malware-analysis", "note", "observed-data", "opinion", "report", "threat-actor", "tool", "vulnerability",
		"relationship", "sighting", "artifact", "autonomous-system", "directory", "domain-name", "email-addr", "email-message", "file",
		"ipv4-addr", "ipv6-addr", "mac-addr", "mutex", "network-traffic", "process", "software", "url", "user-account",
		"windows-registry-key", "x509-certificate", "language-content", "extension-definition", "marking-definition", "bundle", "x-custom",
	} {
		wantStatus(t, w.call("GET", objs+"?match[type]="+kind, nil), 200)
		wantStatus(t, w.call("GET", "/accord/collections/"+col+"/manifest/?match[type]="+kind, nil), 200)
	}
}

// FuzzCursor: whatever a client sends as next, it gets a page of its own query or a
// refusal, and never more than it may see.
func FuzzCursor(f *testing.F) {
	w := newWorld(f)
	w.fill(5)
	first := w.page(objs + "?limit=2")
	f.Add(first.Next)
	f.Add("")
	f.Add("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add(first.Next[:len(first.Next)-1] + "A")
	f.Fuzz(func(t *testing.T, next string) {
		here := *w
		here.t = t
		resp := here.call("GET", objs+"?limit=2&next="+url.QueryEscape(next), nil)
		switch {
		case resp.StatusCode == 200 && next != first.Next:
			t.Errorf("next %q was taken: %s", next, body(t, resp))
		case resp.StatusCode != 200 && resp.StatusCode != 400:
			t.Errorf("next %q: status %d", next, resp.StatusCode)
		}
	})
}
