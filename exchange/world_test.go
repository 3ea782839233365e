// SPDX-License-Identifier: Apache-2.0

package exchange_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"accord"
	"accord/testworld"
)

// act is one thing that happens in a random world.
type act struct {
	What   string
	Kind   string
	A, B   int // choose among what there is
	TLP    accord.TLP
	Secret bool
}

var acts = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) act {
	return act{
		What: rapid.SampledFrom([]string{
			"new", "new", "new", "new", "new", "new", "new", "change", "change", "withdraw",
			"suspend", "resume", "amend", "stop IL", "stop MA", "settle", "theirs",
		}).Draw(t, "what"),
		Kind:   rapid.SampledFrom([]string{"indicator", "malware", "identity", "author", "relationship", "report", "sighting"}).Draw(t, "kind"),
		A:      rapid.IntRange(0, 1<<20).Draw(t, "a"),
		B:      rapid.IntRange(0, 1<<20).Draw(t, "b"),
		TLP:    rapid.SampledFrom([]accord.TLP{accord.TLPClear, accord.TLPGreen, accord.TLPAmber, accord.TLPAmber, accord.TLPRed}).Draw(t, "tlp"),
		Secret: rapid.IntRange(0, 9).Draw(t, "secret") == 0,
	}
}), 25, 45)

// story is a random world while it goes on.
type story struct {
	t       *testing.T
	w       *testworld.World
	wire    *testworld.Wire
	cuts    []*testworld.Cuts
	ids     []string
	kind    map[string]string
	props   map[string]testworld.Props
	version map[string]int
	secret  map[string]bool // ever marked so that it must not go: RED or excluded
	open    map[string]bool // ever marked so that it might
	victims []string
	texts   map[int]string // agreement version → text
	stopped bool           // suspended
}

func (s *story) pick(n int, kinds ...string) string {
	var of []string
	for _, id := range s.ids {
		if len(kinds) == 0 || slices.Contains(kinds, s.kind[id]) {
			of = append(of, id)
		}
	}
	if len(of) == 0 {
		return ""
	}
	return of[n%len(of)]
}

// make is a new object of that kind; empty when there is nothing to make it of.
func (s *story) make(a act) {
	name := fmt.Sprintf("%s %d", a.Kind, len(s.ids))
	typ, p := a.Kind, testworld.Props{}
	x, y := s.pick(a.A), s.pick(a.B)
	switch a.Kind {
	case "identity":
		name = fmt.Sprintf("Victim Institute %d", len(s.ids))
		p = testworld.Props{"name": name, "identity_class": "organization"}
		s.victims = append(s.victims, name)
	case "author":
		typ, p = "identity", testworld.Props{"name": name, "identity_class": "organization"}
	case "relationship":
		if x == "" {
			return
		}
		p = testworld.Props{"source_ref": x, "target_ref": y}
	case "report":
		refs := []string{testworld.ID("malware", "unknown")}
		for i := range a.A % 4 {
			if id := s.pick(a.B + i*7); id != "" {
				refs = append(refs, id)
			}
		}
		p = refTo(slices.Compact(refs)...)
	case "sighting":
		x, y = s.pick(a.A, "indicator"), s.pick(a.B, "identity", "author")
		if x == "" || y == "" {
			return
		}
		p = testworld.Props{"sighting_of_ref": x, "where_sighted_refs": []string{y}}
	}
	if by := s.pick(a.A, "author"); by != "" && a.B%2 == 0 {
		p["created_by_ref"] = by
	}
	id := testworld.ID(typ, name)
	s.ids = append(s.ids, id)
	s.kind[id], s.props[id] = a.Kind, testworld.With(p, testworld.Props{"x_called": name})
	s.put(id, a)
}

// put ingests the next version of an object with a's marking.
func (s *story) put(id string, a act) {
	s.version[id]++
	p := testworld.With(s.props[id], testworld.Marked(a.TLP), testworld.Props{"modified": testworld.Version(s.version[id]), "x_called": nil})
	if a.Secret {
		p["labels"] = []string{"internal-only"}
	}
	if a.TLP == accord.TLPRed || a.Secret {
		s.secret[id] = true
	} else {
		s.open[id] = true
	}
	typ, _, _ := strings.Cut(id, "--")
	s.w.IL.Ingest(testworld.Object(s.t, typ, s.props[id]["x_called"].(string), p))
}

func (s *story) act(a act) {
	il, ma := s.w.IL, s.w.MA
	switch a.What {
	case "new":
		s.make(a)
	case "change":
		if id := s.pick(a.A); id != "" {
			s.put(id, a)
		}
	case "withdraw":
		if id := s.pick(a.A); id != "" {
			il.Withdraw(id)
		}
	case "theirs":
		ma.Ingest(testworld.Object(s.t, "indicator", fmt.Sprint("theirs", a.A), nil))
	case "suspend", "resume":
		il.Pass(time.Second)
		ma.Pass(time.Second)
		s.stopped = a.What == "suspend"
		testworld.Suspend(s.t, s.w.Agreement, !s.stopped, il, ma)
	case "amend":
		s.amend(a)
	case "stop IL":
		il.Stop()
		il.Start()
	case "stop MA":
		ma.Stop()
		time.Sleep(time.Duration(a.A%20) * time.Millisecond)
		ma.Start()
	case "settle":
		time.Sleep(time.Duration(a.A%40) * time.Millisecond)
	}
}

// amend signs a next version in which other ceilings, redactions and types hold.
func (s *story) amend(a act) {
	n := len(s.texts) + 1
	text := strings.Replace(s.w.Text, "version = 1", fmt.Sprintf("version = %d", n), 1)
	if a.A%2 == 0 {
		text = strings.Replace(text, `max_tlp = "amber"`, `max_tlp = "green"`, 1)
	}
	if a.A%3 == 0 {
		text = strings.Replace(text, "pseudonymise = true", "pseudonymise = false", 1)
	}
	if a.B%2 == 0 {
		text = strings.Replace(text, `"malware", `, ``, 1)
	}
	s.texts[n] = text
	s.w.MA.Take(testworld.Sign(s.t, text, s.w.IL, s.w.MA))
	s.w.IL.Take(testworld.Sign(s.t, text, s.w.IL, s.w.MA))
}

// end lets everything arrive.
func (s *story) end() {
	made := 0
	for _, c := range s.cuts {
		made += c.Stop()
	}
	if s.stopped {
		s.act(act{What: "resume"})
	}
	s.w.IL.Ingest(testworld.Object(s.t, "indicator", "the last", nil))
	for range 2 { // the second time after a sweep that had not begun
		s.w.Settle()
		time.Sleep(20 * time.Millisecond)
	}
	s.t.Logf("%d items, %d agreement versions, %d crossings, %d cuts", len(s.ids), len(s.texts), len(s.wire.All()), made)
}

// converged checks that MA holds what the decisions say, byte for byte.
func (s *story) converged() {
	t, il, ma := s.t, s.w.IL, s.w.MA
	t.Helper()
	ids := append(slices.Clone(s.ids), testworld.ID("indicator", "the last"))
	items, err := il.DB.Latest(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	live, err := il.DB.LiveDisclosures(t.Context(), ma.Self.Name, ids)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][32]byte{}
	for _, id := range ids {
		decisions, _, err := il.Node.Explain(t.Context(), id, []string{ma.Self.Name})
		if err != nil {
			t.Fatal(err)
		}
		shares := decisions[ma.Self.Name].Effect.Shares() && items[id].Withdrawn == 0
		d, given := live[id]
		if shares != given {
			t.Errorf("%s: decided to share: %t; disclosed: %t (%+v)", id, shares, given, decisions[ma.Self.Name])
		}
		if given {
			want[d.Sent.ID] = d.Sum
			if d.Item.Version != items[id].Version {
				t.Errorf("%s: version %s stands, the newest is %s", id, d.Item.Version, items[id].Version)
			}
		}
	}
	got := ma.From(il)
	for id, sum := range want {
		if it, there := got[id]; !there {
			t.Errorf("MA lacks %s", id)
		} else if sha256.Sum256(it.Bytes) != sum {
			t.Errorf("MA holds other bytes of %s: %s", id, it.Bytes)
		}
	}
	for id := range got {
		if _, there := want[id]; !there {
			t.Errorf("MA holds %s, which does not stand", id)
		}
	}
}

// covered checks everything that crossed against the record of it.
func (s *story) covered() {
	t := s.t
	t.Helper()
	rows := map[[32]byte][]accord.Disclosure{}
	last := map[string]accord.Disclosure{}
	for _, d := range s.w.IL.Given(s.w.MA) {
		rows[d.Sum] = append(rows[d.Sum], d)
		if p := last[d.Item.ID]; p.Party != "" && p.Retracted == 0 && p.Sum == d.Sum && p.Version == d.Version && p.Article == d.Article {
			t.Errorf("%s was disclosed twice the same: %d and %d", d.Item.ID, p.Index, d.Index)
		}
		last[d.Item.ID] = d
	}
	for _, o := range s.wire.Objects() {
		found := rows[sha256.Sum256(o)]
		if len(found) == 0 {
			t.Errorf("no disclosure covers %s", o)
		}
		for _, d := range found {
			if _, signed := s.texts[d.Version]; d.Agreement != "ma-il" || !signed || !slices.Contains([]string{"1", "2", "3"}, d.Article) {
				t.Errorf("disclosure %d names article %s of %s %d", d.Index, d.Article, d.Agreement, d.Version)
			}
		}
	}
	for _, id := range s.ids {
		if s.secret[id] && !s.open[id] && s.wire.Says(id) {
			t.Errorf("%s (%s), always RED or excluded, crossed the border", id, s.kind[id])
		}
	}
}

// rounds is how many random worlds there are: more with ACCORD_WORLDS.
func rounds(t *testing.T, def int) int {
	n, err := strconv.Atoi(os.Getenv("ACCORD_WORLDS"))
	if err != nil {
		return def
	}
	t.Logf("%d worlds", n)
	return n
}

func TestInRandomWorldsNothingIsLostDoubledOrLeakedWhateverIsCut(t *testing.T) {
	for seed := range rounds(t, 8) {
		t.Run(fmt.Sprint("world ", seed), func(t *testing.T) {
			t.Parallel()
			s := &story{
				t: t, wire: &testworld.Wire{}, kind: map[string]string{}, props: map[string]testworld.Props{}, version: map[string]int{},
				secret: map[string]bool{}, open: map[string]bool{}, texts: map[int]string{},
			}
			script := acts.Example(seed)
			amended := slices.ContainsFunc(script, func(a act) bool { return a.What == "amend" && a.A%3 == 0 })
			s.w = testworld.NewWith(t, sightings)
			s.texts[1] = s.w.Text
			into := [2]*testworld.Cuts{testworld.NewCuts(uint64(seed), 0.1, 0.1), testworld.NewCuts(uint64(seed)+1000, 0.1, 0.1)}
			s.cuts = into[:]
			s.w.IL.Through, s.w.MA.Through = into[0].Through, func(h http.Handler) http.Handler { return s.wire.Through(into[1].Through(h)) }
			s.w.Start()
			for _, a := range script {
				s.act(a)
			}
			s.end()
			s.converged()
			s.covered()
			for _, name := range s.victims {
				if !amended && s.wire.Says(name) {
					t.Errorf("%s is named on the wire", name)
				}
			}
			s.w.IL.Verify(s.w.MA.Self)
			s.w.MA.Verify(s.w.IL.Self)
		})
	}
}
