// SPDX-License-Identifier: Apache-2.0

package agreement

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"accord"
)

// set is a set of articles, by their place in plan.rules.
type set []uint64

func (s set) add(i int) { s[i/64] |= 1 << (i % 64) }

// plan is an agreement's articles made ready for deciding: for every property
// that has few values, the set of articles that a value satisfies. What is left
// of an article is in its rule. Rules stand in the order of their numbers, so
// that the order of the text changes nothing.
type plan struct {
	words    int
	rules    []rule
	grants   set
	from, to map[string]set // no entry: not a party
	types    map[string]set // no entry: anyType
	anyType  set
	tlp      [accord.TLPRed + 1]set
	pap      [accord.PAPRed + 1]set
}

// rule is one article with what the sets do not decide.
type rule struct {
	*Article
	plain  bool     // the sets decide it all
	reason []Reason // the one reason of a decision by this article
	redact []string // sorted
	kinds  uint16   // observables, as a mask
	maxAge accord.Stamp
	older  accord.Stamp
	retain accord.Stamp
}

func compile(a *Agreement) plan {
	p := plan{words: (len(a.Articles) + 63) / 64, from: map[string]set{}, to: map[string]set{}, types: map[string]set{}}
	sorted := make([]*Article, len(a.Articles))
	for i := range a.Articles {
		sorted[i] = &a.Articles[i]
	}
	slices.SortFunc(sorted, func(x, y *Article) int { return compareNumbers(x.Number, y.Number) })
	p.grants, p.anyType = p.none(), p.none()
	for i := range p.tlp {
		p.tlp[i] = p.none()
	}
	for i := range p.pap {
		p.pap[i] = p.none()
	}
	for _, q := range a.Parties {
		p.from[q.Name], p.to[q.Name] = p.none(), p.none()
	}
	for _, r := range sorted {
		for _, t := range r.Types {
			if p.types[t] == nil {
				p.types[t] = p.none()
			}
		}
	}
	for i, r := range sorted {
		p.add(i, r)
		code := CodeExcluded
		if r.Effect == Share {
			code = CodeGranted
		}
		p.rules = append(p.rules, rule{
			Article: r, reason: []Reason{{code, []string{a.ID, r.Number}}}, kinds: kindMask(r.Observables), redact: slices.Sorted(slices.Values(r.Redact)),
			maxAge: r.MaxAge.micros(), older: r.OlderThan.micros(), retain: r.Retain.micros(),
			plain: len(r.Observables)+len(r.Labels)+len(r.WithoutLabels)+len(r.Sectors)+len(r.Sources) == 0 &&
				r.MinConfidence == nil && r.BelowConfidence == nil && r.MaxAge == 0 && r.OlderThan == 0,
		})
	}
	return p
}

func (p *plan) none() set { return make(set, p.words) }

// add puts article i into the sets.
func (p *plan) add(i int, r *Article) {
	if r.Effect == Share {
		p.grants.add(i)
	}
	for name, m := range p.from {
		if r.From[0] == Any || slices.Contains(r.From, name) {
			m.add(i)
		}
	}
	for name, m := range p.to {
		if r.To[0] == Any || slices.Contains(r.To, name) {
			m.add(i)
		}
	}
	for name, m := range p.types {
		if r.Types[0] == All || slices.Contains(r.Types, name) {
			m.add(i)
		}
	}
	if r.Types[0] == All {
		p.anyType.add(i)
	}
	for t, m := range p.tlp {
		if (r.MaxTLP == nil || t <= int(*r.MaxTLP)) && (r.AboveTLP == nil || t > int(*r.AboveTLP)) {
			m.add(i)
		}
	}
	for t, m := range p.pap {
		if (r.MaxPAP == nil || t <= int(*r.MaxPAP)) && (r.AbovePAP == nil || t > int(*r.AbovePAP)) {
			m.add(i)
		}
	}
}

func kindMask(ks []accord.Kind) uint16 {
	var m uint16
	for _, k := range ks {
		m |= kindBit(k)
	}
	return m
}

// kindBit is one bit for each kind an agreement may name; the highest stands
// for all others.
func kindBit(k accord.Kind) uint16 {
	switch k {
	case accord.KindDomain:
		return 1 << 0
	case accord.KindIPv4:
		return 1 << 1
	case accord.KindIPv6:
		return 1 << 2
	case accord.KindCIDR:
		return 1 << 3
	case accord.KindAddrPort:
		return 1 << 4
	case accord.KindURL:
		return 1 << 5
	case accord.KindEmail:
		return 1 << 6
	case accord.KindMD5:
		return 1 << 7
	case accord.KindSHA1:
		return 1 << 8
	case accord.KindSHA256:
		return 1 << 9
	case accord.KindSHA512:
		return 1 << 10
	}
	return 1 << 15
}

// misses returns the code of the first condition beyond the sets that item does
// not satisfy, or "" when the rule applies.
func (r *rule) misses(item *accord.Item, now accord.Stamp) string {
	if r.plain {
		return ""
	}
	excludes := r.Effect == Withhold
	switch {
	case r.kinds != 0 && !r.kindsMatch(item.Observables, excludes):
		return CodeObservables
	case r.labelsMiss(item, excludes):
		return CodeLabels
	case len(r.Sectors) > 0 && !carries(item.Sectors, r.Sectors):
		return CodeSectors
	case len(r.Sources) > 0 && !slices.Contains(r.Sources, item.Source):
		return CodeSource
	case r.MinConfidence != nil && item.Confidence < *r.MinConfidence,
		r.BelowConfidence != nil && item.Confidence >= *r.BelowConfidence:
		return CodeConfidence
	}
	if r.maxAge != 0 || r.older != 0 {
		if age, known := ageOf(item, now); r.maxAge != 0 && (!known || age > r.maxAge) || r.older != 0 && known && age <= r.older {
			return CodeAge
		}
	}
	return ""
}

// labelsMiss: the tags of the node's own analysts count as labels where they
// tighten, in what an exclusion is about and what a grant is not about, and nowhere
// else: nobody gives more because of a tag.
func (r *rule) labelsMiss(item *accord.Item, excludes bool) bool {
	has := len(r.Labels) == 0 || carries(item.Labels, r.Labels) || excludes && carries(item.Tags, r.Labels)
	hasNot := len(r.WithoutLabels) == 0 || !carries(item.Labels, r.WithoutLabels) && (excludes || !carries(item.Tags, r.WithoutLabels))
	return !has || !hasNot
}

// kindsMatch: a grant wants every value to be of the kinds it names, an
// exclusion is content with one.
func (r *rule) kindsMatch(obs []accord.Observable, excludes bool) bool {
	one := false
	for _, o := range obs {
		if r.kinds&kindBit(o.Kind) == 0 {
			if !excludes {
				return false
			}
			continue
		}
		one = true
	}
	return one
}

// carries reports whether one of want is among have, in any case.
func carries(have, want []string) bool {
	for _, w := range want {
		for _, h := range have {
			if h == w || len(h) == len(w) && strings.EqualFold(h, w) {
				return true
			}
		}
	}
	return false
}

// ageOf is the time since item was modified, else created, else stored here.
// One that says it comes from the future is as old as its storing says.
func ageOf(item *accord.Item, now accord.Stamp) (age accord.Stamp, known bool) {
	for _, at := range [...]accord.Stamp{item.Version, item.Created, item.Added} {
		if at != 0 && at <= now {
			return now - at, true
		}
	}
	return 0, item.Version > now || item.Created > now || item.Added > now
}

func compareID(a, b *Agreement) int {
	return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(b.Version, a.Version))
}

// compareNumbers orders "2" before "10" and "2" before "2.1".
func compareNumbers(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(x, y string) int {
		m, _ := strconv.Atoi(x)
		n, _ := strconv.Atoi(y)
		return cmp.Compare(m, n)
	})
}
