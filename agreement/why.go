// SPDX-License-Identifier: Apache-2.0

package agreement

import (
	"strconv"

	"accord"
)

// maxReasons bounds how many near misses a decision lists.
const maxReasons = 8

// ungranted is the decision when no article applies, with why.
func (s *scan) ungranted(in []InForce, from, to string) Decision {
	d := Decision{Article: NoArticle}
	switch {
	case !marked(s.item):
		d.Reasons = []Reason{{Code: CodeMarking}}
		return d
	case !s.between:
		d.Reasons = []Reason{{CodeNoAgreement, []string{from, to}}}
		return d
	}
	if r := taint(s.item, to, s.now); r.Code != "" {
		d.Reasons = append(d.Reasons, r)
	}
	var lead *Agreement
	for i := range in {
		a := in[i].Agreement
		if !governs(in, i, s.now) || a.plan.from[from] == nil || a.plan.to[to] == nil {
			continue
		}
		if lead == nil || compareID(a, lead) < 0 {
			lead = a
		}
		suspended := false
		for _, p := range []string{from, to} {
			if in[i].Suspended[p] {
				suspended = true
				d.Reasons = append(d.Reasons, Reason{CodeSuspended, []string{a.ID, p}})
			}
		}
		if !suspended {
			d.Reasons = s.nearMisses(a, from, to, d.Reasons)
		}
	}
	if lead != nil {
		d.Agreement, d.Version = lead.ID, lead.Version
	}
	if len(d.Reasons) == 0 {
		d.Reasons = []Reason{{CodeNoArticle, []string{s.item.Type}}}
	}
	return d
}

// nearMisses adds why each grant between the two about this type of object does
// not apply.
func (s *scan) nearMisses(a *Agreement, from, to string, out []Reason) []Reason {
	p := &a.plan
	types := p.types[s.item.Type]
	if types == nil {
		types = p.anyType
	}
	for i := range p.rules {
		w, bit := i/64, uint64(1)<<(i%64)
		if p.from[from][w]&p.to[to][w]&types[w]&p.grants[w]&bit == 0 || len(out) >= maxReasons {
			continue
		}
		r := &p.rules[i]
		at := []string{a.ID, r.Number}
		switch code := r.misses(s.item, s.now); {
		case p.tlp[s.item.TLP][w]&bit == 0:
			out = append(out, Reason{CodeAboveTLP, append(at, s.item.TLP.String(), r.MaxTLP.String())})
		case p.pap[s.item.PAP][w]&bit == 0:
			out = append(out, Reason{CodeAbovePAP, append(at, s.item.PAP.String(), r.MaxPAP.String())})
		case code == CodeConfidence:
			out = append(out, Reason{code, append(at, strconv.Itoa(*r.MinConfidence))})
		case code == CodeAge:
			out = append(out, Reason{code, append(at, r.MaxAge.String())})
		case code != "":
			out = append(out, Reason{code, at})
		}
	}
	return out
}

// MayProtect reports whether the node may make a protection of an item with this
// origin and TLP at now: it is its own, or its giver permits actions visible
// inside, and passing it to institutions, and its time has not come. Above
// TLP:AMBER nothing leaves the authority. PAP is looked at by [MayBlock].
func MayProtect(origin accord.Origin, tlp accord.TLP, now accord.Stamp) (bool, Reason) {
	switch {
	case tlp > accord.TLPAmber:
		return false, Reason{CodeTLP, []string{tlp.String(), accord.TLPAmber.String()}}
	case origin.Own():
		return true, Reason{Code: CodeOwn}
	case origin.Actions < accord.ActInternal:
		return false, Reason{CodeActions, []string{origin.Party, origin.Actions.String()}}
	case origin.Onward < accord.OnwardInstitutions:
		return false, Reason{CodeInstitutions, []string{origin.Party}}
	case origin.Retain != 0 && now >= origin.Retain:
		return false, Reason{CodeRetain, []string{origin.Party, origin.Retain.String()}}
	}
	return true, Reason{CodePermitted, []string{origin.Party}}
}

// MayBlock is MayProtect for a whole item: beyond it, an item of PAP:AMBER or
// PAP:RED may be used passively only (MISP PAP taxonomy), and one withdrawn or
// revoked not at all.
func MayBlock(item *accord.Item, now accord.Stamp) (bool, Reason) {
	switch {
	case item.Withdrawn != 0 || item.Revoked:
		return false, Reason{Code: CodeWithdrawn}
	case item.PAP > accord.PAPGreen:
		return false, Reason{CodePAP, []string{item.PAP.String(), accord.PAPGreen.String()}}
	}
	return MayProtect(item.Origin, item.TLP, now)
}
