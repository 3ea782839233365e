// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"accord/taxii/taxiitest"
)

// operator types commands, each of which must go well.
type operator struct {
	t   *testing.T
	dir string
}

func (o operator) types(args ...string) string {
	o.t.Helper()
	cmd := exec.CommandContext(o.t.Context(), "accord", args...)
	cmd.Dir = o.dir
	var out, says bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &says
	if err := cmd.Run(); err != nil {
		o.t.Fatalf("accord %s: %v\n%s", strings.Join(args, " "), err, &says)
	}
	return strings.TrimSpace(out.String())
}

func (o operator) write(name, text string) {
	o.t.Helper()
	if err := os.WriteFile(filepath.Join(o.dir, name), []byte(text), 0o600); err != nil {
		o.t.Fatal(err)
	}
}

// serves runs a node until the test ends, and waits until it answers.
func (o operator) serves(home, console string) {
	o.t.Helper()
	cmd := exec.Command("accord", "--home", home, "serve")
	cmd.Dir = o.dir
	var says bytes.Buffer
	cmd.Stdout, cmd.Stderr = &says, &says
	if err := cmd.Start(); err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			o.t.Error(err)
		}
		if err := cmd.Wait(); err != nil || o.t.Failed() {
			o.t.Errorf("serve: %v\n%s", err, &says)
		}
	})
	n := &demoNode{console: console}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if err := n.get(o.t.Context(), "/api/v1/health", &struct{}{}); err == nil {
			return
		} else if time.Now().After(end) {
			o.t.Fatalf("the node does not answer: %v", err)
		}
	}
}

const bundle = `{"type":"bundle","id":"bundle--00000000-0000-4000-8000-000000000001","objects":[
{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-000000000001","created":"2026-01-02T03:04:05.000Z","modified":"2026-01-02T03:04:05.000Z","name":"first","pattern":"[domain-name:value = 'first.example']","pattern_type":"stix","valid_from":"2026-01-02T03:04:05Z"},
{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-000000000002","created":"2026-01-02T03:04:05.000Z","modified":"2026-01-02T03:04:05.000Z","name":"second","pattern":"[domain-name:value = 'second.example']","pattern_type":"stix","valid_from":"2026-01-02T03:04:05Z"},
{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-000000000003","created":"2026-01-02T03:04:05.000Z","modified":"2026-01-02T03:04:05.000Z","name":"third","pattern":"[ipv4-addr:value = '192.0.2.9']","pattern_type":"stix","valid_from":"2026-01-02T03:04:05Z"},
{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-000000000004","created":"2026-01-02T03:04:05.000Z","modified":"2026-01-02T03:04:05.000Z","name":"not for you","pattern":"[domain-name:value = 'secret.example']","pattern_type":"stix","valid_from":"2026-01-02T03:04:05Z","object_marking_refs":["marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"]}]}`

// A party without a node of its own reads what is disclosed to it with the OASIS
// client, by a token, over HTTPS of a node that was set up as its manual says.
func TestAPartyReadsItsOutboxWithTheOASISClient(t *testing.T) {
	interpreter := taxiitest.Python(t, "taxii2-client", "taxii2client.v21")
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
	o.types("--home", "ma", "agreement", "sign", "draft.toml", "-o", "one.note")
	o.types("--home", "il", "agreement", "sign", "one.note", "-o", "both.note")
	o.types("--home", "ma", "agreement", "import", "both.note")
	o.write("bundle.json", bundle)
	o.types("--home", "ma", "ingest", "bundle.json", "--unmarked", "green")
	token := o.types("--home", "ma", "token", "add", "poller", "--role", "party", "--party", "cert.il.example")
	reader := o.types("--home", "ma", "token", "add", "me")
	o.serves("ma", addr["console"])
	node := &demoNode{console: addr["console"], token: reader}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		s, err := node.situation(t.Context())
		if err == nil && s.Counts.Disclosed["cert.il.example"] >= 3 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("nothing disclosed: %+v, %v", s, err)
		}
	}
	// §8.2.2: "It MUST accept connections using TLS version 1.2".
	for version, want := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		conn, err := tls.Dial("tcp", addr["node"], &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: version}) //nolint:gosec,noctx // what is tried is the version
		if (err == nil) != want {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if err == nil {
			conn.Close()
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, interpreter, "testdata/outbox.py", url+"/taxii2/", filepath.Join(o.dir, "ma", "keys", "tls.crt"), token, "cert.ma.example")
	cmd.Env = append(os.Environ(), "REQUESTS_CA_BUNDLE=", "CURL_CA_BUNDLE=") // they would overrule the certificate given
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	ids, _ := got["ids"].([]any)
	if len(ids) < 3 || !cmp.Equal(got["manifest"], got["ids"]) || !cmp.Equal(got["after"], any(ids[1:])) {
		t.Errorf("ids %v, manifest %v, after the first %v", ids, got["manifest"], got["after"])
	}
	for _, name := range []string{"ids", "manifest", "after"} {
		delete(got, name)
	}
	want := map[string]any{
		"title": "Authority of MA", "names": []any{"first", "second", "third"},
		"collections": []any{[]any{"From cert.ma.example to cert.il.example", true, false}, []any{"From cert.il.example to cert.ma.example", false, true}},
		"pages":       []any{2.0, 2.0}, "one": []any{"identity"},
		"wrong token": 401.0, "no token": 401.0, "another's certificate": "SSLError", "read the inbox": 403.0,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
