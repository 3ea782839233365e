// SPDX-License-Identifier: Apache-2.0

package exchange_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"accord"
	"accord/exchange"
	"accord/taxii"
	"accord/testworld"
)

// reading is a world in which MA has no node of its own: it reads IL's outbox
// with a token.
func reading(t *testing.T) (*testworld.World, func(q taxii.Query) (ids []string, pages int)) {
	t.Helper()
	w := testworld.New(t)
	plain := w.MA.Self
	plain.URL, plain.TLSPin = "", ""
	w.IL.Pin(plain)
	w.IL.Start()
	c := w.IL.Reader(w.IL.Token(plain.Name))
	box := exchange.OutboxID(w.IL.Self.Name, plain.Name)
	return w, func(q taxii.Query) (ids []string, pages int) {
		t.Helper()
		for page, err := range c.Objects(t.Context(), "/"+exchange.APIRoot+"/", box, q) {
			if err != nil {
				t.Fatal(err)
			}
			pages++
			for _, o := range page.Objects {
				it := testworld.Parsed(t, o)
				ids = append(ids, fmt.Sprintf("%s %d", it.Name, (it.Version-testworld.Object(t, "indicator", "x", nil).Version)/3_600_000_000+1))
			}
		}
		return ids, pages
	}
}

// decided waits until all is decided for a party that gives no receipts.
func decided(t *testing.T, from, to *testworld.Nation) {
	t.Helper()
	testworld.Until(t, 30*time.Second, "decisions", func() bool {
		end, err1 := from.DB.LastSeq(t.Context())
		at, err2 := from.DB.Cursor(t.Context(), "decide:"+to.Self.Name)
		return err1 == nil && err2 == nil && at == end
	})
}

func TestAPlainTAXIIClientReadsWhatItWasGivenPageByPage(t *testing.T) {
	t.Parallel()
	w, read := reading(t)
	for i := range 7 {
		w.IL.Ingest(testworld.Object(t, "indicator", fmt.Sprint("i", i), nil),
			testworld.Object(t, "malware", fmt.Sprint("red", i), testworld.Marked(accord.TLPRed)))
	}
	decided(t, w.IL, w.MA)
	got, pages := read(taxii.Query{Limit: 2})
	if want := []string{"i0 1", "i1 1", "i2 1", "i3 1", "i4 1", "i5 1", "i6 1"}; !slices.Equal(got, want) || pages != 4 {
		t.Errorf("read %v in %d pages, want %v in 4", got, pages, want)
	}
	w.IL.Withdraw(testworld.ID("indicator", "i3"))
	decided(t, w.IL, w.MA)
	if got, _ := read(taxii.Query{Limit: 2}); len(got) != 6 || slices.Contains(got, "i3 1") {
		t.Errorf("read %v, want all but what was taken back", got)
	}
	for _, d := range w.IL.Given(w.MA) {
		if d.Receipted != 0 {
			t.Errorf("disclosure %d counts as receipted", d.Index)
		}
	}
}

// unread fails the test when what was disclosed is read.
type unread struct {
	exchange.Store
	t *testing.T
}

func (u unread) Disclosed(ctx context.Context, party string, after accord.Stamp, limit int, f accord.EntryFilter) ([]accord.Entry, error) {
	u.t.Error("what is hidden is walked through")
	return u.Store.Disclosed(ctx, party, after, limit, f)
}

func TestASuspensionEmptiesAReadersCollectionAndResumptionFillsIt(t *testing.T) {
	t.Parallel()
	w, read := reading(t)
	var all []accord.Item
	for i := range 50 {
		all = append(all, testworld.Object(t, "indicator", fmt.Sprint("i", i), nil))
	}
	w.IL.Ingest(all...)
	decided(t, w.IL, w.MA)
	testworld.Suspend(t, w.Agreement, false, w.IL)
	if got, pages := read(taxii.Query{Limit: 1}); len(got) != 0 || pages != 1 { // at once: no decision is waited for
		t.Errorf("read %v under a suspended agreement, in %d pages", got, pages)
	}
	n := w.IL.Node
	still := &exchange.Node{Self: n.Self, Key: n.Key, Pseudonym: n.Pseudonym, Store: unread{n.Store, t}, Now: n.Now, Rand: n.Rand, Logger: n.Logger}
	page, err := (&exchange.Collections{Node: still}).Objects(t.Context(), taxii.Caller{Party: w.MA.Self.Name, Role: accord.RoleReader},
		exchange.APIRoot, exchange.OutboxID(w.IL.Self.Name, w.MA.Self.Name), taxii.Query{Limit: 1})
	if err != nil || len(page.Objects) != 0 || page.More {
		t.Errorf("%+v %v", page, err)
	}
	w.IL.Pass(time.Second)
	testworld.Suspend(t, w.Agreement, true, w.IL)
	if got, _ := read(taxii.Query{}); len(got) != 50 {
		t.Errorf("read %d after the resumption, want 50", len(got))
	}
}

func TestAReaderChoosesVersionsAndTypes(t *testing.T) {
	t.Parallel()
	w, read := reading(t)
	version := func(n int) accord.Item {
		return testworld.Object(t, "indicator", "i", testworld.Props{"modified": testworld.Version(n)})
	}
	for n := 1; n <= 3; n++ {
		w.IL.Ingest(version(n))
		decided(t, w.IL, w.MA)
	}
	w.IL.Ingest(testworld.Object(t, "malware", "m", nil))
	decided(t, w.IL, w.MA)
	for name, tt := range map[string]struct {
		q    taxii.Query
		want []string
	}{
		"the latest, unasked": {taxii.Query{}, []string{"i 3", "m 1"}},
		"last":                {taxii.Query{Versions: taxii.Versions{Last: true}}, []string{"i 3", "m 1"}},
		"first":               {taxii.Query{Versions: taxii.Versions{First: true}}, []string{"i 1", "m 1"}},
		"all":                 {taxii.Query{Versions: taxii.Versions{All: true}}, []string{"i 1", "i 2", "i 3", "m 1"}},
		"one":                 {taxii.Query{Versions: taxii.Versions{Exact: []accord.Stamp{version(2).Version}}}, []string{"i 2"}},
		"first and last":      {taxii.Query{Versions: taxii.Versions{First: true, Last: true}, Limit: 1}, []string{"i 1", "i 3", "m 1"}},
		"one type":            {taxii.Query{Types: []string{"malware"}}, []string{"m 1"}},
		"one id":              {taxii.Query{IDs: []string{version(1).ID}}, []string{"i 3"}},
		"STIX 2.0":            {taxii.Query{SpecVersions: []string{"2.0"}}, nil},
	} {
		if got, _ := read(tt.q); !slices.Equal(got, tt.want) {
			t.Errorf("%s: read %v, want %v", name, got, tt.want)
		}
	}
}

func TestAReaderSeesItsOwnCollectionsOnlyAndDeletesNothing(t *testing.T) {
	t.Parallel()
	w, read := reading(t)
	gr := testworld.NewNation(t, "GR", "gr.accord.test")
	w.IL.Pin(gr.Self)
	w.IL.Ingest(indicators(t, "i")...)
	decided(t, w.IL, w.MA)
	other := w.IL.Reader(w.IL.Token(gr.Self.Name))
	list, err := other.Collections(t.Context(), "/"+exchange.APIRoot+"/")
	if err != nil || len(list) != 2 {
		t.Fatalf("GR sees %v, %v, want its own two", list, err)
	}
	for _, c := range list {
		if c.ID == exchange.OutboxID(w.IL.Self.Name, w.MA.Self.Name) || c.ID == exchange.InboxID(w.IL.Self.Name, w.MA.Self.Name) {
			t.Error("GR sees a collection of MA")
		}
	}
	for _, err := range other.Objects(t.Context(), "/"+exchange.APIRoot+"/", exchange.OutboxID(w.IL.Self.Name, w.MA.Self.Name), taxii.Query{}) {
		if err == nil {
			t.Error("GR reads what was given to MA")
		}
	}
	mine := w.IL.Reader(w.IL.Token(w.MA.Self.Name))
	if err := mine.Delete(t.Context(), "/"+exchange.APIRoot+"/", exchange.OutboxID(w.IL.Self.Name, w.MA.Self.Name), testworld.ID("indicator", "i"), taxii.Query{}); err == nil {
		t.Error("MA deleted what it was given")
	}
	if got, _ := read(taxii.Query{}); len(got) != 1 {
		t.Errorf("read %v", got)
	}
	for _, err := range w.IL.Reader("wrong").Objects(t.Context(), "/"+exchange.APIRoot+"/", exchange.OutboxID(w.IL.Self.Name, w.MA.Self.Name), taxii.Query{}) {
		if err == nil {
			t.Error("a wrong token reads")
		}
	}
}
