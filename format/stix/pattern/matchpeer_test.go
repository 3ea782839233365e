// SPDX-License-Identifier: Apache-2.0

package pattern_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"accord/format/stix/pattern"
)

var update = flag.Bool("update", false, "write docs/reference/pattern-disagreements.md anew")

// answered is a kind of pattern and scene that the two matchers answer otherwise.
type answered struct {
	by    string // the one that matches: "accord", "stix2-matcher", "either"; or "stix2-matcher fails"
	text  string // expression that the pattern satisfies
	scene string // expression that the scene satisfies
	says  string // expression that the failure satisfies
	right string
	why   string
	// same, when set, is what accord must answer as the other does, so as to show that
	// this is the whole difference.
	same func(string) string
}

// windows lets the windows of WITHIN include their ends.
func windows(text string) string {
	return regexp.MustCompile(`WITHIN (\d+)(\.\d+)? SECONDS`).ReplaceAllStringFunc(text, func(s string) string {
		number := strings.Fields(s)[1]
		if !strings.Contains(number, ".") {
			number += "."
		}
		return "WITHIN " + number + strings.Repeat("0", 7-len(number)+strings.Index(number, ".")) + "1 SECONDS"
	})
}

// answeredOtherwise lists every kind; docs/reference/pattern-disagreements.md says the
// same.
var answeredOtherwise = []answered{
	{by: "stix2-matcher fails", text: ` t'`, says: `Invalid timestamp in JSON`, right: "accord", why: "§9.6.1: values of incompatible types compare as false, and as true for !="},
	{by: "stix2-matcher fails", text: `ISSU(B|PER)SET`, says: `Invalid IPv4 address`, right: "accord", why: "§9.6.1: ISSUBSET and ISSUPERSET are for IPv6 too; what is no address is false"},
	{by: "stix2-matcher fails", text: `ISSU(B|PER)SET`, says: `Invalid CIDR subnet`, right: "accord", why: "§9.6.1: a single address is a set, and so is 0.0.0.0/0"},
	{by: "stix2-matcher fails", text: `(_hex|_bin).* LIKE`, says: `UnicodeDecodeError`, right: "accord", why: "§9.6.4: octets need not be UTF-8"},
	{by: "stix2-matcher fails", text: `EXISTS`, says: `TypeError|ValueError`, right: "accord", why: "§9.6.1: EXISTS joins others by AND and OR"},
	{by: "either", text: `MATCHES '[^']*\.[^']*'`, scene: `a\\nb`, right: "accord", why: "§9.6.1: for MATCHES DOTALL MUST be specified"},
	{by: "either", text: `LIKE '[^']*[%_]`, scene: `a\\nb`, right: "accord", why: "§9.6.1: % is 0 or more characters, whichever"},
	{by: "either", text: `contains_refs\[\d\]`, right: "accord", why: "§9.7.2: an index is of the list, not of what of it is found"},
	{by: "either", text: `\[\*\][^\[\]]* NOT`, right: "accord", why: "§9.6.1: NOT negates the comparison expression, so with [*] no element may satisfy it"},
	{by: "either", text: `NOT [<>]=? `, right: "accord", why: "§9.6.1: values of incompatible types are not less; NOT negates that"},
	{by: "either", text: `_hex( NOT)? IN \('`, right: "accord", why: "§9.6.4: a string constant becomes octets, in a set too"},
	{by: "either", text: `x_any( NOT)? IN \((1|true)`, right: "accord", why: "§9.2: a boolean and a number do not compare; in Python True is 1"},
	{by: "either", text: `x_any|x_list`, scene: `null`, right: "accord", why: "null is no value of STIX, so the path leads nowhere"},
	{by: "either", text: `src_ref( NOT)? LIKE`, right: "accord", why: "§9.7.4: a reference at the end of a path is an identifier, and compares as one"},
	{by: "stix2-matcher", text: `WITHIN`, right: "accord", why: "§9.5.1: the latest MUST NOT be equal to the earliest plus the window", same: windows},
	{by: "stix2-matcher", text: `(WITHIN|FOLLOWEDBY|START).*(WITHIN|FOLLOWEDBY|START)`, right: "accord", why: "§9.1, §9.5.2: an observation has one timestamp, and not another for each qualifier"},
}

// scenes draws n scenes and their observations.
func scenes(t *testing.T, g grammar, n int) (texts []jsontext.Value, all [][]pattern.Observation) {
	for i := range n {
		text := g.scene()
		if i == 0 {
			text = oneTimeScene
		}
		var bundle struct {
			Objects []jsontext.Value `json:"objects"`
		}
		if err := json.Unmarshal([]byte(text), &bundle); err != nil {
			t.Fatal(err)
		}
		var c pattern.Collection
		for _, o := range bundle.Objects {
			if err := c.Add(o); err != nil {
				t.Fatal(err)
			}
		}
		var observed []pattern.Observation // stix2-matcher knows no others
		for _, o := range c.Observations() {
			if strings.HasPrefix(o.ID, "observed-data--") {
				observed = append(observed, o)
			}
		}
		texts, all = append(texts, jsontext.Value(text)), append(all, observed)
	}
	return texts, all
}

func matchOf(t *testing.T, text string, obs []pattern.Observation) bool {
	t.Helper()
	p, err := pattern.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	r, err := p.Match(obs, pattern.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return r.Matched
}

func TestMatchesAgreeWithThoseOfOASISButForWhatIsListed(t *testing.T) {
	patterns := 4000
	if testing.Short() {
		patterns = 300
	}
	g := newGrammar(4)
	texts, observations := scenes(t, g, 40)
	questions, scene := []question{{Match: oneTimePattern, Bundle: texts[0]}}, []int{0}
	for range patterns {
		text := g.askedPattern(2)
		for range 2 {
			i := g.IntN(len(texts))
			questions, scene = append(questions, question{Match: text, Bundle: texts[i]}), append(scene, i)
		}
	}
	met := make([]int, len(answeredOtherwise))
	matched, not := 0, 0
	for i, a := range ask(t, questions) {
		text, obs := questions[i].Match, observations[scene[i]]
		got := matchOf(t, text, obs)
		switch {
		case !a.Failed && a.OK && got:
			matched++
			continue
		case !a.Failed && !a.OK && !got:
			not++
			continue
		}
		kind := whyAnswered(t, text, string(texts[scene[i]]), a, got, obs)
		if kind < 0 {
			t.Errorf("%s: matched %v, of OASIS %+v; scene %s", text, got, a, texts[scene[i]])
			continue
		}
		met[kind]++
	}
	t.Logf("of %d questions both match %d and do not match %d; otherwise %v", len(questions), matched, not, met)
	for i, n := range met {
		if n == 0 && !testing.Short() {
			t.Errorf("the disagreement %q is listed and does not occur", answeredOtherwise[i].why)
		}
	}
	if matched < patterns/5 || not < patterns/5 {
		t.Errorf("both match %d and do not match %d: the draw shows little", matched, not)
	}
}

// whyAnswered returns the row that explains an answer, -1 for none.
func whyAnswered(t *testing.T, text, scene string, a answer, got bool, obs []pattern.Observation) int {
	by := "stix2-matcher"
	switch {
	case a.Failed:
		by = "stix2-matcher fails"
	case got:
		by = "accord"
	}
	for i, r := range answeredOtherwise {
		if r.by != by && (r.by != "either" || a.Failed) || !regexp.MustCompile(r.text).MatchString(text) ||
			!regexp.MustCompile(r.scene).MatchString(scene) || !regexp.MustCompile(r.says).MatchString(a.Why) {
			continue
		}
		if r.same == nil || matchOf(t, r.same(text), obs) == a.OK {
			return i
		}
	}
	return -1
}

func TestTheReferenceNamesEveryDisagreement(t *testing.T) {
	const path = "../../../docs/reference/pattern-disagreements.md"
	var b strings.Builder
	b.WriteString(`# Disagreements on patterns

Where the OASIS reference implementations (stix2-patterns 2.1.2, stix2-matcher 3.0.0) and Accord answer otherwise. Thousands of written, drawn and
mutated patterns, and of drawn patterns with observations, are given to both; a disagreement of no kind listed here fails the test, and so does
a kind that no longer occurs. Written by ` + "`go test ./format/stix/pattern -run TheReference -update`" + ` from the rows of the tests.

## Which texts are patterns

| read only by | right by the standard | why |
|---|---|---|
`)
	for _, r := range readByOne {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", r.by, r.right, r.why)
	}
	b.WriteString("\n## What matches\n\n| matched only by | right by the standard | why |\n|---|---|---|\n")
	for _, r := range answeredOtherwise {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", r.by, r.right, r.why)
	}
	b.WriteString("\n\"stix2-matcher fails\": it raises an exception instead of answering.\n")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil { //nolint:gosec // a document
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != b.String() {
		t.Errorf("%s is not up to date (%v): run with -update", path, err)
	}
}
