// SPDX-License-Identifier: Apache-2.0

package exchange_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"accord"
	"accord/ledger"
	"accord/testworld"
)

func organisation(t *testing.T, name string, more testworld.Props) accord.Item {
	t.Helper()
	return testworld.Object(t, "identity", name, testworld.With(testworld.Props{"identity_class": "organization"}, more))
}

func TestNobodyIsItsOwnAuthorToEscapeThePseudonym(t *testing.T) {
	w, wire := watched(t, nil)
	w.IL.Ingest(organisation(t, "Hospital Zulu", testworld.Props{"created_by_ref": testworld.ID("identity", "Hospital Zulu")}))
	w.Settle()
	if wire.Says("Hospital Zulu") {
		t.Error("a victim that names itself as author went out under its name")
	}
}

func TestAWithheldIdentityIsNotNamedByWhatRefersToIt(t *testing.T) {
	w, wire := watched(t, nil)
	red := organisation(t, "Ministry Yankee", testworld.Marked(accord.TLPRed))
	c2 := testworld.Object(t, "indicator", "c2", nil)
	report := testworld.Object(t, "report", "news", testworld.Props{
		"object_refs": []string{red.ID, c2.ID}, "description": "Ministry Yankee was hit",
	})
	w.IL.Ingest(red, c2, report)
	w.Settle()
	if wire.Says("Ministry Yankee") {
		t.Error("the name of an identity marked RED went out in a description")
	}
	if len(w.MA.Held(c2.ID)) != 1 {
		t.Error("the indicator beside it did not arrive")
	}
}

func TestACycleOfReferencesHidesNoLess(t *testing.T) {
	for _, order := range []string{"forwards", "backwards"} {
		w, wire := watched(t, nil)
		victim := organisation(t, "Hospital Zulu", nil)
		r1 := testworld.Object(t, "report", "r1", testworld.Props{"object_refs": []string{victim.ID, testworld.ID("report", "r2")}})
		r2 := testworld.Object(t, "report", "r2", testworld.Props{"object_refs": []string{r1.ID}, "description": "Hospital Zulu was hit"})
		items := []accord.Item{victim, r1, r2}
		if order == "backwards" {
			items = []accord.Item{r2, r1, victim}
		}
		w.IL.Ingest(items...)
		w.Settle()
		if wire.Says("Hospital Zulu") {
			t.Errorf("%s: the victim's name went out", order)
		}
		if wire.Says(r1.ID) || wire.Says(victim.ID) {
			t.Errorf("%s: an id went out that was to be replaced", order)
		}
	}
}

func TestManyPathsToAnIdentityCostLittle(t *testing.T) {
	w, _ := watched(t, nil)
	victim := organisation(t, "Hospital Zulu", nil)
	below, items := []string{victim.ID}, []accord.Item{victim}
	for i := range 40 { // 2^40 paths
		a := testworld.Object(t, "grouping", fmt.Sprint("a", i), testworld.Props{"context": "unspecified", "object_refs": below})
		b := testworld.Object(t, "grouping", fmt.Sprint("b", i), testworld.Props{"context": "unspecified", "object_refs": below})
		below, items = []string{a.ID, b.ID}, append(items, a, b)
	}
	w.IL.Ingest(items...)
	w.Settle() // in seconds, or the test times out
}

func TestARecordThatNamesMoreThanThereIsIsRefused(t *testing.T) {
	_, f := newForger(t)
	c2 := testworld.Object(t, "indicator", "c2", nil)
	f.add(f.disclosure(c2))
	f.must(0)
	million := []accord.IndexSpan{{From: 0, To: 1 << 40}}
	at := accord.StampOf(time.Now())
	back := ledger.Origin(f.to.Self.Name, f.as.Self.Name)
	retraction, err1 := ledger.NewRetraction(ledger.Retraction{Origin: f.origin, Item: c2.ItemKey, Spans: million, At: at}, f.as.Key.Signer())
	confirmation, err2 := ledger.NewConfirmation(ledger.Confirmation{Origin: back, Spans: million, At: at}, f.as.Key.Signer())
	receipt, err3 := ledger.NewReceipt(ledger.Receipt{Origin: back, Size: 1 << 41, Spans: million, At: at}, f.as.Key.Signer())
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	for what, record := range map[string][]byte{"retraction": retraction, "confirmation": confirmation, "receipt": receipt} {
		bad := f.clone()
		bad.add(record)
		if status, _ := bad.announce(bad.announcement(1)); status != http.StatusUnprocessableEntity {
			t.Errorf("a %s of a million million leaves: status %d, want 422", what, status)
		}
	}
	f.add(f.disclosure(c2)) // and it goes on from where it stood
	f.must(1)
}

func TestASuspensionStopsTakingToo(t *testing.T) {
	w := testworld.New(t)
	w.Start()
	first := testworld.Object(t, "indicator", "first", nil)
	w.IL.Ingest(first)
	w.Settle()
	testworld.Suspend(t, w.Agreement, false, w.MA) // IL has not heard of it
	second := testworld.Object(t, "indicator", "second", nil)
	w.IL.Ingest(second)
	testworld.Until(t, 20*time.Second, "IL has announced it", func() bool { return len(w.IL.Given(w.MA)) == 2 })
	time.Sleep(200 * time.Millisecond)
	if len(w.MA.Held(second.ID)) != 0 {
		t.Error("MA has suspended the agreement and took what came under it")
	}
	testworld.Suspend(t, w.Agreement, true, w.MA)
	testworld.Until(t, 30*time.Second, "it arrives after the resumption", func() bool { return len(w.MA.Held(second.ID)) == 1 })
}

func TestTheNodesOwnIdentityGoesAsItIs(t *testing.T) {
	w, wire := watched(t, nil)
	self := testworld.Object(t, "identity", "Authority of IL", testworld.Props{"id": w.IL.Self.Identity, "identity_class": "organization"})
	w.IL.Ingest(self)
	w.Settle()
	if !wire.Says("Authority of IL") || len(w.MA.Held(self.ID)) != 1 {
		t.Error("the node's own identity went under a pseudonym")
	}
}

func TestTheReceiverIsToldWhySomethingIsTakenBack(t *testing.T) {
	w, wire := watched(t, nil)
	c2 := testworld.Object(t, "indicator", "c2", nil)
	w.IL.Ingest(c2)
	w.Settle()
	if _, err := w.IL.DB.Withdraw(t.Context(), c2.ID, "it was the hospital's own scanner", accord.StampOf(time.Now())); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	if !wire.Says("it was the hospital's own scanner") {
		t.Error("the reason did not travel with the retraction")
	}
}
