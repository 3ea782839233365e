// SPDX-License-Identifier: Apache-2.0

package taxii_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/taxii"
)

// §4.1.1: "A list of URLs that identify known API Roots. This list MAY be filtered
// on a per-client basis"; "The default API Root MUST be an item in api_roots";
// relative URLs "MUST begin with a single `/`".
func TestDiscoveryNamesTheRootsThatACallerMayUse(t *testing.T) {
	w := newWorld(t, func(c *taxii.Config) {
		c.Allowed = func(c taxii.Caller, r string) bool { return r == root || c.Name == "both" }
	})
	for caller, want := range map[string][]string{"both": {"/accord/", "/other/"}, "reader": {"/accord/"}} {
		var d taxii.Discovery
		if err := json.Unmarshal([]byte(body(t, w.call("GET", "/taxii2/", nil, as(caller)))), &d); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(taxii.Discovery{Title: "Authority of Atlantis", Contact: "cert@atlantis.example", Default: want[0], APIRoots: want}, d); diff != "" {
			t.Error(diff)
		}
	}
	wantStatus(t, w.call("GET", "/other/", nil, as("reader")), 404)
	wantStatus(t, w.call("GET", "/other/collections/", nil, as("reader")), 404)
}

// §4.1.1: "API Root URLs MUST be HTTPS absolute URLs or relative URLs."
func TestDiscoveryNamesRootsAbsolutelyWhenTheServerKnowsItsURL(t *testing.T) {
	w := newWorld(t, func(c *taxii.Config) { c.URL = "https://node.atlantis.example:8443/" })
	if got := body(t, w.call("GET", "/taxii2/", nil)); !strings.Contains(got, `"default":"https://node.atlantis.example:8443/accord/"`) {
		t.Error(got)
	}
}

// §4.2.1: title, versions and max_content_length are required; versions "MUST"
// include "application/taxii+json;version=2.1".
func TestAPIRootTellsItsVersionAndLimit(t *testing.T) {
	resp := newWorld(t).call("GET", "/accord/", nil)
	want := `{"title":"Accord","versions":["application/taxii+json;version=2.1"],"max_content_length":100000}`
	if got := body(t, resp); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := resp.Header.Get("Accept-Encoding"); got != "gzip" {
		t.Errorf("Accept-Encoding %q: clients can not know that they may compress", got)
	}
}

// §5.1.1: "If there are no Collections in the list, this key MUST be omitted, and
// the response is an empty object." §5.2.1: can_read and can_write are required.
func TestCollectionsTellPermissionsAndMayBeNone(t *testing.T) {
	w := newWorld(t)
	one := func(read, write bool) string {
		return fmt.Sprintf(`{"id":"%s","title":"Indicators","alias":"indicators","can_read":%t,"can_write":%t}`, col, read, write)
	}
	for _, tt := range []struct{ path, caller, want string }{
		{"/other/collections/", "both", `{}`},
		{"/accord/collections/", "reader", `{"collections":[` + one(true, false) + `]}`},
		{"/accord/collections/" + col + "/", "writer", one(false, true)},
		{"/accord/collections/" + strings.ToUpper(col) + "/", "both", one(true, true)},
		{"/accord/collections/indicators/", "both", one(true, true)},
	} {
		if got := body(t, w.call("GET", tt.path, nil, as(tt.caller))); got != tt.want {
			t.Errorf("%s as %s: got %s, want %s", tt.path, tt.caller, got, tt.want)
		}
	}
}

var micros = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$`)

// §2: timestamp: "YYYY-MM-DDTHH:MM:SS.ssssssZ … MUST have microsecond precision"
// and "MUST use the “Z” designation". §3.2: both headers on "All HTTP 200 series
// responses" of manifest, objects, object and versions, "MUST be a timestamp".
func TestDatesHaveMicrosecondsAndZOnEveryPage(t *testing.T) {
	w := newWorld(t)
	w.fill(3)
	for _, target := range []string{
		objs, objs + "?limit=2", objs + idOf(1) + "/", objs + idOf(1) + "/versions/", "/accord/collections/" + col + "/manifest/",
		objs + "?match[type]=malware", objs + "?added_after=2030-01-01T00:00:00.000000Z", "/accord/collections/" + inbox + "/manifest/",
		objs + idOf(1) + "/versions/?added_after=2030-01-01T00:00:00.000000Z",
	} {
		p := w.page(target)
		if !micros.MatchString(p.first) || !micros.MatchString(p.last) {
			t.Errorf("%s: First %q Last %q", target, p.first, p.last)
		}
		for _, o := range p.Objects {
			if strings.Contains(target, "manifest") && !micros.MatchString(o.DateAdded) {
				t.Errorf("%s: date_added %q", target, o.DateAdded)
			}
		}
	}
	p := w.page(objs + "?limit=2")
	if p.first != w.stamp(0).String() || p.last != w.stamp(1).String() {
		t.Errorf("dates %s, %s are not those of the first and last object", p.first, p.last)
	}
	// An empty answer repeats where it began, so that a client that keeps Last as
	// its bookmark stays where it was.
	if p := w.page(objs + "?added_after=2030-01-01T00:00:00.000001Z"); p.last != "2030-01-01T00:00:00.000001Z" {
		t.Errorf("Last of an empty page is %s", p.last)
	}
}

// §2: "Empty lists are prohibited in TAXII"; §5.4: "If no STIX objects are
// returned, the response MUST include an empty envelope."
func TestAnEmptyPageIsAnEmptyObject(t *testing.T) {
	w := newWorld(t)
	w.fill(1)
	late := "added_after=2030-01-01T00:00:00.000000Z"
	for _, target := range []string{
		objs + "?match[type]=malware", objs + idOf(1) + "/?" + late, objs + idOf(1) + "/versions/?" + late,
		"/accord/collections/" + inbox + "/objects/", "/accord/collections/" + inbox + "/manifest/",
	} {
		if got := body(t, w.call("GET", target, nil)); got != "{}" {
			t.Errorf("%s: %s", target, got)
		}
	}
}

// §3.7, §5.3.1: the objects are the bytes they came in; a record of them has id,
// date_added, version and media_type.
func TestObjectsPassThroughByteForByte(t *testing.T) {
	w := newWorld(t)
	odd := []byte(`{"type":"indicator" ,"id":"` + idOf(1) + `","modified":"2026-01-01T00:00:00.000Z","created":"2026-01-01T00:00:00.000Z",` +
		`"spec_version":"2.1","x":"\u00e9é\/<&>","n":1.50E+3,"deep":[{"a":[ ]}]}`)
	post := []byte(`{"x_custom":{"objects":[1]},"objects":[` + "\n\t" + string(odd) + "  ]}\n")
	wantStatus(t, w.call("POST", objs, post), 202)
	if got, want := body(t, w.call("GET", objs, nil)), `{"objects":[`+string(odd)+`]}`; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	want := `{"objects":[{"id":"` + idOf(1) + `","date_added":"` + w.stamp(0).String() +
		`","version":"2026-01-01T00:00:00.000Z","media_type":"application/stix+json;version=2.1"}]}`
	if got := body(t, w.call("GET", "/accord/collections/"+col+"/manifest/", nil)); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// §3.1: "Requests with media types in the Accept headers that are defined for that
// Endpoint MUST NOT result in an HTTP 406"; others MAY.
func TestAcceptIsNegotiatedParsed(t *testing.T) {
	w := newWorld(t)
	for accept, want := range map[string]int{
		"application/taxii+json;version=2.1":                                   200,
		"application/taxii+json; version=2.1":                                  200,
		`Application/TAXII+JSON ; Version="2.1"`:                               200,
		"application/taxii+json":                                               200,
		"application/taxii+json;version=2.1,application/stix+json;version=2.1": 200, // §5.3
		"text/html, application/taxii+json;q=0.1":                              200,
		"application/taxii+json;version=2.0, application/taxii+json":           200,
		"*/*": 200, "application/*": 200, "text/html, */*;q=0.5": 200,
		"application/taxii+json;version=2.0":                             406,
		"application/vnd.oasis.taxii+json; version=2.0":                  406,
		"application/stix+json;version=2.1":                              406,
		"application/json":                                               406,
		"text/html":                                                      406,
		"application/taxii+json;q=0":                                     406,
		"application/taxii+json, application/taxii+json;version=2.1;q=0": 406,
		"*/*, application/taxii+json;version=2.1;q=0":                    406,
		"application/taxii+json;q=2":                                     406,
		"":                                                               406,
		"garbage":                                                        406,
		`application/taxii+json;version="2.1,*/*`:                        406,
	} {
		wantStatus(t, w.call("GET", "/taxii2/", nil, header("Accept", accept)), want)
	}
	wantStatus(t, w.call("GET", "/taxii2/", nil, func(r *http.Request) { r.Header.Del("Accept") }), 200)
}

// §3.1: "Requests with a media type in the Content-Type header that is defined for
// that Endpoint MUST NOT result in an HTTP 415".
func TestContentTypeIsComparedParsed(t *testing.T) {
	w := newWorld(t)
	post := []byte(`{"objects":[` + string(object(1, 1)) + `]}`)
	for ct, want := range map[string]int{
		"application/taxii+json;version=2.1": 202, "application/taxii+json": 202, `APPLICATION/taxii+json; version="2.1"; charset=utf-8`: 202,
		"application/taxii+json;version=2.0": 415, "application/vnd.oasis.stix+json; version=2.0": 415, "application/stix+json;version=2.1": 415,
		"application/json": 415, "": 415, "garbage;;": 415,
	} {
		wantStatus(t, w.call("POST", objs, post, header("Content-Type", ct)), want)
	}
	resp := w.call("POST", objs, post, header("Content-Encoding", "br"))
	wantStatus(t, resp, 415)
	if resp.Header.Get("Accept-Encoding") == "" {
		t.Error("a refused content encoding does not say which would do")
	}
}

// §3.1: "The endpoint path in a requests to a TAXII server MUST end in a trailing
// slash". §3.6.1: error: title required, http_status a string that "MUST match".
func TestWhatIsNotThereIsToldAsAnErrorMessage(t *testing.T) {
	w := newWorld(t)
	w.fill(1)
	for _, path := range []string{
		"/taxii2", "/accord", "/accord/collections", objs[:len(objs)-1], objs + idOf(1), "/", "/nowhere/", "/accord/nowhere/",
		"/accord/collections/" + idOf(1) + "/", "/accord/collections//objects/", "/accord//collections/", "/taxii2/accord/",
		objs + idOf(2) + "/", objs + "x/", objs + idOf(2) + "/versions/", "/accord/status/x/", "/accord/status/" + col + "/",
		"/accord/collections/../collections/", objs + strings.Repeat("a", 400) + "/",
	} {
		resp := w.call("GET", path, nil)
		wantStatus(t, resp, 404)
		text := body(t, resp)
		var e struct {
			Title      string `json:"title"`
			HTTPStatus string `json:"http_status"`
		}
		if err := json.Unmarshal([]byte(text), &e); err != nil || e.Title != "Not Found" || e.HTTPStatus != "404" {
			t.Errorf("%s: %s", path, text)
		}
	}
	resp := w.call("PUT", objs, nil)
	wantStatus(t, resp, 405)
	if got := resp.Header.Get("Allow"); got != "GET, HEAD, POST" {
		t.Errorf("Allow: %s", got)
	}
}

var everyRoute = []string{
	"GET /taxii2/", "GET /accord/", "GET /accord/status/" + col + "/", "GET /accord/collections/", "GET /accord/collections/" + col + "/",
	"GET /accord/collections/" + col + "/manifest/", "GET " + objs, "POST " + objs, "GET " + objs + idOf(1) + "/",
	"DELETE " + objs + idOf(1) + "/", "GET " + objs + idOf(1) + "/versions/", "GET /nowhere/", "PUT /taxii2/",
}

// §1.6.9: "an HTTP 401 (Unauthorized) status code and a WWW-Authenticate HTTP header".
func TestEveryRouteWithoutCredentialsIs401(t *testing.T) {
	w := newWorld(t)
	w.fill(1)
	for _, route := range everyRoute {
		method, path, _ := strings.Cut(route, " ")
		for name, auth := range map[string]string{"none": "", "wrong": "Bearer nobody", "scheme": "both"} {
			resp := w.call(method, path, []byte("{"), header("Authorization", auth))
			wantStatus(t, resp, 401)
			if got := resp.Header.Values("WWW-Authenticate"); len(got) != 2 || !strings.HasPrefix(got[0], "Basic ") {
				t.Errorf("%s %s: WWW-Authenticate %q", route, name, got)
			}
		}
	}
	if len(w.mem.roots[root][0].objects) != 1 {
		t.Error("something was changed without credentials")
	}
}

// §5.3 to §5.8: without can_read or can_write "MUST return an HTTP 403 (Forbidden)
// or HTTP 404"; §5.7: for DELETE neither is 404 and one is 403.
func TestPermissionsDecideEveryEndpointOfACollection(t *testing.T) {
	for _, tt := range []struct {
		caller              string
		read, write, delete int
	}{
		{"both", 200, 202, 200}, {"reader", 200, 403, 403}, {"writer", 403, 202, 403}, {"neither", 404, 404, 404},
	} {
		w := newWorld(t)
		w.fill(1)
		for _, path := range []string{objs, "/accord/collections/" + col + "/manifest/", objs + idOf(1) + "/", objs + idOf(1) + "/versions/"} {
			wantStatus(t, w.call("GET", path, nil, as(tt.caller)), tt.read)
		}
		wantStatus(t, w.call("POST", objs, []byte(`{"objects":[`+string(object(2, 1))+`]}`), as(tt.caller)), tt.write)
		wantStatus(t, w.call("DELETE", objs+idOf(1)+"/", nil, as(tt.caller)), tt.delete)
	}
}

// §8.2.2: "It MAY restrict access to clients by omitting specific objects …". What a
// caller may not have is told exactly as what is not there.
func TestWhatACallerMayNotHaveLooksLikeNothing(t *testing.T) {
	w := newWorld(t)
	w.fill(3)
	w.mem.roots[root][0].hidden["reader "+idOf(2)] = true
	if diff := cmp.Diff([]string{idOf(1), idOf(3)}, ids(w.page(objs, as("reader")))); diff != "" {
		t.Error(diff)
	}
	for _, path := range []string{objs + "%s/", objs + "%s/versions/"} {
		hidden := body(t, w.call("GET", fmt.Sprintf(path, idOf(2)), nil, as("reader")))
		absent := body(t, w.call("GET", fmt.Sprintf(path, idOf(9)), nil, as("reader")))
		if hidden != absent {
			t.Errorf("hidden %s, absent %s", hidden, absent)
		}
	}
	// A collection that is not for the caller, and one that does not exist.
	wantStatus(t, w.call("GET", "/other/collections/"+col+"/objects/", nil), 404)
	wantStatus(t, w.call("DELETE", "/other/collections/"+col+"/objects/"+idOf(1)+"/", nil), 404)
	hidden := body(t, w.call("GET", "/accord/collections/"+inbox+"/objects/", nil, as("reader")))
	absent := body(t, w.call("GET", "/accord/collections/"+idOf(1)[11:]+"/objects/", nil, as("reader")))
	if hidden != absent {
		t.Errorf("hidden %s, absent %s", hidden, absent)
	}
}

// §5.7: after a 200 "any subsequent attempts to fetch that object/version … MUST
// return an HTTP 404"; the manifest "MUST NOT return the object".
func TestWhatWasDeletedIsGone(t *testing.T) {
	w := newWorld(t)
	for _, v := range []int{1, 2, 3} {
		w.put(object(1, v))
	}
	w.put(object(2, 1))
	resp := w.call("DELETE", objs+idOf(1)+"/?match[version]="+versionOf(2), nil)
	if text := body(t, resp); resp.StatusCode != 200 || text != "" {
		t.Fatalf("%d %s", resp.StatusCode, text)
	}
	wantStatus(t, w.call("GET", objs+idOf(1)+"/?match[version]="+versionOf(2), nil), 404)
	wantStatus(t, w.call("GET", objs+idOf(1)+"/?added_after=2020-01-01T00:00:00.000000Z&match[version]="+versionOf(2), nil), 404)
	if got := w.page(objs + idOf(1) + "/versions/").Versions; len(got) != 2 {
		t.Errorf("versions left: %v", got)
	}
	wantStatus(t, w.call("DELETE", objs+idOf(1)+"/", nil), 200)
	for _, path := range []string{objs + idOf(1) + "/", objs + idOf(1) + "/?added_after=2020-01-01T00:00:00.000000Z", objs + idOf(1) + "/versions/"} {
		wantStatus(t, w.call("GET", path, nil), 404)
	}
	wantStatus(t, w.call("DELETE", objs+idOf(1)+"/", nil), 404)
	for _, path := range []string{objs, "/accord/collections/" + col + "/manifest/"} {
		if diff := cmp.Diff([]string{idOf(2)}, ids(w.page(path))); diff != "" {
			t.Error(diff)
		}
	}
}

// The Backend's own mistakes would lose objects at a client: they are not passed on.
func TestABackendThatBreaksItsContractIsAnErrorAndIsLogged(t *testing.T) {
	for name, shape := range map[string]func(*taxii.Page){
		"same stamp twice": func(p *taxii.Page) { p.Objects[1].Added = p.Objects[0].Added },
		"goes back":        func(p *taxii.Page) { slices.Reverse(p.Objects) },
		"more of nothing":  func(p *taxii.Page) { p.Objects, p.More = nil, true },
		"no stamp":         func(p *taxii.Page) { p.Objects[0].Added = 0 },
		"over the limit":   func(p *taxii.Page) { p.Objects = slices.Repeat(p.Objects, 2000) },
	} {
		w := newWorld(t)
		w.fill(3)
		w.mem.shape = shape
		resp := w.call("GET", objs, nil)
		wantStatus(t, resp, 500)
		if text := body(t, resp); strings.Contains(text, "backend") || !strings.Contains(w.log.String(), "backend gave") {
			t.Errorf("%s: told %s, logged %s", name, text, w.log)
		}
	}
}

func TestABackendsErrorsBecomeStatuses(t *testing.T) {
	for want, err := range map[int]error{
		404: accord.ErrNotFound, 403: accord.ErrForbidden, 409: accord.ErrConflict, 400: accord.ErrInvalid,
		429: &taxii.Error{Status: 429, Title: "Too Many Requests", RetryAfter: 1500 * time.Millisecond}, 500: errors.New("disk /secret is full"),
	} {
		w := newWorld(t)
		w.fill(1)
		w.mem.fail = fmt.Errorf("wrapped: %w", err)
		resp := w.call("GET", objs, nil)
		wantStatus(t, resp, want)
		if text := body(t, resp); strings.Contains(text, "secret") {
			t.Errorf("the peer reads: %s", text)
		}
		if got := resp.Header.Get("Retry-After"); want == 429 && got != "2" {
			t.Errorf("Retry-After: %q", got)
		}
	}
}

func TestASlowBackendIsCutOffWith503(t *testing.T) {
	w := newWorld(t, func(c *taxii.Config) { c.Timeout = 20 * time.Millisecond })
	w.fill(1)
	w.mem.slow = time.Minute
	resp := w.call("GET", objs, nil)
	wantStatus(t, resp, 503)
	if resp.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestHeadAnswersAsGetWithoutABody(t *testing.T) {
	w := newWorld(t)
	w.fill(1)
	resp := w.call("HEAD", objs, nil)
	if text := body(t, resp); resp.StatusCode != 200 || text != "" || resp.Header.Get("X-TAXII-Date-Added-Last") == "" {
		t.Errorf("%d %q %v", resp.StatusCode, text, resp.Header)
	}
}

func TestAServerRefusesToStartWithoutWhatItNeeds(t *testing.T) {
	for name, change := range map[string]func(*taxii.Config){
		"no root":       func(c *taxii.Config) { c.Roots = nil },
		"short key":     func(c *taxii.Config) { c.Key = c.Key[:15] },
		"no backend":    func(c *taxii.Config) { c.Backend = nil },
		"no auth":       func(c *taxii.Config) { c.Authenticate = nil },
		"no title":      func(c *taxii.Config) { c.Title = "" },
		"discovery":     func(c *taxii.Config) { c.Roots[0].Name = "taxii2" },
		"climbing":      func(c *taxii.Config) { c.Roots[0].Name = "../x" },
		"slashes":       func(c *taxii.Config) { c.Roots[0].Name = "/accord/" },
		"same twice":    func(c *taxii.Config) { c.Roots[1].Name = root },
		"nested":        func(c *taxii.Config) { c.Roots[1].Name = root + "/collections" },
		"plain http":    func(c *taxii.Config) { c.URL = "http://node.example" },
		"untitled root": func(c *taxii.Config) { c.Roots[0].Title = "" },
	} {
		cfg := newWorld(t).cfg
		cfg.Roots = slices.Clone(cfg.Roots)
		change(&cfg)
		if _, err := taxii.New(cfg); err == nil {
			t.Errorf("%s: it starts", name)
		}
	}
}

// Paths is where a mux needs the server: §8.2.1 puts discovery at the server's root.
func TestPathsCoverEveryRoute(t *testing.T) {
	w := newWorld(t, func(c *taxii.Config) {
		c.Roots = append(c.Roots, taxii.Root{Name: "taxii2/third", Title: "Third"})
	})
	w.mem.roots["taxii2/third"] = nil
	if diff := cmp.Diff([]string{"/taxii2/", "/accord/", "/other/"}, w.srv.Paths()); diff != "" {
		t.Error(diff)
	}
	mux := http.NewServeMux()
	for _, p := range w.srv.Paths() {
		mux.Handle(p, w.srv)
	}
	for _, path := range []string{"/taxii2/", "/taxii2/third/collections/", objs} {
		r := httptest.NewRequest("GET", path, nil)
		r.Header = http.Header{"Accept": {taxii.MediaType}, "Authorization": {"Bearer both"}}
		rec := httptest.NewRecorder()
		mux.ServeHTTP(rec, r)
		if rec.Code != 200 {
			t.Errorf("%s: %d %s", path, rec.Code, rec.Body)
		}
	}
}
