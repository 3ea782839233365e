// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"accord"
	"accord/web/node"
)

func worldCatalogue() []node.CatalogueFeed {
	return []node.CatalogueFeed{
		{Name: "urlhaus", Title: "Addresses that serve malware, 30 days", Publisher: "publisher.example", Docs: "https://publisher.example/api/", Kind: "list", Size: 20000, Key: "optional", Terms: "Free under fair use; commercial users ask."},
		{Name: "feodo", Title: "Botnet command and control servers", Publisher: "publisher.example", Docs: "https://publisher.example/blocklist/", Kind: "list", Size: 100, Key: "none", Terms: "CC0. Few rows at times, also none."},
		{Name: "keyed", Title: "A collection with a key", Publisher: "taxii.example", Docs: "https://taxii.example/", Kind: "taxii", Size: 5000, Key: "required", Terms: "Members alone."},
	}
}

// addFeeds puts feeds in every state into the world.
func addFeeds(f *fakeStore) {
	day := accord.FeedDuration(24 * time.Hour)
	f.feeds = []accord.Feed{
		{Name: "national-feed", Title: "تغذية الهيئة الوطنية", Kind: accord.FeedSTIX, URL: "https://feeds.cert.xa.example/stix/all.json", Enabled: true, Every: day, State: accord.FeedState{Due: ago(-5 * time.Hour), OK: ago(time.Hour), Outcome: accord.RunTaken}},
		{Name: "urlhaus", Title: "Addresses that serve malware, 30 days", Catalog: "urlhaus", Kind: accord.FeedList, URL: "https://publisher.example/downloads/csv_recent/", Enabled: true, Every: day, State: accord.FeedState{
			Due: ago(-20 * time.Minute), OK: ago(30 * time.Hour), Outcome: accord.RunFailed, Failures: 4, Message: "publisher.example answers 503 Service Unavailable; it is asked again ever less often",
		}},
		{Name: "mirror", Kind: accord.FeedMISP, URL: "https://misp.example/feed/", Enabled: true, State: accord.FeedState{Due: ago(-time.Hour), Outcome: accord.RunHeld, Message: "it has 3 rows, last time 20,114: nothing was taken or withdrawn. If that is right, accept it"}},
		{Name: "folder", Kind: accord.FeedList, URL: "file:///var/lib/accord/in", Enabled: true, State: accord.FeedState{Lease: ago(-time.Minute)}},
		{Name: "sleeping", Kind: accord.FeedTAXII, URL: "https://taxii.example/root/collections/x/"},
	}
	f.qualities = map[string]accord.FeedQuality{
		"national-feed": {Source: "national-feed", Items: 900112, Indicators: 850000, Values: 840000, First: 700000, Unique: 610000, Dated: 850000, Fresh: 380000, Useful: 12000, FalsePositive: 310, Behind: 20000},
		"urlhaus":       {Source: "urlhaus", Items: 691419, Indicators: 691419, Values: 690000, First: 600100, Unique: 590000, Useful: 90, FalsePositive: 8000},
	}
	f.runs = map[string][]accord.FeedRun{
		"national-feed": {{
			Feed: "national-feed", N: 12, Started: ago(time.Hour), Ended: ago(time.Hour - time.Minute), Outcome: accord.RunTaken, FeedCounts: accord.FeedCounts{New: 1204, Updated: 31, Same: 890001, Refused: 2, Conflicts: 1},
			Refusals: []accord.Refusal{{What: "line 7", Why: "<script>alert(1)</script> is no value"}},
		}},
		"urlhaus": {{Feed: "urlhaus", N: 99, Started: ago(10 * time.Minute), Outcome: accord.RunFailed}},
	}
}

func TestFeedsSayHowTheyAreAndWhatTheyAreWorth(t *testing.T) {
	w := start(t)
	_, body := w.ask(t, "GET", "/feeds", w.session(t, "reader"), nil)
	wants(t, "the page", body, "answers 503", "failed in a row: <bdi>4</bdi>", "is held back", "running", "switched off", "83%", "73%", "45%", "1%", "87%", "&lt;script&gt;alert(1)", "Few rows at times", "only an operator")
	if strings.Contains(body, `action="/feeds/`) {
		t.Error("a reader is offered to switch feeds")
	}
	_, body = w.ask(t, "GET", "/feeds", w.session(t, "operator"), nil)
	wants(t, "an operator's page", body, `action="/feeds/switch"`, `name="entry" value="feodo"`, "accord feed add")
	if strings.Contains(body, `name="entry" value="urlhaus"`) {
		t.Error("what is here is offered again")
	}
	w.store.feeds = nil
	_, body = w.ask(t, "GET", "/feeds", w.session(t, "reader"), nil)
	wants(t, "no feeds", body, "No feed yet.")
}

func TestOperatorsSwitchFeeds(t *testing.T) {
	w := start(t)
	s := w.session(t, "operator")
	post := func(path string, form url.Values, want int) {
		t.Helper()
		if res, _ := w.ask(t, "POST", path, s, form); res.StatusCode != want {
			t.Errorf("%s %v: %s", path, form, res.Status)
		}
	}
	post("/feeds/switch", url.Values{"feed": {"sleeping"}, "do": {"run"}}, http.StatusConflict)
	post("/feeds/switch", url.Values{"feed": {"sleeping"}, "do": {"on"}}, http.StatusSeeOther)
	post("/feeds/switch", url.Values{"feed": {"sleeping"}, "do": {"run"}}, http.StatusSeeOther)
	post("/feeds/switch", url.Values{"feed": {"urlhaus"}, "do": {"off"}}, http.StatusSeeOther)
	post("/feeds/switch", url.Values{"feed": {"urlhaus"}, "do": {"burn"}}, http.StatusBadRequest)
	post("/feeds/switch", url.Values{"feed": {"none"}, "do": {"on"}}, http.StatusNotFound)
	post("/feeds/add", url.Values{"entry": {"feodo"}}, http.StatusSeeOther)
	post("/feeds/add", url.Values{"entry": {"../x"}}, http.StatusNotFound)
	if !w.store.feeds[4].Enabled || w.store.feeds[1].Enabled || strings.Join(w.node.added, ";") != "feodo operator" {
		t.Errorf("%+v, added %v", w.store.feeds, w.node.added)
	}
	var done []string
	for _, e := range w.store.audit {
		done = append(done, e.What+" "+e.Object+" "+e.Who)
	}
	if got := strings.Join(done, ";"); got != "feed.enable sleeping operator;feed.run sleeping operator;feed.disable urlhaus operator" {
		t.Errorf("recorded %q", got)
	}
}
