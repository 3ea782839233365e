// SPDX-License-Identifier: Apache-2.0

package exchange_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"accord"
	"accord/exchange"
	"accord/store/storetest"
	"accord/taxii"
	"accord/taxii/taxiitest"
	"accord/testworld"
)

// answer is what of an answer two servers can agree on.
type answer struct {
	Status  int
	Objects []string // id and version, or a manifest's records, or versions, in order
	More    bool
	First   string
	Last    string
	Type    string
}

func ask(t *testing.T, req *http.Request) (a answer) {
	t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	a.Status, a.Type = resp.StatusCode, resp.Header.Get("Content-Type")
	a.First, a.Last = resp.Header.Get("X-TAXII-Date-Added-First"), resp.Header.Get("X-TAXII-Date-Added-Last")
	var body struct {
		More     bool             `json:"more"`
		Objects  []map[string]any `json:"objects"`
		Versions []string         `json:"versions"`
	}
	if a.Status == http.StatusOK && len(b) > 0 {
		if err := json.Unmarshal(b, &body); err != nil {
			t.Fatalf("%s: %v in %s", req.URL, err, b)
		}
	}
	a.More, a.Objects = body.More, body.Versions
	for _, o := range body.Objects {
		text := fmt.Sprint(o["id"], " ", o["modified"])
		if o["date_added"] != nil {
			text = fmt.Sprint(o["id"], " ", o["version"], " ", o["date_added"], " ", o["media_type"])
		}
		a.Objects = append(a.Objects, text)
	}
	return a
}

// differs says in what two answers differ.
func differs(ours, theirs answer) (out []string) {
	if ours.Status != theirs.Status {
		return []string{fmt.Sprintf("status %d, theirs %d", ours.Status, theirs.Status)}
	}
	if !slices.Equal(ours.Objects, theirs.Objects) {
		out = append(out, fmt.Sprintf("objects %q, theirs %q", ours.Objects, theirs.Objects))
	}
	if ours.More != theirs.More {
		out = append(out, fmt.Sprintf("more %t, theirs %t", ours.More, theirs.More))
	}
	if ours.First != theirs.First || ours.Last != theirs.Last {
		out = append(out, fmt.Sprintf("dates %q %q, theirs %q %q", ours.First, ours.Last, theirs.First, theirs.Last))
	}
	if ours.Type != theirs.Type {
		out = append(out, fmt.Sprintf("type %q, theirs %q", ours.Type, theirs.Type))
	}
	return out
}

// shelfOf is the same objects in a node's own store and in medallion.
type shelfOf struct {
	ours, theirs string // base URLs of the collection
	added        []accord.Stamp
}

func newShelf(t *testing.T) shelfOf {
	t.Helper()
	begin := accord.StampOf(time.Date(2026, 1, 2, 3, 4, 5, 123456000, time.UTC))
	indicator := func(n, v int) string {
		return fmt.Sprintf(`{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-%012d","created":"2026-01-01T00:00:00.000Z",`+
			`"modified":"2026-01-%02dT00:00:00.000Z","pattern":"[domain-name:value = 'h%d.example']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z"}`, n, v, n)
	}
	texts := []string{indicator(1, 1), indicator(2, 1), indicator(1, 3), indicator(3, 2), indicator(4, 1), indicator(1, 2)}
	texts = append(texts,
		`{"type":"malware","spec_version":"2.1","id":"malware--00000000-0000-4000-8000-000000000007","created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z","name":"m","is_family":false}`,
		`{"type":"marking-definition","spec_version":"2.1","id":"marking-definition--00000000-0000-4000-8000-000000000008","created":"2026-01-01T00:00:00.000Z","definition_type":"statement","definition":{"statement":"s"}}`)
	db := storetest.Open(t, storetest.SQLite(t))
	var s shelfOf
	var objects []taxiitest.Object
	for i, text := range texts {
		at := begin + accord.Stamp(i*1_000_000)
		if _, err := db.Ingest(t.Context(), []accord.Item{testworld.Parsed(t, []byte(text))}, at); err != nil {
			t.Fatal(err)
		}
		objects, s.added = append(objects, taxiitest.Object{Bytes: []byte(text), Added: at}), append(s.added, at)
	}
	srv, err := taxii.New(taxii.Config{
		Title: "ours", Roots: []taxii.Root{{Name: exchange.OwnRoot, Title: "own"}}, Key: []byte("0123456789abcdef"), MaxPage: 100,
		Backend: &exchange.Own{Self: "node.example", Store: db},
		Authenticate: func(r *http.Request) (taxii.Caller, error) {
			if user, password, _ := r.BasicAuth(); user != taxiitest.User || password != taxiitest.Password {
				return taxii.Caller{}, taxii.ErrUnauthenticated
			}
			return taxii.Caller{Name: taxiitest.User, Role: accord.RoleReader}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewServer(srv)
	t.Cleanup(ts.Close)
	s.theirs = taxiitest.Medallion(t, objects, 100) + taxiitest.Root + "collections/" + taxiitest.Collection + "/"
	s.ours = ts.URL + "/own/collections/" + exchange.OwnID("node.example", "all") + "/"
	return s
}

// The same requests to a node's own store and to medallion, the OASIS server, over
// the same objects. Where they differ, known says why; nothing else may.
func TestTheServerAnswersAsMedallionDoesOrSaysWhyNot(t *testing.T) {
	s := newShelf(t)
	const one, three = "indicator--00000000-0000-4000-8000-000000000001", "indicator--00000000-0000-4000-8000-000000000003"
	const none = "indicator--00000000-0000-4000-8000-000000000999"
	requests := map[string]string{
		"all":                        "objects/",
		"a page":                     "objects/?limit=2",
		"a page that is the last":    "objects/?limit=6",
		"a page larger than all":     "objects/?limit=1000",
		"added after the first":      "objects/?added_after=" + s.added[0].String(),
		"added after an old version": "objects/?added_after=" + s.added[2].String(),
		"added after the last":       "objects/?added_after=" + s.added[7].String(),
		"added after, seconds":       "objects/?added_after=2026-01-02T03:04:06Z",
		"added after, nanoseconds":   "objects/?added_after=2026-01-02T03:04:06.123456789Z",
		"one type":                   "objects/?match[type]=malware",
		"two types":                  "objects/?match[type]=malware,marking-definition",
		"a type that none is of":     "objects/?match[type]=tool",
		"one id":                     "objects/?match[id]=" + three,
		"an id and another type":     "objects/?match[id]=" + three + "&match[type]=malware",
		"an id that is not there":    "objects/?match[id]=" + none,
		"all versions":               "objects/?match[version]=all",
		"first versions":             "objects/?match[version]=first",
		"last versions":              "objects/?match[version]=last",
		"first and last":             "objects/?match[version]=first,last&match[id]=" + one,
		"a version":                  "objects/?match[version]=2026-01-02T00:00:00.000Z",
		"a version and the last":     "objects/?match[version]=2026-01-02T00:00:00.000Z,last&match[id]=" + one,
		"specification 2.1":          "objects/?match[spec_version]=2.1",
		"specification 2.0":          "objects/?match[spec_version]=2.0",
		"specification 2.0 or 2.1":   "objects/?match[spec_version]=2.0,2.1",
		"manifest":                   "manifest/",
		"manifest of all versions":   "manifest/?match[version]=all",
		"manifest of a type":         "manifest/?match[type]=malware",
		"manifest, a page":           "manifest/?limit=3",
		"an object":                  "objects/" + three + "/",
		"an object, all versions":    "objects/" + one + "/?match[version]=all",
		"an object, first":           "objects/" + one + "/?match[version]=first",
		"an object not there":        "objects/" + none + "/",
		"versions of an object":      "objects/" + one + "/versions/",
		"versions of one version":    "objects/" + three + "/versions/",
		"versions of none":           "objects/" + none + "/versions/",
		"limit 0":                    "objects/?limit=0",
		"limit that is no number":    "objects/?limit=ten",
		"limit below 0":              "objects/?limit=-1",
		"added after nonsense":       "objects/?added_after=yesterday",
		"version nonsense":           "objects/?match[version]=new",
		"all with another":           "objects/?match[version]=all,first",
		"a version twice":            "objects/?match[version]=first,first",
		"a field twice":              "objects/?match[type]=malware&match[type]=tool",
		"an unknown field":           "objects/?match[colour]=red",
		"a parameter not TAXII's":    "objects/?colour=red",
		"next that is not ours":      "objects/?next=nonsense",
		"no slash at the end":        "objects",
		"no such endpoint":           "nothing/",
	}
	known := map[string]string{
		"added after an old version": "§3.4.1: versions are chosen among what is there; medallion cuts by added_after first, and gives version 2 of an object whose latest is 3",
		"added after the last":       "§3.2: both date headers on every 200; medallion sends none with an empty answer",
		"a type that none is of":     "the same",
		"an id that is not there":    "the same",
		"an id and another type":     "the same",
		"specification 2.0":          "the same",
		"added after, nanoseconds":   "we read any precision, and drop what is finer than a microsecond; medallion fails with 500",
		"versions of an object":      "§5.8 orders nothing; we list as added, medallion newest first",
		"added after nonsense":       "§3.4: malformed is 400; medallion fails with 500",
		"version nonsense":           "the same",
		"all with another":           "§3.4.1: all MUST NOT be used with another: 400; medallion gives all",
		"a version twice":            "§3.4.1: MUST NOT occur more than once: 400; medallion takes it",
		"a field twice":              "§3.4: MUST NOT occur more than once: 400; medallion takes the first",
		"an unknown field":           "§3.4 lets a server ignore it; we refuse, for an ignored filter gives more than was asked for",
		"no such endpoint":           "§3.1: every answer has the TAXII type; medallion's 404 is HTML",
		"no slash at the end":        "§3.1: the path MUST end in /: we say 404; medallion redirects, which loses credentials or a body",
	}
	for _, name := range slices.Sorted(maps.Keys(requests)) {
		get := func(base string) answer {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+requests[name], nil)
			if err != nil {
				t.Fatal(err)
			}
			req.SetBasicAuth(taxiitest.User, taxiitest.Password)
			req.Header.Set("Accept", taxii.MediaType)
			return ask(t, req)
		}
		check(t, name, get(s.ours), get(s.theirs), known)
	}
	s.headers(t)
}

func check(t *testing.T, name string, ours, theirs answer, known map[string]string) {
	t.Helper()
	got := differs(ours, theirs)
	switch why := known[name]; {
	case why == "" && len(got) > 0:
		t.Errorf("%s: not listed:\n  %s", name, strings.Join(got, "\n  "))
	case why != "" && len(got) == 0:
		t.Errorf("%s: listed, and there is no difference", name)
	case why != "":
		t.Logf("%s: %s\n  %s", name, why, strings.Join(got, "\n  "))
	}
}

// headers asks the same with other headers, and in another way.
func (s shelfOf) headers(t *testing.T) {
	t.Helper()
	known := map[string]string{
		"no Accept":              "RFC 9110 §12.5.1: no header accepts anything; medallion wants one, as TAXII §3.1 asks of clients",
		"any Accept":             "*/* accepts TAXII too; medallion says 406",
		"Accept without version": "§1.6.8.2: the version may be left out, and §3.1: it MUST NOT be 406; medallion says 406",
		"Accept of two":          "the first that fits decides for medallion, one of another version is 406; RFC 9110: any that fits",
		"wrong password":         "§3.1: every answer has the TAXII type; medallion's 401 is HTML",
		"no credentials":         "the same",
		"method not there":       "the same, of 405",
	}
	for name, change := range map[string]func(*http.Request){
		"no Accept":              func(r *http.Request) { r.Header.Del("Accept") },
		"any Accept":             func(r *http.Request) { r.Header.Set("Accept", "*/*") },
		"Accept without version": func(r *http.Request) { r.Header.Set("Accept", "application/taxii+json") },
		"Accept with a space":    func(r *http.Request) { r.Header.Set("Accept", "application/taxii+json; version=2.1") },
		"Accept of two": func(r *http.Request) {
			r.Header.Set("Accept", "application/taxii+json;version=2.0, application/taxii+json;version=2.1")
		},
		"Accept of STIX":   func(r *http.Request) { r.Header.Set("Accept", "application/stix+json;version=2.1") },
		"Accept of 2.0":    func(r *http.Request) { r.Header.Set("Accept", "application/taxii+json;version=2.0") },
		"wrong password":   func(r *http.Request) { r.SetBasicAuth(taxiitest.User, "wrong") },
		"no credentials":   func(r *http.Request) { r.Header.Del("Authorization") },
		"method not there": func(r *http.Request) { r.Method = http.MethodPut },
	} {
		get := func(base string) answer {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"objects/?limit=3", bytes.NewReader(nil))
			if err != nil {
				t.Fatal(err)
			}
			req.SetBasicAuth(taxiitest.User, taxiitest.Password)
			req.Header.Set("Accept", taxii.MediaType)
			change(req)
			return ask(t, req)
		}
		check(t, name, get(s.ours), get(s.theirs), known)
	}
}
