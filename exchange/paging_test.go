// SPDX-License-Identifier: Apache-2.0

package exchange_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"accord"
	"accord/exchange"
	"accord/store"
	"accord/store/storetest"
	"accord/taxii"
	"accord/testworld"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if err := storetest.StopPostgres(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// library is a node's own store served by TAXII, that can be started anew.
type library struct {
	t   *testing.T
	url string
	mu  sync.RWMutex // held to write while it is started anew
	db  *store.DB
	srv *taxii.Server
}

func (l *library) start() {
	l.db = storetest.Open(l.t, l.url)
	srv, err := taxii.New(taxii.Config{
		Title: "library", Roots: []taxii.Root{{Name: exchange.OwnRoot, Title: "own"}}, Key: []byte("0123456789abcdef"),
		Backend: &exchange.Own{Self: "library.example", Store: l.db},
		Authenticate: func(*http.Request) (taxii.Caller, error) {
			return taxii.Caller{Name: "reader", Role: accord.RoleReader}, nil
		},
	})
	if err != nil {
		l.t.Error(err)
	}
	l.srv = srv
}

func (l *library) restart() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.db.Close(); err != nil {
		l.t.Error(err)
	}
	l.start()
}

func (l *library) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	l.srv.ServeHTTP(w, r)
}

func (l *library) ingest(items ...accord.Item) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if _, err := l.db.Ingest(l.t.Context(), items, accord.StampOf(time.Now())); err != nil {
		l.t.Error(err)
	}
}

// flaky loses some requests and some answers, and cuts others short.
type flaky struct {
	mu sync.Mutex
	r  *rand.Rand
	n  int
}

func (f *flaky) RoundTrip(req *http.Request) (*http.Response, error) {
	f.mu.Lock()
	what := f.r.IntN(60)
	if what < 3 {
		f.n++
	}
	f.mu.Unlock()
	if what == 0 {
		return nil, errors.New("the request was lost")
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	switch {
	case err != nil || what > 2:
		return resp, err
	case what == 1:
		resp.Body.Close()
		return nil, errors.New("the answer was lost")
	}
	part, err := io.ReadAll(io.LimitReader(resp.Body, 40))
	resp.Body.Close()
	resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(part), broken{}))
	return resp, err
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// Readers page while writers write, requests and answers are lost, and the node
// starts anew: each reads every version of every object exactly once, in the order
// of their dates.
func TestReadersWhileWritersWriteLoseAndRepeatNothingWhateverIsLost(t *testing.T) {
	for name, engine := range map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		t.Run(name, func(t *testing.T) {
			l := &library{t: t, url: engine(t)}
			l.start()
			ts := httptest.NewServer(l)
			defer ts.Close()
			const seed, writers, batches = 7, 3, 25
			want := map[accord.ItemKey]bool{}
			var all [writers][][]accord.Item
			for w := range writers {
				r := rand.New(rand.NewPCG(seed, uint64(w)))
				for b := range batches {
					var batch []accord.Item
					for k := range 1 + r.IntN(12) {
						version := 1 + b/10 // an object gets later versions
						it := testworld.Object(t, "indicator", fmt.Sprint(w, " ", b%10, " ", k), testworld.Props{"modified": testworld.Version(version)})
						batch, want[it.ItemKey] = append(batch, it), true
					}
					all[w] = append(all[w], batch)
				}
			}
			var writing, reading sync.WaitGroup
			done := make(chan struct{})
			for w := range writers {
				writing.Go(func() {
					for b, batch := range all[w] {
						l.ingest(batch...)
						if w == 0 && b%8 == 7 {
							l.restart()
						}
					}
				})
			}
			go func() { writing.Wait(); close(done) }()
			for n, next := range []bool{true, false} {
				reading.Go(func() { read(t, ts.URL, uint64(n), next, done, want) })
			}
			reading.Wait()
		})
	}
}

// read polls until done, and once more, and checks what it got.
func read(t *testing.T, url string, n uint64, next bool, done <-chan struct{}, want map[accord.ItemKey]bool) {
	wire := &flaky{r: rand.New(rand.NewPCG(11, n))}
	c := &taxii.Client{URL: url, HTTP: &http.Client{Transport: wire}, Attempts: 30}
	got := map[accord.ItemKey]int{}
	sizes := rand.New(rand.NewPCG(13, n))
	at := accord.Stamp(0)
	for last := false; ; {
		before := at
		for page, err := range c.Objects(t.Context(), "/own/", "all", taxii.Query{AddedAfter: at, Limit: 1 + sizes.IntN(9), Versions: taxii.Versions{All: true}}) {
			if err != nil {
				t.Errorf("reader %d: %v", n, err)
				return
			}
			if page.Last < at {
				t.Errorf("reader %d: dates go back from %s to %s", n, at, page.Last)
			}
			at = page.Last
			for _, o := range page.Objects {
				got[testworld.Parsed(t, o).ItemKey]++
			}
			if !next {
				break // and ask again by added_after
			}
		}
		if at != before {
			continue
		}
		if last {
			break
		}
		select {
		case <-done:
			last = true
		case <-time.After(time.Millisecond):
		}
	}
	for key, times := range got {
		if times != 1 {
			t.Errorf("reader %d read %v %d times", n, key, times)
		}
	}
	if len(got) != len(want) {
		t.Errorf("reader %d read %d of %d versions", n, len(got), len(want))
	}
	t.Logf("reader %d: %d versions, %d losses on the way", n, len(got), wire.n)
}
