// SPDX-License-Identifier: Apache-2.0

package taxii_test

import (
	"errors"
	"maps"
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

// §4.2.1: max_content_length "contains useful information for the client when it
// POSTs requests to the Add Objects endpoint".
func TestAddSplitsByTheServersLimit(t *testing.T) {
	limit := int64(len(envelopeOf(object(1, 1), object(1, 1), object(1, 1))))*2 - 20 // six almost fit
	w := newWorld(t, func(c *taxii.Config) { c.Roots[0].MaxContentLength = limit })
	var posts, packed atomic.Int64
	c := w.client(func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.Method == "POST" {
				posts.Add(1)
				if r.Header.Get("Content-Encoding") == "gzip" {
					packed.Add(1)
				}
			}
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			if rec.Code == http.StatusRequestEntityTooLarge {
				t.Errorf("%d octets were too large", r.ContentLength)
			}
			maps.Copy(rw.Header(), rec.Header())
			rw.WriteHeader(rec.Code)
			_, _ = rw.Write(rec.Body.Bytes())
		})
	})
	var list [][]byte
	for i := range 20 {
		list = append(list, object(i+1, 1))
	}
	huge := []byte(`{"type":"indicator","id":"` + idOf(99) + `","modified":"` + versionOf(1) + `","x":"` + strings.Repeat("a", 3000) + `"}`)
	list = append(list[:5:5], append([][]byte{huge}, list[5:]...)...)
	st, err := c.Add(t.Context(), "/accord/", col, list)
	if err != nil {
		t.Fatal(err)
	}
	if st.TotalCount != 21 || st.SuccessCount != 20 || len(st.Successes) != 20 || st.FailureCount != 1 || st.Status != "complete" {
		t.Errorf("%+v", st)
	}
	if len(st.Failures) != 1 || st.Failures[0].ID != idOf(99) || st.Failures[0].Version != versionOf(1) {
		t.Errorf("%+v", st.Failures)
	}
	if posts.Load() < 4 || packed.Load() == 0 {
		t.Errorf("%d posts, %d compressed", posts.Load(), packed.Load())
	}
	got, err := collect(t, c, taxii.Query{})
	if diff := cmp.Diff(wantObjects(20), got); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

// A proxy in between may have a lower limit, and may not know gzip.
func TestAddHalvesWhatIsTooLargeAfterAll(t *testing.T) {
	w := newWorld(t)
	c := w.client(func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.ContentLength > 1000 {
				rw.WriteHeader(http.StatusRequestEntityTooLarge)
				return
			}
			h.ServeHTTP(noHeader{rw}, r)
		})
	})
	var list [][]byte
	for i := range 9 {
		list = append(list, object(i+1, 1))
	}
	if st, err := c.Add(t.Context(), "/accord/", col, list); err != nil || st.SuccessCount != 9 {
		t.Errorf("%+v %v", st, err)
	}
}

// What compresses is told by the server; who stands before it may refuse it.
func TestAddSendsPlainWhenGzipIsRefused(t *testing.T) {
	w := newWorld(t)
	c := w.client(func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Content-Encoding") != "" {
				rw.WriteHeader(http.StatusUnsupportedMediaType)
				return
			}
			h.ServeHTTP(rw, r)
		})
	})
	var list [][]byte
	for i := range 9 {
		list = append(list, object(i+1, 1))
	}
	if st, err := c.Add(t.Context(), "/accord/", col, list); err != nil || st.SuccessCount != 9 {
		t.Errorf("%+v %v", st, err)
	}
}

// noHeader hides that the server takes gzip.
type noHeader struct{ http.ResponseWriter }

func (n noHeader) WriteHeader(status int) {
	n.Header().Del("Accept-Encoding")
	n.ResponseWriter.WriteHeader(status)
}

// §5.5: "If the request is marked pending … the client SHOULD periodically poll".
func TestAddWaitsForWhatIsPending(t *testing.T) {
	w := newWorld(t)
	w.mem.pending = 2
	st, err := w.client().Add(t.Context(), "/accord/", col, [][]byte{object(1, 1)})
	if err != nil || st.Status != "complete" || st.SuccessCount != 1 || st.PendingCount != 0 {
		t.Errorf("%+v %v", st, err)
	}
	w.mem.pending = 1000
	c := w.client()
	c.StatusWait = 300 * time.Millisecond
	st, err = c.Add(t.Context(), "/accord/", col, [][]byte{object(2, 1)})
	if err != nil || st.Status != "pending" || st.PendingCount != 1 || st.ID == "" {
		t.Errorf("%+v %v", st, err)
	}
	if _, err := w.client().Add(t.Context(), "/accord/", idOf(1)[11:], [][]byte{object(1, 1)}); !errors.Is(err, accord.ErrNotFound) {
		t.Error(err)
	}
}
