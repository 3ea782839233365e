// SPDX-License-Identifier: Apache-2.0

package agreement_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"accord"
	"accord/agreement"
)

// tagged is item as it is once analysts have tagged it so: tags that are markings
// raise its own.
func tagged(item accord.Item, tags []string) accord.Item {
	item.Tags = tags
	for _, t := range tags {
		if tlp, pap, ok := accord.Mark(t); ok {
			item.TLP, item.PAP = max(item.TLP, tlp), max(item.PAP, pap)
		}
	}
	return item
}

func TestATagNeverGivesWhatWasWithheld(t *testing.T) {
	no, ee, _ := trio(t)
	two := []node{no, ee}
	rapid.Check(t, func(rt *rapid.T) {
		var articles []string
		for i := range rapid.IntRange(1, 6).Draw(rt, "articles") {
			articles = append(articles, article(rt, fmt.Sprint(i+1), rapid.IntRange(0, 3).Draw(rt, "kind") == 0))
		}
		in := []agreement.InForce{inForce(t, "a", two, articles...)}
		item := drawItem(rt)
		item.TLP, item.PAP = min(item.TLP, accord.TLPRed), min(item.PAP, accord.PAPRed)
		for i, l := range item.Labels {
			if l == "B" { // a plain reading does not fold case
				item.Labels = slices.Replace(slices.Clone(item.Labels), i, i+1, "b")
			}
		}
		tags := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "tlp:red", "tlp:amber", "tlp:clear", "pap:red", "pap:clear"}), 0, 4, rapid.ID).Draw(rt, "tags")
		bare := agreement.Decide(in, &item, false, no.Name, ee.Name, noon)
		more := tagged(item, tags)
		d := agreement.Decide(in, &more, false, no.Name, ee.Name, noon)
		if d.Effect.Shares() && !bare.Effect.Shares() {
			rt.Fatalf("tags %q gave what was withheld: %+v", tags, d)
		}
		want := refer(in, more, false, no.Name, ee.Name, noon)
		if d.Effect.Shares() != want.Shares || d.Article != want.Article {
			rt.Fatalf("tags %q: %+v, a plain reading: %+v", tags, d, want)
		}
		if ok, _ := agreement.MayBlock(&more, noon); ok {
			if was, _ := agreement.MayBlock(&item, noon); !was {
				rt.Fatalf("tags %q let it be blocked", tags)
			}
		}
	})
}

func TestATagIsALabelWhereItTightens(t *testing.T) {
	no, ee, _ := trio(t)
	two := []node{no, ee}
	all := anyone + "types = [\"*\"]\n"
	grants := all + "max_tlp = \"red\"\n"
	for name, tt := range map[string]struct {
		articles []string
		want     bool
	}{
		"a grant that asks for the label does not see the tag":      {[]string{grant("1", grants+`labels = ["secret"]`)}, false},
		"a grant that is not about the label sees the tag":          {[]string{grant("1", grants+`without_labels = ["secret"]`)}, false},
		"an exclusion of the label sees the tag":                    {[]string{grant("1", grants), exclusion("2", all+`labels = ["secret"]`)}, false},
		"an exclusion of all but the label does not see the tag":    {[]string{grant("1", grants), exclusion("2", all+`without_labels = ["secret"]`)}, false},
		"a grant that is not about another label is not in its way": {[]string{grant("1", grants+`without_labels = ["other"]`)}, true},
		"an exclusion of another label is not in its way":           {[]string{grant("1", grants), exclusion("2", all+`labels = ["other"]`)}, true},
	} {
		item := accord.Item{Type: "indicator", TLP: accord.TLPGreen, Confidence: -1, Tags: []string{"secret"}}
		in := []agreement.InForce{inForce(t, "a", two, tt.articles...)}
		if d := agreement.Decide(in, &item, false, no.Name, ee.Name, noon); d.Effect.Shares() != tt.want {
			t.Errorf("%s: %+v", name, d)
		}
	}
}
