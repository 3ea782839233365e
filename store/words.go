// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"slices"
	"strings"

	"accord"
	"accord/search"
)

// The kinds of term in the inverted index.
const (
	termWord   = "w" // a word of its text
	termLabel  = "l" // a label or tag
	termType   = "t"
	termSource = "s"
	termParty  = "p" // empty for the node's own
	termTLP    = "c"
	termKind   = "k" // kind of a value
	termState  = "x" // live, withdrawn, held, false, sighted
	termUnder  = "d" // a registrable name or an address under which a value lies
	termName   = "n" // a name of what is not looked for: a malware, an actor
	termFamily = "g" // the value of a label of a MISP galaxy
)

// named are the types that a family or a technique may be.
var named = map[string]bool{
	"malware": true, "tool": true, "threat-actor": true, "intrusion-set": true, "campaign": true, "attack-pattern": true,
	"infrastructure": true, "vulnerability": true,
}

// terms returns what the newest version of an item is found by, some twice.
func (r *row) terms() []string {
	if r == nil || !r.latest {
		return nil
	}
	out := make([]string, 0, 12)
	add := func(kind, text string) { out = append(out, termOf(kind, text)) }
	add(termType, r.Type)
	add(termSource, r.Source)
	add(termParty, r.Origin.Party)
	add(termTLP, r.TLP.String())
	state := "live"
	if r.Withdrawn != 0 {
		state = "withdrawn"
	}
	add(termState, state)
	if r.Held != "" {
		add(termState, "held")
	}
	if r.False != "" {
		add(termState, "false")
	}
	if r.Sighted.Count > 0 {
		add(termState, "sighted")
	}
	for i, o := range r.Observables {
		if i == 0 || o.Kind != r.Observables[i-1].Kind {
			add(termKind, string(o.Kind))
		}
		if key, ok := search.Under(o); ok {
			add(termUnder, key)
		}
	}
	for _, labels := range [][]string{r.Labels, r.Tags} {
		for _, l := range labels {
			add(termLabel, l)
			if name := galaxyName(l); name != "" {
				add(termFamily, name)
			}
		}
	}
	text := search.TextOf(&r.Item)
	for _, w := range text.Distinct() {
		add(termWord, w)
	}
	if named[r.Type] {
		for _, n := range text.Names {
			if key := search.NameKey(n); key != "" {
				add(termName, key)
			}
		}
	}
	return out
}

// galaxyName is the name in a label such as misp-galaxy:malpedia="Emotet", folded.
func galaxyName(label string) string {
	if !strings.HasPrefix(label, "misp-galaxy:") {
		return ""
	}
	_, name, ok := strings.Cut(label, "=")
	if !ok {
		return ""
	}
	name, _, _ = strings.Cut(strings.Trim(name, `"`), " - t") // "Phishing - T1566"
	return search.NameKey(name)
}

// know moves the inverted index with the items, and brings what sightings say to
// the items they are about.
func (e *edit) know(ctx context.Context) error {
	var m move
	for _, v := range e.all {
		now := v.terms()
		if v.was == nil || !v.was.latest { // most are new
			for _, term := range now {
				note(&m.gain, term, v.n)
			}
			continue
		}
		was := v.was.terms()
		slices.Sort(was)
		slices.Sort(now)
		for _, term := range was {
			if _, still := slices.BinarySearch(now, term); !still {
				note(&m.lose, term, v.n)
			}
		}
		for _, term := range now {
			if _, had := slices.BinarySearch(was, term); !had {
				note(&m.gain, term, v.n)
			}
		}
	}
	if err := e.t.post(ctx, &m); err != nil {
		return err
	}
	if err := e.also(ctx); err != nil {
		return err
	}
	return e.sight(ctx)
}

// another notes that what is stored came from elsewhere too.
func (e *edit) another(v *version, it *accord.Item) {
	if it.Origin.Own() && it.Source != v.Source && it.Source != "" {
		e.others = append(e.others, v.ID, int64(v.Version), it.Source, int64(e.at))
	}
}

var insertProvenance = bulk{
	head: "INSERT INTO provenance (id, version, source, first) VALUES ", columns: 4, tail: " ON CONFLICT (id, version, source) DO NOTHING",
}

// also records where items that were stored already came from this time.
func (e *edit) also(ctx context.Context) error { return e.t.insert(ctx, insertProvenance, e.others) }
