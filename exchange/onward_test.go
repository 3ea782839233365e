// SPDX-License-Identifier: Apache-2.0

package exchange_test

import (
	"strings"
	"testing"

	"accord"
	"accord/agreement"
	"accord/testworld"
)

// three is a world in which what IL gives MA is bound by that onward rule, and MA
// and GR have no context but from each other.
func three(t *testing.T, rule string) (*testworld.World, *testworld.Wire, *testworld.Wire) {
	t.Helper()
	w := testworld.New3(t, func(id, text string) string {
		switch id {
		case "ma-il":
			text = strings.ReplaceAll(text, `onward = "institutions"`, `onward = "`+rule+`"`)
			return strings.ReplaceAll(text, `from = ["il.accord.test"]`, `from = ["any"]`)
		case "gr-il":
			return strings.Replace(text, `types = ["indicator"]`, `types = ["course-of-action"]`, 1)
		}
		return text
	})
	intoGR, intoIL := &testworld.Wire{}, &testworld.Wire{}
	w.GR.Through, w.IL.Through = intoGR.Through, intoIL.Through
	w.Start()
	return w, intoGR, intoIL
}

func TestWhatWasGivenForTheReceiverAloneGoesToNoThirdNationAndNotBack(t *testing.T) {
	t.Parallel()
	for _, rule := range []string{"none", "institutions"} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			w, intoGR, intoIL := three(t, rule)
			c2 := testworld.Object(t, "indicator", "c2", nil)
			w.IL.Ingest(c2)
			w.Settle()
			if len(w.MA.Held(c2.ID)) != 1 {
				t.Fatal("MA did not get it")
			}
			never(t, w.MA, w.GR, intoGR, c2.ID, "0")
			if r := w.MA.Withholds(c2.ID, w.GR).Reasons; !strings.HasPrefix(r[0], agreement.CodeOnward) {
				t.Errorf("withheld because %q, want the onward rule", r)
			}
			// What MA makes of it for itself carries it no further.
			mine := testworld.Object(t, "malware", "mine", nil)
			uses := link(t, "indicates", c2.ID, mine.ID)
			report := testworld.Object(t, "report", "news", refTo(c2.ID, mine.ID, uses.ID))
			w.MA.Ingest(mine, uses, report)
			w.Settle()
			never(t, w.MA, w.GR, intoGR, uses.ID, "2")
			if d := only(t, w.MA, w.GR, report.ID); len(d.Redacted) != 2 {
				t.Errorf("the report went to GR without %q", d.Redacted)
			}
			if intoGR.Says(c2.ID) || intoGR.Says("c2.example") {
				t.Error("it reached GR in another object")
			}
			for _, d := range w.MA.Given(w.IL) {
				if d.Item.ID == c2.ID {
					t.Errorf("it went back to its giver: %+v", d)
				}
			}
			for _, o := range intoIL.Objects() {
				if strings.Contains(string(o), c2.ID) && strings.Contains(string(o), `"type":"indicator"`) {
					t.Error("its bytes went back to its giver")
				}
			}
		})
	}
}

func TestWhatWasGivenForPartiesGoesOnAndIsTakenBackAllTheWay(t *testing.T) {
	t.Parallel()
	w, _, _ := three(t, "parties")
	c2 := testworld.Object(t, "indicator", "c2", nil)
	w.IL.Ingest(c2)
	w.Settle()
	if o := w.GR.Held(c2.ID)[c2.ID].Origin; o.Party != w.MA.Self.Name || o.Agreement != "gr-ma" || o.Onward != accord.OnwardInstitutions {
		t.Fatalf("GR holds it from %+v, want from MA under gr-ma for its institutions", o)
	}
	for _, d := range w.GR.Given(w.MA) {
		t.Errorf("GR gave it back: %+v", d)
	}
	if len(w.GR.Given(w.IL)) != 0 {
		t.Error("GR gave it to IL")
	}
	w.IL.Withdraw(c2.ID)
	w.Settle()
	w.Settle()
	if len(w.MA.Held(c2.ID)) != 0 || len(w.GR.Held(c2.ID)) != 0 {
		t.Error("a retraction did not reach the second receiver")
	}
	for _, n := range []*testworld.Nation{w.IL, w.MA, w.GR} {
		for _, o := range []*testworld.Nation{w.IL, w.MA, w.GR} {
			if n != o {
				n.Verify(o.Self)
			}
		}
	}
}

func TestAnItemOfTheReceiversOwnStaysItsOwnWhenAGiverGivesItToo(t *testing.T) {
	t.Parallel()
	w, intoGR, _ := three(t, "none")
	c2 := testworld.Object(t, "indicator", "public", nil)
	w.MA.Ingest(c2)
	w.Settle()
	w.IL.Ingest(c2)
	w.Settle()
	if o := w.MA.Held(c2.ID)[c2.ID].Origin; !o.Own() {
		t.Errorf("MA's own item became %+v", o)
	}
	if len(w.GR.Held(c2.ID)) != 1 || !intoGR.Says(c2.ID) {
		t.Error("MA's own item did not go to GR")
	}
	w.IL.Withdraw(c2.ID)
	w.Settle()
	if len(w.MA.Held(c2.ID)) != 1 || len(w.GR.Held(c2.ID)) != 1 {
		t.Error("IL's retraction took MA's own item")
	}
}
