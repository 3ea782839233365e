// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"net/http"
	"net/url"
	"testing"

	"accord"
)

func TestAnAnalystTagsAndMarksAndEverybodyReads(t *testing.T) {
	w := newWorld(t)
	other := indicator(t, 2, "bad.example", nil)
	other.Source = "feed-b"
	w.Ingest(indicator(t, 1, "bad.example", nil), other, indicator(t, 3, "www.bad.example", nil))
	analyst := caller{token: "analyst"}
	post := func(what, body string) answer {
		t.Helper()
		return w.as(analyst, "POST", "/api/v1/items/"+firstIndicator+"/"+what, "application/json", []byte(body))
	}
	post("tags", `{"add":["watch","tlp:red"]}`).problemNot(t)
	post("tags", `{"add":["Not Lower"]}`).problem(t, http.StatusUnprocessableEntity, "lower case")
	post("tags", `{"add":["Not Lower"],"remove":["watch"]}`).problem(t, http.StatusUnprocessableEntity, "lower case")
	post("tags", `{}`).problem(t, http.StatusUnprocessableEntity, "name the tags")
	post("false-positive", `{"false_positive":true}`).problem(t, http.StatusUnprocessableEntity, "say why")
	w.as(analyst, "POST", "/api/v1/items/indicator--none/tags", "application/json", []byte(`{"add":["watch"]}`)).problem(t, http.StatusNotFound)
	post("false-positive", `{"false_positive":true,"why":"our own scanner"}`).problemNot(t)

	var one struct {
		TLP     string
		Tags    []string
		False   string `json:"false_positive"`
		Score   struct{ Base, Now float64 }
		Sources []struct{ Source string }
	}
	w.read("/api/v1/items/"+firstIndicator, &one)
	if one.TLP != "red" || len(one.Tags) != 2 || one.False != "our own scanner" || one.Score.Now != 0 || len(one.Sources) != 1 {
		t.Errorf("tagged and false: %+v", one)
	}
	post("false-positive", `{"false_positive":false}`).problemNot(t)
	post("tags", `{"remove":["tlp:red","watch"]}`).problemNot(t)
	w.read("/api/v1/items/"+firstIndicator, &one)
	if it, err := w.DB.Item(t.Context(), firstIndicator); err != nil || it.TLP != accord.TLPGreen || it.Tags != nil || it.False != "" {
		t.Errorf("taken back: %+v, %v", it, err)
	}
	audit, err := w.DB.AuditEntries(t.Context(), 10)
	if err != nil || len(audit) != 4 || audit[3].What != "item.tag" || audit[3].Who != "analyst" || audit[3].Object != firstIndicator {
		t.Errorf("audit %+v, %v", audit, err)
	}
}

func TestItemsAreFoundByAQuery(t *testing.T) {
	w := newWorld(t)
	w.Ingest(indicator(t, 1, "bad.example", nil), indicator(t, 2, "good.example", nil))
	var page struct {
		Items []struct{ ID string }
	}
	w.read("/api/v1/items?q="+url.QueryEscape(`type:indicator value:hxxp://bad[.]example/x score:>10 valid:now`), &page)
	if len(page.Items) != 1 || page.Items[0].ID != firstIndicator {
		t.Errorf("found %+v", page)
	}
	w.get("/api/v1/items?q="+url.QueryEscape("colour:red")).problem(t, http.StatusUnprocessableEntity, "no field", "type")
	var labels struct {
		Items []struct {
			Label string
			Items int
		}
	}
	w.read("/api/v1/labels?begins=mal", &labels)
	if len(labels.Items) != 1 || labels.Items[0].Label != "malicious-activity" || labels.Items[0].Items != 2 {
		t.Errorf("labels %+v", labels)
	}
	var links struct {
		Links []struct {
			By, Value string
			Count     int
		}
	}
	w.Ingest(indicator(t, 3, "www.bad.example", nil))
	w.read("/api/v1/items/"+firstIndicator+"/correlations", &links)
	if len(links.Links) != 1 || links.Links[0].By != "narrower" || links.Links[0].Count != 1 {
		t.Errorf("links %+v", links)
	}
	w.get("/api/v1/items/" + firstIndicator + "/sightings").problemNot(t)
	w.get("/api/v1/items/indicator--none/correlations").problem(t, http.StatusNotFound)
}
