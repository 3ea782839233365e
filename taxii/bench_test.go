// SPDX-License-Identifier: Apache-2.0

package taxii_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"

	"accord/taxii"
)

// BenchmarkPageOf1000 is GET of a page of 1000 objects, as the server alone does
// it; the Backend is a slice.
func BenchmarkPageOf1000(b *testing.B) {
	w := newWorld(b)
	w.fill(1000)
	page, err := w.mem.Objects(b.Context(), taxii.Caller{Name: "both"}, root, col, taxii.Query{Limit: 1000})
	if err != nil {
		b.Fatal(err)
	}
	w.mem.shape = nil
	srv := fixed(b, w, page)
	for _, encoding := range []string{"identity", "gzip"} {
		b.Run(encoding, func(b *testing.B) {
			r := httptest.NewRequest("GET", objs, nil)
			r.Header.Set("Accept", taxii.MediaType)
			r.Header.Set("Accept-Encoding", encoding)
			r.Header.Set("Authorization", "Bearer both")
			var size int64
			for _, o := range page.Objects {
				size += int64(len(o.Bytes))
			}
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				rec := httptest.NewRecorder()
				srv.ServeHTTP(rec, r)
				if rec.Code != 200 {
					b.Fatal(rec.Code, rec.Body)
				}
			}
		})
	}
}

// BenchmarkPost1000 is POST of an envelope of 1000 objects, parsed strictly and
// dropped.
func BenchmarkPost1000(b *testing.B) {
	w := newWorld(b)
	w.cfg.Roots[0].MaxContentLength = 8 << 20
	srv := fixed(b, w, taxii.Page{})
	var list [][]byte
	for i := range 1000 {
		list = append(list, object(i, 1))
	}
	body := envelopeOf(list...)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest("POST", objs, newReader(body))
		r.Header.Set("Accept", taxii.MediaType)
		r.Header.Set("Content-Type", taxii.MediaType)
		r.Header.Set("Authorization", "Bearer both")
		rec := httptest.NewRecorder()
		srv.ServeHTTP(rec, r)
		if rec.Code != 202 {
			b.Fatal(rec.Code, rec.Body)
		}
	}
}

// BenchmarkClientReads10000 is a client reading 10 pages of 1000 over loopback; the
// answers are made beforehand.
func BenchmarkClientReads10000(b *testing.B) {
	w := newWorld(b)
	w.fill(10_000)
	made := map[string]*httptest.ResponseRecorder{}
	c := w.client(func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			rec := made[r.RequestURI]
			if rec == nil {
				rec = httptest.NewRecorder()
				h.ServeHTTP(rec, r)
				made[r.RequestURI] = rec
			}
			maps.Copy(rw.Header(), rec.Header())
			_, _ = rw.Write(rec.Body.Bytes())
		})
	})
	for b.Loop() {
		n := 0
		for e, err := range c.Objects(b.Context(), "/accord/", col, taxii.Query{}) {
			if err != nil {
				b.Fatal(err)
			}
			n += len(e.Objects)
		}
		if n != 10_000 {
			b.Fatal(n, "objects")
		}
	}
}
