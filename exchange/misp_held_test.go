// SPDX-License-Identifier: Apache-2.0

package exchange_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"accord"
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

// spoilt is a store in which what was sent of one item cannot be read as STIX.
type spoilt struct {
	exchange.Store
	id string
}

func (s spoilt) spoil(b []byte) []byte {
	if bytes.Contains(b, []byte(s.id)) {
		return []byte(`{"type":"indicator","type":"indicator"}`)
	}
	return b
}

func (s spoilt) DisclosedBytes(ctx context.Context, party string, rows []int64) (map[int64][]byte, error) {
	out, err := s.Store.DisclosedBytes(ctx, party, rows)
	for row := range out {
		out[row] = s.spoil(out[row])
	}
	return out, err
}

func (s spoilt) Disclosures(ctx context.Context, party string, after int64, limit int) ([]accord.Disclosure, error) {
	out, err := s.Store.Disclosures(ctx, party, after, limit)
	for i := range out {
		out[i].Bytes = s.spoil(out[i].Bytes)
	}
	return out, err
}

// reader is the node with another store, beside the one that works.
func reader(n *exchange.Node, store exchange.Store, log *slog.Logger) *exchange.Node {
	return &exchange.Node{Self: n.Self, Key: n.Key, Pseudonym: n.Pseudonym, Store: store, Now: n.Now, Rand: n.Rand, Logger: log}
}

func TestWhatCannotBeReadIsLeftOutOfMISPAndTheRestServed(t *testing.T) {
	t.Parallel()
	w, m, who, _ := feedWorld(t)
	var said bytes.Buffer
	for i := range 3 {
		w.IL.Ingest(testworld.Object(t, "indicator", fmt.Sprint("i", i), nil))
	}
	decided(t, w.IL, w.MA)
	w.IL.Pass(2 * time.Second)
	if got, _ := shown(t, m, who, ""); len(got) != 3 {
		t.Fatalf("with nothing spoilt it shows %v", got)
	}
	store := w.IL.Node.Store
	spoiled := testworld.ID("indicator", "i1")
	for _, withdrawn := range []bool{false, true} {
		if withdrawn { // then it is read from what no longer stands
			w.IL.Withdraw(spoiled)
			decided(t, w.IL, w.MA)
			w.IL.Pass(2 * time.Second)
		}
		said.Reset()
		got, _ := shown(t, &exchange.MISP{Node: reader(w.IL.Node, spoilt{store, spoiled}, slog.New(slog.NewTextHandler(&said, nil)))}, who, "")
		if len(got) != 2 {
			t.Errorf("withdrawn %v: with one that cannot be read it shows %v", withdrawn, got)
		}
		if !strings.Contains(said.String(), spoiled) {
			t.Errorf("withdrawn %v: nobody is told: %s", withdrawn, &said)
		}
	}
}

// counted is a store that counts how often a log is read from its beginning.
type counted struct {
	exchange.Store
	histories int
}

func (s *counted) Disclosures(ctx context.Context, party string, after int64, limit int) ([]accord.Disclosure, error) {
	if after < 0 {
		s.histories++
	}
	return s.Store.Disclosures(ctx, party, after, limit)
}

func TestManyMISPCallersAreKeptWhileTheirItemsAreFew(t *testing.T) {
	t.Parallel()
	w, _, who, _ := feedWorld(t)
	for i := range 3 {
		w.IL.Ingest(testworld.Object(t, "indicator", fmt.Sprint("i", i), nil))
	}
	decided(t, w.IL, w.MA)
	w.IL.Pass(2 * time.Second)
	for most, want := range map[int]int{0: 1, 5: 2} { // 5: too few for two callers
		store := &counted{Store: w.IL.Node.Store}
		m := &exchange.MISP{Node: reader(w.IL.Node, store, w.IL.Node.Logger), MostRows: most}
		shown(t, m, who, "")
		for i := range 20 {
			if _, err := m.Heads(t.Context(), misp.Caller{Name: "p", Party: fmt.Sprintf("p%d.accord.test", i)}, ""); err != nil {
				t.Fatal(err)
			}
		}
		if got, _ := shown(t, m, who, ""); len(got) != 3 || store.histories != want {
			t.Errorf("with room for %d: it shows %v, its log was read %d times, want %d", most, got, store.histories, want)
		}
	}
}
