// SPDX-License-Identifier: Apache-2.0

package exchange_test

import (
	"context"
	"testing"
	"time"

	"accord"
	"accord/ledger"
	"accord/testworld"
)

func TestARetractionReachesTheReceiverAndIsConfirmed(t *testing.T) {
	t.Parallel()
	w, _ := watched(t, nil)
	its := indicators(t, "goes", "stays")
	w.IL.Ingest(its...)
	w.Settle()
	w.IL.Withdraw(its[0].ID)
	w.Settle()
	if held := w.MA.From(w.IL); len(held) != 1 || held[its[1].ID].ID == "" {
		t.Errorf("MA holds %d items, want the other one", len(held))
	}
	d := only(t, w.IL, w.MA, its[0].ID)
	if d.Retracted == 0 || d.Confirmed < d.Retracted {
		t.Errorf("retracted %s, confirmed %s", d.Retracted, d.Confirmed)
	}
	for _, n := range []*testworld.Nation{w.IL, w.MA} {
		r, err := ledger.Verify(t.Context(), n.DB, w.IL.Self, w.MA.Self)
		if err != nil || r.Kinds[accord.LeafRetraction] != 1 {
			t.Errorf("at %s: %+v, %v", n, r, err)
		}
	}
}

func TestWhatIsTakenBackBeforeItIsDeliveredNeverCrossesTheBorder(t *testing.T) {
	t.Parallel()
	w, wire := watched(t, nil)
	w.Settle()
	w.MA.Stop()
	first := testworld.Object(t, "indicator", "c2", nil)
	second := testworld.Object(t, "indicator", "c2", testworld.Props{"modified": testworld.Version(2)})
	w.IL.Ingest(first)
	testworld.Until(t, 20*time.Second, "the first decision", func() bool { return len(w.IL.Given(w.MA)) == 1 })
	w.IL.Ingest(second)
	testworld.Until(t, 20*time.Second, "the second decision", func() bool { return len(w.IL.Given(w.MA)) == 2 })
	w.IL.Withdraw(first.ID)
	testworld.Until(t, 20*time.Second, "the retraction", func() bool { return w.IL.Given(w.MA)[1].Retracted != 0 })
	after := testworld.Object(t, "indicator", "after", nil)
	w.IL.Ingest(after)
	w.MA.Start()
	w.Settle()
	testworld.Until(t, 20*time.Second, "what came after", func() bool { return len(w.MA.Held(after.ID)) == 1 })
	if got := w.MA.From(w.IL); len(got) != 1 {
		t.Errorf("MA holds %d items", len(got))
	}
	// The ledger tells of both; the object itself was not worth sending.
	for _, o := range wire.Objects() {
		if it := testworld.Parsed(t, o); it.ID == first.ID {
			t.Errorf("version %s crossed the border", it.Version)
		}
	}
	w.MA.Verify(w.IL.Self)
}

func TestTakingBackAVictimTakesBackItsPseudonymAndWhatCannotStandWithoutIt(t *testing.T) {
	t.Parallel()
	w, _ := watched(t, nil)
	victim := testworld.Object(t, "identity", "victim", testworld.Props{"name": "Hospital of Example", "identity_class": "organization"})
	malware := testworld.Object(t, "malware", "wiper", nil)
	targets := link(t, "targets", malware.ID, victim.ID)
	report := testworld.Object(t, "report", "news", refTo(malware.ID, victim.ID, targets.ID))
	w.IL.Ingest(victim, malware, targets, report)
	w.Settle()
	if got := len(w.MA.From(w.IL)); got != 4 {
		t.Fatalf("MA holds %d items, want 4", got)
	}
	w.IL.Withdraw(victim.ID)
	w.Settle()
	held := w.MA.From(w.IL)
	for _, it := range []accord.Item{victim, targets} {
		for _, d := range w.IL.Given(w.MA) {
			if d.Item.ID != it.ID {
				continue
			}
			if _, there := held[d.Sent.ID]; there || d.Retracted == 0 || d.Confirmed == 0 {
				t.Errorf("the copy of %s: held %t, %+v", it.ID, there, d)
			}
		}
	}
	// The report stands without it: as the receiver may have it now, under its own id.
	got := held[report.ID]
	if len(held) != 2 || len(got.Refs) != 1 || got.Refs[0].To != malware.ID {
		t.Errorf("MA holds %d items, the report with %v", len(held), got.Refs)
	}
}

func TestARetractionIsConfirmedOnlyWhenItHasTakenEffectEverywhere(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	w.MA.After = []string{"match", "protect"}
	w.Start()
	it := testworld.Object(t, "indicator", "c2", nil)
	w.IL.Ingest(it)
	w.Settle()
	w.IL.Withdraw(it.ID)
	confirmed := func() bool { return only(t, w.IL, w.MA, it.ID).Confirmed != 0 }
	testworld.Until(t, 20*time.Second, "the retraction at MA", func() bool { return len(w.MA.Held(it.ID)) == 0 })
	ctx := context.Background()
	end, err := w.MA.DB.LastSeq(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		stage string
		to    int64
	}{{"protect", end}, {"match", end - 1}} {
		if err := w.MA.DB.Advance(ctx, step.stage, 0, step.to); err != nil {
			t.Fatal(err)
		}
		time.Sleep(60 * time.Millisecond) // a dozen looks of the confirmer
		if confirmed() {
			t.Fatalf("confirmed while %s stood at %d of %d", "match", step.to, end)
		}
	}
	if err := w.MA.DB.Advance(ctx, "match", end-1, end); err != nil {
		t.Fatal(err)
	}
	testworld.Until(t, 20*time.Second, "the confirmation", confirmed)
}

func TestARevokedItemTravelsAsRevoked(t *testing.T) {
	t.Parallel()
	w, _ := watched(t, nil)
	w.IL.Ingest(testworld.Object(t, "indicator", "c2", nil))
	w.Settle()
	v2 := testworld.Object(t, "indicator", "c2", testworld.Props{"modified": testworld.Version(2), "revoked": true})
	w.IL.Ingest(v2)
	w.Settle()
	if got := w.MA.Held(v2.ID)[v2.ID]; !got.Revoked || got.Version != v2.Version {
		t.Errorf("MA holds version %s, revoked %t", got.Version, got.Revoked)
	}
	if len(standing(w.IL, w.MA, v2.ID)) != 2 {
		t.Error("the revocation did not travel as a version of its own")
	}
}

func TestWhatWasTakenBackMayBeGivenAnew(t *testing.T) {
	t.Parallel()
	w, _ := watched(t, nil)
	w.IL.Ingest(testworld.Object(t, "indicator", "c2", nil))
	w.Settle()
	red := testworld.Object(t, "indicator", "c2", testworld.With(testworld.Marked(accord.TLPRed), testworld.Props{"modified": testworld.Version(2)}))
	w.IL.Ingest(red)
	w.Settle()
	if len(w.MA.Held(red.ID)) != 0 {
		t.Fatal("what became RED is still held")
	}
	green := testworld.Object(t, "indicator", "c2", testworld.With(testworld.Marked(accord.TLPGreen), testworld.Props{"modified": testworld.Version(3)}))
	w.IL.Ingest(green)
	w.Settle()
	if got := w.MA.Held(green.ID)[green.ID]; got.Version != green.Version {
		t.Errorf("MA holds %+v, want version 3", got.ItemKey)
	}
	w.IL.Verify(w.MA.Self)
}
