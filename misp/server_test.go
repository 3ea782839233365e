// SPDX-License-Identifier: Apache-2.0

package misp_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"accord"
	form "accord/format/misp"
	"accord/misp"
)

// library holds two events, which the caller named "reader" may have.
type library struct{ err error }

func (l library) Feeds(context.Context, misp.Caller) ([]string, error) { return []string{"one"}, l.err }

func (l library) Heads(_ context.Context, c misp.Caller, feed string) ([]misp.Head, error) {
	if l.err != nil {
		return nil, l.err
	}
	if c.Name != "reader" || feed != "" && feed != "one" {
		return nil, fmt.Errorf("%w: no such feed", accord.ErrNotFound)
	}
	var out []misp.Head
	for i, id := range []string{idA, idB} {
		out = append(out, misp.Head{UUID: id, Timestamp: int64(100 * (i + 1)), Info: "Lamp " + id[35:], Date: fmt.Sprintf("2026-02-0%d", i+1), Threat: "2", Analysis: "1"})
	}
	return out, nil
}

func (l library) Event(_ context.Context, _ misp.Caller, _, uuid string) (*form.EventJSON, error) {
	if uuid != idA && uuid != idB {
		return nil, fmt.Errorf("%w: no such event", accord.ErrNotFound)
	}
	last := uuid[35:]
	e := &form.EventJSON{
		UUID: uuid, Info: "Lamp " + last, Timestamp: "100", Objects: []form.ObjectJSON{},
		Attributes: []form.AttributeJSON{
			{UUID: "0b1c2d3e-0000-4000-9000-00000000000" + last, Type: "domain|ip", Category: "Network activity", Value: last + ".example|192.0.2.7", ToIDS: true, Timestamp: "100"},
			{UUID: "0b1c2d3e-0000-4000-9000-00000000001" + last, Type: "other", Category: "Other", Value: "retracted", Deleted: true, Timestamp: "101"},
		},
	}
	e.Number()
	return e, nil
}

// server returns a Server that knows the key "right".
func server(t testing.TB, l library) *misp.Server {
	t.Helper()
	s, err := misp.New(misp.Config{
		Backend: l, Now: func() time.Time { return time.Unix(1_000_000, 0) }, MaxBody: 10_000,
		Authenticate: func(_ *http.Request, secret string) (misp.Caller, error) {
			if secret != "right" {
				return misp.Caller{}, misp.ErrUnauthenticated
			}
			return misp.Caller{Name: "reader", Role: accord.RoleReader}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asks makes one request with the right key unless header says otherwise.
func asks(s http.Handler, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/misp/"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "right")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestAKeyIsTakenInEveryFormAndNoOther(t *testing.T) {
	s := server(t, library{})
	basic := func(p string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte("any:"+p)) }
	for _, tt := range []struct {
		name, value string
		want        int
	}{
		{"Authorization", "right", 200},
		{"Authorization", "Bearer right", 200},
		{"Authorization", "bearer right", 200},
		{"Authorization", basic("right"), 200},
		{"X-MISP-AUTH", "right", 200},
		{"Authorization", "wrong", 403},
		{"Authorization", "", 403},
		{"Authorization", basic("wrong"), 403},
		{"Authorization", "Basic !", 403},
		{"Authorization", "Digest right", 403},
		{"X-MISP-AUTH", "wrong", 403},
	} {
		for _, path := range []string{"servers/getVersion", "users/view/me", "feed/one/manifest.json", "no/such/action"} {
			want := tt.want
			if want == 200 && path == "no/such/action" {
				want = 404
			}
			if w := asks(s, "GET", path, "", tt.name, tt.value); w.Code != want {
				t.Errorf("%s: %q, %s: %d, want %d", tt.name, tt.value, path, w.Code, want)
			}
		}
	}
}

func TestErrorsHaveTheShapeOfMISP(t *testing.T) {
	s := server(t, library{})
	for _, tt := range []struct {
		method, path, body string
		want               int
		says               string
	}{
		{"POST", "attributes/restSearch", `{"nonsense":1}`, 400, "nonsense"},
		{"POST", "attributes/restSearch", `{"limit":"many"}`, 400, "limit"},
		{"POST", "attributes/restSearch", `{"limit":100001}`, 400, "limit"},
		{"POST", "attributes/restSearch", `{"value":{"XOR":["a"]}}`, 400, "XOR"},
		{"POST", "attributes/restSearch", `{"value":"a","value":"b"}`, 400, "request"},
		{"POST", "attributes/restSearch", `{"timestamp":"yesterday"}`, 400, "yesterday"},
		{"POST", "attributes/restSearch", `{"enforceWarninglist":true}`, 400, "enforceWarninglist"},
		{"POST", "attributes/restSearch", `[1]`, 400, "object"},
		{"POST", "attributes/restSearch", `{"value":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, 400, "deeper"},
		{"POST", "attributes/restSearch", strings.Repeat(" ", 10_001), 413, "large"},
		{"POST", "attributes/restSearch", `{"value":"` + strings.Repeat("a%", 401) + `"}`, 400, "over 400"},
		{"POST", "attributes/restSearch", `{"value":"%` + strings.Repeat("a", 4096) + `"}`, 400, "4096 bytes"},
		{"POST", "attributes/restSearch", `{"returnFormat":"suricata"}`, 400, "suricata"},
		{"POST", "events/restSearch", `{"returnFormat":"csv"}`, 400, "csv"},
		{"GET", "events/view/1", "", 404, "event"},
		{"GET", "attributes/view/1", "", 404, "attribute"},
		{"GET", "feed/two/manifest.json", "", 404, "feed"},
		{"GET", "feed/one/manifest.json?since=x", "", 400, "since"},
		{"GET", "feed/one/..%2fkeys.json", "", 404, "file"},
		{"DELETE", "events/" + idA, "", 404, "action"},
	} {
		w := asks(s, tt.method, tt.path, tt.body)
		var e struct{ Name, Message, URL string }
		if err := json.Unmarshal(w.Body.Bytes(), &e, json.MatchCaseInsensitiveNames(true)); err != nil || w.Code != tt.want || !strings.Contains(e.Message, tt.says) || e.URL == "" {
			t.Errorf("%s %s %.60s: %d %s, want %d saying %q", tt.method, tt.path, tt.body, w.Code, w.Body, tt.want, tt.says)
		}
	}
}

func TestWhatFailsInsideIsNotShown(t *testing.T) {
	w := asks(server(t, library{err: errors.New("the disk of the ministry")}), "GET", "events/index", "")
	if w.Code != 500 || strings.Contains(w.Body.String(), "ministry") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// values searches attributes and returns their values.
func TestManyValuesAreLookedUpAndFewPatternsTried(t *testing.T) {
	s := server(t, library{})
	exact, wild := `"a.example"`, `"%.example"`
	for i := range 600 {
		exact += fmt.Sprintf(`,"h%d.invalid"`, i)
		if i < 200 {
			wild += fmt.Sprintf(`,"h%d.%%"`, i)
		}
	}
	if got := values(t, s, `{"value":[`+exact+`]}`); got != "a.example|192.0.2.7" {
		t.Errorf("hundreds of values: %q", got)
	}
	if w := asks(s, "POST", "attributes/restSearch", `{"value":[`+wild+`]}`); w.Code != 400 {
		t.Errorf("over 200 values with %%: %d %s", w.Code, w.Body)
	}
	if got := values(t, s, `{"value":{"AND":["a.example","192.0.2.%"]}}`); got != "a.example|192.0.2.7" {
		t.Errorf("both parts: %q", got)
	}
}

func values(t *testing.T, s http.Handler, query string) string {
	t.Helper()
	w := asks(s, "POST", "attributes/restSearch", query)
	var got struct {
		Response struct {
			Attribute []form.AttributeJSON `json:"Attribute"`
		} `json:"response"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got, json.RejectUnknownMembers(false)); err != nil || w.Code != 200 {
		t.Fatalf("%s: %d %s: %v", query, w.Code, w.Body, err)
	}
	var out []string
	for _, a := range got.Response.Attribute {
		out = append(out, a.Value)
	}
	return strings.Join(out, " ")
}

func TestASearchFiltersAsMISPDoes(t *testing.T) {
	s := server(t, library{})
	const a, b, both = "a.example|192.0.2.7", "b.example|192.0.2.7", "a.example|192.0.2.7 b.example|192.0.2.7"
	for query, want := range map[string]string{
		`{}`: both, ``: both, `[]`: both, `{"request":{"value":"a.example"}}`: a,
		`{"value":"A.EXAMPLE"}`: a, `{"value":"192.0.2.7"}`: both, `{"value":"` + b + `"}`: b, `{"value":"a.example&&b.example"}`: both, `{"value":"!a.example"}`: b,
		`{"value":"%.example"}`: both, `{"value":"b%"}`: b, `{"value":"%2.0%"}`: both, `{"value":["a.example","x"]}`: a, `{"value":{"NOT":["a.example"]}}`: b,
		`{"limit":1}`: a, `{"limit":1,"page":2}`: b, `{"limit":"1","page":3}`: "", `{"deleted":"only"}`: "retracted retracted", `{"deleted":[0,1],"type":"other"}`: "retracted retracted",
		`{"eventid":"` + idB + `"}`: b, `{"eventid":"` + form.NumberOf(idA) + `"}`: a, `{"from":"2026-02-02"}`: b, `{"to":"2026-02-01"}`: a, `{"timestamp":"101"}`: "",
		`{"timestamp":["50","100"]}`: both, `{"event_timestamp":"150"}`: b, `{"last":"1d"}`: "", `{"published":false}`: "", `{"to_ids":0}`: "", `{"eventinfo":"%B"}`: b,
		`{"uuid":"` + idA + `"}`: a, `{"org":"nobody"}`: "", `{"enforceWarninglist":0}`: both, `{"category":"Network activity","type":["domain|ip","md5"]}`: both,
	} {
		if got := values(t, s, query); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

func TestAFeedIsServedWithETags(t *testing.T) {
	s := server(t, library{})
	for _, name := range []string{"feed/", "feed/one/", "feed/one/manifest.json", "feed/one/hashes.csv", "feed/one/" + idA + ".json"} {
		w := asks(s, "GET", name, "")
		tag := w.Header().Get("ETag")
		if w.Code != 200 || tag == "" || w.Body.Len() == 0 {
			t.Errorf("%s: %d, ETag %q", name, w.Code, tag)
		}
		if w := asks(s, "GET", name, "", "If-None-Match", `"x", W/`+tag); w.Code != 304 || w.Body.Len() != 0 {
			t.Errorf("%s again: %d", name, w.Code)
		}
	}
	if w := asks(s, "GET", "feed/one/manifest.json?since=100", ""); strings.Contains(w.Body.String(), idA) || !strings.Contains(w.Body.String(), idB) {
		t.Errorf("since 100: %s", w.Body)
	}
	if w := asks(s, "GET", "feed/one/hashes.csv", ""); strings.Count(w.Body.String(), "\n") != 6 { // whole and two parts, of two events; none of what is deleted
		t.Errorf("hashes %q", w.Body)
	}
}

// What is served is what the reader reads.
func TestTheReaderReadsWhatTheServerServes(t *testing.T) {
	ts := httptest.NewServer(server(t, library{}))
	defer ts.Close()
	r := misp.FeedReader{URL: ts.URL + "/misp/feed/one/manifest.json", Client: ts.Client(), Header: http.Header{"Authorization": {"right"}}}
	var s misp.State
	n := 0
	for e, err := range r.Changed(t.Context(), &s) {
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range form.Read(strings.NewReader(string(e.Bytes)), form.Limits{}) {
			if err != nil {
				t.Error(err)
			}
		}
		n++
	}
	for range r.Changed(t.Context(), &s) {
		n++
	}
	if n != 2 || s.ETag == "" {
		t.Errorf("read %d events, state %+v", n, s)
	}
}

func FuzzSearch(f *testing.F) {
	f.Add(`{"value":{"OR":["a%"],"NOT":["b"]},"timestamp":["5d","2026-01-01"],"tags":["!x"],"deleted":[0,1],"limit":"3","page":2}`)
	f.Add(`{"request":{"returnFormat":"csv","headerless":1}}`)
	s := server(f, library{})
	f.Fuzz(func(t *testing.T, body string) {
		for _, path := range []string{"attributes/restSearch", "events/restSearch", "events/index"} {
			w := asks(s, "POST", path, body)
			b, err := io.ReadAll(w.Body)
			if err != nil || w.Code != 200 && w.Code != 400 && w.Code != 413 || len(b) == 0 && w.Code != 200 {
				t.Fatalf("%s: %d %s", path, w.Code, b)
			}
		}
	})
}
