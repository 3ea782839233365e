// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"accord"
	"accord/api"
	"accord/exchange"
	"accord/match"
	"accord/testworld"
)

const hour = time.Hour

func sum(secret string) [32]byte       { return sha256.Sum256([]byte(secret)) }
func stamp(at time.Time) accord.Stamp  { return accord.StampOf(at) }
func (w *world) ahead(d time.Duration) { w.mu.Lock(); w.later = d; w.mu.Unlock() }
func deep(n int) string                { return strings.Repeat("[", n) + strings.Repeat("]", n) }
func (w *world) sensor() caller        { return caller{token: "sensor"} }
func (w *world) bodies() map[string]call {
	return map[string]call{"log": {w.partner(), "/accord/v1/log", api.LogMost}, "matches": {w.sensor(), "/api/v1/sensor/matches", match.MaxReport}}
}

// call is a route that takes a body.
type call struct {
	who  caller
	path string
	most int
}

// Both routes that take a body refuse the same things in the same way.
func TestBodiesAreBoundedAndStrict(t *testing.T) {
	w := newWorld(t)
	w.keep()
	good := map[string]string{
		"log":     string(encode(t, w.announcement())),
		"matches": `{"batch":"00000000-0000-4000-8000-000000000001","matches":[]}`,
	}
	for name, c := range w.bodies() {
		for _, tt := range []struct {
			what, typ, body string
			status          int
		}{
			{"nothing", "application/json", "", 422},
			{"no type", "", good[name], 415},
			{"text", "text/plain", good[name], 415},
			{"a form", "application/x-www-form-urlencoded", good[name], 415},
			{"a broken type", "application/json; charset", good[name], 415},
			{"too many bytes", "application/json", good[name][:1] + strings.Repeat(" ", c.most) + good[name][1:], 413},
			{"half", "application/json", good[name][:len(good[name])/2], 422},
			{"more after it", "application/json", good[name] + "{}", 422},
			{"an array", "application/json", "[]", 422},
			{"null", "application/json", "null", 422},
			{"a repeated name", "application/json", good[name][:1] + strings.Join([]string{`"` + first(good[name]) + `":null,`, good[name][1:]}, ""), 422},
			{"an unknown name", "application/json", `{"who":1,` + good[name][1:], 422},
			{"another case", "application/json", strings.Replace(good[name], `"`+first(good[name]), `"`+strings.ToUpper(first(good[name])), 1), 422},
			{"invalid UTF-8", "application/json", strings.Replace(good[name], `{"`, "{\"\xff", 1), 422},
			{"half a surrogate", "application/json", strings.Replace(good[name], `{"`, `{"\ud800`, 1), 422},
			{"a byte order mark", "application/json", "\ufeff" + good[name], 422},
			{"a huge number", "application/json", `{"from":1e400}`, 422},
			{"depth", "application/json", deep(api.DepthMost + 1), 422},
			{"great depth", "application/json", deep(1_000_000), 422},
			{"depth without end", "application/json", strings.Repeat(`{"a":`, 100_000), 422},
		} {
			t.Run(name+" refuses "+tt.what, func(t *testing.T) {
				a := w.as(c.who, "POST", c.path, tt.typ, []byte(tt.body))
				a.problem(t, tt.status)
			})
		}
	}
}

// first is the first name in an object.
func first(object string) string {
	_, rest, _ := strings.Cut(object, `"`)
	name, _, _ := strings.Cut(rest, `"`)
	return name
}

// Brackets in a string are no depth.
func TestDepthCountsBracketsOutsideStringsAlone(t *testing.T) {
	w := newWorld(t)
	a := w.announcement()
	a.Checkpoint = `\"` + deep(500) + `"[{` + "\\"
	w.as(w.partner(), "POST", "/accord/v1/log", "application/json", encode(t, a)).problem(t, 422, "malformed note")
}

func TestTheBoundOfDepthIsWhereItIsSaidToBe(t *testing.T) {
	w := newWorld(t)
	for depth, refused := range map[int]bool{api.DepthMost: false, api.DepthMost + 1: true} {
		body := `{"origin":` + deep(depth-1) + "}"
		a := w.as(w.partner(), "POST", "/accord/v1/log", "application/json", []byte(body))
		a.problem(t, http.StatusUnprocessableEntity)
		if said := bytes.Contains(a.body, []byte("nested deeper than 64")); said != refused {
			t.Errorf("depth %d: %s", depth, a.body)
		}
	}
}

// What a sensor reports is stored once, however often it is sent, and only what the
// node's own index bears out.
func TestASensorsReportCountsOnce(t *testing.T) {
	w := newWorld(t)
	w.Ingest(indicator(t, 1, "bad.example", nil), indicator(t, 2, "secret.example", func(it *accord.Item) { it.TLP = accord.TLPRed }))
	w.keep()
	at := accord.StampOf(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	found := func(id, value, seen string) match.ReportMatch {
		return match.ReportMatch{
			Indicator: id, Value: accord.Observable{Kind: accord.KindDomain, Value: value},
			Seen:  match.ReportSeen{Kind: accord.KindDomain, Value: seen, At: at, Field: "query", Log: "dns", From: "192.0.2.7"},
			First: at, Last: at, Count: 2,
		}
	}
	report := match.Report{Batch: "00000000-0000-4000-8000-000000000001", Matches: []match.ReportMatch{
		found(firstIndicator, "bad.example", "www.bad.example"),
		found(firstIndicator, "bad.example", "good.example"),
		found(firstIndicator, "good.example", "good.example"),
		found("indicator--00000000-0000-4000-8000-000000000002", "secret.example", "secret.example"),
	}}
	send := func(token string) (out struct{ Taken, New, Unknown int }) {
		t.Helper()
		a := w.as(caller{token: token}, "POST", "/api/v1/sensor/matches", "application/json", encode(t, report))
		if err := decode(a.body, &out); err != nil || a.StatusCode != http.StatusOK {
			t.Fatalf("%d %s %v", a.StatusCode, a.body, err)
		}
		return out
	}
	if got := send("sensor"); got.Taken != 1 || got.New != 1 || got.Unknown != 3 {
		t.Errorf("first time %+v, want 1 taken, 1 new, 3 unknown", got)
	}
	for range 3 {
		if got := send("sensor"); got.New != 0 {
			t.Errorf("sent again %+v, want nothing new", got)
		}
	}
	var page struct{ Items []api.MatchLine }
	w.read("/api/v1/matches?indicator="+firstIndicator, &page)
	if len(page.Items) != 1 || page.Items[0].Count != 2 || page.Items[0].Sensor != "sensor" || page.Items[0].Seen != "www.bad.example" {
		t.Errorf("stored %+v", page.Items)
	}
	// Another sensor that happens to use the same batch id is heard all the same.
	w.token("other", accord.Token{Role: accord.RoleSensor})
	if got := send("other"); got.New != 1 {
		t.Errorf("another sensor's batch of the same id: %+v", got)
	}
}

// What a partner gave until an instant is sent to no sensor from then on, and no
// sensor is believed about it.
func TestPastItsTimeNothingGoesToASensorAndNothingIsBelieved(t *testing.T) {
	w := newWorld(t)
	until := time.Now().Add(time.Hour)
	w.Ingest(indicator(t, 1, "bad.example", func(it *accord.Item) {
		it.Origin = accord.Origin{
			Party: w.nations.IL.Self.Name, Onward: accord.OnwardInstitutions, Actions: accord.ActInternal, Retain: accord.StampOf(until),
		}
	}))
	w.keep()
	at := accord.StampOf(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	taken := func(batch string) int {
		t.Helper()
		report := match.Report{Batch: batch, Matches: []match.ReportMatch{{
			Indicator: firstIndicator, Value: accord.Observable{Kind: accord.KindDomain, Value: "bad.example"},
			Seen:  match.ReportSeen{Kind: accord.KindDomain, Value: "bad.example", At: at, Field: "query", Log: "dns"},
			First: at, Last: at, Count: 1,
		}}}
		var out struct{ Taken, New, Unknown int }
		if a := w.as(w.sensor(), "POST", "/api/v1/sensor/matches", "application/json", encode(t, report)); decode(a.body, &out) != nil {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		return out.Taken
	}
	if n, got := w.index(nil, "").Size(), taken("00000000-0000-4000-8000-000000000001"); n != 1 || got != 1 {
		t.Errorf("in its time: %d values sent, %d matches taken; want 1 and 1", n, got)
	}
	w.mu.Lock()
	w.later = time.Hour
	w.mu.Unlock()
	if n, got := w.index(nil, "").Size(), taken("00000000-0000-4000-8000-000000000002"); n != 0 || got != 0 {
		t.Errorf("past its time: %d values sent, %d matches taken; want none", n, got)
	}
}

// Whatever a partner sends, the answer is a problem of its own making, never ours.
func FuzzAnnouncement(f *testing.F) {
	w := newWorld(f)
	handler := api.New(w.config)
	good := w.announcement()
	for _, seed := range []string{
		"", "{}", "null", "[]", `{"origin":"il.accord.test/to/ma.accord.test","from":-1,"leaves":[],"checkpoint":""}`,
		string(encode(f, good)), `{"origin":"","origin":""}`, deep(70), `{"from":9223372036854775808}`,
		strings.Replace(string(encode(f, good)), `"AAAAAAAAAAAAAAAAAAAAAA=="`, `"AA"`, 1),
		strings.Replace(string(encode(f, good)), `disclosure`, `receipt`, 2),
	} {
		f.Add([]byte(seed))
	}
	party := w.nations.IL
	f.Fuzz(func(t *testing.T, body []byte) {
		req := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/accord/v1/log", bytes.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		req.TLS = tlsOf(party.Cert)
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, req)
		if rec.Code == http.StatusOK || rec.Code >= 500 || rec.Code < 400 {
			t.Errorf("%d: %s", rec.Code, rec.Body)
		}
		if rec.Header().Get("Content-Type") != "application/problem+json" || !jsontext.Value(rec.Body.Bytes()).IsValid() {
			t.Errorf("not a problem: %q", rec.Body)
		}
		head, err := w.DB.Head(context.Background(), good.Origin)
		if err == nil && head.Size != 0 {
			t.Fatal("took an unsigned stretch")
		}
	})
}

// The answers of a nation that has received, matched and protected.
func TestAnswersOfANodeAtWorkAreAsDescribed(t *testing.T) {
	w := newWorld(t)
	w.nations.IL.Ingest(indicator(t, 1, "bad.example", nil), indicator(t, 2, "worse.example", nil))
	w.Ingest(indicator(t, 3, "own.example", nil))
	w.nations.Start()
	testworld.Until(t, 20*time.Second, "received", func() bool {
		_, err := w.DB.Item(t.Context(), firstIndicator)
		return err == nil
	})
	w.keep()
	at := stamp(w.now())
	it, err := w.DB.Item(t.Context(), firstIndicator)
	if err != nil {
		t.Fatal(err)
	}
	seq, err := w.DB.Cursor(t.Context(), "protect")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.DB.Protect(t.Context(), accord.Protecting{Stage: "protect", From: seq, To: seq, At: at, Add: []accord.Protection{{
		Observable: it.Observables[0], Zone: "hot", Item: it.ItemKey, Source: it.Origin.Party, Added: at, Expires: at + 3600*1e6,
	}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.DB.Withdraw(t.Context(), "indicator--00000000-0000-4000-8000-000000000003", "wrong", at); err != nil {
		t.Fatal(err)
	}
	var items struct {
		Items []struct {
			ID, Type, Name, Withdrawn string
			Origin                    *struct{ Party, Agreement, Article string }
		}
		Next string
	}
	w.read("/api/v1/items?type=indicator&limit=1", &items)
	if len(items.Items) != 1 || items.Next == "" {
		t.Errorf("a page of one: %+v", items)
	}
	w.read("/api/v1/items?type=indicator&limit=500&after="+items.Next, &items)
	if len(items.Items) != 1 || items.Items[0].Origin == nil || items.Items[0].Origin.Agreement != "ma-il" {
		t.Errorf("the page after: %+v", items)
	}
	w.read("/api/v1/items?state=withdrawn", &items)
	if len(items.Items) != 1 || items.Items[0].Withdrawn == "" {
		t.Errorf("withdrawn: %+v", items)
	}
	w.read("/api/v1/items?party="+w.nations.IL.Self.Name+"&tlp=green&text=bad.exa&source="+it.Source, &items)
	if len(items.Items) != 1 || items.Items[0].ID != firstIndicator {
		t.Errorf("by text, party, tlp and source: %+v", items)
	}
	var one struct{ Object map[string]any }
	w.read("/api/v1/items/"+firstIndicator, &one)
	if one.Object["pattern"] != "[domain-name:value = 'bad.example']" {
		t.Errorf("object %v", one.Object)
	}
	var situation api.Situation
	w.read("/api/v1/situation", &situation)
	if situation.Counts.Received[w.nations.IL.Self.Name] != 2 || situation.Counts.Protections["hot"] != 1 || situation.Index == 0 {
		t.Errorf("situation %+v", situation)
	}
	var protections struct {
		Items []struct{ Kind, Value, Zone string }
	}
	w.read("/api/v1/protections?zone=hot&item="+firstIndicator, &protections)
	if fmt.Sprint(protections.Items) != "[{domain bad.example hot}]" {
		t.Errorf("protections %v", protections.Items)
	}
	var decisions struct{ Given, Withheld map[string]int64 }
	w.read("/api/v1/decisions?party="+w.nations.IL.Self.Name, &decisions)
	w.get("/api/v1/matches").problemNot(t)
	w.get("/metrics").problemNot(t)
	if a := w.as(caller{}, "GET", "/api/v1/openapi.yaml", "", nil); !bytes.Equal(a.body, api.Description) {
		t.Error("the description is not served")
	}
	var mirrored exchange.Mirrored
	a := w.as(w.partner(), "GET", "/accord/v1/log", "", nil)
	if err := decode(a.body, &mirrored); err != nil || mirrored.Size < 2 {
		t.Errorf("mirrored %s, %v", a.body, err)
	}
	gap := w.announcement()
	gap.From = mirrored.Size + 10
	a = w.as(w.partner(), "POST", "/accord/v1/log", "application/json", encode(t, gap))
	a.problem(t, http.StatusConflict, "gap")
	var to struct{ Size int64 } // the partner may have announced more since
	if err := json.Unmarshal(a.body, &to, json.MatchCaseInsensitiveNames(true)); err != nil || to.Size < mirrored.Size {
		t.Errorf("the gap does not say where to go on: %s, %v", a.body, err)
	}
}
