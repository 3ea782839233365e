// SPDX-License-Identifier: Apache-2.0

package taxii_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"accord/taxii"
)

func gz(t testing.TB, b []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func envelopeOf(objects ...[]byte) []byte {
	return fmt.Appendf(nil, `{"objects":[%s]}`, bytes.Join(objects, []byte(",")))
}

// §5.5: 202 with a status; §4.3.1: its four counts, and per object id and version;
// §5.5: an exact duplicate "MUST not return an error for that Object".
func TestAddTellsWhatBecameOfEachObject(t *testing.T) {
	w := newWorld(t)
	post := envelopeOf(object(1, 1), []byte(`{"type":"indicator","modified":"2026-01-01T00:00:00.000Z"}`), object(1, 1))
	resp := w.call("POST", objs, post)
	wantStatus(t, resp, 202)
	var st taxii.Status
	text := body(t, resp)
	if err := json.Unmarshal([]byte(text), &st); err != nil {
		t.Fatal(err)
	}
	good := taxii.StatusDetail{ID: idOf(1), Version: versionOf(1)}
	want := taxii.Status{
		ID: st.ID, Status: "complete", RequestTimestamp: st.RequestTimestamp,
		TotalCount: 3, SuccessCount: 2, Successes: []taxii.StatusDetail{good, good},
		FailureCount: 1, Failures: []taxii.StatusDetail{{Version: versionOf(1), Message: "invalid: no id or no type"}},
	}
	if diff := cmp.Diff(want, st); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{"id", "status", "total_count", "success_count", "failure_count", "pending_count"} {
		if !strings.Contains(text, `"`+name+`":`) { // §3.8: required properties MUST be present, also when 0
			t.Errorf("no %s in %s", name, text)
		}
	}
	if got := body(t, w.call("GET", "/accord/status/"+st.ID+"/", nil)); got != text {
		t.Errorf("status later: %s, at first %s", got, text)
	}
	if n := len(w.mem.roots[root][0].objects); n != 1 {
		t.Errorf("%d objects stored", n)
	}
}

// §5.5: 413 "The POSTed payload exceeds the max_content_length"; §4.2.1: "Requests
// with total body length values smaller than this value MUST NOT result in an HTTP
// 413". Decompressed text counts too, and so does what a bomb would become.
func TestABodyIsBoundedBeforeAndAfterDecompression(t *testing.T) {
	w := newWorld(t, func(c *taxii.Config) { c.Roots[0].MaxContentLength = 3 << 20 })
	const most = 3 << 20
	pad := func(n int) []byte {
		shell := envelopeOf([]byte(`{"type":"x","id":"x","modified":"2026-01-01T00:00:00Z","pad":""}`))
		head, tail := shell[:len(shell)-4], shell[len(shell)-4:]
		return append(append(append([]byte{}, head...), bytes.Repeat([]byte("a"), n-len(shell))...), tail...)
	}
	asGzip := header("Content-Encoding", "gzip")
	chunked := func(r *http.Request) { r.ContentLength = -1 }
	for _, tt := range []struct {
		name   string
		body   []byte
		change func(*http.Request)
		want   int
	}{
		{"one octet less than the limit", pad(most - 1), nil, 202},
		{"the limit", pad(most), nil, 202},
		{"one octet more", pad(most + 1), nil, 413},
		{"one octet more, of unknown length", pad(most + 1), chunked, 413},
		{"the limit, of unknown length", pad(most), chunked, 202},
		{"compressed", gz(t, envelopeOf(object(1, 1))), asGzip, 202},
		{"compressed under the floor at any ratio", gz(t, pad(1<<20)), asGzip, 202},
		{"expands a thousand times", gz(t, pad(2<<20)), asGzip, 413},
		{"expands over the limit", gz(t, pad(64<<20)), asGzip, 413},
		{"bomb of many members", bytes.Repeat(gz(t, pad(1<<20)), 300), asGzip, 413},
		{"cut short", gz(t, pad(1000))[:50], asGzip, 422},
		{"not gzip", []byte("PK\x03\x04"), asGzip, 422},
	} {
		change := tt.change
		if change == nil {
			change = func(*http.Request) {}
		}
		if resp := w.call("POST", objs, tt.body, change); resp.StatusCode != tt.want {
			t.Errorf("%s: %d %s, want %d", tt.name, resp.StatusCode, body(t, resp), tt.want)
		}
	}
}

// §5.5: 422 "when sending a malformed body, or other unprocessable content". Nothing
// of a refused envelope is stored.
func TestAnEnvelopeIsReadStrictly(t *testing.T) {
	good := string(object(1, 1))
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	for name, text := range map[string]string{
		"nothing":                       ``,
		"a list":                        `[` + good + `]`,
		"null":                          `null`,
		"no objects":                    `{}`,
		"empty list":                    `{"objects":[]}`, // §2
		"objects null":                  `{"objects":null}`,
		"objects an object":             `{"objects":` + good + `}`,
		"a string in objects":           `{"objects":[` + good + `,"x"]}`,
		"null in objects":               `{"objects":[null]}`,
		"comma at the end":              `{"objects":[` + good + `,]}`,
		"not closed":                    `{"objects":[` + good + `]`,
		"followed by another":           `{"objects":[` + good + `]} {}`,
		"objects twice":                 `{"objects":[` + good + `],"objects":[` + good + `]}`,
		"objects in two cases":          `{"objects":[` + good + `],"Objects":[` + good + `]}`,
		"objects escaped twice":         `{"objects":[` + good + `],"\u006fbjects":[` + good + `]}`,
		"name twice in an object":       `{"objects":[{"id":"a","id":"b"}]}`,
		"name twice, deep":              `{"objects":[{"a":[{"tlp":"red","tl\u0070":"clear"}]}]}`,
		"name twice in the custom":      `{"x_a":{"b":1,"b":2},"objects":[` + good + `]}`,
		"invalid UTF-8":                 "{\"objects\":[{\"a\":\"\xff\"}]}",
		"lone surrogate":                `{"objects":[{"a":"\ud800"}]}`,
		"byte order mark":               "\ufeff" + `{"objects":[` + good + `]}`,
		"more a string":                 `{"more":"yes","objects":[` + good + `]}`,
		"next a number":                 `{"next":1,"objects":[` + good + `]}`,
		"65 deep after a backslash":     `{"objects":[{"s":"\\","d":` + deep(64) + `}]}`,
		"65 deep":                       `{"objects":[` + deep(65) + `]}`,
		"a million deep":                `{"objects":[` + strings.Repeat("[", 90_000),
		"comment":                       `{"objects":[` + good + `]/*x*/}`,
		"NaN":                           `{"objects":[{"a":NaN}]}`,
		"single quotes":                 `{'objects':[` + good + `]}`,
		"control character in a string": "{\"objects\":[{\"a\":\"\x01\"}]}",
	} {
		w := newWorld(t)
		if resp := w.call("POST", objs, []byte(text)); resp.StatusCode != 422 {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body(t, resp))
		}
		if n := len(w.mem.roots[root][0].objects); n != 0 {
			t.Errorf("%s: %d objects stored", name, n)
		}
	}
	w := newWorld(t)
	wantStatus(t, w.call("POST", objs, []byte(`{"objects":[`+deep(64)+`]}`)), 202)
	wantStatus(t, w.call("POST", objs, []byte(`{"objects":[{"s":"\"`+strings.Repeat("[", 100)+`"}]}`)), 202)
	wantStatus(t, w.call("POST", objs, []byte("\n{ \"more\" : false, \"next\":\"\", \"x_a\":[{}], \"objects\": [ "+good+" ] }\r\n")), 202)
	wantStatus(t, w.call("POST", objs+"?match[type]=x", envelopeOf(object(1, 1))), 400)
}

// What comes in compressed goes out as the same bytes, also compressed.
func TestGzipBothWays(t *testing.T) {
	w := newWorld(t)
	var list [][]byte
	for i := range 50 {
		list = append(list, object(i+1, 1))
	}
	wantStatus(t, w.call("POST", objs, gz(t, envelopeOf(list...)), header("Content-Encoding", "gzip")), 202)
	plain := body(t, w.call("GET", objs, nil))
	for accept, want := range map[string]string{
		"gzip": "gzip", "br, gzip;q=0.5": "gzip", "*": "gzip", "": "", "identity": "", "gzip;q=0": "", "gzip;q=0, *": "",
	} {
		resp := w.call("GET", objs, nil, header("Accept-Encoding", accept))
		if got := resp.Header.Get("Content-Encoding"); got != want {
			t.Errorf("Accept-Encoding %q: Content-Encoding %q", accept, got)
			continue
		}
		if want == "" {
			continue
		}
		z, err := gzip.NewReader(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(z)
		if err != nil || string(b) != plain {
			t.Errorf("%v: decompressed differs from plain", err)
		}
	}
	if plain != string(envelopeOf(list...)) {
		t.Error("bytes changed on the way")
	}
}

func TestABodyThatDoesNotComeIsCutOff(t *testing.T) {
	w := newWorld(t, func(c *taxii.Config) { c.Timeout = 100 * time.Millisecond })
	ts := httptest.NewServer(w.srv)
	defer ts.Close()
	conn, err := net.Dial("tcp", ts.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer both\r\nAccept: %s\r\nContent-Type: %s\r\nContent-Length: 100\r\n\r\n{",
		objs, taxii.MediaType, taxii.MediaType)
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	got, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 408 ") {
		t.Errorf("%v: %s", err, got)
	}
}

// A connection that is used again does not inherit the deadline of the request
// before.
func TestAConnectionSurvivesItsTimeLimit(t *testing.T) {
	w := newWorld(t, func(c *taxii.Config) { c.Timeout = 50 * time.Millisecond })
	w.fill(1)
	ts := httptest.NewServer(w.srv)
	defer ts.Close()
	c := taxii.Client{URL: ts.URL, Token: "both", Attempts: 1, HTTP: ts.Client()}
	for range 2 {
		if _, err := c.Collections(t.Context(), "/accord/"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(150 * time.Millisecond)
	}
}

// Pages read while others write hold every object once, in order.
func TestReadersWhileWritersAddLoseNothing(t *testing.T) {
	w := newWorld(t)
	const writers, each = 4, 50
	var wg sync.WaitGroup
	for k := range writers {
		wg.Go(func() {
			for i := range each {
				w.call("POST", objs, envelopeOf(object(1000*k+i+1, 1)))
			}
		})
	}
	seen := map[string]int{}
	for at := ""; len(seen) < writers*each; {
		p := w.page(objs + "?limit=7" + at)
		for _, id := range ids(p) {
			if seen[id]++; seen[id] > 1 {
				t.Fatalf("%s came twice", id)
			}
		}
		at = "&added_after=" + p.last
	}
	wg.Wait()
}
