// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"accord"
	"accord/web/pages/items"
)

// addKnown puts into the world what analysts, telemetry and other items say of
// the botnet's indicator.
func addKnown(f *fakeStore) {
	b := &f.items[0]
	b.Tags = []string{`admiralty-scale:source-reliability="b"`, "مراقبة", "watch"}
	b.Sighted = accord.Sighted{First: ago(200 * time.Hour), Last: ago(time.Hour), Count: 412, Negative: 1}
	linked := []accord.Linked{
		{ItemKey: f.items[1].ItemKey, Type: "indicator", Name: f.items[1].Name, Source: "cert.xb.example", Party: "cert.xb.example", TLP: accord.TLPGreen, Added: ago(time.Hour)},
		{ItemKey: f.items[2].ItemKey, Type: "indicator", Name: f.items[2].Name, Source: "urlhaus-mirror", TLP: accord.TLPClear, Added: ago(time.Hour)},
	}
	f.links = map[string][]accord.Link{b.ID: {
		{By: accord.LinkValue, Value: b.Observables[0], Count: 2, Sources: []string{"cert.xb.example", "urlhaus-mirror"}, Items: linked},
		{By: accord.LinkWider, Value: accord.Observable{Kind: accord.KindCIDR, Value: "198.51.100.0/24"}, Count: 1, Items: linked[1:]},
		{By: accord.LinkValue, Value: b.Observables[1], Count: 200, More: true, Sources: []string{"national-feed"}},
		{By: accord.LinkReference, Value: accord.Observable{Value: malware}, Name: "GlassLoader", Count: 1, Items: linked[:1]},
	}}
	f.sightings = map[string]accord.Sightings{b.ID: {Sighted: b.Sighted, More: true, By: []accord.Sighting{
		{Kind: "match", By: "ministry-of-health", Match: "1", First: ago(3 * time.Hour), Last: ago(time.Hour), Count: 400},
		{Kind: "sighting", By: "cert.xb.example", Item: f.items[1].ItemKey, First: ago(200 * time.Hour), Last: ago(190 * time.Hour), Count: 12},
		{Kind: "opinion", By: "urlhaus-mirror", Item: f.items[2].ItemKey, Negative: true, Last: ago(90 * time.Hour), Count: 1},
	}}}
	f.sourcesOf = map[string][]accord.SourceOf{b.ID: {{Source: "national-feed", First: ago(220 * time.Hour)}, {Source: "cert.xb.example", Party: "cert.xb.example", First: ago(100 * time.Hour)}}}
	r := &f.items[5]
	r.Bytes = []byte(`{"type":"relationship","id":"` + r.ID + `","relationship_type":"indicates","source_ref":"` + botnet + `","target_ref":"` + malware + `"}`)
}

func TestFormControlsWriteTheQuery(t *testing.T) {
	for _, tt := range []struct{ form, want string }{
		{"", ""},
		{"type=indicator", "type:indicator"},
		{"q=beacon&type=malware&tlp=amber%2Bstrict", "beacon type:malware tlp:amber+strict"},
		{"q=beacon+type:malware+%22two+type:words%22&type=tool", `beacon "two type:words" type:tool`},
		{"q=x&source=a+%22b%22", `x source:"a \"b\""`},
		{"q=+a+++b+&state=", "a b"},
		{"was=type:tool+x&q=x&type=tool", "x"},
		{"was=type:tool+x&q=type:tool+x&type=", "x"},
		{"was=type:tool&q=type:tool+y&type=malware", "y type:malware"},
		{"q=" + strings.Repeat("a", 5000) + "+-tlp:red", strings.Repeat("a", 5000) + " -tlp:red"},
	} {
		form, err := url.ParseQuery(tt.form)
		if err != nil {
			t.Fatal(err)
		}
		if got := items.Compose(form); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.form, got, tt.want)
		}
	}
}

func TestAQueryTooLongIsRefusedNotCut(t *testing.T) {
	w := start(t)
	res, body := w.ask(t, "GET", "/items?q="+strings.Repeat("a", 5000)+"+-tlp:red", w.session(t, "analyst"), nil)
	if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "it has more than 4096 bytes: leave terms out") {
		t.Errorf("%s: the answer does not say how long a query may be", res.Status)
	}
	if strings.Contains(body, `class="cards results"`) {
		t.Error("something was searched for all the same")
	}
}

func TestAQueryThatCannotBeReadIsExplainedBesideItsBox(t *testing.T) {
	w := start(t)
	res, body := w.ask(t, "GET", "/items?q=score%3Ahigh+%3Cb%3E", w.session(t, "reader"), nil)
	if res.StatusCode != http.StatusUnprocessableEntity {
		t.Error(res.Status)
	}
	wants(t, "a bad query", body, "The query cannot be read:", "such as score:&gt;50", `aria-invalid="true"`, `value="score:high &lt;b&gt;"`)
	_, body = w.ask(t, "GET", "/items?q=nothing-like-it", w.session(t, "reader"), nil)
	wants(t, "an empty result", body, "No item fits.", "Queries to try")
	_, body = w.ask(t, "GET", "/items?q=Loader", w.session(t, "reader"), nil)
	wants(t, "a result", body, "<bdi>4</bdi> sources", `<span class="gauge `, "watch", `label%3A%22admiralty-scale%3Asource-reliability%3D%5C%22b%5C%22%22`)
}

func TestAnItemShowsWhatIsKnownOfIt(t *testing.T) {
	w := start(t)
	_, body := w.ask(t, "GET", "/items/"+botnet, w.session(t, "analyst"), nil)
	wants(t, "the item", body, "Stated confidence: <bdi>85</bdi>.", "<polyline", "Refreshed when it was seen", "Over-correlating", "more than <bdi>200</bdi>", "GlassLoader",
		"lies in", "Seen <bdi>412</bdi> times", "Also brought by", `href="/attack/T1566"`, "Mark as false positive", "مراقبة", `<span class="verb">indicates</span>`)
	_, body = w.ask(t, "GET", "/items/"+botnet, w.session(t, "reader"), nil)
	if strings.Contains(body, "Mark as false positive") || strings.Contains(body, "/tags") {
		t.Error("a reader is offered to tag or to call it false")
	}
}

func TestAnalystsTagAndCallFalsePositives(t *testing.T) {
	w := start(t)
	s := w.session(t, "analyst")
	post := func(path string, form url.Values, want string) {
		t.Helper()
		res, _ := w.ask(t, "POST", "/items/"+botnet+path, s, form)
		if got := res.Header.Get("Location"); res.StatusCode != http.StatusSeeOther || got != "/items/"+botnet+want {
			t.Errorf("%s %v: %s to %s", path, form, res.Status, got)
		}
	}
	post("/tags", url.Values{"tag": {" Sector:Energy "}, "do": {"add"}}, "#known")
	post("/tags", url.Values{"tag": {"watch"}, "do": {"remove"}}, "#known")
	for _, bad := range []string{"", "-x", "a\x00b", "tlp:purple", strings.Repeat("a", 201)} {
		post("/tags", url.Values{"tag": {bad}}, "?wrong=tag#known")
	}
	post("/false", url.Values{"why": {"a resolver's own\nname"}, "do": {"mark"}}, "#known")
	_, body := w.ask(t, "GET", "/items/"+botnet, s, nil)
	wants(t, "a false positive", body, "a resolver&#39;s own name", `class="state false"`, "look for it again")
	post("/false", url.Values{"do": {"undo"}}, "#known")
	post("/false", url.Values{"why": {"  "}}, "?wrong=why#known")
	want := "tag " + botnet + " sector:energy analyst;untag " + botnet + " watch analyst;false " + botnet + " a resolver's own name analyst;true " + botnet + " analyst"
	if got := strings.Join(w.store.said, ";"); got != want {
		t.Errorf("said %q, want %q", got, want)
	}
	_, body = w.ask(t, "GET", "/items/"+botnet+"?wrong=tag", s, nil)
	wants(t, "a wrong tag", body, "That is no tag.")
	if res, _ := w.ask(t, "POST", "/items/"+malware+"/false", s, url.Values{"why": {"x"}}); res.StatusCode != http.StatusBadRequest {
		t.Errorf("a malware as false positive: %s", res.Status)
	}
}

func TestWhatIsFoundIsDownloadedByAnalystsAndRecorded(t *testing.T) {
	w := start(t)
	w.store.items[0].Name = "=HYPERLINK(1)"
	s := w.session(t, "analyst")
	res, body := w.ask(t, "GET", "/items/export?format=csv&q=type%3Aindicator", s, nil)
	if got := res.Header.Get("Content-Disposition"); !strings.HasPrefix(got, "attachment") || res.Header.Get("Content-Type") != "text/csv; charset=utf-8" {
		t.Errorf("%s %q", res.Status, got)
	}
	wants(t, "the CSV", body, "id,type,name,tlp", "'=HYPERLINK(1)", "cert.xb.example", "amber+strict")
	if n := strings.Count(body, "\n"); n < 15 {
		t.Errorf("%d lines: are all pages there?", n)
	}
	_, body = w.ask(t, "GET", "/items/export?format=jsonl&q=T1566+OR", s, nil)
	if body != "" {
		t.Errorf("nothing is found: %q", body)
	}
	_, body = w.ask(t, "GET", "/items/export?format=jsonl&q=Phishing", s, nil)
	wants(t, "the JSON lines", body, `"id":"attack-pattern--`)
	if res, _ := w.ask(t, "GET", "/items/export?format=xls", s, nil); res.StatusCode != http.StatusBadRequest {
		t.Errorf("a format that is none: %s", res.Status)
	}
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	if n := len(w.store.audit); n != 3 || w.store.audit[0].What != "items.export" || w.store.audit[0].Who != "analyst" {
		t.Errorf("recorded: %+v", w.store.audit)
	}
}
