// SPDX-License-Identifier: Apache-2.0

package agreement_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/agreement"
)

var update = flag.Bool("update", false, "rewrite golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s differs (run with -update if that is meant):\n%s", name, d)
	}
}

func TestTheTemplateIsReadableAndExplainsItself(t *testing.T) {
	no, ee, _ := trio(t)
	text, err := agreement.Template(agreement.Terms{
		ID: "no-ee-2026", Title: `Accord "of" Tartu`, From: at(t, "2026-01-01T00:00:00Z"), Self: no.Party, Partner: ee.Party, Giver: ee.Name,
	})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "template.toml", text)
	a, err := agreement.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if a.Title != `Accord "of" Tartu` || a.Until != 0 || a.Version != 1 {
		t.Errorf("%+v", a)
	}
	golden(t, "template.txt", strings.Join(a.Explain(), "\n\n")+"\n")
	for _, bad := range []string{"a\ttab", "a\nline", "\u202ereversed"} {
		if _, err := agreement.Template(agreement.Terms{ID: "x", Title: bad, From: 1e15, Self: no.Party, Partner: ee.Party}); !errors.Is(err, accord.ErrInvalid) {
			t.Errorf("title %q: %v", bad, err)
		}
	}
}

func TestEveryConditionIsExplained(t *testing.T) {
	no, ee, _ := trio(t)
	a, err := agreement.Parse([]byte(textOf("a", []node{no, ee},
		grant("1", `from = ["cert.no.example"]
to = ["any"]
types = ["indicator"]
observables = ["domain", "ipv4"]
labels = ["phishing"]
without_labels = ["untested"]
sectors = ["energy"]
sources = ["feed"]
max_tlp = "amber+strict"
max_pap = "green"
min_confidence = 30
max_age = "2w"
redact = ["description"]
actions = "externally-visible-direct-actions"
attribution = "must-not"
onward = "parties"
retain = "36h"
acknowledge_within = "90m"
confirm_retraction_within = "1h"`),
		exclusion("2", anyone+`types = ["*"]
observables = ["email"]
above_pap = "green"
above_tlp = "clear"
below_confidence = 10
older_than = "1d"`),
		grant("3", anyone+"types = [\"tool\"]\nmax_tlp = \"clear\"\nattribution = \"must\""))))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "explain.txt", strings.Join(a.Explain(), "\n\n")+"\n")
}

func TestMalformedTextsAreRefusedWithTheKeyNamed(t *testing.T) {
	no, ee, lv := trio(t)
	good := textOf("a", []node{no, ee}, grant("1", anyone+"types = [\"indicator\"]\nmax_tlp = \"amber\""), exclusion("2", anyone+"types = [\"*\"]\nabove_tlp = \"amber\""))
	if _, err := agreement.Parse([]byte(good)); err != nil {
		t.Fatal(err)
	}
	swap := func(old, with string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not in the text", old)
		}
		return strings.Replace(good, old, with, 1)
	}
	in := func(line string) string {
		return swap("types = [\"indicator\"]\n", "types = [\"indicator\"]\n"+line+"\n")
	}
	for _, tt := range []struct{ text, names string }{
		{in("max_tpl = \"red\""), `unknown key "article.max_tpl"`},
		{in("MAX_TLP = \"red\""), `unknown key "article.MAX_TLP"`},
		{in("Max_TLP = \"red\""), `unknown key "article.Max_TLP"`},
		{swap("title =", "quorum = 1\ntitle ="), `unknown key "quorum"`},
		{swap("nation =", "url = \"x\"\nnation ="), `unknown key "party.url"`},
		{swap("[[article]]", "[signed]\nx = true\n[[article]]"), `unknown key "signed"`},
		{in("[article.from.x]"), ""},
		{in("max_tlp = \"red\""), "max_tlp"}, // a duplicate
		{swap("max_tlp = \"amber\"", ""), "max_tlp is missing"},
		{swap("max_tlp = \"amber\"", "max_tlp = \"orange\""), "orange"},
		{swap("max_tlp = \"amber\"", "max_tlp = 2"), ""},
		{in("above_tlp = \"green\""), "above_tlp belongs to an article that withholds"},
		{in("below_confidence = 3"), "below_confidence"},
		{swap("above_tlp = \"amber\"", "max_tlp = \"amber\""), "max_tlp belongs to an article that shares"},
		{swap("above_tlp = \"amber\"", "retain = \"1d\""), "retain"},
		{swap("above_tlp = \"amber\"", "redact = [\"description\"]"), "redact"},
		{in("observables = [\"hostname\"]"), `unknown kind "hostname"`},
		{in("min_confidence = 101"), "confidence 101"},
		{in("retain = \"0d\""), `"0d"`},
		{in("retain = \"-1d\""), `"-1d"`},
		{in("retain = \"1y\""), `"1y"`},
		{in("retain = \"999999d\""), `"999999d"`},
		{in("retain = \"1.5d\""), `"1.5d"`},
		{in("retain = \"d\""), `"d"`},
		{in("actions = \"anything\""), "anything"},
		{in("onward = \"all\""), "all"},
		{in("attribution = \"no\""), "no"},
		{in("redact = [\"pattern\"]"), "pattern cannot be left out"},
		{in("redact = [\"object_marking_refs\"]"), "object_marking_refs"},
		{in("redact = [\"a.b.c\"]"), "a.b.c"},
		{in("labels = [\"Secret\"]"), "lower case"},
		{in("labels = [\"\"]"), "labels"},
		{in("labels = [\"a\", \"a\"]"), "appears twice"},
		{in("labels = [" + strings.Repeat("\"x\",", 300) + "]"), ""},
		{swap("types = [\"indicator\"]", "types = [\"indicator\", \"*\"]"), `"*"`},
		{swap("types = [\"indicator\"]", "types = []"), "types is an empty list"},
		{swap("types = [\"indicator\"]\n", ""), "types is missing"},
		{in("labels = []"), "labels is an empty list"},
		{in("without_labels = []"), "without_labels is an empty list"},
		{in("sectors = []"), "sectors is an empty list"},
		{in("observables = []"), "observables is an empty list"},
		{in("sources = []"), "sources is an empty list"},
		{in("redact = []"), "redact is an empty list"},
		{swap("to = [\"any\"]", "to = []"), "to is an empty list"},
		{in(`pillar = "a\u202eb"`), "pillar \"a\\u202eb\": character U+202E"},
		{in(`labels = ["a\nb"]`), "U+000A"},
		{in(`labels = ["""` + "a\nb" + `"""]`), "U+000A"},
		{in(`sources = ["\u001b[2J"]`), "U+001B"},
		{in(`sectors = ["a\tb"]`), "U+0009"},
		{swap("title = \"t\"", `title = "t\u2028"`), "U+2028"},
		{swap("title = \"t\"", `title = "\U000E0041"`), "U+E0041"},
		{swap("title = \"g\"", `title = "\u2066g"`), "U+2066"},
		{swap("types = [\"indicator\"]", "types = [\"Indicator\"]"), "Indicator"},
		{swap("types = [\"indicator\"]", "types = [\"report\"]\nredact = [\"name\"]"), "name can be left out only of"},
		{swap("from = [\"any\"]", ""), "from is missing"},
		{swap("from = [\"any\"]", "from = [\"cert.lv.example\"]"), "not a party"},
		{swap("from = [\"any\"]", "from = [\"any\", \"cert.no.example\"]"), `"any"`},
		{swap("from = [\"any\"]\nto = [\"any\"]", "from = [\"cert.no.example\"]\nto = [\"cert.no.example\"]"), "the same party"},
		{swap("number = \"2\"", "number = \"1\""), "article 1 appears twice"},
		{swap("number = \"2\"", "number = \"0\""), `"0"`},
		{swap("number = \"2\"", "number = \"02\""), `"02"`},
		{swap("number = \"2\"", "number = \"2.\""), `"2."`},
		{swap("effect = \"withhold\"", "effect = \"share-redacted\""), "share-redacted"},
		{swap("title = \"g\"\n", ""), "title is missing"},
		{swap("id = \"a\"", "id = \"A b\""), "id"},
		{swap("id = \"a\"", "id = \"none\""), "none"},
		{swap("version = 1", "version = 0"), "version 0"},
		{swap("from = 2026-01-01T00:00:00Z", "from = 2026-01-01T00:00:00"), "offset"},
		{swap("from = 2026-01-01T00:00:00Z", "from = 2026-01-01"), "offset"},
		{swap("from = 2026-01-01T00:00:00Z", "from = 2026-01-01T00:00:00.5Z"), "whole seconds"},
		{swap("from = 2026-01-01T00:00:00Z\n", ""), "from is missing"},
		{swap("until = 2029", "until = 2026"), "until must be after from"},
		{swap("name = \"cert.ee.example\"", "name = \"cert.no.example\""), "cert.no.example"},
		{swap("nation = \"EE\"", "nation = \"ee\""), "ee"},
		{swap(ee.Key, no.Key), "cert.ee.example"},
		{swap(ee.Key, lv.Key), "cert.ee.example"},
		{swap(ee.Key, ""), "key"},
		{swap(agreement.Header, "# accord agreement v2"), "first line"},
		{"\n" + good, "first line"},
		{"\ufeff" + good, "first line"},
		{strings.TrimSuffix(good, "\n"), "newline"},
		{strings.ReplaceAll(good, "\n", "\r\n"), ""},
		{good + "# a\ttab\n", "U+0009"},
		{good + "# \u202e\n", "U+202E"},
		{good + "# \x7f\n", "U+007F"},
		{good + "# zero\u200bwidth\n", "U+200B"},
		{good + "# \xff\n", "UTF-8"},
		{good + "# line" + strings.Repeat("x", 9000) + "\n", "longer than"},
		{good + "— someone AAAA\n", "signature"},
		{good + strings.Repeat("#\n", 1<<19), "larger"},
		{good + "x = " + strings.Repeat("[", 5000) + "\n", "nested"},
		{good + "a" + strings.Repeat(".a", 3000) + " = 1\n", "nested"},
		{good + "x = " + strings.Repeat("{a=", 2000) + "\n", "nested"},
	} {
		start := time.Now()
		_, err := agreement.Parse([]byte(tt.text))
		if !errors.Is(err, accord.ErrInvalid) || !strings.Contains(err.Error(), tt.names) {
			t.Errorf("want %q named: %v", tt.names, err)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("%q took %s", tt.names, took)
		}
	}
}

func TestTheTitleOfAPartyHidesNothing(t *testing.T) {
	no, ee, _ := trio(t)
	one := grant("1", anyone+"types = [\"*\"]\nmax_tlp = \"clear\"")
	for title, want := range map[string]bool{"مرکز ملی \u200cامن": true, "Équipe": true, "a\u202eb": false, "a\nb": false, "\x1b[2J": false, "\u00ad": false} {
		ee.Title = title // %q escapes it
		if _, err := agreement.Parse([]byte(textOf("a", []node{no, ee}, one))); (err == nil) != want {
			t.Errorf("%q: %v", title, err)
		}
	}
}

func TestLimitsAreExact(t *testing.T) {
	no, ee, _ := trio(t)
	articles := func(n int) string {
		var as []string
		for i := range n {
			as = append(as, grant(fmt.Sprint(i+1), anyone+"types = [\"*\"]\nmax_tlp = \"clear\""))
		}
		return textOf("a", []node{no, ee}, as...)
	}
	if _, err := agreement.Parse([]byte(articles(agreement.MaxArticles))); err != nil {
		t.Errorf("%d articles: %v", agreement.MaxArticles, err)
	}
	if _, err := agreement.Parse([]byte(articles(agreement.MaxArticles + 1))); !errors.Is(err, accord.ErrInvalid) {
		t.Errorf("%d articles: %v", agreement.MaxArticles+1, err)
	}
	var ns []node
	for i := range agreement.MaxParties + 1 {
		ns = append(ns, newNode(t, fmt.Sprintf("cert%d.example", i), "NO"))
	}
	one := grant("1", anyone+"types = [\"*\"]\nmax_tlp = \"clear\"")
	if _, err := agreement.Parse([]byte(textOf("a", ns[:agreement.MaxParties], one))); err != nil {
		t.Errorf("%d parties: %v", agreement.MaxParties, err)
	}
	for _, n := range []int{1, agreement.MaxParties + 1} {
		if _, err := agreement.Parse([]byte(textOf("a", ns[:n], one))); !errors.Is(err, accord.ErrInvalid) {
			t.Errorf("%d parties: %v", n, err)
		}
	}
	// The last of many articles counts as the first does.
	many := []string{}
	for i := range 130 {
		many = append(many, grant(fmt.Sprint(i+1), anyone+"types = [\"tool\"]\nmax_tlp = \"clear\""))
	}
	many = append(many, grant("200", anyone+"types = [\"indicator\"]\nmax_tlp = \"clear\""), exclusion("201", anyone+"types = [\"indicator\"]\nlabels = [\"x\"]"))
	in := []agreement.InForce{inForce(t, "a", []node{no, ee}, many...)}
	if d := agreement.Decide(in, &accord.Item{Type: "indicator"}, false, no.Name, ee.Name, noon); d.Article != "200" || !d.Effect.Shares() {
		t.Errorf("%+v", d)
	}
	if d := agreement.Decide(in, &accord.Item{Type: "indicator", Labels: []string{"x"}}, false, no.Name, ee.Name, noon); d.Article != "201" || d.Effect.Shares() {
		t.Errorf("%+v", d)
	}
}
