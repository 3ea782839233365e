// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

// pymisp returns an interpreter that has PyMISP, or skips.
func pymisp(t *testing.T) string {
	t.Helper()
	path := filepath.Join(os.Getenv("ACCORD_PYPEERS"), "bin", "python")
	if os.Getenv("ACCORD_PYPEERS") == "" || exec.Command(path, "-c", "import pymisp").Run() != nil {
		t.Skip("SKIP: PyMISP not installed: run make tools")
	}
	return path
}

// runs runs a Python script of testdata and returns what it printed.
func runs(t *testing.T, interpreter, script string, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, interpreter, append([]string{filepath.Join("testdata", script)}, args...)...)
	cmd.Env = append(os.Environ(), "REQUESTS_CA_BUNDLE=", "CURL_CA_BUNDLE=") // they would overrule the certificate given
	var says bytes.Buffer
	cmd.Stderr = &says
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, &says)
	}
	return text
}

// grantAll makes the first article of a draft give objects of every type.
func (o operator) grantAll(name string) {
	o.t.Helper()
	b, err := os.ReadFile(filepath.Join(o.dir, name))
	if err != nil {
		o.t.Fatal(err)
	}
	types := regexp.MustCompile(`(?s)types\s*=\s*\[.*?\]`)
	place := types.FindIndex(b)
	if place == nil {
		o.t.Fatalf("no types in the draft:\n%s", b)
	}
	o.write(name, string(b[:place[0]])+`types = ["*"]`+string(b[place[1]:]))
}

// mispNode is a node of MA that gives IL, which has no node, the event that PyMISP
// made, and keeps a secret; it returns the arguments of the session.
func mispNode(t *testing.T, interpreter string) []string {
	t.Helper()
	addr := map[string]string{}
	for _, name := range []string{"node", "console"} {
		a, err := freeAddr()
		if err != nil {
			t.Fatal(err)
		}
		addr[name] = a
	}
	_, port, _ := strings.Cut(addr["node"], ":")
	url := "https://localhost:" + port
	o := operator{t, t.TempDir()}
	runs(t, interpreter, "pymisp_event.py", filepath.Join(o.dir, "event.json"))
	o.types("--home", "ma", "init", "--name", "cert.ma.example", "--nation", "MA", "--title", "Authority of MA",
		"--node", addr["node"], "--url", url, "--console", addr["console"], "--dns", "")
	o.types("--home", "il", "init", "--name", "cert.il.example", "--nation", "IL")
	o.types("--home", "ma", "partner", "card", "-o", "ma.card")
	var card []string // of a party that only polls: no address, no TLS key
	for line := range strings.Lines(o.types("--home", "il", "partner", "card")) {
		if !strings.HasPrefix(line, "url") && !strings.HasPrefix(line, "tls_pin") {
			card = append(card, line)
		}
	}
	o.write("il.card", strings.Join(card, "")+"\n")
	o.types("--home", "ma", "partner", "add", "il.card")
	o.types("--home", "il", "partner", "add", "ma.card")
	o.types("--home", "ma", "agreement", "draft", "--with", "cert.il.example", "-o", "draft.toml")
	o.grantAll("draft.toml")
	o.types("--home", "ma", "agreement", "sign", "draft.toml", "-o", "one.note")
	o.types("--home", "il", "agreement", "sign", "one.note", "-o", "both.note")
	o.types("--home", "ma", "agreement", "import", "both.note")
	o.write("bundle.json", bundle)
	o.types("--home", "ma", "ingest", "bundle.json", "event.json", "--unmarked", "green")
	token := o.types("--home", "ma", "token", "add", "misp", "--role", "party", "--party", "cert.il.example")
	reader := o.types("--home", "ma", "token", "add", "me")
	o.serves("ma", addr["console"])
	node := &demoNode{console: addr["console"], token: reader}
	last := int64(-1)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(1200 * time.Millisecond) { // until nothing more comes, and its second is over
		s, err := node.situation(t.Context())
		n := int64(0)
		if err == nil {
			n = s.Counts.Disclosed["cert.il.example"]
		}
		if n > 0 && n == last {
			break
		}
		if last = n; time.Now().After(end) {
			t.Fatalf("nothing disclosed: %+v, %v", s, err)
		}
	}
	return []string{url + "/misp/", filepath.Join(o.dir, "ma", "keys", "tls.crt"), token, "http://" + addr["console"] + "/misp/", reader}
}

// A tool built on PyMISP reads, over HTTPS, what was disclosed to its party and
// nothing else; a feed of the same is read by MISP's own classes.
func TestPyMISPReadsWhatWasDisclosed(t *testing.T) {
	interpreter := pymisp(t)
	args := mispNode(t, interpreter)
	var got jsontext.Value
	if err := json.Unmarshal(runs(t, interpreter, "pymisp_session.py", args...), &got); err != nil {
		t.Fatal(err)
	}
	if err := got.Canonicalize(); err != nil {
		t.Fatal(err)
	}
	if err := got.Indent(); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "pymisp_session.golden.json")
	if *update {
		if err := os.WriteFile(golden, append(got, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got)+"\n", "\n")); diff != "" {
		t.Error(diff)
	}
}
