// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"accord"
	"accord/api"
	"accord/exchange"
	"accord/match"
)

func TestHealthSaysWhetherNotWhat(t *testing.T) {
	w := newWorld(t)
	a := w.as(caller{}, "GET", "/api/v1/health", "", nil)
	if a.StatusCode != http.StatusOK || string(a.body) != `{"status":"pass"}` || a.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %v %s", a.StatusCode, a.Header, a.body)
	}
	w.broken = map[string]string{"store": "disk of 192.0.2.1 is full"}
	a = w.as(caller{}, "GET", "/api/v1/health", "", nil)
	if a.StatusCode != http.StatusServiceUnavailable || string(a.body) != `{"status":"fail"}` || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v %s", a.StatusCode, a.Header, a.body)
	}
	if !strings.Contains(w.said.String(), "192.0.2.1 is full") {
		t.Errorf("the log does not say what is wrong: %s", w.said)
	}
}

// What a route does not know is refused: a mistyped filter must not read as none.
func TestParametersAreCheckedByEveryRoute(t *testing.T) {
	w := newWorld(t)
	w.keep()
	for _, r := range api.Routes() {
		path := strings.Replace(r.Pattern, "{id}", firstIndicator, 1)
		c := caller{token: r.Role}
		if r.Role == "partner" {
			c = w.partner()
		}
		w.as(c, r.Method, path+"?tpl=red", "application/json", []byte("{}")).problem(t, http.StatusUnprocessableEntity, `"tpl"`)
		w.as(c, r.Method, path+"?%zz", "application/json", []byte("{}")).problem(t, http.StatusUnprocessableEntity)
		for _, q := range r.Query {
			w.as(c, r.Method, path+"?"+q+"=1&"+q+"=1", "application/json", []byte("{}")).problem(t, http.StatusUnprocessableEntity, q)
		}
	}
	for path, word := range map[string]string{
		"/api/v1/items?limit=0": "1 to 500", "/api/v1/items?limit=501": "1 to 500", "/api/v1/items?limit=ten": "1 to 500", "/api/v1/items?limit=1e1": "1 to 500",
		"/api/v1/items?tlp=purple": "purple", "/api/v1/items?state=gone": "live, withdrawn, held", "/api/v1/protections?zone=cold": "hot, base, allow",
		"/api/v1/items?after=nonsense": "", "/api/v1/matches?after=%00": "", "/api/v1/protections?after=-": "", "/api/v1/matches?limit=-1": "1 to 500",
		"/api/v1/protections?limit=99999999999999999999": "1 to 500", "/api/v1/decisions": "party", "/api/v1/decisions?party=NOT..GOOD": "party",
	} {
		w.get(path).problem(t, http.StatusUnprocessableEntity, word)
	}
	for path, word := range map[string]string{
		"since=-1": "since", "since=x": "since", "since=9223372036854775808": "since", "wait=31": "0 to 30", "wait=-1": "0 to 30", "wait=1s": "0 to 30",
	} {
		w.as(w.sensor(), "GET", "/api/v1/sensor/index?"+path, "", nil).problem(t, http.StatusUnprocessableEntity, word)
	}
	w.get("/api/v1/decisions?party=fr.accord.test").problem(t, http.StatusNotFound, "not pinned")
	w.get("/api/v1/items/indicator--none").problem(t, http.StatusNotFound)
	w.get("/api/v1/items/%27%20OR%201=1").problem(t, http.StatusNotFound)
}

func TestPathsThatNoRouteTakesAreProblemsToo(t *testing.T) {
	w := newWorld(t)
	w.get("/api/v1/itmes").problem(t, http.StatusNotFound, "openapi.yaml")
	w.get("/api/v1/items/a/b").problem(t, http.StatusNotFound)
	a := w.as(caller{token: "operator"}, "DELETE", "/api/v1/nothing", "", nil)
	a.problem(t, http.StatusNotFound)
	for path, want := range map[string]string{"/api/v1/sensor/matches": "POST", "/accord/v1/log": "GET, POST"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, w.server.URL+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		client := w.server.Client()
		client.Transport.(*http.Transport).TLSClientConfig.InsecureSkipVerify = true
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != want || res.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("DELETE %s: %d, Allow %q, %s", path, res.StatusCode, res.Header.Get("Allow"), res.Header.Get("Content-Type"))
		}
	}
}

// faulty is a store whose every answer is a secret of the node.
type faulty struct{ api.Store }

var errSecret = errors.New("pq: password of accord@192.0.2.5 refused, see /var/lib/accord")

func (f faulty) Parties(context.Context) ([]accord.Party, error) { return nil, errSecret }
func (f faulty) Counts(context.Context) (accord.Counts, error)   { return accord.Counts{}, errSecret }

func (f faulty) Item(context.Context, string) (accord.Item, error) {
	return accord.Item{}, errSecret
}

func (f faulty) Search(context.Context, accord.Query) ([]accord.Item, string, error) {
	return nil, "", errSecret
}

func (f faulty) Matches(context.Context, accord.MatchQuery) ([]accord.Match, string, error) {
	return nil, "", errSecret
}

func (f faulty) Protections(context.Context, accord.ProtectionQuery) ([]accord.Protection, string, error) {
	return nil, "", errSecret
}

func (f faulty) AddMatchBatch(context.Context, string, []accord.Match, accord.Stamp) (int, error) {
	return 0, errSecret
}

type faultyExchange struct{ api.Exchange }

func (faultyExchange) Mirror(context.Context, accord.Party, exchange.Announcement) (exchange.Mirrored, error) {
	return exchange.Mirrored{}, errSecret
}

// What broke inside is for the log; who asked learns that it broke.
func TestErrorsNeverLeakInternals(t *testing.T) {
	w := newWorld(t)
	w.keep()
	w.server.Close()
	w.config.Store, w.config.Exchange = faulty{w.DB}, faultyExchange{w.Node}
	w.serve()
	for _, path := range []string{
		"/api/v1/situation", "/api/v1/items", "/api/v1/items/x", "/api/v1/matches", "/api/v1/protections",
		"/api/v1/decisions?party=il.accord.test",
	} {
		a := w.get(path)
		a.problem(t, http.StatusInternalServerError, "its log says why")
		if bytes.Contains(a.body, []byte("192.0.2.5")) || bytes.Contains(a.body, []byte("/var")) {
			t.Errorf("GET %s: %s", path, a.body)
		}
	}
	w.as(w.sensor(), "POST", "/api/v1/sensor/matches", "application/json",
		[]byte(`{"batch":"00000000-0000-4000-8000-000000000001","matches":[]}`)).problem(t, http.StatusInternalServerError)
	w.as(w.partner(), "GET", "/accord/v1/log", "", nil).problem(t, http.StatusInternalServerError)
	if !strings.Contains(w.said.String(), "192.0.2.5") {
		t.Error("the log does not say what broke")
	}
}

// With no index yet a sensor is told to come back, and not that nothing is sought.
func TestTheIndexIsNotGivenBeforeItIsLoaded(t *testing.T) {
	w := newWorld(t)
	w.Ingest(indicator(t, 1, "bad.example", nil))
	a := w.as(w.sensor(), "GET", "/api/v1/sensor/index", "", nil)
	a.problem(t, http.StatusConflict, "loaded")
	if a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	w.keep()
	if ix := w.index(nil, ""); ix.Size() != 1 {
		t.Errorf("%d values, want 1", ix.Size())
	}
}

// index takes the index that follows old.
func (w *world) index(old *match.Index, query string) *match.Index {
	w.t.Helper()
	a := w.as(w.sensor(), "GET", "/api/v1/sensor/index"+query, "", nil)
	a.problemNot(w.t)
	ix, err := match.ReadIndex(bytes.NewReader(a.body), old, match.Limits{})
	if err != nil {
		w.t.Fatal(err)
	}
	return ix
}

func after(ix *match.Index, wait string) string {
	return "?since=" + itoa(ix.Seq()) + "&generation=" + ix.Generation() + "&wait=" + wait
}

// A sensor that waits is told of an indicator when it comes.
func TestASensorThatWaitsIsToldAtOnce(t *testing.T) {
	w := newWorld(t)
	w.Ingest(indicator(t, 1, "bad.example", nil))
	w.keep()
	held := w.index(nil, "")
	told := make(chan *match.Index, 1)
	began := time.Now()
	go func() { told <- w.index(held, after(held, "30")) }()
	select {
	case <-told:
		t.Error("told of nothing")
	case <-time.After(300 * time.Millisecond):
	}
	w.Ingest(indicator(t, 2, "worse.example", nil))
	ix := <-told
	if took := time.Since(began); ix.Size() != 2 || took > 5*time.Second {
		t.Errorf("%d values after %s", ix.Size(), took)
	}
	// Who is behind is answered without waiting; so is who holds another generation, or
	// is ahead of a node that was restored.
	began = time.Now()
	w.index(held, after(held, "30"))
	w.index(nil, "?since="+itoa(ix.Seq())+"&generation=other&wait=30")
	w.index(nil, "?since="+itoa(ix.Seq()+1)+"&generation="+ix.Generation()+"&wait=30")
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("waited %s for what was there", took)
	}
}

// When the time is up the answer is that nothing has changed.
func TestASensorThatWaitsInVainIsToldSo(t *testing.T) {
	w := newWorld(t)
	w.Ingest(indicator(t, 1, "bad.example", nil))
	w.keep()
	held := w.index(nil, "")
	began := time.Now()
	ix := w.index(held, after(held, "1"))
	if took := time.Since(began); took < time.Second || ix.Size() != 1 || ix.Seq() != held.Seq() {
		t.Errorf("%d values at %d after %s", ix.Size(), ix.Seq(), took)
	}
	if n := len(w.as(w.sensor(), "GET", "/api/v1/sensor/index"+after(held, "0"), "", nil).body); n > 200 {
		t.Errorf("nothing new takes %d bytes", n)
	}
}

// A sensor that hangs up leaves nothing behind.
func TestAHeldAnswerEndsWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := match.NewKeeper(quiet{}, match.NewSalt(), time.Second, discard())
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error)
		go func() { ran <- k.Run(ctx) }()
		<-k.Ready()
		a := api.New(api.Config{Store: quiet{}, Keeper: k, Now: time.Now, Log: discard()})
		gone, hangUp := context.WithCancel(t.Context())
		done := make(chan bool)
		began := time.Now()
		go func() { a.Hold(gone, 1, 30*time.Second); close(done) }()
		time.Sleep(2 * time.Second)
		hangUp()
		<-done
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("held for %s after its caller had gone", took)
		}
		began = time.Now()
		a.Hold(t.Context(), 1, 30*time.Second)
		if took := time.Since(began); took != 30*time.Second {
			t.Errorf("held for %s, want 30s", took)
		}
		cancel()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
}
