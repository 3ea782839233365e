// SPDX-License-Identifier: Apache-2.0

package exchange_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"accord"
	"accord/exchange"
	"accord/store/storetest"
	"accord/taxii"
)

// meter is a reader of an answer that keeps nothing of it, and looks now and then how
// much memory lives.
type meter struct {
	header http.Header
	n, at  int64
	most   uint64
}

func (m *meter) Header() http.Header { return m.header }
func (m *meter) WriteHeader(int)     {}
func (m *meter) Write(p []byte) (int, error) {
	if m.n += int64(len(p)); m.n-m.at > 8<<20 {
		m.at = m.n
		m.most = max(m.most, living())
	}
	return len(p), nil
}

func living() uint64 {
	var s runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}

func TestAStoreOfLargeObjectsIsSentInLittleMemory(t *testing.T) {
	const count, size = 40, 4 << 20
	db := storetest.Open(t, storetest.SQLite(t))
	for i := range count {
		id := fmt.Sprintf("x-large--00000000-0000-4000-8000-%012d", i)
		it := accord.Item{
			ItemKey: accord.ItemKey{ID: id, Version: 1}, Type: "x-large", Spec: "2.1", Source: "test",
			Bytes: fmt.Appendf(nil, `{"type":"x-large","id":%q,"x":%q}`, id, strings.Repeat("a", size)),
		}
		if _, err := db.Ingest(t.Context(), []accord.Item{it}, accord.Stamp(i+1)); err != nil {
			t.Fatal(err)
		}
	}
	srv, err := taxii.New(taxii.Config{
		Title: "large", Roots: []taxii.Root{{Name: exchange.OwnRoot, Title: "own"}}, Key: []byte("0123456789abcdef"), MaxPageBytes: 1 << 30,
		Backend: &exchange.Own{Self: "node.example", Store: db},
		Authenticate: func(*http.Request) (taxii.Caller, error) {
			return taxii.Caller{Name: "x", Role: accord.RoleReader}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"objects", "manifest"} {
		before := living()
		out := &meter{header: http.Header{}}
		r := httptest.NewRequest(http.MethodGet, "/own/collections/all/"+what+"/", nil)
		srv.ServeHTTP(out, r)
		if what == "objects" && out.n < count*size {
			t.Errorf("%d octets sent", out.n)
		}
		if out.most > before+32<<20 {
			t.Errorf("%s: %d MiB lived while %d MiB were sent", what, (out.most-before)>>20, out.n>>20)
		}
		t.Logf("%s: %d MiB sent, at most %d MiB more alive", what, out.n>>20, (max(out.most, before)-before)>>20)
	}
}
