// SPDX-License-Identifier: Apache-2.0

package taxii_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/taxii"
)

// client returns a Client of w over real HTTP on loopback.
func (w *world) client(wrap ...func(http.Handler) http.Handler) *taxii.Client {
	var h http.Handler = w.srv
	for _, f := range wrap {
		h = f(h)
	}
	return clientOf(w.t, h)
}

func clientOf(t testing.TB, h http.Handler) *taxii.Client {
	ts := httptest.NewServer(h)
	t.Cleanup(ts.Close)
	return &taxii.Client{URL: ts.URL, Token: "both", HTTP: ts.Client()}
}

func collect(t testing.TB, c *taxii.Client, q taxii.Query) (texts []string, err error) {
	t.Helper()
	for e, err := range c.Objects(t.Context(), "/accord/", col, q) {
		if err != nil {
			return texts, err
		}
		for _, o := range e.Objects {
			texts = append(texts, string(o))
		}
	}
	return texts, nil
}

func wantObjects(n int) (texts []string) {
	for i := range n {
		texts = append(texts, string(object(i+1, 1)))
	}
	return texts
}

// §8.4.2: "It MUST support parsing all properties for resources defined in section
// 4 and section 5."
func TestAClientReadsEveryResource(t *testing.T) {
	w := newWorld(t)
	w.put(object(1, 1))
	w.put(object(1, 2))
	w.put(object(2, 1))
	c, ctx := w.client(), t.Context()
	c.Token, c.User, c.Password = "", "both", "secret" // §8.5.1: "It MUST implement the HTTP Basic authentication scheme"
	d, err := c.Discovery(ctx)
	if err != nil || d.Default != "/accord/" {
		t.Fatal(d, err)
	}
	r, err := c.Root(ctx, d.Default)
	if diff := cmp.Diff(taxii.APIRoot{Title: "Accord", Versions: []string{taxii.MediaType}, MaxContentLength: 100_000}, r); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if r, err = c.Root(ctx, c.URL+"/accord/"); err != nil || r.Title != "Accord" {
		t.Error("absolute root:", r, err)
	}
	list, err := c.Collections(ctx, d.Default)
	if err != nil || len(list) != 2 || list[0].ID != col || !list[0].CanWrite {
		t.Error(list, err)
	}
	one, err := c.Collection(ctx, d.Default, "indicators")
	if diff := cmp.Diff(list[0], one); err != nil || diff != "" {
		t.Error(err, diff)
	}
	var records []taxii.ManifestRecord
	for p, err := range c.Manifest(ctx, d.Default, col, taxii.Query{Limit: 1, Versions: taxii.Versions{All: true}}) {
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, p.Records...)
	}
	want := []taxii.ManifestRecord{
		{ID: idOf(1), DateAdded: w.stamp(0), Version: versionOf(1), MediaType: "application/stix+json;version=2.1"},
		{ID: idOf(1), DateAdded: w.stamp(1), Version: versionOf(2), MediaType: "application/stix+json;version=2.1"},
		{ID: idOf(2), DateAdded: w.stamp(2), Version: versionOf(1), MediaType: "application/stix+json;version=2.1"},
	}
	if diff := cmp.Diff(want, records); diff != "" {
		t.Error(diff)
	}
	vs, err := c.Versions(ctx, d.Default, col, idOf(1))
	if diff := cmp.Diff([]string{versionOf(1), versionOf(2)}, vs); err != nil || diff != "" {
		t.Error(err, diff)
	}
	n := 0
	for e, err := range c.Object(ctx, d.Default, col, idOf(1), taxii.Query{Versions: taxii.Versions{First: true, Last: true}}) {
		if err != nil || len(e.Objects) != 2 {
			t.Error(len(e.Objects), err)
		}
		n++
	}
	if err := c.Delete(ctx, d.Default, col, idOf(1), taxii.Query{}); err != nil || n != 1 {
		t.Error(n, err)
	}
	_, err = c.Versions(ctx, d.Default, col, idOf(1))
	if !errors.Is(err, accord.ErrNotFound) {
		t.Error("after deletion:", err)
	}
}

func TestAClientReadsPagesOfAnySizeAndResumes(t *testing.T) {
	w := newWorld(t)
	w.fill(20)
	c := w.client()
	for _, limit := range []int{0, 1, 7, 20, 21} {
		got, err := collect(t, c, taxii.Query{Limit: limit})
		if diff := cmp.Diff(wantObjects(20), got); err != nil || diff != "" {
			t.Error(limit, err, diff)
		}
	}
	var next string
	var last accord.Stamp
	for e, err := range c.Objects(t.Context(), "accord", col, taxii.Query{Limit: 8}) {
		if err != nil {
			t.Fatal(err)
		}
		next, last = e.Next, e.Last
		break
	}
	for _, q := range []taxii.Query{{Limit: 3, Next: next}, {Limit: 5, AddedAfter: last}} {
		got, err := collect(t, c, q)
		if diff := cmp.Diff(wantObjects(20)[8:], got); err != nil || diff != "" {
			t.Error(err, diff)
		}
	}
}

// Every third answer is cut in the middle, every fourth is a 503: the objects are
// the same.
func TestAClientSurvivesRetries(t *testing.T) {
	w := newWorld(t)
	w.fill(30)
	var calls atomic.Int64
	c := w.client(func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			switch n := calls.Add(1); {
			case n%3 == 0:
				rec := httptest.NewRecorder()
				h.ServeHTTP(rec, r)
				rw.Header().Set("Content-Type", taxii.MediaType)
				rw.Header().Set("Content-Length", fmt.Sprint(rec.Body.Len()))
				_, _ = rw.Write(rec.Body.Bytes()[:rec.Body.Len()/2])
			case n%4 == 0:
				rw.WriteHeader(http.StatusServiceUnavailable)
			default:
				h.ServeHTTP(rw, r)
			}
		})
	})
	got, err := collect(t, c, taxii.Query{Limit: 4})
	if diff := cmp.Diff(wantObjects(30), got); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

// script answers the n-th request with the n-th answer, the last one for ever.
func script(answers ...string) http.Handler {
	var n atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		i := int(n.Add(1)) - 1
		last, text, _ := strings.Cut(answers[min(i, len(answers)-1)], "|")
		h := w.Header()
		h.Set("Content-Type", taxii.MediaType)
		if last != "" {
			h.Set("X-TAXII-Date-Added-First", last)
			h.Set("X-TAXII-Date-Added-Last", last)
		}
		_, _ = io.WriteString(w, strings.ReplaceAll(text, "#", fmt.Sprint(i)))
	})
}

// OpenTAXII issue 272 and its kind: a server that leads a client in circles.
func TestPagingThatDoesNotEndIsRefused(t *testing.T) {
	const t1, t2 = "2026-01-01T00:00:01.000000Z", "2026-01-01T00:00:02.000000Z"
	for name, tt := range map[string]struct {
		want    string
		answers []string
	}{
		"one cursor, pages in a circle": {"came before", []string{
			`|{"more":true,"next":"a","objects":[{"n":1}]}`, `|{"more":true,"next":"a","objects":[{"n":2}]}`,
			`|{"more":true,"next":"a","objects":[{"n":1}]}`, `|{"more":true,"next":"a","objects":[{"n":2}]}`,
		}},
		"one cursor, fresh objects without an end": {"more than 30 pages", []string{t1 + `|{"more":true,"next":"a","objects":[{"n":#}]}`}},
		"cursors in a circle": {"came before", []string{
			`|{"more":true,"next":"a","objects":[{"n":1}]}`, `|{"more":true,"next":"b","objects":[{"n":2}]}`, `|{"more":true,"next":"a","objects":[{"n":3}]}`,
		}},
		"endless more of nothing":  {"without anything new", []string{t1 + `|{"more":true,"next":"#"}`}},
		"endless more of the same": {"without anything new", []string{t1 + `|{"more":true,"next":"#","objects":[{"n":1}]}`}},
		"the clock goes back": {"goes back", []string{
			t2 + `|{"more":true,"next":"a","objects":[{"n":1}]}`, t1 + `|{"objects":[{"n":2}]}`,
		}},
		"no next and no date":          {"neither next", []string{`|{"more":true,"objects":[{"n":1}]}`}},
		"no next, date not readable":   {"neither next", []string{`Thu Feb 20 2020|{"more":true,"objects":[{"n":1}]}`}},
		"no next, date stands still":   {"more objects were added at", []string{t1 + `|{"more":true,"objects":[{"n":1}]}`}},
		"a page over all size":         {"a page of 10001", []string{`|{"objects":[` + strings.Repeat(`{},`, 10_000) + `{}]}`}},
		"a cursor over all size":       {"5000 octets", []string{`|{"more":true,"next":"` + strings.Repeat("a", 5000) + `","objects":[{"n":1}]}`}},
		"fresh objects without an end": {"more than 30 pages", []string{`|{"more":true,"next":"#","objects":[{"n":#}]}`}},
	} {
		t.Run(name, func(t *testing.T) {
			c := clientOf(t, script(tt.answers...))
			c.MaxPages = 30
			if _, err := collect(t, c, taxii.Query{}); !errors.Is(err, taxii.ErrPaging) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want ErrPaging for %q", err, tt.want)
			}
		})
	}
}

// §3.5 allows one page of nothing after objects were deleted.
func TestAnEmptyPageInTheMiddleIsNoEnd(t *testing.T) {
	c := clientOf(t, script(`|{"more":true,"next":"a","objects":[{"n":1}]}`, `|{"more":true,"next":"b"}`, `|{"objects":[{"n":2}]}`))
	got, err := collect(t, c, taxii.Query{})
	if diff := cmp.Diff([]string{`{"n":1}`, `{"n":2}`}, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

// §2 forbids empty lists; servers send them all the same.
func TestAnEmptyListIsReadAsNone(t *testing.T) {
	got, err := collect(t, clientOf(t, script(`|{"more":false,"objects":[]}`)), taxii.Query{})
	if err != nil || len(got) != 0 {
		t.Error(got, err)
	}
}

// A server without next, several of whose objects share a stamp: §3.5's fallback
// alone would lose those that the page cut off.
func TestObjectsThatShareAStampAreNotLostWithoutNext(t *testing.T) {
	stamps := []accord.Stamp{10, 20, 20, 20, 30, 30, 40}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var after accord.Stamp
		limit := 0
		_ = after.UnmarshalText([]byte(r.FormValue("added_after")))
		_, _ = fmt.Sscan(r.FormValue("limit"), &limit)
		var list []string
		var last accord.Stamp
		more := false
		for i, at := range stamps {
			if at <= after {
				continue
			}
			if more = len(list) == limit; more {
				break
			}
			list, last = append(list, fmt.Sprintf(`{"n":%d}`, i)), at
		}
		w.Header().Set("Content-Type", taxii.MediaType)
		w.Header().Set("X-TAXII-Date-Added-Last", last.String())
		fmt.Fprintf(w, `{"more":%t,"objects":[%s]}`, more, strings.Join(list, ","))
	})
	for _, limit := range []int{1, 2, 3, 100} {
		got, err := collect(t, clientOf(t, h), taxii.Query{Limit: limit})
		var want []string
		for i := range stamps {
			want = append(want, fmt.Sprintf(`{"n":%d}`, i))
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Error(limit, err, diff)
		}
	}
}

func TestHostileAnswersAreRefused(t *testing.T) {
	answer := func(ct, ce string, status int, text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", ct)
			if ce != "" {
				w.Header().Set("Content-Encoding", ce)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
		})
	}
	big := `{"x":"` + strings.Repeat("a", 3<<20) + `"}`
	for name, h := range map[string]http.Handler{
		"a login page":     answer("text/html", "", 200, "<html>"),
		"TAXII 2.0":        answer("application/vnd.oasis.taxii+json; version=2.0", "", 200, "{}"),
		"another version":  answer("application/taxii+json;version=3.0", "", 200, "{}"),
		"name twice":       answer(taxii.MediaType, "", 200, `{"more":true,"more":false}`),
		"names by case":    answer(taxii.MediaType, "", 200, `{"Objects":[{}]}`),
		"not JSON":         answer(taxii.MediaType, "", 200, `{`),
		"too large":        answer(taxii.MediaType, "", 200, big),
		"bomb":             answer(taxii.MediaType, "gzip", 200, string(gz(t, []byte(big)))),
		"unknown encoding": answer(taxii.MediaType, "br", 200, `{}`),
		"deep":             answer(taxii.MediaType, "", 200, `{"objects":[`+strings.Repeat(`{"a":`, 100_000)),
	} {
		c := clientOf(t, h)
		c.MaxResponse, c.Attempts = 2<<20, 2
		if got, err := collect(t, c, taxii.Query{}); err == nil {
			t.Errorf("%s: read as %d objects", name, len(got))
		} else if len(err.Error()) > 2000 {
			t.Errorf("%s: an error of %d octets", name, len(err.Error()))
		}
	}
}

func TestRefusalsAreTyped(t *testing.T) {
	w := newWorld(t)
	w.fill(1)
	c := w.client()
	c.Token = "nobody"
	if _, err := c.Discovery(t.Context()); !errors.Is(err, taxii.ErrUnauthenticated) {
		t.Error(err)
	}
	w.mem.fail = &taxii.Error{Status: 429, Title: "Too Many Requests", Description: "slow\ndown\x1b[0m", RetryAfter: time.Hour}
	_, err := collect(t, w.client(), taxii.Query{})
	var e *taxii.Error
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	if diff := cmp.Diff(taxii.Error{Status: 429, Title: "Too Many Requests", Description: "slow down [0m", RetryAfter: time.Hour}, *e); diff != "" {
		t.Error(diff)
	}
	for status, want := range map[int]error{
		400: accord.ErrInvalid, 401: taxii.ErrUnauthenticated, 403: accord.ErrForbidden, 404: accord.ErrNotFound, 409: accord.ErrConflict,
		406: accord.ErrInvalid, 413: accord.ErrInvalid, 415: accord.ErrInvalid, 422: accord.ErrInvalid,
	} {
		if !errors.Is(&taxii.Error{Status: status}, want) {
			t.Errorf("%d is not %v", status, want)
		}
	}
	dated := clientOf(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", "Fri, 02 Jan 2026 03:04:05 GMT")
		w.Header().Set("Retry-After", "Fri, 02 Jan 2026 03:06:05 GMT")
		w.WriteHeader(503)
	}))
	if _, err := dated.Discovery(t.Context()); !errors.As(err, &e) || e.RetryAfter != 2*time.Minute {
		t.Error(err)
	}
}

// §8.5.1: "It MUST initiate TAXII 2.1 requests to a TAXII 2.1 Server using HTTPS";
// §4.1: discovery may name roots on other servers, which get no credentials.
func TestCredentialsGoToTheirOwnServerOnly(t *testing.T) {
	var elsewhere atomic.Int64
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer thief.Close()
	c := clientOf(t, http.RedirectHandler(thief.URL+"/taxii2/", http.StatusTemporaryRedirect))
	var e *taxii.Error
	if _, err := c.Discovery(t.Context()); !errors.As(err, &e) || e.Status != 307 {
		t.Error(err)
	}
	for _, root := range []string{
		thief.URL + "/accord/", "//" + thief.Listener.Addr().String() + "/accord/", "https://evil.example/accord/",
		"../accord/", "/accord/?x=1", "/accord/#x", "/a/../accord/", `/\evil.example/`, "mailto:x", "", "http://user@127.0.0.1/",
	} {
		if _, err := c.Root(t.Context(), root); !errors.Is(err, accord.ErrInvalid) && !errors.Is(err, accord.ErrForbidden) {
			t.Errorf("root %q: %v", root, err)
		}
	}
	if elsewhere.Load() != 0 {
		t.Error("another server was asked")
	}
	for _, bad := range []string{"http://node.example", "node.example", "https://node.example/taxii2/", "https://u:p@node.example", "ftp://node.example", ""} {
		if _, err := (&taxii.Client{URL: bad}).Discovery(t.Context()); !errors.Is(err, accord.ErrInvalid) {
			t.Errorf("URL %q: %v", bad, err)
		}
	}
	if _, err := collect(t, c, taxii.Query{}); err == nil {
		t.Error("a redirect gave objects")
	}
	for range c.Objects(t.Context(), "/accord/", "..", taxii.Query{}) {
		break
	}
}

func TestAClientStopsWhenItsContextEnds(t *testing.T) {
	w := newWorld(t)
	w.fill(1)
	w.mem.slow = time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	for _, err := range w.client().Objects(ctx, "/accord/", col, taxii.Query{}) {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	}
}

type fakeDNS []*net.SRV

func (f fakeDNS) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	if service != "taxii2" || proto != "tcp" || name != "atlantis.example" {
		return "", nil, fmt.Errorf("asked for _%s._%s.%s", service, proto, name)
	}
	return "", f, nil
}

// §3.9: the service name is taxii2, the protocol tcp.
func TestLookupFindsServersInDNS(t *testing.T) {
	got, err := taxii.Lookup(t.Context(), fakeDNS{{Target: "hub-1.atlantis.example.", Port: 443}, {Target: "."}}, "atlantis.example")
	if diff := cmp.Diff([]string{"https://hub-1.atlantis.example:443"}, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
}
