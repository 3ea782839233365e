// SPDX-License-Identifier: Apache-2.0

package taxii_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/taxii"
)

// large is a Page of n objects of size octets, read one at a time into the same
// buffer; broken is the one at which reading fails, gone the one that is no more.
func large(n, size, broken, gone int) taxii.Page {
	var p taxii.Page
	head := `{"type":"x-large","id":"x-large--00000000-0000-4000-8000-000000000001","x":"`
	buf := []byte(head + strings.Repeat("a", size-len(head)-2) + `"}`)
	for i := range n {
		p.Objects = append(p.Objects, taxii.Object{ID: idOf(i), Type: "x-large", Added: accord.Stamp(i + 1), Size: int64(size)})
	}
	p.Content = func(_ context.Context, objects []taxii.Object) iter.Seq2[[]byte, error] {
		return func(yield func([]byte, error) bool) {
			for i := range objects {
				switch {
				case i == broken:
					yield(nil, errors.New("disk I/O error"))
					return
				case i == gone && !yield(nil, nil), i != gone && !yield(buf, nil):
					return
				}
			}
		}
	}
	return p
}

// sink counts what is written and keeps nothing.
type sink struct {
	header http.Header
	n      int64
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(p []byte) (int, error) { s.n += int64(len(p)); return len(p), nil }

func TestAPageOfLargeObjectsIsNeverHeldAsAWhole(t *testing.T) {
	w := newWorld(t, func(c *taxii.Config) { c.MaxPageBytes = 1 << 30 })
	page := large(100, 4<<20, -1, -1)
	srv := fixed(t, w, page)
	for _, encoding := range []string{"identity", "gzip"} {
		r := httptest.NewRequest("GET", objs, nil)
		r.Header.Set("Authorization", "Bearer both")
		r.Header.Set("Accept-Encoding", encoding)
		out := &sink{header: http.Header{}}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		srv.ServeHTTP(out, r)
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 8<<20 {
			t.Errorf("%s: 400 MiB sent cost %d MiB of memory", encoding, got>>20)
		}
		if encoding == "identity" && out.n < 400<<20 {
			t.Errorf("%d octets sent", out.n)
		}
	}
}

func TestAnAnswerThatFailsMidwayIsCutOffAndNotTakenForWhole(t *testing.T) {
	for _, encoding := range []string{"identity", "gzip"} {
		w := newWorld(t)
		ts := httptest.NewServer(fixed(t, w, large(8, 64<<10, 5, -1)))
		req, err := http.NewRequestWithContext(t.Context(), "GET", ts.URL+objs, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer both")
		req.Header.Set("Accept-Encoding", encoding)
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		if err == nil {
			t.Errorf("%s: the answer ended as if it were whole", encoding)
		}
		ts.Close() // and what was asked is over
		if !strings.Contains(w.log.String(), "disk I/O error") {
			t.Errorf("%s: the log does not say why: %s", encoding, w.log)
		}
	}
}

func TestAnObjectThatIsGoneWhenItIsToBeSentIsLeftOut(t *testing.T) {
	for n, want := range map[int]int{1: 0, 2: 1, 3: 2} {
		w := newWorld(t)
		w.srv = fixed(t, w, large(n, 200, -1, 0))
		if got := w.page(objs); len(got.Objects) != want || got.last != accord.Stamp(n).String() {
			t.Errorf("of %d objects, one gone: %d sent, to %s", n, len(got.Objects), got.last)
		}
	}
}

func TestAPageOfUnreadObjectsEndsAtItsByteLimit(t *testing.T) {
	w := newWorld(t, func(c *taxii.Config) { c.MaxPageBytes = 1000 })
	w.srv = fixed(t, w, large(100, 400, -1, -1))
	if got := w.page(objs); len(got.Objects) != 3 || !got.More || got.Next == "" {
		t.Errorf("%d objects of 400 octets, more %t; want 3 and more", len(got.Objects), got.More)
	}
}

func TestWhoAsksTooOftenIsToldWhenToComeAgain(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	w := newWorld(t, func(c *taxii.Config) {
		c.Rate, c.Burst, c.Now = 0.5, 3, func() time.Time { return now }
	})
	for range 3 {
		wantStatus(t, w.call("GET", "/taxii2/", nil), 200)
	}
	resp := w.call("GET", "/taxii2/", nil)
	wantStatus(t, resp, 429)
	if got := resp.Header.Get("Retry-After"); got != "2" {
		t.Errorf("Retry-After %q, want 2", got)
	}
	wantStatus(t, w.call("GET", "/taxii2/", nil, as("reader")), 200)
	now = now.Add(-time.Hour) // a clock set back neither fills nor empties
	wantStatus(t, w.call("GET", "/taxii2/", nil), 429)
	now = now.Add(2 * time.Second)
	wantStatus(t, w.call("GET", "/taxii2/", nil), 200)
	wantStatus(t, w.call("GET", "/taxii2/", nil), 429)
}

func TestDerivedRootsAreThereForWhomTheyAreFor(t *testing.T) {
	w := newWorld(t, func(c *taxii.Config) {
		c.Derived = &taxii.Derived{Prefix: "agreements", Roots: func(_ context.Context, who taxii.Caller) ([]taxii.Root, error) {
			if who.Name != "both" {
				return nil, nil
			}
			return []taxii.Root{{Name: "agreements/ma-il", Title: "MA and IL"}}, nil
		}}
	})
	w.mem.roots["agreements/ma-il"] = w.mem.roots[root]
	if !slices.Contains(w.srv.Paths(), "/agreements/") {
		t.Errorf("paths %v", w.srv.Paths())
	}
	w.fill(3)
	under := "/agreements/ma-il/"
	if got := w.page(under + "collections/" + col + "/objects/"); len(got.Objects) != 3 {
		t.Errorf("read %v", got)
	}
	text := body(t, w.call("GET", "/taxii2/", nil))
	if !strings.Contains(text, `"/agreements/ma-il/"`) || !strings.Contains(text, `"default":"/accord/"`) {
		t.Error(text)
	}
	if text := body(t, w.call("GET", "/taxii2/", nil, as("reader"))); strings.Contains(text, "ma-il") {
		t.Errorf("a stranger is told of the root: %s", text)
	}
	none, other := w.call("GET", "/agreements/none/", nil), w.call("GET", under, nil, as("reader"))
	if diff := cmp.Diff(none.StatusCode, other.StatusCode); diff != "" || body(t, none) != body(t, other) {
		t.Error("a root that is not for the caller differs from one that is not there")
	}
	for _, bad := range []string{"taxii2", "accord", "accord/sub", "../up"} {
		cfg := w.cfg
		cfg.Derived = &taxii.Derived{Prefix: bad}
		if _, err := taxii.New(cfg); err == nil {
			t.Errorf("derived roots under %q were accepted", bad)
		}
	}
}
