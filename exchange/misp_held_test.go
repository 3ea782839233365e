// SPDX-License-Identifier: Apache-2.0

package exchange_test

import (
	"fmt"
	"testing"
	"time"

	"accord/exchange"
	"accord/misp"
	"accord/testworld"
)

// lacking is how many of the caller's events are known not to hold a value, and
// whether one that does is.
func lacking(t *testing.T, m *exchange.MISP, who misp.Caller, value string) (n int, wrong bool) {
	t.Helper()
	lacks, err := m.Lacking(t.Context(), who, []string{value})
	if err != nil {
		t.Fatal(err)
	}
	heads, err := m.Heads(t.Context(), who, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range heads {
		if !lacks(h.UUID) {
			continue
		}
		n++
		e, err := m.Event(t.Context(), who, "", h.UUID)
		if err != nil {
			t.Fatal(err)
		}
		for a := range e.All {
			for _, text := range misp.Texts(a) {
				wrong = wrong || text == value
			}
		}
	}
	return n, wrong
}

func TestWhatMISPEventsHoldIsKnownOnceReadUntilTheyChange(t *testing.T) {
	t.Parallel()
	w, m, who, _ := feedWorld(t)
	pattern := func(i int) map[string]any {
		return map[string]any{"pattern": fmt.Sprintf("[domain-name:value = 'H%d.example']", i)}
	}
	w.IL.Ingest(testworld.Object(t, "indicator", "i0", pattern(0)))
	decided(t, w.IL, w.MA)
	w.IL.Pass(2 * time.Second)
	if n, _ := lacking(t, m, who, "h1.example"); n != 0 {
		t.Errorf("before anything is read, %d events are known", n)
	}
	shown(t, m, who, "")
	if n, wrong := lacking(t, m, who, "h1.example"); n != 1 || wrong {
		t.Errorf("once read, %d events are known to lack a value, wrongly: %v", n, wrong)
	}
	if n, _ := lacking(t, m, who, "h0.example"); n != 0 {
		t.Error("an event is said to lack what it holds")
	}
	w.IL.Ingest(testworld.Object(t, "indicator", "i1", pattern(1)))
	decided(t, w.IL, w.MA)
	w.IL.Pass(2 * time.Second)
	if n, wrong := lacking(t, m, who, "h1.example"); n != 0 || wrong {
		t.Errorf("after a change, %d events are said to lack what came, wrongly: %v", n, wrong)
	}
	shown(t, m, who, "")
	w.IL.Withdraw(testworld.ID("indicator", "i1"))
	decided(t, w.IL, w.MA)
	w.IL.Pass(2 * time.Second)
	shown(t, m, who, "")
	if n, wrong := lacking(t, m, who, "h1.example"); n != 1 || wrong {
		t.Errorf("after it was taken back, %d events lack it, wrongly: %v", n, wrong)
	}
}
