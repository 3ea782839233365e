// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/store"
)

var protectTests = map[string]func(*testing.T, *store.DB){
	"a zone holds each value once":                    zoneHoldsOnce,
	"a protected value stays in its zone":             staysInZone,
	"values move from hot to base":                    moves,
	"protections end when they expire":                expires,
	"an item's values are replaced without a flicker": noFlicker,
	"dropped values end whoever asked for them":       drops,
	"a change that changes nothing has no serial":     noSerial,
	"the journal replays into the zone":               journalReplays,
	"a journal that was trimmed says so":              trimmed,
	"a raised serial is newer and has no journal":     raisedSerial,
	"protections are listed by page":                  protectionPages,
	"a protection is committed with its cursor":       protectCursor,
	"the hot values that are old are found":           hotBefore,
	"a long value is protected whole":                 longProtection,
}

func domain(name string) accord.Observable {
	return accord.Observable{Kind: accord.KindDomain, Value: name}
}

func protection(name string, item int, zone string) accord.Protection {
	return accord.Protection{
		Observable: domain(name), Zone: zone, Item: indicator(item, t0).ItemKey, Source: "feed-a", Added: t0, Expires: t0 + 10*day,
	}
}

// shield commits p without consuming the feed.
func shield(t *testing.T, d *store.DB, p accord.Protecting) {
	t.Helper()
	p.Stage, p.At = "protect", t0
	check(t, d.Protect(t.Context(), p))
}

// zone lists a zone's values, one page of two after another.
func zone(t *testing.T, d *store.DB, name string) (out []string) {
	t.Helper()
	var after accord.Observable
	for {
		page := must(d.ZoneValues(t.Context(), name, after, 2))(t)
		for _, o := range page {
			out = append(out, o.Value)
			after = o
		}
		if len(page) < 2 {
			break
		}
	}
	if _, n, err := d.Zone(t.Context(), name); err != nil || int(n) != len(out) {
		t.Errorf("zone %s counts %d values, has %d, %v", name, n, len(out), err)
	}
	return out
}

func serial(t *testing.T, d *store.DB, name string) uint32 {
	t.Helper()
	s, _, err := d.Zone(t.Context(), name)
	check(t, err)
	return s
}

func zoneHoldsOnce(t *testing.T, d *store.DB) {
	if s := serial(t, d, "hot"); s != 0 {
		t.Errorf("a new zone has serial %d", s)
	}
	shield(t, d, accord.Protecting{Add: []accord.Protection{
		protection("b.example", 1, "hot"), protection("a.example", 1, "hot"), protection("a.example", 2, "hot"), protection("a.example", 2, "hot"),
	}})
	if diff := cmp.Diff([]string{"a.example", "b.example"}, zone(t, d, "hot")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if s := serial(t, d, "hot"); s != 1 {
		t.Errorf("serial %d, want 1", s)
	}
	shield(t, d, accord.Protecting{Remove: []string{indicator(1, 0).ID}})
	if diff := cmp.Diff([]string{"a.example"}, zone(t, d, "hot")); diff != "" {
		t.Errorf("after one item went (-want +got):\n%s", diff)
	}
	for name, want := range map[string]bool{"a.example": true, "b.example": false} {
		if has := must(d.ZoneHas(t.Context(), "hot", domain(name)))(t); has != want {
			t.Errorf("zone has %s: %v", name, has)
		}
	}
	if c := must(d.Counts(t.Context()))(t); c.Protections["hot"] != 1 {
		t.Errorf("counts %+v", c.Protections)
	}
}

func staysInZone(t *testing.T, d *store.DB) {
	shield(t, d, accord.Protecting{Add: []accord.Protection{protection("a.example", 1, "base")}})
	shield(t, d, accord.Protecting{Add: []accord.Protection{
		protection("a.example", 2, "hot"), protection("b.example", 2, "hot"), protection("b.example", 1, "base"),
	}})
	shield(t, d, accord.Protecting{Remove: []string{indicator(1, 0).ID}, Add: []accord.Protection{protection("a.example", 1, "hot")}})
	if diff := cmp.Diff([][]string{{"a.example"}, {"b.example"}}, [][]string{zone(t, d, "base"), zone(t, d, "hot")}); diff != "" {
		t.Errorf("base, hot (-want +got):\n%s", diff)
	}
	shield(t, d, accord.Protecting{Add: []accord.Protection{protection("a.example", 3, "allow")}})
	if diff := cmp.Diff([][]string{{"a.example"}, {"a.example"}}, [][]string{zone(t, d, "allow"), zone(t, d, "base")}); diff != "" {
		t.Errorf("allow, base (-want +got):\n%s", diff)
	}
}

func moves(t *testing.T, d *store.DB) {
	shield(t, d, accord.Protecting{Add: []accord.Protection{
		protection("a.example", 1, "hot"), protection("a.example", 2, "hot"), protection("b.example", 1, "hot"), protection("c.example", 1, "base"),
	}})
	shield(t, d, accord.Protecting{Move: []accord.Observable{domain("a.example"), domain("c.example"), domain("none.example")}})
	if diff := cmp.Diff([][]string{{"a.example", "c.example"}, {"b.example"}}, [][]string{zone(t, d, "base"), zone(t, d, "hot")}); diff != "" {
		t.Errorf("base, hot (-want +got):\n%s", diff)
	}
	if h, b := serial(t, d, "hot"), serial(t, d, "base"); h != 2 || b != 2 {
		t.Errorf("serials %d, %d", h, b)
	}
	got, _, err := d.Protections(t.Context(), accord.ProtectionQuery{Item: indicator(1, 0).ID, Zone: "base"})
	if err != nil || len(got) != 2 {
		t.Errorf("item 1 in base: %v %v", got, err)
	}
}

func expires(t *testing.T, d *store.DB) {
	short, always := protection("short.example", 1, "hot"), protection("renewed.example", 1, "hot")
	short.Expires = t0 + 1
	always.Expires = t0 + 1
	shield(t, d, accord.Protecting{Add: []accord.Protection{short, always, protection("long.example", 1, "hot")}})
	shield(t, d, accord.Protecting{Expired: t0})
	if n := len(zone(t, d, "hot")); n != 3 {
		t.Errorf("%d values before the moment", n)
	}
	always.Expires = t0 + 5*day
	shield(t, d, accord.Protecting{Add: []accord.Protection{always}, Expired: t0 + 1})
	if diff := cmp.Diff([]string{"long.example", "renewed.example"}, zone(t, d, "hot")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func noFlicker(t *testing.T, d *store.DB) {
	kept := protection("kept.example", 1, "hot")
	shield(t, d, accord.Protecting{Add: []accord.Protection{kept, protection("old.example", 1, "hot")}})
	kept.Item.Version, kept.Added, kept.Expires = t0+1, t0+9, t0+20*day
	shield(t, d, accord.Protecting{Remove: []string{kept.Item.ID}, Add: []accord.Protection{kept, protection("new.example", 1, "hot")}})
	lines, complete, err := d.ZoneJournal(t.Context(), "hot", 1, 10)
	check(t, err)
	want := []accord.ZoneChange{
		{Serial: 2, Add: true, Observable: domain("new.example")}, {Serial: 2, Add: false, Observable: domain("old.example")},
	}
	if diff := cmp.Diff(want, lines); diff != "" || !complete {
		t.Errorf("complete %v (-want +got):\n%s", complete, diff)
	}
	got, _, err := d.Protections(t.Context(), accord.ProtectionQuery{Text: "kept.example"})
	if err != nil || len(got) != 1 || got[0].Item.Version != t0+1 || got[0].Expires != t0+20*day || got[0].Added != t0 {
		t.Errorf("kept %+v %v", got, err)
	}
}

func drops(t *testing.T, d *store.DB) {
	shield(t, d, accord.Protecting{Add: []accord.Protection{
		protection("a.example", 1, "hot"), protection("a.example", 2, "hot"), protection("b.example", 1, "base"),
	}})
	shield(t, d, accord.Protecting{Drop: []accord.Observable{domain("a.example"), domain("b.example"), domain("none.example")}})
	if h, b := zone(t, d, "hot"), zone(t, d, "base"); len(h)+len(b) != 0 {
		t.Errorf("left: %v %v", h, b)
	}
}

func noSerial(t *testing.T, d *store.DB) {
	p := protection("a.example", 1, "hot")
	shield(t, d, accord.Protecting{Add: []accord.Protection{p}})
	p.Expires += day
	shield(t, d, accord.Protecting{Add: []accord.Protection{p, protection("a.example", 2, "hot")}})
	shield(t, d, accord.Protecting{Remove: []string{indicator(2, 0).ID}, Expired: t0})
	shield(t, d, accord.Protecting{})
	if s := serial(t, d, "hot"); s != 1 {
		t.Errorf("serial %d, want 1", s)
	}
}

func journalReplays(t *testing.T, d *store.DB) {
	for n := range 40 {
		p := accord.Protecting{}
		for i := range 3 {
			p.Add = append(p.Add, protection(fmt.Sprintf("v%02d.example", (n*7+i*5)%23), n%6, "hot"))
		}
		if n%3 == 2 {
			p = accord.Protecting{Remove: []string{indicator((n+1)%6, 0).ID}}
		}
		shield(t, d, p)
	}
	replica := map[string]bool{}
	for after := uint32(0); ; {
		lines, complete, err := d.ZoneJournal(t.Context(), "hot", after, 2)
		if err != nil || !complete {
			t.Fatal(complete, err)
		}
		if len(lines) == 0 {
			break
		}
		for _, l := range lines {
			if l.Serial < after || replica[l.Value] == l.Add {
				t.Errorf("line %+v after serial %d", l, after)
			}
			replica[l.Value], after = l.Add, l.Serial
		}
	}
	var got []string
	for name, in := range replica {
		if in {
			got = append(got, name)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(zone(t, d, "hot"), got); diff != "" {
		t.Errorf("zone and replica (-zone +replica):\n%s", diff)
	}
}

func trimmed(t *testing.T, d *store.DB) {
	for n := range 6 { // one line each, then four
		shield(t, d, accord.Protecting{Add: []accord.Protection{protection(fmt.Sprintf("v%d.example", n), n, "hot")}})
	}
	shield(t, d, accord.Protecting{Add: []accord.Protection{
		protection("w1.example", 1, "hot"), protection("w2.example", 1, "hot"), protection("w3.example", 1, "hot"), protection("w4.example", 1, "hot"),
	}})
	check(t, d.TrimJournal(t.Context(), "hot", 100))
	check(t, d.TrimJournal(t.Context(), "hot", 5))
	for after, want := range map[uint32]bool{0: false, 4: false, 5: true, 6: true, 7: true, 8: false} {
		lines, complete, err := d.ZoneJournal(t.Context(), "hot", after, 100)
		if err != nil || complete != want || (!complete && lines != nil) {
			t.Errorf("after %d: %d lines, complete %v, %v", after, len(lines), complete, err)
		}
	}
	check(t, d.TrimJournal(t.Context(), "hot", 3)) // the last serial alone is longer
	if _, complete, err := d.ZoneJournal(t.Context(), "hot", 7, 100); err != nil || !complete {
		t.Errorf("after the last: %v %v", complete, err)
	}
	check(t, d.TrimJournal(t.Context(), "none", 3))
}

func raisedSerial(t *testing.T, d *store.DB) {
	for _, step := range []struct {
		zone          string
		atLeast, want uint32
	}{
		{"hot", 1_800_000_000, 1_800_000_000},
		{"hot", 1_700_000_000, 1_800_000_001}, // the clock went back
		{"hot", 1_800_000_001, 1_800_000_002},
		{"hot", 1_800_000_003, 1_800_000_003},
		{"hot", 3_900_000_000, 3_900_000_000},
		{"hot", 1<<32 - 1, 1<<32 - 1},
		{"hot", 7, 7},                 // newer by RFC 1982
		{"hot", 1<<31 + 7, 8},         // as far ahead as behind
		{"hot", 1<<31 + 7, 1<<31 + 7}, // as far as one may go
		{"hot", 1<<32 - 1, 1<<32 - 1},
		{"hot", 1<<32 - 2, 1},                  // the next of the last
		{"base", 3_900_000_000, 3_900_000_000}, // nobody holds a serial of a new zone
		{"allow", 0, 1},
	} {
		before := serial(t, d, step.zone)
		check(t, d.RaiseSerial(t.Context(), step.zone, step.atLeast))
		if got := serial(t, d, step.zone); got != step.want {
			t.Errorf("%s: from %d to at least %d: %d, want %d", step.zone, before, step.atLeast, got, step.want)
		}
	}
	shield(t, d, accord.Protecting{Add: []accord.Protection{protection("a.example", 1, "hot"), protection("b.example", 1, "hot")}})
	check(t, d.RaiseSerial(t.Context(), "hot", 1_800_000_000))
	if diff := cmp.Diff([]string{"a.example", "b.example"}, zone(t, d, "hot")); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	for after, want := range map[uint32]bool{0: false, 1: false, 2: false, 500: false, 1_799_999_999: false, 1_800_000_000: true, 1_800_000_001: false} {
		if lines, complete, err := d.ZoneJournal(t.Context(), "hot", after, 100); err != nil || complete != want || len(lines) > 0 {
			t.Errorf("after %d: %d lines, complete %v, %v", after, len(lines), complete, err)
		}
	}
	shield(t, d, accord.Protecting{Remove: []string{indicator(1, 0).ID}})
	lines, complete, err := d.ZoneJournal(t.Context(), "hot", 1_800_000_000, 100)
	if err != nil || !complete || len(lines) != 2 || lines[0].Serial != 1_800_000_001 || lines[0].Add {
		t.Errorf("the next change: %v, complete %v, %v", lines, complete, err)
	}
}

func protectionPages(t *testing.T, d *store.DB) {
	var newest, byText []string
	for n := range 12 {
		zone := []string{"hot", "base", "allow"}[n%3]
		p := protection(fmt.Sprintf("v%02d.example", n), n%4, zone)
		if n == 11 {
			p.Observable = accord.Observable{Kind: accord.KindURL, Value: "v11"}
		}
		shield(t, d, accord.Protecting{Add: []accord.Protection{p}})
		newest = append([]string{p.Value}, newest...)
		byText = append(byText, p.Value)
	}
	walk := func(q accord.ProtectionQuery) (out []string) {
		for {
			page, next, err := d.Protections(t.Context(), q)
			check(t, err)
			for _, p := range page {
				out = append(out, p.Value)
			}
			if q.After = next; next == "" {
				return out
			}
		}
	}
	only := func(list []string, keep func(n int) bool) (out []string) {
		for _, v := range list {
			var n int
			if _, err := fmt.Sscanf(v, "v%d", &n); err == nil && keep(n) {
				out = append(out, v)
			}
		}
		return out
	}
	for _, limit := range []int{1, 5, 50} {
		if diff := cmp.Diff(newest, walk(accord.ProtectionQuery{Limit: limit})); diff != "" {
			t.Errorf("pages of %d (-want +got):\n%s", limit, diff)
		}
		got := walk(accord.ProtectionQuery{Text: "v", Limit: limit})
		slices.Sort(got)
		if diff := cmp.Diff(byText, got); diff != "" {
			t.Errorf("by text, pages of %d (-want +got):\n%s", limit, diff)
		}
		for name, q := range map[string]accord.ProtectionQuery{
			"zone": {Zone: "base"}, "item": {Item: indicator(2, 0).ID}, "item and zone": {Item: indicator(2, 0).ID, Zone: "base"},
		} {
			q.Limit = limit
			want := only(newest, func(n int) bool {
				return (q.Zone == "" || n%3 == 1) && (q.Item == "" || n%4 == 2)
			})
			if diff := cmp.Diff(want, walk(q)); diff != "" {
				t.Errorf("%s, pages of %d (-want +got):\n%s", name, limit, diff)
			}
		}
	}
	if got := walk(accord.ProtectionQuery{Text: "v0", Zone: "hot", Item: indicator(2, 0).ID}); !slices.Equal(got, []string{"v06.example"}) {
		t.Errorf("all filters: %v", got)
	}
}

func protectCursor(t *testing.T, d *store.DB) {
	p := accord.Protecting{Stage: "protect", From: 0, To: 7, Add: []accord.Protection{protection("a.example", 1, "hot")}}
	check(t, d.Protect(t.Context(), p))
	p.Add = []accord.Protection{protection("b.example", 1, "hot")}
	if err := d.Protect(t.Context(), p); !errors.Is(err, accord.ErrConflict) {
		t.Errorf("again: %v", err)
	}
	if diff := cmp.Diff([]string{"a.example"}, zone(t, d, "hot")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if at := must(d.Cursor(t.Context(), "protect"))(t); at != 7 {
		t.Errorf("cursor %d", at)
	}
}

func hotBefore(t *testing.T, d *store.DB) {
	old, older := protection("old.example", 1, "hot"), protection("older.example", 1, "hot")
	young, base := protection("young.example", 1, "hot"), protection("base.example", 1, "base")
	older.Added = t0 - day
	again := protection("young.example", 2, "hot")
	again.Added = t0 + day
	twice := protection("old.example", 2, "hot")
	shield(t, d, accord.Protecting{Add: []accord.Protection{old, older, young, base, again, twice}})
	want := []accord.Observable{domain("older.example"), domain("old.example")}
	if diff := cmp.Diff(want, must(d.HotBefore(t.Context(), t0+1, 10))(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := must(d.HotBefore(t.Context(), t0, 10))(t); len(got) != 1 {
		t.Errorf("before the moment itself: %v", got)
	}
}

func longProtection(t *testing.T, d *store.DB) {
	p := protection("", 1, "hot")
	p.Observable = accord.Observable{Kind: accord.KindURL, Value: "http://h.example/" + strings.Repeat("x", 6000)}
	q := p
	q.Value += "y"
	shield(t, d, accord.Protecting{Add: []accord.Protection{p, q}})
	if got := zone(t, d, "hot"); len(got) != 2 || len(got[0])+len(got[1]) != len(p.Value)+len(q.Value) {
		t.Errorf("zone of %d values", len(got))
	}
	lines, _, err := d.ZoneJournal(t.Context(), "hot", 0, 10)
	if err != nil || len(lines) != 2 || len(lines[0].Value) < 6000 {
		t.Errorf("journal of %d lines, %v", len(lines), err)
	}
	shield(t, d, accord.Protecting{Drop: []accord.Observable{p.Observable}})
	if diff := cmp.Diff([]string{q.Value}, zone(t, d, "hot")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
