// SPDX-License-Identifier: Apache-2.0

package taxii_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"accord"
	"accord/taxii"
)

const (
	root  = "accord"
	other = "other"
	col   = "91a7b528-80eb-42ed-a74d-c6fbd5a26116"
	inbox = "52892447-4d7e-4f70-b94d-d7f22742ff63"
	objs  = "/accord/collections/" + col + "/objects/"
)

// world is a server with a memory behind it. Its callers are named by their
// bearer token or their Basic user, and stand for the party of the same name.
type world struct {
	t   testing.TB
	mem *MemoryBackend
	cfg taxii.Config
	srv *taxii.Server
	log *bytes.Buffer
}

func newWorld(t testing.TB, change ...func(*taxii.Config)) *world {
	t.Helper()
	w := &world{t: t, mem: newMemory(), log: &bytes.Buffer{}}
	all := map[string]string{"both": "rw", "reader": "r", "writer": "w", "neither": ""}
	w.mem.roots[root] = []*memoryCollection{
		{Collection: taxii.Collection{ID: col, Title: "Indicators", Alias: "indicators"}, perms: maps.Clone(all), hidden: map[string]bool{}},
		{Collection: taxii.Collection{ID: inbox, Title: "Inbox"}, perms: map[string]string{"both": "rw"}, hidden: map[string]bool{}},
	}
	w.mem.roots[other] = nil
	w.cfg = taxii.Config{
		Title: "Authority of Atlantis", Contact: "cert@atlantis.example",
		Roots: []taxii.Root{
			{Name: root, Title: "Accord", MaxContentLength: 100_000},
			{Name: other, Title: "Other"},
		},
		Backend: w.mem,
		Key:     []byte("0123456789abcdef"),
		Log:     slog.New(slog.NewTextHandler(w.log, nil)),
		Authenticate: func(r *http.Request) (taxii.Caller, error) {
			name, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			if user, pass, ok := r.BasicAuth(); ok && pass == "secret" {
				name, isBearer = user, true
			}
			if _, known := all[name]; !isBearer || !known {
				return taxii.Caller{}, taxii.ErrUnauthenticated
			}
			return taxii.Caller{Name: name, Party: name + ".example"}, nil
		},
	}
	for _, c := range change {
		c(&w.cfg)
	}
	srv, err := taxii.New(w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.srv = srv
	return w
}

// object returns a STIX object: the n-th, in its v-th version.
func object(n, v int) []byte {
	return fmt.Appendf(nil, `{ "type":"indicator", "spec_version":"2.1", "id":"%s", "created":"2026-01-01T00:00:00.000Z", "modified":"%s",`+
		` "pattern":"[domain-name:value = 'h%d.example']", "pattern_type":"stix", "valid_from":"2026-01-01T00:00:00Z", "x_odd": 1.0e0 }`,
		idOf(n), versionOf(v), n)
}

func idOf(n int) string      { return fmt.Sprintf("indicator--00000000-0000-4000-8000-%012d", n) }
func versionOf(v int) string { return fmt.Sprintf("2026-01-%02dT00:00:00.000Z", v) }

// fill puts objects 1…n in the first collection.
func (w *world) fill(n int) {
	for i := range n {
		w.put(object(i+1, 1))
	}
}

func (w *world) put(raw []byte) {
	w.t.Helper()
	o, err := readObject(raw)
	if err != nil {
		w.t.Fatal(err)
	}
	w.mem.put(w.mem.roots[root][0], o)
}

// call makes a request as "both", with a good Accept; change alters it.
func (w *world) call(method, target string, body []byte, change ...func(*http.Request)) *http.Response {
	w.t.Helper()
	r := httptest.NewRequest(method, target, bytes.NewReader(body))
	r.Header.Set("Accept", taxii.MediaType)
	r.Header.Set("Authorization", "Bearer both")
	if body != nil {
		r.Header.Set("Content-Type", taxii.MediaType)
	}
	for _, c := range change {
		c(r)
	}
	rec := httptest.NewRecorder()
	w.srv.ServeHTTP(rec, r)
	resp := rec.Result()
	if resp.StatusCode == http.StatusPartialContent {
		w.t.Errorf("%s %s gave 206, which 2.1 no longer has", method, target)
	}
	if got := resp.Header.Get("Content-Type"); got != "application/taxii+json;version=2.1" {
		w.t.Errorf("%s %s: Content-Type %q (§3.1: MUST include the appropriate media type and version)", method, target, got)
	}
	return resp
}

func as(name string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+name) }
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func body(t testing.TB, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// page is any answer that pages, as a client sees it.
type page struct {
	More     bool     `json:"more"`
	Next     string   `json:"next"`
	Objects  []stix   `json:"objects"`
	Versions []string `json:"versions"`

	first, last string
}

type stix struct {
	ID        string `json:"id"`
	Modified  string `json:"modified"`
	Version   string `json:"version"`
	DateAdded string `json:"date_added"`
}

func (w *world) page(target string, change ...func(*http.Request)) page {
	w.t.Helper()
	resp := w.call("GET", target, nil, change...)
	text := body(w.t, resp)
	if resp.StatusCode != 200 {
		w.t.Fatalf("GET %s: %d %s", target, resp.StatusCode, text)
	}
	var p page
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		w.t.Fatalf("GET %s: %v in %s", target, err, text)
	}
	p.first, p.last = resp.Header.Get("X-TAXII-Date-Added-First"), resp.Header.Get("X-TAXII-Date-Added-Last")
	return p
}

func ids(p page) (list []string) {
	for _, o := range p.Objects {
		list = append(list, o.ID)
	}
	return list
}

func wantStatus(t testing.TB, resp *http.Response, want int) {
	t.Helper()
	if resp.StatusCode != want {
		t.Errorf("status %d, want %d: %s", resp.StatusCode, want, body(t, resp))
	}
}

// stamp reads the n-th object's date added as the backend knows it.
func (w *world) stamp(n int) accord.Stamp { return w.mem.roots[root][0].objects[n].Added }
