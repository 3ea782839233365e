// SPDX-License-Identifier: Apache-2.0

package taxii_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"accord/taxii"
)

// §3.3: "objects returned MUST be sorted in ascending order by the date it was
// added". §3.4: without added_after "the server MUST return the oldest objects
// matching the request first"; "MUST NOT contain more objects than requested".
func TestPagesAddUpOldestFirstWithNextOrAddedAfter(t *testing.T) {
	w := newWorld(t, func(c *taxii.Config) { c.MaxPage = 7 })
	w.fill(25)
	var want []string
	for i := range 25 {
		want = append(want, idOf(i+1))
	}
	for _, limit := range []int{0, 1, 3, 7, 25, 1000} {
		for _, byNext := range []bool{true, false} {
			for _, path := range []string{objs, "/accord/collections/" + col + "/manifest/"} {
				if byNext && path != objs {
					continue
				}
				if diff := cmp.Diff(want, w.walk(path, limit, byNext)); diff != "" {
					t.Errorf("%s limit %d next %t: %s", path, limit, byNext, diff)
				}
			}
		}
	}
}

func (w *world) walk(path string, limit int, byNext bool) (all []string) {
	w.t.Helper()
	query := url.Values{}
	most := w.cfg.MaxPage
	if limit > 0 {
		query.Set("limit", fmt.Sprint(limit))
		most = min(most, limit)
	}
	for range 100 {
		p := w.page(path + "?" + query.Encode())
		if len(p.Objects) > most {
			w.t.Fatalf("%d objects for a limit of %d", len(p.Objects), most)
		}
		all = append(all, ids(p)...)
		switch {
		case !p.More && p.Next == "":
			return all
		case byNext && p.Next == "" || !p.More:
			w.t.Fatalf("more %t, next %q", p.More, p.Next)
		case byNext:
			query.Set("next", p.Next)
		default:
			query.Set("added_after", p.last)
		}
	}
	w.t.Fatal("100 pages and no end")
	return nil
}

// The known bad server pops objects as it serves them, and loses them on a retry.
func TestTheSameNextGivesTheSamePage(t *testing.T) {
	w := newWorld(t)
	w.fill(9)
	target := objs + "?limit=3&next=" + w.page(objs+"?limit=3").Next
	first := body(t, w.call("GET", target, nil))
	w.put(object(100, 1))
	for range 3 {
		if again := body(t, w.call("GET", target, nil)); again != first {
			t.Fatalf("first %s\nagain %s", first, again)
		}
	}
}

// §3.5: next goes "along with the same original query options": a cursor from
// elsewhere, or altered, is refused instead of skipping objects.
func TestACursorOfAnotherQueryIsRefused(t *testing.T) {
	w := newWorld(t)
	w.fill(9)
	next := w.page(objs + "?limit=3&match[type]=indicator").Next
	good := objs + "?limit=5&match[type]=indicator&next=" + next
	if got := ids(w.page(good)); len(got) != 5 || got[0] != idOf(4) {
		t.Errorf("another limit: %v", got)
	}
	// added_after may be left out or moved (OpenCTI does): the later position holds.
	if got := ids(w.page(good + "&added_after=" + w.stamp(6).String())); len(got) != 2 || got[0] != idOf(8) {
		t.Errorf("later added_after: %v", got)
	}
	if got := ids(w.page(good + "&added_after=2020-01-01T00:00:00Z")); len(got) != 5 || got[0] != idOf(4) {
		t.Errorf("earlier added_after: %v", got)
	}
	flipped := []byte(next)
	flipped[5] ^= 1
	for name, resp := range map[string]*http.Response{
		"no filter":          w.call("GET", objs+"?next="+next, nil),
		"other filter":       w.call("GET", objs+"?match[type]=malware&next="+next, nil),
		"other collection":   w.call("GET", "/accord/collections/"+inbox+"/objects/?match[type]=indicator&next="+next, nil),
		"other party":        w.call("GET", good, nil, as("reader")),
		"altered":            w.call("GET", objs+"?match[type]=indicator&next="+string(flipped), nil),
		"made up":            w.call("GET", objs+"?next=20", nil),
		"of an other object": w.call("GET", objs+idOf(1)+"/?next="+next, nil),
	} {
		if resp.StatusCode != 400 {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
	}
}

// §3.4.1: match[version].
func TestVersionsAreChosenAsAsked(t *testing.T) {
	w := newWorld(t)
	for _, v := range []int{1, 2, 3} {
		w.put(object(1, v))
	}
	w.put(object(2, 2))
	w.put([]byte(`{"type":"marking-definition","spec_version":"2.1","id":"marking-definition--00000000-0000-4000-8000-000000000009","created":"2026-01-02T00:00:00.000Z"}`))
	// "If an object does not have a created or modified timestamp … use a value for
	// the version that is consistent to the server": its date added, 2026-01-02T03:04:05.000006Z.
	w.put([]byte(`{"type":"domain-name","spec_version":"2.1","id":"domain-name--00000000-0000-5000-8000-000000000008","value":"a.example"}`))
	for _, tt := range []struct{ query, want string }{
		{"", "1/3 2/2 9/2 8/2"}, // "If no version parameter is provided, … only the latest"
		{"last", "1/3 2/2 9/2 8/2"},
		{"first", "1/1 2/2 9/2 8/2"},
		{"all", "1/1 1/2 1/3 2/2 9/2 8/2"},
		{"first,last", "1/1 1/3 2/2 9/2 8/2"},
		{"2026-01-02T03:04:05.000006Z", "8/2"},
		{"2026-01-02T00:00:00.000Z", "1/2 2/2 9/2"}, // not versioned: "MUST use the created timestamp"
		{"2026-01-02T00:00:00Z,first", "1/1 1/2 2/2 9/2 8/2"},
		{"2026-01-01T00:00:00.000Z,2026-01-03T00:00:00.000000Z", "1/1 1/3"},
		{"2025-01-01T00:00:00.000Z", ""},
	} {
		target := "/accord/collections/" + col + "/manifest/"
		if tt.query != "" {
			target += "?match[version]=" + tt.query
		}
		var got []string
		for _, o := range w.page(target).Objects {
			got = append(got, o.ID[len(o.ID)-1:]+"/"+o.Version[9:10])
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("match[version]=%s: got %v, want %s", tt.query, got, tt.want)
		}
	}
}

// §3.4: "all match fields are ANDed together"; "If multiple values are present, the
// match is treated as a logical OR".
func TestFieldsAreAndedAndValuesOred(t *testing.T) {
	w := newWorld(t)
	w.fill(3)
	w.put([]byte(`{"type":"malware","spec_version":"2.1","id":"malware--00000000-0000-4000-8000-000000000007","modified":"2026-01-01T00:00:00.000Z"}`))
	w.put([]byte(`{"type":"malware","id":"malware--00000000-0000-4000-8000-000000000007","modified":"2026-01-01T00:00:00.000Z"}`))
	malware := "malware--00000000-0000-4000-8000-000000000007"
	for _, tt := range []struct {
		query string
		want  []string
	}{
		{"match[type]=malware", []string{malware}}, // §3.4.1: "only the latest specification version"
		{"match[type]=malware,indicator&match[id]=" + idOf(2) + "," + malware, []string{idOf(2), malware}},
		{"match[type]=indicator&match[id]=" + malware, nil},
		{"match[spec_version]=2.0", []string{malware}},
		{"match[spec_version]=2.0,2.1&match[type]=malware", []string{malware, malware}},
		{"match%5Btype%5D=indicator&limit=1&unknown=1", []string{idOf(1)}},
		{"match[type]=x-custom-type", nil}, // §3.4.1: types MUST NOT result in an error
	} {
		if diff := cmp.Diff(tt.want, ids(w.page(objs+"?"+tt.query))); diff != "" {
			t.Errorf("%s: %s", tt.query, diff)
		}
	}
}

// §3.4: "If any of the URL query parameters are malformed, the TAXII Server MUST
// return an HTTP 400 (Bad Request) status code."
func TestMalformedParametersAreRefused(t *testing.T) {
	w := newWorld(t)
	w.fill(1)
	at := "2026-01-01T00:00:00.000000Z"
	all := []string{
		"added_after=", "added_after=yesterday", "added_after=2026-01-01", "added_after=2026-01-01T00:00:00%2B01:00",
		"added_after=2026-13-01T00:00:00.000000Z", "added_after=2026-01-01T00:00:00,000000Z",
		"added_after=" + at + "&added_after=" + at, "added_after=" + at + "," + at, // "MUST NOT have more than one instance"
		"limit=0", "limit=-1", "limit=ten", "limit=%2B1", "limit=1.0", "limit=", "limit=1&limit=1", "limit=99999999999999999999",
		"next=", "next=1&next=2", "%zz=1", "match[spec_version]=two", "match[spec_version]=2.1&match[spec_version]=2.1",
	}
	onList := []string{
		"match[type]=", "match[type]=a,,b", "match[type]=indicator,%20malware", "match[type]=INDICATOR", "match[type]=a&match[type]=b",
		"match[id]=indicator", "match[id]=indicator--1", "match[id]=" + idOf(1) + "%20", "match[color]=red", "match=1",
		"match[id]=" + strings.Repeat(idOf(1)+",", 500) + idOf(1),
	}
	onVersion := []string{
		"match[version]=", "match[version]=all,last", "match[version]=all,all", "match[version]=last,last", "match[version]=newest",
		"match[version]=first,first", "match[version]=" + at + "," + at, "match[version]=" + at + ",2026-01-01T00:00:00Z",
	}
	manifest := "/accord/collections/" + col + "/manifest/"
	for path, queries := range map[string][]string{
		objs:                             slices.Concat(all, onList, onVersion),
		manifest:                         slices.Concat(all, onList, onVersion),
		objs + idOf(1) + "/":             slices.Concat(all, onVersion, []string{"match[id]=" + idOf(1), "match[type]=indicator"}), // §5.6: "The only valid match parameter is version"
		objs + idOf(1) + "/versions/":    slices.Concat(all, []string{"match[version]=last", "match[type]=indicator"}),
		"DELETE " + objs + idOf(1) + "/": slices.Concat(onVersion, []string{"added_after=" + at, "limit=1", "match[type]=indicator", "match[id]=" + idOf(1)}),
	} {
		method, path, cut := strings.Cut(path, " ")
		if !cut {
			method, path = "GET", method
		}
		for _, q := range queries {
			if resp := w.call(method, path+"?"+q, nil); resp.StatusCode != 400 {
				t.Errorf("%s %s?%s: %d", method, path, q, resp.StatusCode)
			}
		}
	}
}

// §2 asks for six digits; these are what deployed clients send (divergences-taxii.md).
func TestAddedAfterIsReadWithAnyPrecision(t *testing.T) {
	w := newWorld(t)
	w.fill(3) // added at 03:04:05.000001, 2, 3
	for at, want := range map[string]int{
		"2026-01-02T03:04:05Z": 3, "2026-01-02T03:04:05.000Z": 3, "2026-01-02T03:04:05.000001Z": 2,
		"2026-01-02T03:04:05.0000019Z": 2, "2026-01-02T03:04:05.000003Z": 0, "1969-01-01T00:00:00Z": 3,
	} {
		if got := len(w.page(objs + "?added_after=" + at).Objects); got != want {
			t.Errorf("added_after=%s: %d objects, want %d", at, got, want)
		}
	}
}

// §5.3.1 and §5.8.1: the resources have more, and no next.
func TestManifestAndVersionsPageByAddedAfterAlone(t *testing.T) {
	w := newWorld(t)
	for v := range 5 {
		w.put(object(1, v+1))
	}
	m := w.page("/accord/collections/" + col + "/manifest/?limit=2&match[version]=all")
	v := w.page(objs + idOf(1) + "/versions/?limit=2")
	if !m.More || m.Next != "" || !v.More || v.Next != "" {
		t.Errorf("manifest %+v versions %+v", m, v)
	}
	var got []string
	for target := "?limit=2"; ; {
		p := w.page(objs + idOf(1) + "/versions/" + target)
		got = append(got, p.Versions...)
		if !p.More {
			break
		}
		target = "?limit=2&added_after=" + p.last
	}
	if diff := cmp.Diff([]string{versionOf(1), versionOf(2), versionOf(3), versionOf(4), versionOf(5)}, got); diff != "" {
		t.Error(diff)
	}
}

// §3.4: "If the number of objects available for the response is less than or equal
// to both the client requested and server-imposed limit, then all objects MUST be
// included"; else "more" MUST be true. Any limits, versions and filters: the pages
// add up to the whole.
func TestPagesOfAnyQueryAddUpToItsWholeAnswer(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(0, 30).Draw(rt, "objects") {
			w.put(object(rapid.IntRange(1, 6).Draw(rt, "n"), rapid.IntRange(1, 4).Draw(rt, "v")))
		}
		filter := rapid.SampledFrom([]string{
			"", "&match[version]=all", "&match[version]=first", "&match[version]=first,last",
			"&match[id]=" + idOf(1) + "," + idOf(2),
		}).Draw(rt, "filter")
		limit := rapid.IntRange(1, 9).Draw(rt, "limit")
		want := w.page(objs + "?limit=1000" + filter)
		for _, byNext := range []bool{true, false} {
			var got []stix
			for more, at := true, ""; more; {
				p := w.page(fmt.Sprintf("%s?limit=%d%s%s", objs, limit, filter, at))
				got = append(got, p.Objects...)
				if more, at = p.More, "&next="+p.Next; !byNext {
					at = "&added_after=" + p.last
				}
			}
			if diff := cmp.Diff(want.Objects, got); diff != "" {
				rt.Fatalf("next %t: %s", byNext, diff)
			}
		}
	})
}

func TestAnAnswerEndsAtItsByteLimit(t *testing.T) {
	w := newWorld(t, func(c *taxii.Config) { c.MaxPageBytes = 700 })
	w.fill(20)
	p := w.page(objs)
	if len(p.Objects) >= 20 || len(p.Objects) == 0 || !p.More {
		t.Fatalf("%d objects, more %t", len(p.Objects), p.More)
	}
	var got []string
	for at := ""; ; {
		p := w.page(objs + at)
		got = append(got, ids(p)...)
		if !p.More {
			break
		}
		at = "?next=" + p.Next
	}
	if len(got) != 20 || got[19] != idOf(20) {
		t.Errorf("%d objects in all: %v", len(got), got)
	}
}
