// SPDX-License-Identifier: Apache-2.0

package exchange_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"accord"
	"accord/exchange"
	"accord/misp"
	"accord/taxii"
	"accord/testworld"
)

// feedWorld is reading with MISP instead of TAXII: MA has no node of its own.
func feedWorld(t *testing.T) (*testworld.World, *exchange.MISP, misp.Caller, func(taxii.Query) ([]string, int)) {
	t.Helper()
	w, read := reading(t)
	return w, &exchange.MISP{Node: w.IL.Node}, misp.Caller{Name: "m", Party: w.MA.Self.Name}, read
}

// shown says what the caller's events hold: value, and "deleted" for what is.
func shown(t *testing.T, m *exchange.MISP, who misp.Caller, feed string) (out []string, at map[string]int64) {
	t.Helper()
	heads, err := m.Heads(t.Context(), who, feed)
	if err != nil {
		t.Fatal(err)
	}
	at = map[string]int64{}
	for _, h := range heads {
		at[h.UUID] = h.Timestamp
		e, err := m.Event(t.Context(), who, feed, h.UUID)
		if err != nil {
			t.Fatal(err)
		}
		if e.Timestamp != fmt.Sprint(h.Timestamp) || e.UUID != h.UUID || e.Info != h.Info {
			t.Errorf("manifest says %+v, the event %s %s %q", h, e.UUID, e.Timestamp, e.Info)
		}
		for a := range e.All {
			s := a.Value
			if a.Deleted {
				s = "deleted " + s
			}
			out = append(out, s)
		}
	}
	slices.Sort(out)
	return out, at
}

func TestAMISPFeedHoldsWhatTheOutboxServesAndMarksWhatIsTakenBack(t *testing.T) {
	t.Parallel()
	w, m, who, read := feedWorld(t)
	for i := range 3 {
		w.IL.Ingest(testworld.Object(t, "indicator", fmt.Sprint("i", i), nil),
			testworld.Object(t, "indicator", fmt.Sprint("red", i), testworld.Marked(accord.TLPRed)))
	}
	decided(t, w.IL, w.MA)
	w.IL.Pass(2 * time.Second) // the second of the last change is over
	got, before := shown(t, m, who, "")
	served, _ := read(taxii.Query{})
	if len(got) != 3 || len(served) != 3 || slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "red") }) {
		t.Fatalf("MISP shows %v, TAXII %v", got, served)
	}
	again, same := shown(t, m, who, "")
	if !slices.Equal(got, again) || fmt.Sprint(before) != fmt.Sprint(same) {
		t.Errorf("asked again, it shows %v at %v", again, same)
	}
	w.IL.Withdraw(testworld.ID("indicator", "i1"))
	decided(t, w.IL, w.MA)
	w.IL.Pass(2 * time.Second)
	for name, m := range map[string]*exchange.MISP{"as it runs": m, "started again": {Node: w.IL.Node}} {
		got, after := shown(t, m, who, "")
		if len(got) != 3 || !slices.Contains(got, "deleted retracted") {
			t.Errorf("%s: after a retraction it shows %v", name, got)
		}
		for id := range before {
			if after[id] <= before[id] {
				t.Errorf("%s: event %s is of %d, was of %d: nobody fetches it", name, id, after[id], before[id])
			}
		}
	}
	if served, _ := read(taxii.Query{}); len(served) != 2 {
		t.Errorf("TAXII serves %v", served)
	}
}

func TestASuspensionEmptiesAMISPFeedAtOnce(t *testing.T) {
	t.Parallel()
	w, m, who, _ := feedWorld(t)
	w.IL.Ingest(testworld.Object(t, "indicator", "i", nil))
	decided(t, w.IL, w.MA)
	w.IL.Pass(2 * time.Second)
	feeds, err := m.Feeds(t.Context(), who)
	if err != nil || len(feeds) != 1 {
		t.Fatalf("feeds %v, %v", feeds, err)
	}
	if got, _ := shown(t, m, who, feeds[0]); len(got) != 1 {
		t.Fatalf("the feed shows %v", got)
	}
	testworld.Suspend(t, w.Agreement, false, w.IL)
	if got, _ := shown(t, m, who, ""); len(got) != 0 {
		t.Errorf("under a suspended agreement it shows %v", got)
	}
	if _, err := m.Heads(t.Context(), who, feeds[0]); !errors.Is(err, accord.ErrNotFound) {
		t.Errorf("the feed of a suspended agreement: %v", err)
	}
}

func TestMISPShowsAPartyItsOwnAndAReaderWhatTheNodeHolds(t *testing.T) {
	t.Parallel()
	w, m, _, _ := feedWorld(t)
	gr := testworld.NewNation(t, "GR", "gr.accord.test")
	w.IL.Pin(gr.Self)
	w.IL.Ingest(testworld.Object(t, "indicator", "i", nil), testworld.Object(t, "indicator", "red", testworld.Marked(accord.TLPRed)))
	decided(t, w.IL, w.MA)
	w.IL.Pass(2 * time.Second)
	if got, _ := shown(t, m, misp.Caller{Name: "gr", Party: gr.Self.Name}, ""); len(got) != 0 {
		t.Errorf("GR is shown %v", got)
	}
	if got, _ := shown(t, m, misp.Caller{Name: "me", Role: accord.RoleReader}, exchange.OwnFeed); len(got) != 2 {
		t.Errorf("a reader is shown %v", got)
	}
	for _, who := range []misp.Caller{{Name: "x"}, {Name: "s", Role: accord.RoleSensor}} {
		if _, err := m.Heads(t.Context(), who, ""); !errors.Is(err, accord.ErrForbidden) {
			t.Errorf("%+v: %v", who, err)
		}
	}
}
