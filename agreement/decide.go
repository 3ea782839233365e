// SPDX-License-Identifier: Apache-2.0

package agreement

import (
	"math/bits"
	"slices"
	"time"

	"accord"
)

// NoArticle is the Article of a decision that no article made.
const NoArticle = "0"

// Decision says what becomes of one item for one receiver. The zero Decision
// withholds.
type Decision struct {
	Effect Effect
	// The article that decided: the grant or exclusion with the lowest number, of
	// the first agreement by id. Article is "0" when none grants; Agreement is
	// then empty unless one governs between the two.
	Agreement string
	Version   int
	Article   string
	Reasons   []Reason // must not be changed

	// What is taken out of the copy: top-level properties in order, and whether
	// the identity goes as a pseudonym. Redact must not be changed.
	Redact       []string
	Pseudonymise bool

	// What the receiver is bound to. Terms.Party is the giver.
	Terms                   accord.Origin
	Attribution             Attribution
	AcknowledgeWithin       time.Duration // 0 = not asked for
	ConfirmRetractionWithin time.Duration // 0 = not asked for
}

// Decide says whether item may go from one party to another at now, by the
// agreements in, of which those that govern count ([Governing]). author is
// whether an identity is the author of some item. The order of in and of
// articles changes nothing.
//
// It withholds unless a grant applies. One exclusion that applies, in any
// governing agreement of the two and even a suspended one, overrides every
// grant. Obligations and redactions of all grants that apply add up, and the
// strictest value holds. What came from a party goes on only as its giver
// permitted, never back to it, and never past its time. A revoked item is
// decided like any other, so that the revocation travels.
//
// References are not looked at: whoever sends decides what an item refers to
// in the same way, and removes the references that may not go.
func Decide(in []InForce, item *accord.Item, author bool, from, to string, now accord.Stamp) Decision {
	s := scan{item: item, now: now, onward: accord.OnwardParties, actions: accord.ActExternalDirect}
	if from != to && marked(item) {
		for i := range in {
			if governs(in, i, now) {
				s.agreement(&in[i], from, to)
			}
		}
	}
	if s.lead == nil {
		return s.ungranted(in, from, to)
	}
	d := Decision{Agreement: s.leadOf.ID, Version: s.leadOf.Version, Article: s.lead.Number, Reasons: s.lead.reason}
	if s.excluded {
		return d
	}
	if r := taint(item, to, now); r.Code != "" {
		d.Article, d.Reasons = NoArticle, []Reason{r}
		return d
	}
	return s.grant(author, from)
}

// marked reports whether the item's markings are ones that exist.
func marked(item *accord.Item) bool { return item.TLP <= accord.TLPRed && item.PAP <= accord.PAPRed }

// scan gathers what the articles say of one item.
type scan struct {
	item *accord.Item
	now  accord.Stamp

	between  bool  // an agreement governs between the two
	lead     *rule // the article that decides
	leadOf   *Agreement
	excluded bool // lead withholds

	// What the grants ask for together.
	actions      accord.Action
	onward       accord.Onward
	retain       accord.Stamp // from now on
	attribution  Attribution
	acknowledge  Period
	confirm      Period
	pseudonymise bool
	redact       []string
}

// agreement adds what one governing agreement says.
func (s *scan) agreement(f *InForce, from, to string) {
	p := &f.Agreement.plan
	fs, ts := p.from[from], p.to[to]
	if fs == nil || ts == nil {
		return
	}
	s.between = true
	suspended := len(f.Suspended) > 0 && (f.Suspended[from] || f.Suspended[to])
	types := p.types[s.item.Type]
	if types == nil {
		types = p.anyType
	}
	tlp, pap := p.tlp[s.item.TLP], p.pap[s.item.PAP]
	for w := range p.words {
		for m := fs[w] & ts[w] & types[w] & tlp[w] & pap[w]; m != 0; m &= m - 1 {
			r := &p.rules[w*64+bits.TrailingZeros64(m)]
			if suspended && r.Effect == Share || r.misses(s.item, s.now) != "" {
				continue
			}
			s.take(r, f.Agreement)
		}
	}
}

// take adds an article that applies.
func (s *scan) take(r *rule, a *Agreement) {
	excludes := r.Effect == Withhold
	switch {
	case s.lead == nil, excludes && !s.excluded,
		excludes == s.excluded && compareLead(r, a, s.lead, s.leadOf) < 0:
		s.lead, s.leadOf, s.excluded = r, a, excludes
	}
	if excludes {
		return
	}
	s.actions = min(s.actions, r.Actions)
	s.onward = min(s.onward, r.Onward)
	s.retain = sooner(s.retain, r.retain)
	s.attribution = max(s.attribution, r.Attribution)
	s.acknowledge = sooner(s.acknowledge, r.AcknowledgeWithin)
	s.confirm = sooner(s.confirm, r.ConfirmRetractionWithin)
	s.pseudonymise = s.pseudonymise || r.Pseudonymise
	if s.redact == nil {
		s.redact = r.redact
	} else if len(r.redact) > 0 {
		s.redact = union(s.redact, r.redact)
	}
}

// compareLead orders articles by their agreement, then by number. Rules of one
// agreement stand in that order already.
func compareLead(r *rule, a *Agreement, q *rule, b *Agreement) int {
	if c := compareID(a, b); c != 0 {
		return c
	}
	return compareNumbers(r.Number, q.Number)
}

// taint returns why an item that came from a party may not go to another, or
// the zero Reason.
func taint(item *accord.Item, to string, now accord.Stamp) Reason {
	o := item.Origin
	switch {
	case item.Withdrawn != 0:
		return Reason{Code: CodeWithdrawn}
	case o.Own():
		return Reason{}
	case o.Party == to:
		return Reason{CodeGiver, []string{o.Party}}
	case o.Onward < accord.OnwardParties:
		return Reason{CodeOnward, []string{o.Party, o.Onward.String()}}
	case o.Retain != 0 && now >= o.Retain:
		return Reason{CodeRetain, []string{o.Party, o.Retain.String()}}
	}
	return Reason{}
}

// grant says what goes, and under which terms.
func (s *scan) grant(author bool, from string) Decision {
	o, actions, onward, retain := s.item.Origin, s.actions, s.onward, accord.Stamp(0)
	if s.retain != 0 {
		retain = s.now + s.retain
	}
	if !o.Own() {
		onward, actions, retain = min(onward, o.Onward), min(actions, o.Actions), sooner(retain, o.Retain)
	}
	if s.item.PAP >= accord.PAPAmber { // passive use only: no blocking, no probing
		actions = min(actions, accord.ActContact)
	}
	d := Decision{
		Effect: Share, Agreement: s.leadOf.ID, Version: s.leadOf.Version, Article: s.lead.Number,
		Reasons: s.lead.reason, Redact: s.redact,
		Pseudonymise: s.pseudonymise && s.item.Type == "identity" && !author && s.item.Class != "class",
		Terms: accord.Origin{
			Party: from, Agreement: s.leadOf.ID, Version: s.leadOf.Version, Article: s.lead.Number,
			Onward: onward, Actions: actions, Retain: retain, TLP: s.item.TLP,
		},
		Attribution: s.attribution, AcknowledgeWithin: time.Duration(s.acknowledge),
		ConfirmRetractionWithin: time.Duration(s.confirm),
	}
	if d.Pseudonymise || len(d.Redact) > 0 {
		d.Effect = ShareRedacted
	}
	return d
}

// sooner is the smaller of two limits, of which 0 is none.
func sooner[T ~int64](a, b T) T {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

func union(a, b []string) []string {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}
