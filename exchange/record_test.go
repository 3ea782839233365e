// SPDX-License-Identifier: Apache-2.0

package exchange_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"accord"
	"accord/ledger"
	"accord/testworld"
)

func TestEveryDisclosureIsReceiptedAndBothLedgersVerifyToTheEnd(t *testing.T) {
	t.Parallel()
	w, _ := watched(t, nil)
	var all []accord.Item
	for i := range 1300 { // more than one announcement, more than one push
		all = append(all, testworld.Object(t, "indicator", fmt.Sprint("c2-", i), nil))
	}
	w.IL.Ingest(all...)
	w.MA.Ingest(testworld.Object(t, "indicator", "theirs", nil))
	w.Settle()
	for _, d := range w.IL.Given(w.MA) {
		if d.Receipted == 0 {
			t.Fatalf("disclosure %d is not receipted", d.Index)
		}
	}
	ctx := t.Context()
	for _, n := range []*testworld.Nation{w.IL, w.MA} {
		for _, pair := range [][2]accord.Party{{w.IL.Self, w.MA.Self}, {w.MA.Self, w.IL.Self}} {
			r, err := ledger.Verify(ctx, n.DB, pair[0], pair[1])
			if err != nil {
				t.Errorf("at %s: %v", n, err)
			}
			if r.Size == 0 || r.Cosigned != r.Size {
				t.Errorf("at %s: %s has %d leaves, %d cosigned", n, r.Origin, r.Size, r.Cosigned)
			}
		}
	}
	there, back := ledger.Origin(w.IL.Self.Name, w.MA.Self.Name), ledger.Origin(w.MA.Self.Name, w.IL.Self.Name)
	for _, origin := range []string{there, back} {
		a, errA := w.IL.DB.Head(ctx, origin)
		b, errB := w.MA.DB.Head(ctx, origin)
		if errA != nil || errB != nil || a.Size != b.Size || a.Root != b.Root {
			t.Errorf("%s differs: %d leaves at IL, %d at MA, %v %v", origin, a.Size, b.Size, errA, errB)
		}
	}
	c, err := w.MA.DB.Counts(ctx)
	if err != nil || c.Received[w.IL.Self.Name] != 1300 {
		t.Errorf("MA counts %d received, %v", c.Received[w.IL.Self.Name], err)
	}
}

func TestAnObjectThatNobodyAnnouncedIsRefusedAndTheRestTaken(t *testing.T) {
	t.Parallel()
	w, f := newForger(t)
	its := indicators(t, "announced", "silent", "altered", "retracted")
	f.add(f.disclosure(its[0]), f.disclosure(its[2]), f.disclosure(its[3]))
	r, err := ledger.NewRetraction(ledger.Retraction{
		Origin: f.origin, Item: its[3].ItemKey, Spans: ledger.Spans([]int64{2}), At: accord.StampOf(time.Now()),
	}, f.as.Key.Signer())
	if err != nil {
		t.Fatal(err)
	}
	f.add(r)
	f.must(0)
	altered := []byte(strings.Replace(string(its[2].Bytes), "altered.example", "altered2.example", 1))
	broken := []byte(`{"type":"indicator","id":"indicator--1"}`)
	refused := f.push(its[1].Bytes, altered, its[0].Bytes, its[3].Bytes, broken)
	for id, says := range map[string]string{
		its[1].ID: "no disclosure", its[2].ID: "other bytes", its[3].ID: "no disclosure",
	} {
		if !strings.Contains(refused[id], says) {
			t.Errorf("%s: %q, want one that says %q", id, refused[id], says)
		}
	}
	if len(refused) != 4 {
		t.Errorf("refused %v, want four", refused)
	}
	if got := w.MA.From(w.IL); len(got) != 1 || got[its[0].ID].ID == "" {
		t.Errorf("MA holds %d items, want the one announced", len(got))
	}
	received, err := w.MA.DB.ReceivedOf(t.Context(), its[2].ID)
	if err != nil || len(received) != 1 || received[0].Held != 0 {
		t.Errorf("of the altered one MA records %+v, %v, want announced and not held", received, err)
	}
}

func TestAPushThatComesAgainIsASuccessThatChangesNothing(t *testing.T) {
	t.Parallel()
	w, f := newForger(t)
	its := indicators(t, "a", "b")
	f.add(f.disclosure(its[0]), f.disclosure(its[1]))
	f.must(0)
	twice := [][]byte{its[0].Bytes, its[1].Bytes, its[0].Bytes}
	if refused := f.push(twice...); len(refused) != 0 {
		t.Fatalf("refused %v", refused)
	}
	state := func() string {
		c, err := w.MA.DB.Counts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		h, err := w.MA.DB.Head(t.Context(), ledger.Origin(w.MA.Self.Name, w.IL.Self.Name))
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(c.Items, c.Received, c.Seq, h.Size)
	}
	before := state()
	for range 3 {
		if refused := f.push(twice...); len(refused) != 0 {
			t.Errorf("refused %v", refused)
		}
	}
	if after := state(); after != before {
		t.Errorf("MA is at %s, was at %s", after, before)
	}
	leaves, err := w.MA.DB.Leaves(t.Context(), ledger.Origin(w.MA.Self.Name, w.IL.Self.Name), 0, 10)
	if err != nil || len(leaves) != 1 {
		t.Fatalf("MA wrote %d receipts, %v", len(leaves), err)
	}
	word, err := ledger.PartyVerifier(w.MA.Self.Key)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ledger.OpenReceipt(leaves[0].Record, word)
	if want := []accord.IndexSpan{{From: 0, To: 2}}; err != nil || !slices.Equal(r.Spans, want) || r.Size != 2 {
		t.Errorf("the receipt says %+v, %v", r, err)
	}
}

func TestAnAmendmentIsAppliedToWhatWasGivenBefore(t *testing.T) {
	t.Parallel()
	w, _ := watched(t, nil)
	amber := testworld.Object(t, "indicator", "amber", testworld.Marked(accord.TLPAmber))
	green := testworld.Object(t, "indicator", "green", testworld.Marked(accord.TLPGreen))
	malware := testworld.Object(t, "malware", "wiper", testworld.Props{"description": "long"})
	pattern := testworld.Object(t, "note", "note", testworld.Props{"content": "text", "object_refs": []string{green.ID}, "name": nil})
	w.IL.Ingest(amber, green, malware, pattern)
	w.Settle()
	if len(w.MA.From(w.IL)) != 3 {
		t.Fatalf("MA holds %d items, want 3", len(w.MA.From(w.IL)))
	}
	// Indicators only to GREEN now; context without descriptions; notes too.
	v2 := strings.Replace(w.Text, "version = 1", "version = 2", 1)
	v2 = strings.Replace(v2, `max_tlp = "amber"`, `max_tlp = "green"`, 1)
	v2 = strings.Replace(v2, `title = "Context"`, "title = \"Context\"\nredact = [\"description\"]", 1)
	v2 = strings.Replace(v2, `"report", "malware",`, `"report", "note", "malware",`, 1)
	w.MA.Take(testworld.Sign(t, v2, w.IL, w.MA)) // who receives takes it first: see the guide
	w.IL.Swept(w.MA, func() { w.IL.Take(testworld.Sign(t, v2, w.IL, w.MA)) })
	w.Settle()
	held := w.MA.From(w.IL)
	if _, there := held[amber.ID]; there {
		t.Error("what the amendment no longer allows was not taken back")
	}
	if o := held[green.ID].Origin; o.Version != 2 {
		t.Errorf("what still stands is held under version %d, want 2", o.Version)
	}
	if strings.Contains(string(held[malware.ID].Bytes), "description") {
		t.Error("what the amendment redacts is still whole at the receiver")
	}
	if _, there := held[pattern.ID]; !there {
		t.Error("what the amendment newly allows was not given")
	}
	if x := w.IL.Withholds(amber.ID, w.MA); x == nil || x.Agreement != "ma-il" {
		t.Errorf("withheld: %+v", x)
	}
	for _, d := range w.IL.Given(w.MA) {
		if d.Retracted == 0 && d.Receipted == 0 {
			t.Errorf("disclosure %d of %s is not receipted", d.Index, d.Item.ID)
		}
	}
	w.IL.Verify(w.MA.Self)
	w.MA.Verify(w.IL.Self)
}

func TestWhatWaitsWhenAnAmendmentComesIsGivenUnderIt(t *testing.T) {
	t.Parallel()
	w, _ := watched(t, nil)
	first := testworld.Object(t, "indicator", "first", nil)
	w.IL.Ingest(first)
	w.Settle()
	w.MA.Stop()
	waits := testworld.Object(t, "indicator", "waits", nil)
	w.IL.Ingest(waits)
	testworld.Until(t, 20*time.Second, "the decision", func() bool { return len(w.IL.Given(w.MA)) == 2 })
	v2 := testworld.Sign(t, strings.Replace(w.Text, "version = 1", "version = 2", 1), w.IL, w.MA)
	w.IL.Swept(w.MA, func() { w.IL.Take(v2) })
	w.MA.Open()
	w.MA.Take(v2)
	w.MA.Start()
	w.Settle()
	if o := w.MA.Held(waits.ID)[waits.ID].Origin; o.Version != 2 {
		t.Errorf("MA holds it under %+v, want version 2", o)
	}
}

func TestASuspendedAgreementDoesNotHoldUpAnother(t *testing.T) {
	t.Parallel()
	w := testworld.Strangers(t)
	draft := testworld.Draft(t, "a-first", w.IL, w.MA)
	only := func(id, kind string) string {
		text := strings.ReplaceAll(draft, "a-first", id)
		return strings.Replace(text, `types = ["indicator"]`, `types = ["`+kind+`"]`, 1)
	}
	a := testworld.Agree(t, only("a-first", "indicator"), w.IL, w.MA)
	testworld.Agree(t, only("b-second", "location"), w.IL, w.MA)
	w.Start()
	w.Settle()
	w.MA.Stop()
	waits := testworld.Object(t, "indicator", "waits", nil)
	w.IL.Ingest(waits)
	testworld.Until(t, 20*time.Second, "the decision", func() bool { return len(w.IL.Given(w.MA)) == 1 })
	w.IL.Swept(w.MA, func() { testworld.Suspend(t, a, false, w.IL) })
	w.MA.Start()
	other := testworld.Object(t, "malware", "other", nil)
	w.IL.Ingest(other)
	// Article 2 of the second agreement gives malware while the first is suspended.
	testworld.Until(t, 20*time.Second, "the other agreement's item", func() bool { return len(w.MA.Held(other.ID)) == 1 })
	if len(w.MA.Held(waits.ID)) != 0 {
		t.Error("what is suspended was delivered")
	}
	w.IL.Pass(time.Second)
	testworld.Suspend(t, a, true, w.IL)
	w.Settle()
	if len(w.MA.Held(waits.ID)) != 1 {
		t.Error("what was passed by was not delivered when the agreement resumed")
	}
}
