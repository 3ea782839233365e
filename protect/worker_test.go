// SPDX-License-Identifier: Apache-2.0

package protect_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"pgregory.net/rapid"

	"accord"
	"accord/agreement"
	"accord/protect"
	"accord/protect/internal/memstore"
)

const day = 24 * time.Hour

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func stamp(t time.Time) accord.Stamp { return accord.StampOf(t) }

func domain(v string) accord.Observable {
	return accord.Observable{Kind: accord.KindDomain, Value: v}
}

// indicator returns a live indicator of values, stored at start.
func indicator(n int, values ...accord.Observable) accord.Item {
	return accord.Item{
		ItemKey: accord.ItemKey{ID: fmt.Sprintf("indicator--%08d-0000-4000-8000-000000000000", n), Version: stamp(start)},
		Type:    "indicator", Spec: "2.1", Confidence: -1, Atomic: true, Observables: values,
		Added: stamp(start), Source: "feed",
	}
}

// world is a worker over a store in memory, with its clock in hand.
type world struct {
	*protect.Worker
	store *memstore.Store
	now   time.Time
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{store: memstore.New(), now: start}
	w.Worker = &protect.Worker{
		Store: w.store, Never: protect.NewNever().Build(),
		Permit: permit,
		Now:    func() time.Time { return w.now },
		Log:    slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	return w
}

// permit is the node's rule.
func permit(it accord.Item, at accord.Stamp) (bool, string) {
	ok, why := agreement.MayBlock(&it, at)
	return ok, why.String()
}

// drain runs steps until there is nothing to do.
func (w *world) drain(t interface{ Fatal(...any) }) {
	for range 10_000 {
		busy, err := w.Step(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if !busy {
			return
		}
	}
	t.Fatal("the worker is never done")
}

// zoneOf returns where a value is protected, "" when nowhere.
func (w *world) zoneOf(o accord.Observable) string {
	for _, p := range w.store.Protection(o) {
		return p.Zone
	}
	return ""
}

func TestAnIndicatorIsProtectedUntilTheEarliestOfItsEnds(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*accord.Item)
		want time.Time
	}{
		{"default", func(*accord.Item) {}, start.Add(120 * day)},
		{"phishing", func(i *accord.Item) { i.Labels = []string{"phishing"} }, start.Add(3 * day)},
		{"valid until", func(i *accord.Item) { i.ValidUntil = stamp(start.Add(5 * day)) }, start.Add(5 * day)},
		{"retained until", func(i *accord.Item) {
			i.ValidUntil, i.Origin.Retain = stamp(start.Add(5*day)), stamp(start.Add(4*day))
		}, start.Add(4 * day)},
		{"valid until beyond the default", func(i *accord.Item) { i.ValidUntil = stamp(start.Add(500 * day)) }, start.Add(120 * day)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			it := indicator(1, domain("bad.example"))
			tt.edit(&it)
			w.store.Put(it)
			w.drain(t)
			got := w.store.Protection(domain("bad.example"))[it.ID]
			if got.Zone != protect.ZoneHot || got.Expires != stamp(tt.want) {
				t.Errorf("zone %q until %s, want hot until %s", got.Zone, got.Expires, stamp(tt.want))
			}
			w.now = tt.want.Add(-time.Second)
			w.drain(t)
			if w.zoneOf(domain("bad.example")) == "" {
				t.Error("ended too early")
			}
			w.now = tt.want.Add(10 * time.Minute)
			w.drain(t)
			if z := w.zoneOf(domain("bad.example")); z != "" {
				t.Errorf("still in %s after its end", z)
			}
		})
	}
}

func TestWhatMustNotBeBlockedIsNot(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*accord.Item)
	}{
		{"withdrawn", func(i *accord.Item) { i.Withdrawn = stamp(start) }},
		{"revoked", func(i *accord.Item) { i.Revoked = true }},
		{"not valid any more", func(i *accord.Item) { i.ValidUntil = stamp(start.Add(-1)) }},
		{"not valid yet", func(i *accord.Item) { i.ValidFrom = stamp(start.Add(time.Hour)) }},
		{"one part of a pattern", func(i *accord.Item) { i.Atomic = false }},
		{"on a warning list when it came", func(i *accord.Item) { i.Held = "Top sites" }},
		{"amber and strict", func(i *accord.Item) { i.TLP = accord.TLPAmberStrict }},
		{"red", func(i *accord.Item) { i.TLP = accord.TLPRed }},
		{"passive actions only", func(i *accord.Item) { i.PAP = accord.PAPAmber }},
		{"of little confidence", func(i *accord.Item) { i.Confidence = 49 }},
		{"a public suffix", func(i *accord.Item) { i.Observables[0].Value = "gov.uk" }},
		{"too wide", func(i *accord.Item) {
			i.Observables[0] = accord.Observable{Kind: accord.KindCIDR, Value: "198.0.0.0/15"}
		}},
		{"too wide, IPv6", func(i *accord.Item) {
			i.Observables[0] = accord.Observable{Kind: accord.KindCIDR, Value: "2001:d00::/31"}
		}},
		{"a hash", func(i *accord.Item) { i.Observables[0].Kind = accord.KindMD5 }},
		{"a private network", func(i *accord.Item) {
			i.Observables[0] = accord.Observable{Kind: accord.KindCIDR, Value: "10.1.0.0/16"}
		}},
		{"not a name", func(i *accord.Item) { i.Observables[0].Value = "not a name.example" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.Config.MinConfidence = 50
			it := indicator(1, domain("bad.example"))
			w.store.Put(it)
			w.drain(t)
			if w.zoneOf(domain("bad.example")) != protect.ZoneHot {
				t.Fatal("not protected at first")
			}
			it.Observables = []accord.Observable{domain("bad.example")}
			tt.edit(&it)
			w.store.Put(it)
			w.drain(t)
			if z := w.zoneOf(it.Observables[0]); z != "" {
				t.Errorf("protected in %s", z)
			}
			if w.zoneOf(domain("bad.example")) != "" {
				t.Error("what the item said before is still protected")
			}
			if values, reason := w.Decide(it, stamp(start)); len(values) != 0 || reason == "" {
				t.Errorf("Decide = %v, %q; want a reason", values, reason)
			}
		})
	}
}

// The worker has no rule of its own on markings and terms, so that there are not two.
func TestPermitAloneJudgesMarkingsAndTerms(t *testing.T) {
	w := newWorld(t)
	w.drain(t)
	it := indicator(1, domain("bad.example"))
	it.TLP, it.PAP, it.Revoked, it.Withdrawn = accord.TLPRed, accord.PAPRed, true, stamp(start)
	asked := 0
	w.Permit = func(accord.Item, accord.Stamp) (bool, string) { asked++; return true, "" }
	if values, why := w.Decide(it, stamp(start)); len(values) != 1 || asked != 1 {
		t.Errorf("permitted %d times, and %d values: %s", asked, len(values), why)
	}
	w.Permit = permit
	if values, why := w.Decide(it, stamp(start)); len(values) != 0 || why == "" {
		t.Errorf("the node's rule lets %v go, %q", values, why)
	}
}

func TestOnlyIndicatorsAreProtected(t *testing.T) {
	w := newWorld(t)
	it := indicator(1, domain("bad.example"))
	it.Type = "domain-name"
	w.store.Put(it)
	w.drain(t)
	if z := w.zoneOf(domain("bad.example")); z != "" {
		t.Errorf("an observable is protected in %s", z)
	}
}

func TestTermsDecideAndAreDecidedAgainWhenTheyChange(t *testing.T) {
	w := newWorld(t)
	suspended := true
	w.Permit = func(it accord.Item, _ accord.Stamp) (bool, string) {
		return it.Origin.Own() || !suspended, "suspended"
	}
	theirs := indicator(1, domain("theirs.example"))
	theirs.Origin.Party = "cert.partner.example"
	w.store.Put(theirs, indicator(2, domain("ours.example")))
	w.drain(t)
	if w.zoneOf(domain("theirs.example")) != "" || w.zoneOf(domain("ours.example")) == "" {
		t.Fatal("terms were not asked")
	}
	for _, s := range []bool{false, true} {
		suspended = s
		w.store.Note(accord.ChangeAgreement)
		w.drain(t)
		if got := w.zoneOf(domain("theirs.example")) != ""; got == s {
			t.Errorf("suspended %v: protected %v", s, got)
		}
		if w.zoneOf(domain("ours.example")) == "" {
			t.Error("ours was lost")
		}
	}
}

func TestAReviewOutlivesACrash(t *testing.T) {
	w := newWorld(t)
	for n := range 5000 {
		w.store.Put(indicator(n, domain(fmt.Sprintf("n%d.example", n))))
	}
	w.drain(t)
	w.Permit = func(accord.Item, accord.Stamp) (bool, string) { return false, "ended" }
	w.store.Note(accord.ChangeAgreement)
	for range 2 { // the change, then one batch of the review
		if _, err := w.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	again := newWorld(t)
	again.store, again.Store, again.Permit = w.store, w.store, w.Permit
	again.drain(t)
	for n := range 5000 {
		if o := domain(fmt.Sprintf("n%d.example", n)); again.zoneOf(o) != "" {
			t.Fatalf("%s is still protected", o.Value)
		}
	}
}

func TestANewVersionReplacesTheValues(t *testing.T) {
	w := newWorld(t)
	it := indicator(1, domain("old.example"), domain("kept.example"))
	w.store.Put(it, indicator(2, domain("old.example")))
	w.drain(t)
	before, _, _ := w.store.Zone(t.Context(), protect.ZoneHot)
	it.Observables = []accord.Observable{domain("kept.example"), domain("new.example")}
	w.store.Put(it)
	w.drain(t)
	for value, by := range map[string]int{"old.example": 1, "kept.example": 1, "new.example": 1} {
		if got := len(w.store.Protection(domain(value))); got != by {
			t.Errorf("%s is protected by %d items, want %d", value, got, by)
		}
	}
	lines, _, _ := w.store.ZoneJournal(t.Context(), protect.ZoneHot, before, 100)
	if len(lines) != 1 || !lines[0].Add || lines[0].Value != "new.example" {
		t.Errorf("journal = %v, want the one addition", lines)
	}
}

func TestBulkGoesStraightToBase(t *testing.T) {
	w := newWorld(t)
	w.Config.BulkAt, w.Config.HotMax = 3000, 100
	for n := range 6000 {
		w.store.Put(indicator(n, domain(fmt.Sprintf("n%d.example", n))))
	}
	w.drain(t)
	_, hot, _ := w.store.Zone(t.Context(), protect.ZoneHot)
	_, base, _ := w.store.Zone(t.Context(), protect.ZoneBase)
	if hot > 100 || hot+base != 6000 {
		t.Errorf("hot %d, base %d; want at most 100, and 6000 in all", hot, base)
	}
	w.now = w.now.Add(7 * time.Hour)
	w.drain(t)
	w.now = w.now.Add(2 * time.Minute)
	fresh := indicator(9000, domain("fresh.example"))
	fresh.Added = stamp(w.now)
	old := indicator(9001, domain("long-known.example"))
	w.store.Put(fresh, old)
	w.drain(t)
	if w.zoneOf(fresh.Observables[0]) != protect.ZoneHot || w.zoneOf(old.Observables[0]) != protect.ZoneBase {
		t.Error("a fresh indicator belongs in hot, one that is not in base")
	}
}

func TestACrowdedHotZoneGivesItsOldestToBase(t *testing.T) {
	w := newWorld(t)
	w.Config.HotMax, w.Config.BulkAdds = 20, 10
	for n := range 30 { // one at a time: no bulk
		w.store.Put(indicator(n, domain(fmt.Sprintf("n%d.example", n))))
		w.now = w.now.Add(time.Second)
		w.drain(t)
	}
	_, hot, _ := w.store.Zone(t.Context(), protect.ZoneHot)
	_, base, _ := w.store.Zone(t.Context(), protect.ZoneBase)
	if hot > 20 || hot+base != 30 {
		t.Errorf("hot %d, base %d; want at most 20, and 30 in all", hot, base)
	}
	if z := w.zoneOf(domain("n29.example")); z != protect.ZoneHot {
		t.Errorf("the newest is in %q", z)
	}
	if z := w.zoneOf(domain("n0.example")); z != protect.ZoneBase {
		t.Errorf("the oldest is in %q", z)
	}
}

func TestManyAtOnceGoToBase(t *testing.T) {
	w := newWorld(t)
	w.Config.BulkAdds = 10
	for n := range 10 {
		w.store.Put(indicator(n, domain(fmt.Sprintf("n%d.example", n))))
	}
	w.drain(t)
	if z := w.zoneOf(domain("n3.example")); z != protect.ZoneBase {
		t.Errorf("one of ten at once is in %q", z)
	}
}

func TestWhatIsNoLongerNewMovesToBase(t *testing.T) {
	w := newWorld(t)
	w.store.Put(indicator(1, domain("bad.example")))
	w.drain(t)
	w.now = start.Add(5 * time.Hour)
	w.drain(t)
	if z := w.zoneOf(domain("bad.example")); z != protect.ZoneHot {
		t.Errorf("after 5 h in %q", z)
	}
	w.now = start.Add(6*time.Hour + 10*time.Minute)
	w.drain(t)
	if z := w.zoneOf(domain("bad.example")); z != protect.ZoneBase {
		t.Errorf("after 6 h in %q", z)
	}
}

func TestAnIndicatorIsProtectedOnceItIsValid(t *testing.T) {
	for _, restarted := range []bool{false, true} {
		w := newWorld(t)
		it := indicator(1, domain("bad.example"))
		it.ValidFrom = stamp(start.Add(time.Hour))
		w.store.Put(it)
		w.drain(t)
		if restarted {
			again := newWorld(t)
			again.store, again.Store = w.store, w.store
			w = again
		}
		w.now = start.Add(time.Hour)
		if restarted { // it was forgotten: the next review finds it
			if err := w.StartReview(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		w.drain(t)
		if w.zoneOf(domain("bad.example")) == "" {
			t.Errorf("restarted %v: not protected", restarted)
		}
	}
}

func TestAListThatGrewEndsProtections(t *testing.T) {
	w := newWorld(t)
	w.store.Put(indicator(1, domain("hospital.example"), domain("bad.example")))
	w.drain(t)
	b := protect.NewNever()
	if err := b.Critical("national", lines("www.hospital.example")); err != nil {
		t.Fatal(err)
	}
	w.Never = b.Build()
	if err := w.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.zoneOf(domain("hospital.example")) != "" {
		t.Error("an ancestor of a critical name is still protected")
	}
	if w.zoneOf(domain("bad.example")) == "" {
		t.Error("another value of the item was lost")
	}
}

// Whatever comes in whatever order, the zones hold exactly what the newest
// versions say, and nothing that is never to be blocked.
func TestTheZonesAreWhatTheNewestVersionsSay(t *testing.T) {
	b := protect.NewNever()
	if err := b.Critical("national", lines("www.gov.example", "*.bank.example", "192.0.2.64/26")); err != nil {
		t.Fatal(err)
	}
	never := b.Build()
	pool := []accord.Observable{
		domain("a.example"), domain("b.example"), domain("gov.example"), domain("x.bank.example"), domain("co.uk"),
		domain("evil.www.gov.example"),
		{Kind: accord.KindIPv4, Value: "192.0.2.1"},
		{Kind: accord.KindIPv4, Value: "192.0.2.70"},
		{Kind: accord.KindCIDR, Value: "192.0.2.0/24"},
		{Kind: accord.KindCIDR, Value: "198.51.100.0/24"},
		{Kind: accord.KindIPv6, Value: "2001:db8::1"},
		{Kind: accord.KindURL, Value: "http://a.example/"},
	}
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		w.Never = never
		newest := map[string]accord.Item{}
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			it := indicator(rapid.IntRange(0, 5).Draw(rt, "id"), rapid.SliceOfNDistinct(rapid.SampledFrom(pool), 0, 4, rapid.ID[accord.Observable]).Draw(rt, "values")...)
			it.Added = stamp(w.now)
			it.Revoked = rapid.IntRange(0, 4).Draw(rt, "revoked") == 0
			it.Atomic = rapid.IntRange(0, 9).Draw(rt, "atomic") != 0
			newest[it.ID] = it
			w.store.Put(it)
			if rapid.Bool().Draw(rt, "drain") {
				w.drain(rt)
			}
			w.now = w.now.Add(time.Duration(rapid.IntRange(0, 4).Draw(rt, "hours")) * time.Hour)
		}
		w.drain(rt)
		for _, o := range pool {
			want := 0
			for _, it := range newest {
				values, _ := w.Decide(it, stamp(w.now))
				for _, p := range values {
					if p.Observable == o {
						want++
					}
				}
			}
			if got := len(w.store.Protection(o)); got != want {
				rt.Fatalf("%v is protected by %d items, want %d", o, got, want)
			}
			if list, held := never.Holds(o); held && w.zoneOf(o) != "" {
				rt.Fatalf("%v is protected and on %s", o, list)
			}
		}
	})
}
