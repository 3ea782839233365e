// SPDX-License-Identifier: Apache-2.0

package feed_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"accord"
)

func TestAMISPFeedIsReadAnEventAtATimeAndOnlyWhatChanged(t *testing.T) {
	w := newWorld(t)
	const one, two = "5f0c6b2e-1111-4222-8333-444455556661", "5f0c6b2e-1111-4222-8333-444455556662"
	event := func(id, value string) string {
		return fmt.Sprintf(`{"Event":{"uuid":%q,"info":"x","date":"2026-01-02","timestamp":"1767323045","published":true,"threat_level_id":"2","analysis":"2",
			"Attribute":[{"uuid":"%s5","type":"domain","category":"Network activity","value":%q,"to_ids":true,"timestamp":"1767323045"}]}}`, id, id[:35], value)
	}
	manifest := fmt.Sprintf(`{%q:{"timestamp":"100","info":"a"},%q:{"timestamp":"200","info":"b"}}`, one, two)
	broken := true
	w.serve(func(rw http.ResponseWriter, r *http.Request) {
		switch filepath.Base(r.URL.Path) {
		case "manifest.json":
			fmt.Fprint(rw, manifest)
		case one + ".json":
			fmt.Fprint(rw, event(one, "a.example"))
		case two + ".json":
			if broken {
				rw.WriteHeader(http.StatusNotFound)
				return
			}
			fmt.Fprint(rw, event(two, "b.example"))
		}
	})
	w.add(accord.Feed{Kind: accord.FeedMISP})
	if r := w.run(accord.RunTaken, ""); r.Objects == 0 || r.Refused != 1 {
		t.Errorf("%+v", r)
	}
	broken = false
	w.asked = nil
	if r := w.run(accord.RunTaken, ""); r.New == 0 || r.Refused != 0 {
		t.Errorf("%+v", r)
	}
	if want := []string{"/feed/manifest.json", "/feed/" + two + ".json"}; !slices.Equal(w.asked, want) {
		t.Errorf("asked %q, want %q", w.asked, want)
	}
	w.run(accord.RunUnchanged, "")
}

// collection is a TAXII collection that fails after some pages.
func collection(objects []string, size int, dies func(page int) bool) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		at := 0
		if next := q.Get("next"); next != "" {
			_, _ = fmt.Sscan(next, &at)
		} else if after := q.Get("added_after"); after != "" {
			when, err := time.Parse(time.RFC3339Nano, after)
			if err != nil {
				rw.WriteHeader(http.StatusBadRequest)
				return
			}
			at = max(0, int(when.Sub(start)/time.Second)+1)
		}
		if dies(at / size) {
			rw.WriteHeader(http.StatusInternalServerError)
			return
		}
		rw.Header().Set("Content-Type", "application/taxii+json;version=2.1")
		end := min(at+size, len(objects))
		if at >= end {
			fmt.Fprint(rw, "{}")
			return
		}
		stamp := func(i int) string { return accord.StampOf(start.Add(time.Duration(i) * time.Second)).String() }
		rw.Header().Set("X-TAXII-Date-Added-First", stamp(at))
		rw.Header().Set("X-TAXII-Date-Added-Last", stamp(end-1))
		more := ""
		if end < len(objects) {
			more = fmt.Sprintf(`"more":true,"next":"%d",`, end)
		}
		fmt.Fprintf(rw, `{%s"objects":[%s]}`, more, strings.Join(objects[at:end], ","))
	}
}

func TestATAXIICollectionGoesOnWhereItWas(t *testing.T) {
	w := newWorld(t)
	var objects []string
	for i := range 25 {
		objects = append(objects, fmt.Sprintf(`{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-%012d","created":"2026-01-02T03:04:05.000Z","modified":"2026-01-02T03:04:05.000Z","pattern":"[domain-name:value = 'h%d.example']","pattern_type":"stix","valid_from":"2026-01-02T03:04:05Z"}`, i, i))
	}
	w.add(accord.Feed{Kind: accord.FeedTAXII, URL: w.server.URL + "/api/collections/91a7b528-80eb-42ed-a74d-c6fbd5a26116/"})
	w.serve(collection(objects, 10, func(page int) bool { return page == 1 }))
	if r := w.run(accord.RunFailed, "500"); r.New != 10 {
		t.Errorf("%+v", r)
	}
	var pages []int
	w.serve(collection(objects, 10, func(page int) bool { pages = append(pages, page); return false }))
	if r := w.run(accord.RunTaken, ""); r.New != 15 || r.Same != 0 || w.live() != 25 {
		t.Errorf("%+v, %d live", r, w.live())
	}
	if !slices.Equal(pages, []int{1, 2}) {
		t.Errorf("asked for pages %v, want the two that were not read", pages)
	}
	w.run(accord.RunUnchanged, "")
	// The server forgets its cursors: the run begins where the last whole one ended.
	objects = append(objects, strings.Replace(objects[0], "000000000000\"", "000000000099\"", 1))
	w.serve(collection(objects, 10, func(int) bool { return false }))
	if r := w.run(accord.RunTaken, ""); r.New != 1 {
		t.Errorf("%+v", r)
	}
}

func TestAServerWhoseClockIsAheadIsStillReadOnceItIsRight(t *testing.T) {
	w := newWorld(t)
	object := func(i int) string {
		return fmt.Sprintf(`{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-%012d","created":"2026-01-02T03:04:05.000Z","modified":"2026-01-02T03:04:05.000Z","pattern":"[domain-name:value = 'h%d.example']","pattern_type":"stix","valid_from":"2026-01-02T03:04:05Z"}`, i, i)
	}
	w.add(accord.Feed{Kind: accord.FeedTAXII, URL: w.server.URL + "/api/collections/91a7b528-80eb-42ed-a74d-c6fbd5a26116/"})
	w.serve(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/taxii+json;version=2.1")
		rw.Header().Set("X-TAXII-Date-Added-First", "9999-12-31T23:59:59.999999Z")
		rw.Header().Set("X-TAXII-Date-Added-Last", "9999-12-31T23:59:59.999999Z")
		fmt.Fprintf(rw, `{"objects":[%s]}`, object(1))
	})
	w.run(accord.RunTaken, "")
	added := accord.StampOf(w.clock().Add(time.Minute)).String()
	w.serve(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "application/taxii+json;version=2.1")
		if r.URL.Query().Get("added_after") >= added {
			fmt.Fprint(rw, "{}")
			return
		}
		rw.Header().Set("X-TAXII-Date-Added-First", added)
		rw.Header().Set("X-TAXII-Date-Added-Last", added)
		fmt.Fprintf(rw, `{"objects":[%s]}`, object(2))
	})
	if r := w.run(accord.RunTaken, ""); r.New != 1 {
		t.Errorf("%+v, want what was added after the clock was put right", r)
	}
}

func TestAPageThatPassesTheMostOfARunIsTakenWhole(t *testing.T) {
	w := newWorld(t)
	var objects []string
	for i := range 25 {
		objects = append(objects, fmt.Sprintf(`{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-%012d","created":"2026-01-02T03:04:05.000Z","modified":"2026-01-02T03:04:05.000Z","pattern":"[domain-name:value = 'h%d.example']","pattern_type":"stix","valid_from":"2026-01-02T03:04:05Z"}`, i, i))
	}
	w.add(accord.Feed{Kind: accord.FeedTAXII, URL: w.server.URL + "/api/collections/91a7b528-80eb-42ed-a74d-c6fbd5a26116/", MaxRun: 15})
	w.serve(collection(objects, 10, func(int) bool { return false }))
	if r := w.run(accord.RunTaken, "the next goes on"); r.New != 20 {
		t.Errorf("%+v, want two pages", r)
	}
	if r := w.run(accord.RunTaken, ""); r.New != 5 || w.live() != 25 {
		t.Errorf("%+v, %d live, want all 25", r, w.live())
	}
}

func TestOneEventThatIsAPageDoesNotKeepTheOthersOut(t *testing.T) {
	w := newWorld(t)
	const one, two = "5f0c6b2e-1111-4222-8333-444455556661", "5f0c6b2e-1111-4222-8333-444455556662"
	page := true
	w.serve(func(rw http.ResponseWriter, r *http.Request) {
		name := strings.TrimSuffix(filepath.Base(r.URL.Path), ".json")
		switch {
		case name == "manifest":
			rw.Header().Set("ETag", `"same"`)
			if r.Header.Get("If-None-Match") == `"same"` {
				rw.WriteHeader(http.StatusNotModified)
				return
			}
			fmt.Fprintf(rw, `{%q:{"timestamp":"100","info":"a"},%q:{"timestamp":"200","info":"b"}}`, one, two)
		case name == one && page:
			fmt.Fprint(rw, "<html>busy</html>")
		default:
			fmt.Fprintf(rw, `{"Event":{"uuid":%q,"info":"x","date":"2026-01-02","timestamp":"1767323045","published":true,"threat_level_id":"2","analysis":"2",
				"Attribute":[{"uuid":"%s5","type":"domain","category":"Network activity","value":"%s.example","to_ids":true,"timestamp":"1767323045"}]}}`, name, name[:35], name)
		}
	})
	w.add(accord.Feed{Kind: accord.FeedMISP})
	if r := w.run(accord.RunTaken, ""); r.New == 0 || r.Refused != 1 {
		t.Errorf("%+v, want the second event and the first refused", r)
	}
	page = false
	if r := w.run(accord.RunTaken, ""); r.New == 0 || r.Refused != 0 {
		t.Errorf("%+v, want the first event", r)
	}
	w.run(accord.RunUnchanged, "")
}
