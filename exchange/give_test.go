// SPDX-License-Identifier: Apache-2.0

package exchange_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"accord"
	"accord/testworld"
)

// watched returns a world that is served, with the wire into MA.
func watched(t *testing.T, change func(string) string) (*testworld.World, *testworld.Wire) {
	t.Helper()
	w, wire := testworld.NewWith(t, change), &testworld.Wire{}
	w.MA.Through = wire.Through
	w.Start()
	return w, wire
}

// only is the one disclosure of an item that stands or fell last.
func only(t *testing.T, from, to *testworld.Nation, id string) accord.Disclosure {
	t.Helper()
	var found []accord.Disclosure
	for _, d := range from.Given(to) {
		if d.Item.ID == id {
			found = append(found, d)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s was disclosed %d times to %s, want once: %+v", id, len(found), to.Self.Name, found)
	}
	return found[0]
}

func never(t *testing.T, from, to *testworld.Nation, wire *testworld.Wire, id, article string) {
	t.Helper()
	w := from.Withholds(id, to)
	if w == nil {
		t.Fatalf("%s is not withheld", id)
	}
	if w.Article != article {
		t.Errorf("%s is withheld by article %s (%q), want %s", id, w.Article, w.Reasons, article)
	}
	for _, d := range from.Given(to) {
		if d.Item.ID == id {
			t.Errorf("%s was disclosed: %+v", id, d)
		}
	}
	if wire.Says(id) {
		t.Errorf("%s crossed the border", id)
	}
}

func TestAnItemIsGivenUnderTheArticleThatAllowsIt(t *testing.T) {
	t.Parallel()
	w, _ := watched(t, nil)
	indicator := testworld.Object(t, "indicator", "c2", testworld.Marked(accord.TLPAmber))
	malware := testworld.Object(t, "malware", "wiper", nil)
	w.IL.Ingest(indicator, malware)
	w.Settle()
	for it, article := range map[*accord.Item]string{&indicator: "1", &malware: "2"} {
		d := only(t, w.IL, w.MA, it.ID)
		if d.Agreement != "ma-il" || d.Version != 1 || d.Article != article || d.Redacted != nil || d.Receipted == 0 {
			t.Errorf("disclosure of %s: %+v, want article %s of ma-il 1, as it is, receipted", it.ID, d, article)
		}
		got := w.MA.Held(it.ID)[it.ID]
		if string(got.Bytes) != string(it.Bytes) {
			t.Errorf("MA holds %s, want the bytes that IL has", got.Bytes)
		}
		o := got.Origin
		if o.Party != w.IL.Self.Name || o.Agreement != "ma-il" || o.Version != 1 || o.Article != article || o.Onward != accord.OnwardInstitutions || o.Retain == 0 {
			t.Errorf("MA knows of %s: %+v", it.ID, o)
		}
	}
}

func TestContextIsGivenOneWayOnly(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	wire := &testworld.Wire{}
	w.IL.Through = wire.Through
	w.Start()
	malware := testworld.Object(t, "malware", "ours", nil)
	indicator := testworld.Object(t, "indicator", "ours", nil)
	w.MA.Ingest(malware, indicator)
	w.Settle()
	never(t, w.MA, w.IL, wire, malware.ID, "0")
	if d := only(t, w.MA, w.IL, indicator.ID); d.Article != "1" {
		t.Errorf("the indicator went under article %s", d.Article)
	}
}

func TestMarkingsOfBothTLPVersionsDecideWhatLeaves(t *testing.T) {
	t.Parallel()
	w, wire := watched(t, nil)
	v1 := func(id string) testworld.Props {
		return testworld.Props{"object_marking_refs": []string{"marking-definition--" + id}}
	}
	given := map[string]testworld.Props{
		"v1-white": v1("613f2e26-407d-48c7-9eca-b8e91df99dc9"), "v1-green": v1("34098fce-860f-48ae-8e50-ebd3cc5e41da"),
		"v1-amber": v1("f88d31f6-486f-44da-b317-01333bde0b82"), "v2-clear": testworld.Marked(accord.TLPClear),
		"v2-green": testworld.Marked(accord.TLPGreen), "v2-amber": testworld.Marked(accord.TLPAmber),
		"label-green": {"labels": []string{"tlp:green"}},
	}
	kept := map[string]testworld.Props{
		"v1-red": v1("5e57c739-391a-4eb3-b6be-7d15ca92d5ed"), "v2-strict": testworld.Marked(accord.TLPAmberStrict),
		"v2-red": testworld.Marked(accord.TLPRed), "label-red": {"labels": []string{"TLP:RED"}},
		"both": {"object_marking_refs": []string{
			"marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9", "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed",
		}},
		"part red": testworld.With(testworld.Marked(accord.TLPGreen), testworld.Props{"granular_markings": []any{
			map[string]any{"marking_ref": "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed", "selectors": []string{"name"}},
		}}),
	}
	for name, p := range given {
		w.IL.Ingest(testworld.Object(t, "malware", name, p))
	}
	for name, p := range kept {
		w.IL.Ingest(testworld.Object(t, "malware", name, p))
	}
	w.Settle()
	for name := range given {
		only(t, w.IL, w.MA, testworld.ID("malware", name))
	}
	for name := range kept {
		never(t, w.IL, w.MA, wire, testworld.ID("malware", name), "5")
	}
	if got := len(w.MA.From(w.IL)); got != len(given) {
		t.Errorf("MA holds %d items, want %d", got, len(given))
	}
}

func TestAnExcludedLabelOverridesEveryGrant(t *testing.T) {
	t.Parallel()
	w, wire := watched(t, nil)
	secret := testworld.Object(t, "indicator", "wiretap", testworld.With(testworld.Marked(accord.TLPClear),
		testworld.Props{"labels": []string{"Law-Enforcement"}}))
	w.IL.Ingest(secret, testworld.Object(t, "indicator", "open", nil))
	w.Settle()
	never(t, w.IL, w.MA, wire, secret.ID, "4")
	if wire.Says("wiretap") {
		t.Error("its name crossed the border")
	}
}

func TestWithoutAnAgreementNothingLeaves(t *testing.T) {
	t.Parallel()
	w, wire := testworld.Strangers(t), &testworld.Wire{}
	w.MA.Through = wire.Through
	w.Start()
	it := testworld.Object(t, "indicator", "c2", testworld.Marked(accord.TLPClear))
	w.IL.Ingest(it)
	w.Settle()
	never(t, w.IL, w.MA, wire, it.ID, "0")
}

func TestAnAgreementThatOnlyOneSignedGivesNothing(t *testing.T) {
	t.Parallel()
	w, wire := testworld.Strangers(t), &testworld.Wire{}
	w.MA.Through = wire.Through
	w.IL.Take(testworld.Sign(t, testworld.Draft(t, "ma-il", w.IL, w.MA), w.IL))
	w.Start()
	it := testworld.Object(t, "indicator", "c2", nil)
	w.IL.Ingest(it)
	w.Settle()
	never(t, w.IL, w.MA, wire, it.ID, "0")
}

// instant sets the instant from which or until which the draft holds.
func instant(key string, at time.Time) func(string) string {
	return func(text string) string {
		line := key + " = " + at.UTC().Format(time.RFC3339) + "\n"
		for l := range strings.Lines(text) {
			if strings.HasPrefix(l, key+" = ") {
				return strings.Replace(text, l, line, 1)
			}
			if key == "until" && strings.HasPrefix(l, "from = ") {
				return strings.Replace(text, l, l+line, 1)
			}
		}
		return text
	}
}

func TestAnAgreementGivesFromItsFirstInstantUntilItsLast(t *testing.T) {
	t.Parallel()
	now := time.Now()
	w, wire := watched(t, func(text string) string {
		return instant("until", now.Add(2*time.Hour))(instant("from", now.Add(time.Hour))(text))
	})
	early := testworld.Object(t, "indicator", "early", nil)
	w.IL.Ingest(early)
	w.Settle()
	never(t, w.IL, w.MA, wire, early.ID, "0")

	w.IL.Swept(w.MA, func() { w.IL.Pass(time.Hour + time.Minute) })
	w.Settle()
	only(t, w.IL, w.MA, early.ID)

	w.IL.Swept(w.MA, func() { w.IL.Pass(time.Hour) })
	late := testworld.Object(t, "indicator", "late", nil)
	w.IL.Ingest(late)
	w.Settle()
	never(t, w.IL, w.MA, wire, late.ID, "0")
	if d := only(t, w.IL, w.MA, early.ID); d.Retracted != 0 {
		t.Error("what was given was taken back when the agreement ended")
	}
	if len(w.MA.Held(early.ID)) != 1 {
		t.Error("MA lost what it was given")
	}
}

func TestASuspensionByEitherStopsAtOnceAndResumptionGoesOn(t *testing.T) {
	t.Parallel()
	for _, who := range []string{"giver", "receiver"} {
		t.Run("by the "+who, func(t *testing.T) {
			t.Parallel()
			w, wire := watched(t, nil)
			by, other := w.IL, w.MA
			if who == "receiver" {
				by, other = w.MA, w.IL
			}
			before := testworld.Object(t, "indicator", "before", nil)
			w.IL.Ingest(before)
			w.Settle()

			w.IL.Swept(w.MA, func() { testworld.Suspend(t, w.Agreement, false, by, other) })
			during := testworld.Object(t, "indicator", "during", nil)
			w.IL.Ingest(during)
			w.Settle()
			never(t, w.IL, w.MA, wire, during.ID, "0")
			if d := only(t, w.IL, w.MA, before.ID); d.Retracted != 0 || len(w.MA.Held(before.ID)) != 1 {
				t.Error("a suspension took back what was given")
			}
			if v := w.IL.Withholds(before.ID, w.MA); v != nil {
				t.Errorf("what MA has counts as withheld: %+v", v)
			}

			w.IL.Pass(time.Second) // a resumption of the same instant as the suspension does not speak
			w.MA.Pass(time.Second)
			w.IL.Swept(w.MA, func() { testworld.Suspend(t, w.Agreement, true, by, other) })
			w.Settle()
			only(t, w.IL, w.MA, before.ID)
			only(t, w.IL, w.MA, during.ID)
			if v := w.IL.Withholds(during.ID, w.MA); v != nil {
				t.Errorf("what was given after all still counts as withheld: %+v", v)
			}
			w.IL.Verify(w.MA.Self)
			w.MA.Verify(w.IL.Self)
		})
	}
}

func TestASuspensionStopsWhatIsDecidedAndNotYetDelivered(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	wire := &testworld.Wire{}
	w.MA.Through = wire.Through
	it := testworld.Object(t, "indicator", "c2", nil)
	w.IL.Ingest(it)
	w.Start()
	w.Settle()
	// MA goes; IL decides one more; IL suspends; MA comes back.
	w.MA.Stop()
	waits := testworld.Object(t, "indicator", "waits", nil)
	w.IL.Ingest(waits)
	testworld.Until(t, 20*time.Second, "the decision", func() bool { return len(w.IL.Given(w.MA)) == 2 })
	w.IL.Swept(w.MA, func() { testworld.Suspend(t, w.Agreement, false, w.IL) })
	w.MA.Start()
	testworld.Until(t, 30*time.Second, "the announcement", func() bool {
		h, err := w.IL.DB.Head(context.Background(), w.IL.Self.Name+"/to/"+w.MA.Self.Name)
		return err == nil && h.Cosigned == 2
	})
	time.Sleep(100 * time.Millisecond) // twenty looks of the pusher
	if len(wire.Objects()) != 1 || len(w.MA.Held(waits.ID)) != 0 {
		t.Fatal("the object was delivered under a suspended agreement")
	}
	w.IL.Pass(time.Second)
	testworld.Suspend(t, w.Agreement, true, w.IL)
	w.Settle()
	if len(w.MA.Held(waits.ID)) != 1 {
		t.Error("the object did not arrive when the agreement resumed")
	}
}
