// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"accord"
	"accord/search"
	"accord/store"
)

var knowTests = map[string]func(*testing.T, *store.DB){
	"a query finds by words, values and conditions":       queries,
	"a query's pages follow one another":                  queryPages,
	"a query that is wrong says what to do":               wrongQueries,
	"a rare word is reached among many items":             rareWord,
	"a family is found by name, alias and label":          families,
	"what no longer is is no longer found":                forgotten,
	"a tag raises markings and is found":                  tags,
	"tags are added and removed all or nothing":           retagged,
	"tags outlive a newer version and a newer copy":       tagsStay,
	"a false positive is not looked for until taken back": falsePositive,
	"sightings add up and renew":                          sightings,
	"an opinion that disagrees counts against":            opinions,
	"what expires is not looked for":                      expired,
	"correlation is bounded and says when it is too much": correlation,
	"a value in other networks and names correlates":      containment,
	"the same object of another source is remembered":     provenance,
	"labels are listed by how they begin":                 labels,
	"a query finds what a naive reading finds":            oracle,
}

// described makes item n with a text.
func described(n int, typ, name, text string) accord.Item {
	it := indicator(n, t0)
	it.ID = fmt.Sprintf("%s--00000000-0000-4000-8000-%012d", typ, n)
	it.Type, it.Name, it.Observables, it.Atomic, it.Labels = typ, name, nil, false, nil
	it.Bytes = fmt.Appendf(nil, `{"type":%q,"id":%q,"name":%q,%s}`, typ, it.ID, name, text)
	return it
}

// looksFor makes indicator n for values.
func looksFor(n int, values ...accord.Observable) accord.Item {
	it := indicator(n, t0)
	it.Observables, it.Name = values, values[0].Value
	return it
}

func relates(n int, kind, from, to string) accord.Item {
	it := described(n, "relationship", kind, `"x":1`)
	it.Refs = []accord.Ref{{Property: "source_ref", To: from}, {Property: "target_ref", To: to}}
	return it
}

// finds fails the test unless a query finds exactly these, in any order.
func finds(t *testing.T, d *store.DB, q string, want ...accord.Item) {
	t.Helper()
	got := walk(t, d, accord.Query{Q: q, Now: t0 + day})
	wanted := ids(want)
	slices.Sort(got)
	slices.Sort(wanted)
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", q, diff)
	}
}

func queries(t *testing.T, d *store.DB) {
	a := described(1, "report", "Łódź campaign", `"description":"The Emotet loader (CVE-2021-44228) came back.","external_references":[{"source_name":"x","external_id":"T1059.001"}]`)
	b := described(2, "report", "هجوم التصيّد على الوزارات", `"description":"تقرير"`)
	c := described(3, "report", "דוח על מתקפת דיוג", `"description":"שָׁלוֹם"`)
	e := looksFor(4, domain("a.b.evil.example"))
	f := looksFor(5, accord.Observable{Kind: accord.KindIPv4, Value: "192.0.2.7"})
	g := looksFor(6, accord.Observable{Kind: accord.KindCIDR, Value: "192.0.2.0/28"})
	h := looksFor(7, accord.Observable{Kind: accord.KindURL, Value: "http://b.evil.example/x"})
	i := given(looksFor(8, domain("other.test")), there)
	i.TLP, i.Labels, i.Confidence, i.Held = accord.TLPRed, []string{"phishing"}, 40, "top-sites"
	ingest(t, d, t0, a, b, c, e, f, g, h)
	ingest(t, d, t0+10*day, i)
	ioc := []accord.Item{e, f, g, h, i}
	for q, want := range map[string][]accord.Item{
		`emotet`: {a}, `EMOTET loader`: {a}, `emo`: {a}, `emo loader`: nil, `łodz`: {a}, `cve-2021-44228`: {a}, `cve-2021-4422`: nil,
		`"loader cve"`: {a}, `"loader came"`: nil, `"loader cve" -łodz`: nil, `t1059.001`: {a},
		`التصيد`: {b}, `الوزارات`: {b}, `ديوج`: nil, `מתקפת`: {c}, `שלום`: {c}, `type:report`: {a, b, c}, `type:report -emotet`: {b, c},
		`type:indicator`: ioc, `type:indicator,report`: append([]accord.Item{a, b, c}, ioc...), `kind:domain`: {e, i}, `kind:url,cidr`: {g, h},
		`exact:hxxp://b[.]EVIL.example/x`: {h}, `exact:evil.example`: nil, `value:evil.example`: {e, h}, `value:b.evil.example`: {e, h},
		`value:x.a.b.evil.example`: {e}, `value:192.0.2.3`: {g}, `192.0.2.7`: {f, g}, `value:192.0.2.0/24`: {f, g}, `value:192.0.2.7/31`: {f, g},
		`value:192.0.2.0/28`: {f, g}, `value:198.51.100.1`: nil, `evil[.]example`: {e, h}, `-value:evil.example type:indicator`: {f, g, i},
		`label:phishing`: {i}, `type:indicator -label:phishing`: {e, f, g, h}, `tlp:red`: {i}, `tlp:>green`: {i}, `type:indicator tlp:<=green`: {e, f, g, h},
		`party:` + there: {i}, `type:indicator party:own`: {e, f, g, h}, `source:feed-a type:indicator`: {e, f, g, h}, `state:held`: {i},
		`confidence:<50`: {i}, `type:indicator confidence:>=80`: {e, f, g, h}, `added:>=2023-11-24`: {i}, `added:<2023-11-24 type:indicator`: {e, f, g, h},
		`id:` + a.ID: {a}, `score:>70`: {e, f, g, h}, `score:<=70`: {i}, `valid:now`: ioc, `valid:no type:indicator`: nil, `sighted:yes`: nil,
		`nothing`: nil, `state:withdrawn`: nil,
	} {
		finds(t, d, q, want...)
	}
}

func queryPages(t *testing.T, d *store.DB) {
	var want []string
	for n := range 30 {
		it := described(n, "report", fmt.Sprintf("weekly %d", n), `"description":"weekly report"`)
		ingest(t, d, t0, it, indicator(1000+n, t0))
		want = append(want, it.ID)
	}
	slices.Reverse(want)
	for _, q := range []string{"weekly", "type:report", "week", `"weekly report"`, "type:report added:>2020-01-01", "-kind:domain", "-type:indicator week"} {
		for _, limit := range []int{1, 7, 30, 50} {
			if diff := cmp.Diff(want, walk(t, d, accord.Query{Q: q, Limit: limit, Now: t0})); diff != "" {
				t.Errorf("%s by %d (-want +got):\n%s", q, limit, diff)
			}
		}
	}
	red := accord.TLPRed
	if got := walk(t, d, accord.Query{Q: "weekly", Type: "indicator"}); got != nil {
		t.Errorf("the type beside a query does not hold: %v", got)
	}
	if got := walk(t, d, accord.Query{Q: "weekly", TLP: &red}); got != nil {
		t.Errorf("the label beside a query does not hold: %v", got)
	}
}

func wrongQueries(t *testing.T, d *store.DB) {
	for q, word := range map[string]string{"colour:red": "no field", `"open`: "not closed", "score:high": "score:>50", "value:x": "middle of a value"} {
		if _, _, err := d.Search(t.Context(), accord.Query{Q: q}); !errors.Is(err, accord.ErrInvalid) || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v", q, err)
		}
	}
	if _, _, err := d.Search(t.Context(), accord.Query{Q: "x", After: "y"}); !errors.Is(err, accord.ErrInvalid) {
		t.Errorf("cursor: %v", err)
	}
}

// rareWord needs several pages of nothing: each is bounded.
func rareWord(t *testing.T, d *store.DB) {
	rare := described(0, "report", "needle", `"description":"hay"`)
	ingest(t, d, t0, rare)
	for b := range 10 {
		var batch []accord.Item
		for n := range 1000 {
			it := indicator(1+b*1000+n, t0)
			it.Labels = []string{"malicious-activity", fmt.Sprintf("day%d", b)}
			batch = append(batch, it)
		}
		ingest(t, d, t0, batch...)
	}
	for _, q := range []string{"needle", "hay -nothing", "-label:malicious-activity", "confidence:>1 type:report"} {
		finds(t, d, q, rare)
	}
	if got := walk(t, d, accord.Query{Q: "label:day3", Limit: 500}); len(got) != 1000 {
		t.Errorf("a label of 1000 items finds %d", len(got))
	}
	if got := walk(t, d, accord.Query{Q: "confidence:<2", Limit: 500}); got != nil {
		t.Errorf("found %d", len(got))
	}
}

func families(t *testing.T, d *store.DB) {
	m := described(1, "malware", "Emotet", `"aliases":["Heodo"]`)
	p := described(2, "attack-pattern", "PowerShell", `"external_references":[{"source_name":"mitre-attack","external_id":"T1059.001"}]`)
	a, b, c, e := indicator(3, t0), indicator(4, t0), indicator(5, t0), indicator(6, t0)
	b.Labels = []string{`misp-galaxy:malpedia="emotet"`}
	c.Labels = []string{"emotet"}
	r := described(7, "report", "weekly", `"x":1`)
	r.Refs = []accord.Ref{{Property: "object_refs", To: m.ID}}
	ingest(t, d, t0, m, p, a, b, c, e, r, relates(8, "indicates", a.ID, m.ID), relates(9, "uses", m.ID, p.ID))
	finds(t, d, "family:heodo", m, a, r, p)
	finds(t, d, "family:Emotet type:indicator", a, b, c)
	finds(t, d, "technique:T1059", p, m)
	finds(t, d, "technique:powershell", p, m)
	finds(t, d, "type:indicator -family:emotet", e)
	finds(t, d, "family:none")
}

func forgotten(t *testing.T, d *store.DB) {
	it := described(1, "report", "first title", `"description":"alpha"`)
	ingest(t, d, t0, it)
	next := described(1, "report", "second title", `"description":"beta"`)
	next.Version = t0 + 1
	ingest(t, d, t0, next)
	finds(t, d, "alpha")
	finds(t, d, "beta title", next)
	must(d.Withdraw(t.Context(), it.ID, "", t0))(t)
	finds(t, d, "beta")
	finds(t, d, "beta state:withdrawn", next)
	finds(t, d, "beta state:any", next)
}

// saw is a STIX sighting of an item.
func saw(n int, of string, text string) accord.Item {
	it := described(n, "sighting", "", `"sighting_of_ref":"`+of+`"`+text)
	it.Refs = []accord.Ref{{Property: "sighting_of_ref", To: of}}
	return given(it, there)
}

func sightings(t *testing.T, d *store.DB) {
	it := indicator(1, t0)
	ingest(t, d, t0, it)
	at := t0 + 40*day
	s := saw(2, it.ID, `,"count":3,"first_seen":"2023-11-20T00:00:00Z","last_seen":"2023-12-20T00:00:00Z"`)
	ingest(t, d, at, s, saw(3, it.ID, `,"count":0`))
	got := must(d.Item(t.Context(), it.ID))(t)
	if got.Sighted.Count != 3 || got.Sighted.Last.String() != "2023-12-20T00:00:00.000000Z" || got.Sighted.First.String() != "2023-11-20T00:00:00.000000Z" {
		t.Errorf("sighted: %+v", got.Sighted)
	}
	if now := d.Score(got, at); now.Since != got.Sighted.Last {
		t.Errorf("not refreshed: %+v", now)
	}
	finds(t, d, "sighted:yes", it)
	m := accord.Match{ID: "m1", Indicator: it.ItemKey, Value: it.Observables[0], Sensor: "hospital", First: at, Last: at + day/2, Count: 2}
	must(d.AddMatches(t.Context(), []accord.Match{m}, at+day))(t)
	all := must(d.Sightings(t.Context(), it.ID))(t)
	if all.Count != 5 || all.Last != at+day/2 || len(all.By) != 2 || all.By[0].By != "hospital" || all.By[1].By != there || all.By[1].Count != 3 {
		t.Errorf("sightings: %+v", all)
	}
	var told int
	for _, line := range feed(t, d) {
		if strings.HasPrefix(line, "item "+it.ID) {
			told++
		}
	}
	if told != 3 { // stored, renewed by the sighting, and by the match
		t.Errorf("told %d times", told)
	}
	far := m
	far.ID, far.First, far.Last = "m2", at, at+1000*day
	must(d.AddMatches(t.Context(), []accord.Match{far}, at+day))(t)
	if got := must(d.Item(t.Context(), it.ID))(t); got.Sighted.Last > at+2*day {
		t.Errorf("a clock that is ahead keeps it until %v", got.Sighted.Last)
	}
}

func opinions(t *testing.T, d *store.DB) {
	it := indicator(1, t0)
	ingest(t, d, t0, it)
	o := given(described(2, "opinion", "", `"opinion":"strongly-disagree","object_refs":["`+it.ID+`"]`), there)
	o.Refs = []accord.Ref{{Property: "object_refs", To: it.ID}}
	ingest(t, d, t0, o)
	got := must(d.Item(t.Context(), it.ID))(t)
	if got.Sighted.Negative != 1 || d.Score(got, t0).Base != 40 {
		t.Errorf("%+v, score %+v", got.Sighted, d.Score(got, t0))
	}
	if all := must(d.Sightings(t.Context(), it.ID))(t); len(all.By) != 1 || !all.By[0].Negative || all.By[0].By != there {
		t.Errorf("sightings: %+v", all)
	}
	agrees := o
	agrees.Version++
	agrees.Bytes = []byte(strings.ReplaceAll(string(o.Bytes), "strongly-disagree", "agree"))
	ingest(t, d, t0, agrees)
	if got := must(d.Item(t.Context(), it.ID))(t); got.Sighted.Negative != 0 {
		t.Errorf("taken back: %+v", got.Sighted)
	}
}

func expired(t *testing.T, d *store.DB) {
	a, b := indicator(1, t0), indicator(2, t0)
	a.ValidUntil, b.ValidUntil, b.Labels = 0, 0, []string{"phishing"}
	ingest(t, d, t0, a, b)
	for _, c := range must(d.SoughtSince(t.Context(), 0, 10))(t) {
		it := must(d.Item(t.Context(), c.ID))(t)
		if s := d.Score(it, t0); len(c.Sought) != 1 || c.Sought[0].ValidUntil != s.ExpiresAt || s.ExpiresAt == 0 || s.ExpiresAt > t0+120*day {
			t.Errorf("%s: %+v, score %+v", c.ID, c.Sought, s)
		}
	}
	q := accord.Query{Q: "valid:now", Now: t0 + 4*day}
	if got := walk(t, d, q); len(got) != 1 || got[0] != a.ID {
		t.Errorf("valid after four days: %v", got)
	}
}

func correlation(t *testing.T, d *store.DB) {
	it := looksFor(1, domain("shared.example"), domain("crowded.example"))
	m := described(2, "malware", "Emotet", `"x":1`)
	it.Refs = []accord.Ref{{Property: "related_ref", To: m.ID}}
	same := given(looksFor(3, domain("shared.example")), there)
	same.Refs = it.Refs
	gone := looksFor(4, domain("shared.example"))
	ingest(t, d, t0, it, m, same, gone)
	must(d.Withdraw(t.Context(), gone.ID, "", t0))(t)
	for b := range 2 {
		var batch []accord.Item
		for n := range 600 {
			batch = append(batch, looksFor(100+b*600+n, domain("crowded.example")))
		}
		ingest(t, d, t0, batch...)
	}
	var got []string
	for _, l := range must(d.Correlate(t.Context(), it.ID))(t).Links {
		got = append(got, fmt.Sprintf("%s %s%s %d %t %d %v %v", l.By, l.Value.Value, l.Name, l.Count, l.More, len(l.Items), l.Sources, l.Parties))
	}
	want := []string{
		"value shared.example 1 false 1 [" + there + "] [" + there + "]",
		"value crowded.example 1000 true 0 [] []",
		"reference " + m.ID + "Emotet 1 false 1 [" + there + "] [" + there + "]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
	if _, err := d.Correlate(t.Context(), "indicator--none"); !errors.Is(err, accord.ErrNotFound) {
		t.Errorf("no such item: %v", err)
	}
	spread := must(d.SpreadOf(t.Context(), []accord.Item{same}))(t)
	if s := spread[same.ID]; s.Items != 2 || s.Sources != 2 || s.More {
		t.Errorf("spread: %+v", s)
	}
}

func containment(t *testing.T, d *store.DB) {
	name, under := looksFor(1, domain("evil.example")), looksFor(2, domain("a.evil.example"))
	url := looksFor(3, accord.Observable{Kind: accord.KindURL, Value: "https://b.evil.example/x"})
	net := looksFor(4, accord.Observable{Kind: accord.KindCIDR, Value: "2001:db8::/32"})
	addr := looksFor(5, accord.Observable{Kind: accord.KindIPv6, Value: "2001:db8::1"})
	port := looksFor(6, accord.Observable{Kind: accord.KindAddrPort, Value: "[2001:db8::1]:443"})
	ingest(t, d, t0, name, under, url, net, addr, port)
	for _, tt := range []struct {
		of   accord.Item
		want []string
	}{
		{name, []string{"narrower evil.example 2"}},
		{under, []string{"wider evil.example 1"}},
		{url, []string{"wider evil.example 1"}},
		{addr, []string{"wider 2001:db8::/32 1", "narrower 2001:db8::1 1"}},
		{port, []string{"wider 2001:db8::1 1", "wider 2001:db8::/32 1"}},
		{net, []string{"narrower 2001:db8::/32 1"}},
	} {
		var got []string
		for _, l := range must(d.Correlate(t.Context(), tt.of.ID))(t).Links {
			got = append(got, fmt.Sprintf("%s %s %d", l.By, l.Value.Value, l.Count))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.of.Name, diff)
		}
	}
}

func provenance(t *testing.T, d *store.DB) {
	it := indicator(1, t0)
	ingest(t, d, t0, it)
	it.Source = "feed-b"
	for range 2 {
		if res := ingest(t, d, t0+day, it); res.Same != 1 {
			t.Errorf("%+v", res)
		}
	}
	want := []accord.SourceOf{{Source: "feed-a", First: t0}, {Source: "feed-b", First: t0 + day}}
	if diff := cmp.Diff(want, must(d.Provenance(t.Context(), it.ItemKey))(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := d.Provenance(t.Context(), accord.ItemKey{ID: "x"}); !errors.Is(err, accord.ErrNotFound) {
		t.Errorf("no such item: %v", err)
	}
}

func labels(t *testing.T, d *store.DB) {
	a, b := indicator(1, t0), indicator(2, t0)
	a.Labels, b.Labels = []string{"phishing", "zeus"}, []string{"phishing"}
	ingest(t, d, t0, a, b)
	check(t, d.Tag(t.Context(), a.ID, []string{"phase:two"}, "amina", t0))
	want := []accord.LabelCount{{Label: "phase:two", Items: 1}, {Label: "phishing", Items: 2}}
	if diff := cmp.Diff(want, must(d.Labels(t.Context(), "PH", 10))(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// naive searches as one reads: every live item, every word.
func naive(items []accord.Item, q search.Query) (out []string) {
	for i := range items {
		words := search.TextOf(&items[i]).Words()
		if !slices.ContainsFunc(q.Terms, func(t search.Term) bool {
			has := search.Follow(words, t.Words, t.Prefix)
			if t.Field == "label" {
				has = slices.Contains(items[i].Labels, t.Values[0])
			}
			return has == t.Not
		}) {
			out = append(out, items[i].ID)
		}
	}
	slices.Sort(out)
	return out
}

// oracle compares with a naive reading, over items that come, change and go.
func oracle(t *testing.T, d *store.DB) {
	vocabulary := []string{"alpha", "alphabet", "beta", "CVE-2021-44228", "gamma.exe", "تصيد", "網路釣魚", "Łódź", "a", "of"}
	rapid.Check(t, func(rt *rapid.T) {
		text := func(name string) string {
			return strings.Join(rapid.SliceOfN(rapid.SampledFrom(vocabulary), 1, 5).Draw(rt, name), " ")
		}
		live := map[string]accord.Item{}
		for range rapid.IntRange(1, 6).Draw(rt, "steps") {
			n := rapid.IntRange(1, 5).Draw(rt, "item")
			it := described(n, "report", text("title"), fmt.Sprintf(`"description":%q`, text("description")))
			it.Version = t0 + accord.Stamp(must(d.LastSeq(t.Context()))(t))
			it.Labels = rapid.SampledFrom([][]string{nil, {"one"}, {"one", "two"}}).Draw(rt, "labels")
			ingest(t, d, t0, it)
			live[it.ID] = it
			if rapid.IntRange(0, 4).Draw(rt, "withdraw") == 0 {
				must(d.Withdraw(t.Context(), it.ID, "", t0))(t)
				delete(live, it.ID)
			}
		}
		var items []accord.Item
		for n := 1; n <= 5; n++ {
			if it, ok := live[described(n, "report", "", `"x":1`).ID]; ok {
				items = append(items, it)
			} else if _, err := d.Withdraw(t.Context(), described(n, "report", "", `"x":1`).ID, "", t0); err != nil && !errors.Is(err, accord.ErrNotFound) {
				t.Fatal(err)
			}
		}
		var terms []string
		for range rapid.IntRange(1, 3).Draw(rt, "terms") {
			word := rapid.SampledFrom(append(vocabulary, "alph", `"alpha beta"`, "label:one", "label:two", "-label:one", "-alpha", `-"of a"`)).Draw(rt, "term")
			terms = append(terms, word)
		}
		q := strings.Join(terms, " ")
		parsed, err := search.Parse(q)
		if err != nil {
			rt.Fatal(err)
		}
		for i := range parsed.Terms {
			if parsed.Terms[i].Value != nil { // gamma.exe reads as a name too: as words it is the same
				parsed.Terms[i].Prefix = false
			}
		}
		got := walk(t, d, accord.Query{Q: q, Limit: rapid.IntRange(1, 9).Draw(rt, "limit")})
		slices.Sort(got)
		if diff := cmp.Diff(naive(items, parsed), got); diff != "" {
			rt.Fatalf("%s (-naive +got):\n%s", q, diff)
		}
	})
}
