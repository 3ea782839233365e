// SPDX-License-Identifier: Apache-2.0

package misp_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/misp"
)

const (
	idA = "0b1c2d3e-0000-4000-8000-00000000000a"
	idB = "0b1c2d3e-0000-4000-8000-00000000000b"
	idC = "0b1c2d3e-0000-4000-8000-00000000000c"
)

// folder is a feed on a web server: files by name, and how often each was asked for.
type folder struct {
	files map[string]string
	asked map[string]int
	etag  string
}

func (f *folder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/feed/")
	f.asked[name]++
	text, ok := f.files[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if name == "manifest.json" {
		w.Header().Set("ETag", f.etag)
		if f.etag != "" && r.Header.Get("If-None-Match") == f.etag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	fmt.Fprint(w, text)
}

func manifest(entries map[string]int) string {
	var out []string
	for _, id := range slices.Sorted(maps.Keys(entries)) {
		out = append(out, fmt.Sprintf(`%q:{"timestamp":"%d","info":"Lamp","date":"2026-02-01","Orgc":{"name":"Quay"},"Tag":[{"name":"tlp:clear"}],"analysis":"0"}`, id, entries[id]))
	}
	return "{" + strings.Join(out, ",") + "}"
}

// feedOf serves a feed and returns a reader of it.
func feedOf(t *testing.T, files map[string]string) (*folder, *misp.FeedReader) {
	t.Helper()
	f := &folder{files: files, asked: map[string]int{}, etag: `"1"`}
	ts := httptest.NewServer(f)
	t.Cleanup(ts.Close)
	return f, &misp.FeedReader{URL: ts.URL + "/feed/", Client: ts.Client()}
}

// read runs the reader once and says what it yielded.
func read(t *testing.T, r *misp.FeedReader, s *misp.State) (out []string, last error) {
	t.Helper()
	for e, err := range r.Changed(t.Context(), s) {
		switch {
		case err != nil:
			last = err
			out = append(out, "error "+e.UUID[max(0, len(e.UUID)-1):])
		case e.Gone:
			out = append(out, "gone "+e.UUID[35:])
		default:
			out = append(out, e.UUID[35:]+" "+string(e.Bytes))
		}
	}
	return out, last
}

func TestAFeedYieldsWhatChangedOldestFirstAndThenNothing(t *testing.T) {
	f, r := feedOf(t, map[string]string{"manifest.json": manifest(map[string]int{idA: 20, idB: 10}), idA + ".json": "A", idB + ".json": "B"})
	var s misp.State
	got, err := read(t, r, &s)
	if diff := cmp.Diff([]string{"b B", "a A"}, got); diff != "" || err != nil {
		t.Fatal(err, diff)
	}
	if got, err := read(t, r, &s); len(got) != 0 || err != nil || f.asked["manifest.json"] != 2 {
		t.Errorf("read again: %v, %v, asked %v", got, err, f.asked)
	}
	f.etag = `"2"`
	f.files["manifest.json"] = manifest(map[string]int{idA: 21, idC: 5})
	f.files[idA+".json"], f.files[idC+".json"] = "A2", "C"
	got, err = read(t, r, &s)
	if diff := cmp.Diff([]string{"c C", "a A2", "gone b"}, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if diff := cmp.Diff(misp.State{ETag: `"2"`, Events: map[string]int64{idA: 21, idC: 5}}, s); diff != "" {
		t.Error(diff)
	}
}

func TestAnEventThatCannotBeReadIsTriedAgainAndTheRestTaken(t *testing.T) {
	f, r := feedOf(t, map[string]string{"manifest.json": manifest(map[string]int{idA: 20, idB: 10}), idA + ".json": "A"})
	var s misp.State
	got, err := read(t, r, &s)
	if diff := cmp.Diff([]string{"error b", "a A"}, got); diff != "" || !errors.Is(err, misp.ErrEvent) || !errors.Is(err, accord.ErrNotFound) {
		t.Fatal(err, diff)
	}
	f.files[idB+".json"] = "B"
	if got, err := read(t, r, &s); len(got) != 1 || got[0] != "b B" || err != nil {
		t.Errorf("read again: %v, %v", got, err)
	}
}

func TestAConsumerThatStopsGoesOnWhereItStopped(t *testing.T) {
	_, r := feedOf(t, map[string]string{"manifest.json": manifest(map[string]int{idA: 20, idB: 10}), idA + ".json": "A", idB + ".json": "B"})
	var s misp.State
	for range r.Changed(t.Context(), &s) {
		break // the first event's effects were not kept
	}
	if got, err := read(t, r, &s); len(got) != 2 || err != nil {
		t.Errorf("read %v, %v, want both", got, err)
	}
}

func TestARunEndsAtItsLimitsAndTheNextGoesOn(t *testing.T) {
	_, r := feedOf(t, map[string]string{"manifest.json": manifest(map[string]int{idA: 20, idB: 10}), idA + ".json": "A", idB + ".json": "B"})
	r.Limits.Events = 1
	var s misp.State
	got, err := read(t, r, &s)
	if diff := cmp.Diff([]string{"b B", "error "}, got); diff != "" || !errors.Is(err, misp.ErrMore) {
		t.Fatal(err, diff)
	}
	if got, err := read(t, r, &s); len(got) != 1 || got[0] != "a A" || err != nil {
		t.Errorf("went on with %v, %v", got, err)
	}
}

func TestAHostileManifestIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"no uuid":        `{"../../etc/passwd":{"timestamp":"1"}}`,
		"no timestamp":   `{"` + idA + `":{}}`,
		"twice":          `{"` + idA + `":{"timestamp":1},"` + strings.ToUpper(idA) + `":{"timestamp":1}}`,
		"duplicate name": `{"` + idA + `":{"timestamp":1},"` + idA + `":{"timestamp":1}}`,
		"deep":           strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100),
		"cut off":        `{"` + idA,
		"a list":         `[1]`,
		"too big":        strings.Repeat(" ", 1001),
		"too many":       manifest(map[string]int{idA: 1, idB: 1, idC: 1}),
	} {
		_, r := feedOf(t, map[string]string{"manifest.json": text})
		r.Limits = misp.FeedLimits{Manifest: 1000, Listed: 2}
		var s misp.State
		if got, err := read(t, r, &s); !errors.Is(err, accord.ErrInvalid) || len(s.Events) != 0 {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestAnEventOverTheLimitIsAnErrorOfThatEvent(t *testing.T) {
	_, r := feedOf(t, map[string]string{"manifest.json": manifest(map[string]int{idA: 1}), idA + ".json": "more than ten bytes"})
	r.Limits.Event = 10
	var s misp.State
	if _, err := read(t, r, &s); !errors.Is(err, misp.ErrEvent) || !errors.Is(err, accord.ErrInvalid) {
		t.Error(err)
	}
}

func TestAnEmptyFeedAsPHPWritesItIsEmpty(t *testing.T) {
	_, r := feedOf(t, map[string]string{"manifest.json": "[]"})
	s := misp.State{Events: map[string]int64{idA: 1}}
	if got, err := read(t, r, &s); len(got) != 1 || got[0] != "gone a" || err != nil {
		t.Errorf("read %v, %v", got, err)
	}
}

func TestHashesAreRead(t *testing.T) {
	_, r := feedOf(t, map[string]string{"hashes.csv": "D41D8CD98F00B204E9800998ECF8427E," + idA + "\nshort," + idA + "\n"})
	var got [][2]string
	var last error
	for h, err := range r.Hashes(t.Context()) {
		if last = err; err == nil {
			got = append(got, h)
		}
	}
	if diff := cmp.Diff([][2]string{{"d41d8cd98f00b204e9800998ecf8427e", idA}}, got); diff != "" || !errors.Is(last, accord.ErrInvalid) {
		t.Error(last, diff)
	}
}

// A node follows a feed: what it yields goes to format/misp.
func ExampleFeedReader_Changed() {
	ts := httptest.NewServer(&folder{asked: map[string]int{}, files: map[string]string{
		"manifest.json": manifest(map[string]int{idA: 1770800000}), idA + ".json": `{"Event":{}}`,
	}})
	defer ts.Close()
	reader := misp.FeedReader{URL: ts.URL + "/feed", Client: ts.Client()}
	var state misp.State // kept from run to run
	for event, err := range reader.Changed(context.Background(), &state) {
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(event.Info, len(event.Bytes))
	}
	fmt.Println(state.Events[idA])
	// Output:
	// Lamp 12
	// 1770800000
}
