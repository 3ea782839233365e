// SPDX-License-Identifier: Apache-2.0

package retain_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"accord"
	"accord/agreement"
	"accord/match"
	"accord/protect"
	"accord/retain"
	"accord/testworld"
)

// world is three nations: what IL gives MA may go on to GR, and must be gone after
// a day.
func world(t *testing.T) *testworld.World {
	w := testworld.New3(t, func(id, text string) string {
		switch id {
		case "ma-il":
			text = strings.ReplaceAll(text, `onward = "institutions"`, `onward = "parties"`)
			return strings.ReplaceAll(text, `retain = "730d"`, `retain = "1d"`)
		case "gr-il":
			return strings.Replace(text, `types = ["indicator"]`, `types = ["course-of-action"]`, 1)
		}
		return text
	})
	w.Start()
	return w
}

// What was given for a day is gone after it: from the store, from the index, from
// the zones, and from the nation it was passed on to. What is one's own stays.
func TestWhatWasGivenForADayIsGoneEverywhereAfterIt(t *testing.T) {
	w := world(t)
	c2, own := testworld.Object(t, "indicator", "c2", nil), testworld.Object(t, "indicator", "own", nil)
	w.IL.Ingest(c2)
	w.MA.Ingest(own)
	w.Settle()
	if len(w.MA.Held(c2.ID)) != 1 || len(w.GR.Held(c2.ID)) != 1 {
		t.Fatal("it did not arrive")
	}
	log := slog.New(slog.DiscardHandler)
	block := &protect.Worker{
		Store: w.MA.DB, Never: protect.NewNever().Build(), Now: w.MA.Now, Log: log,
		Permit: func(it accord.Item, at accord.Stamp) (bool, string) {
			ok, why := agreement.MayBlock(&it, at)
			return ok, why.String()
		},
	}
	// state is what MA blocks and looks for.
	state := func() (blocked, sought int) {
		t.Helper()
		for busy := true; busy; {
			var err error
			if busy, err = block.Step(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		ix, err := match.Load(t.Context(), w.MA.DB, match.NewSalt())
		if err != nil {
			t.Fatal(err)
		}
		for _, zone := range []string{protect.ZoneHot, protect.ZoneBase} {
			_, n, err := w.MA.DB.Zone(t.Context(), zone)
			if err != nil {
				t.Fatal(err)
			}
			blocked += int(n)
		}
		return blocked, ix.Size()
	}
	worker := &retain.Worker{Store: w.MA.DB, Now: w.MA.Now, Log: log}
	if n, err := worker.Pass(t.Context()); n != 0 || err != nil {
		t.Fatalf("in its time: %d erased, %v", n, err)
	}
	if blocked, sought := state(); blocked != 2 || sought != 2 {
		t.Fatalf("in its time: %d blocked, %d looked for; want 2 and 2", blocked, sought)
	}
	for _, n := range []*testworld.Nation{w.IL, w.MA, w.GR} {
		n.Pass(25 * time.Hour)
	}
	if n, err := worker.Pass(t.Context()); n != 1 || err != nil {
		t.Fatalf("past its time: %d erased, %v; want 1", n, err)
	}
	if n, err := worker.Pass(t.Context()); n != 0 || err != nil {
		t.Errorf("the next time: %d erased, %v; want none", n, err)
	}
	if blocked, sought := state(); blocked != 1 || sought != 1 {
		t.Errorf("past its time: %d blocked, %d looked for; want one's own alone", blocked, sought)
	}
	it, err := w.MA.DB.Item(t.Context(), c2.ID)
	if err != nil || it.Withdrawn == 0 || len(it.Bytes) != 0 || len(it.Observables) != 0 {
		t.Errorf("MA still holds %+v, %v", it, err)
	}
	w.Settle()
	if len(w.GR.Held(c2.ID)) != 0 {
		t.Error("GR still holds what MA passed on")
	}
	if len(w.IL.Held(c2.ID)) != 1 || len(w.MA.Held(own.ID)) != 1 {
		t.Error("an authority lost what is its own")
	}
}
