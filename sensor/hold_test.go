// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"
)

// holding is a node that holds its answer back while nothing sought changes.
func (n *node) holding(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if wait, _ := strconv.Atoi(q.Get("wait")); wait > 0 {
		since, _ := strconv.ParseInt(q.Get("since"), 10, 64)
		select {
		case <-r.Context().Done():
		case <-time.After(time.Duration(wait) * time.Second):
		case <-n.keeper.Changed(since):
		}
	}
	n.serve(w, r)
}

// An indicator is looked for within a second, however long the node is asked for
// nothing; and a node that has nothing new is not asked again and again.
func TestAnIndicatorIsLookedForAsSoonAsItArrives(t *testing.T) {
	w := newWorld(t)
	server := httptest.NewServer(http.HandlerFunc(w.holding))
	t.Cleanup(server.Close)
	w.conf.Node, w.conf.TLSPin = server.URL, ""
	w.conf.Once, w.conf.Every, w.conf.IndexEvery = false, 5*time.Millisecond, time.Hour
	s, err := New(w.conf)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	<-s.loaded
	time.Sleep(2 * gather) // the first ask, and the one that is held
	w.mu.Lock()
	asked := len(w.indexes)
	w.mu.Unlock()
	if asked > 1 {
		t.Errorf("%d answers before anything changed, want 1", asked)
	}
	for i, name := range []string{"new.example", "newer.example"} {
		w.seek(name, 0)
		began := time.Now()
		for s.live.Index().Size() < 3+i {
			if time.Since(began) > time.Second {
				t.Fatalf("%s is not looked for after a second", name)
			}
			time.Sleep(time.Millisecond)
		}
	}
}
