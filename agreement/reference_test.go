// SPDX-License-Identifier: Apache-2.0

package agreement_test

import (
	"slices"
	"strings"
	"time"

	"accord"
	"accord/agreement"
)

// verdict is what the reference says: only what matters, in plain values.
type verdict struct {
	Shares, Redacted, Pseudonymise bool
	Agreement, Article             string
	Redact                         string
	Onward                         accord.Onward
	Actions                        accord.Action
	Retain                         accord.Stamp
	Acknowledge                    time.Duration
}

// refer decides by reading the articles one by one, as a lawyer would. It shares
// nothing with the compiled plan.
func refer(in []agreement.InForce, item accord.Item, author bool, from, to string, now accord.Stamp) verdict {
	v := verdict{Article: "0"}
	if from == to {
		return v
	}
	type clause struct {
		a *agreement.Agreement
		r agreement.Article
	}
	var grants, exclusions []clause
	for _, f := range in {
		a := f.Agreement
		if len(a.Missing()) > 0 || now < a.From || a.Until != 0 && now >= a.Until {
			continue
		}
		if slices.ContainsFunc(in, func(g agreement.InForce) bool {
			return g.Agreement.ID == a.ID && g.Agreement.Version > a.Version && len(g.Agreement.Missing()) == 0 && now >= g.Agreement.From
		}) {
			continue
		}
		if _, ok := a.Party(from); !ok {
			continue
		}
		if _, ok := a.Party(to); !ok {
			continue
		}
		if v.Agreement == "" || a.ID < v.Agreement {
			v.Agreement = a.ID
		}
		for _, r := range a.Articles {
			if !applies(r, item, from, to, now) {
				continue
			}
			if r.Effect == agreement.Withhold {
				exclusions = append(exclusions, clause{a, r})
			} else if !f.Suspended[from] && !f.Suspended[to] {
				grants = append(grants, clause{a, r})
			}
		}
	}
	first := func(cs []clause) clause {
		return slices.MinFunc(cs, func(x, y clause) int {
			if c := strings.Compare(x.a.ID, y.a.ID); c != 0 {
				return c
			}
			return strings.Compare(padded(x.r.Number), padded(y.r.Number))
		})
	}
	if len(exclusions) > 0 {
		c := first(exclusions)
		v.Agreement, v.Article = c.a.ID, c.r.Number
		return v
	}
	if len(grants) == 0 {
		return v
	}
	c := first(grants)
	v.Agreement = c.a.ID
	o := item.Origin
	if item.Withdrawn != 0 || o.Party != "" && (o.Party == to || o.Onward != accord.OnwardParties || o.Retain != 0 && o.Retain <= now) {
		return v
	}
	v.Shares, v.Article = true, c.r.Number
	v.Onward, v.Actions = 99, 99
	if o.Party != "" {
		v.Actions, v.Retain = o.Actions, o.Retain
	}
	var redact []string
	for _, g := range grants {
		v.Onward, v.Actions = min(v.Onward, g.r.Onward), min(v.Actions, g.r.Actions)
		if g.r.Retain != 0 {
			if until := now + accord.Stamp(time.Duration(g.r.Retain).Microseconds()); v.Retain == 0 || until < v.Retain {
				v.Retain = until
			}
		}
		if w := time.Duration(g.r.AcknowledgeWithin); w != 0 && (v.Acknowledge == 0 || w < v.Acknowledge) {
			v.Acknowledge = w
		}
		if g.r.Pseudonymise && item.Type == "identity" && item.Class != "class" && !author {
			v.Pseudonymise = true
		}
		redact = append(redact, g.r.Redact...)
	}
	if item.PAP == accord.PAPAmber || item.PAP == accord.PAPRed {
		v.Actions = min(v.Actions, accord.ActContact)
	}
	slices.Sort(redact)
	v.Redact = strings.Join(slices.Compact(redact), ",")
	v.Redacted = v.Pseudonymise || v.Redact != ""
	return v
}

// padded makes numbers compare as text.
func padded(number string) string {
	var out []string
	for p := range strings.SplitSeq(number, ".") {
		out = append(out, strings.Repeat("0", 6-len(p))+p)
	}
	return strings.Join(out, ".")
}

func applies(r agreement.Article, item accord.Item, from, to string, now accord.Stamp) bool {
	grant := r.Effect == agreement.Share
	shared := func(a, b []string) bool {
		return slices.ContainsFunc(a, func(x string) bool { return slices.Contains(b, x) })
	}
	about := func(names []string, who string) bool { return names[0] == "any" || slices.Contains(names, who) }
	if !about(r.From, from) || !about(r.To, to) || r.Types[0] != "*" && !slices.Contains(r.Types, item.Type) {
		return false
	}
	if len(r.Observables) > 0 {
		named := 0
		for _, o := range item.Observables {
			if slices.Contains(r.Observables, o.Kind) {
				named++
			}
		}
		if named == 0 || grant && named < len(item.Observables) {
			return false
		}
	}
	wanted, against := item.Labels, item.Labels // what its labels are, where they ask for it and where they speak against it
	if grant {
		against = slices.Concat(item.Labels, item.Tags)
	} else {
		wanted = slices.Concat(item.Labels, item.Tags)
	}
	if len(r.Labels) > 0 && !shared(r.Labels, wanted) || shared(r.WithoutLabels, against) ||
		len(r.Sectors) > 0 && !shared(r.Sectors, item.Sectors) || len(r.Sources) > 0 && !slices.Contains(r.Sources, item.Source) {
		return false
	}
	if r.MaxTLP != nil && item.TLP > *r.MaxTLP || r.AboveTLP != nil && item.TLP <= *r.AboveTLP ||
		r.MaxPAP != nil && item.PAP > *r.MaxPAP || r.AbovePAP != nil && item.PAP <= *r.AbovePAP ||
		r.MinConfidence != nil && item.Confidence < *r.MinConfidence ||
		r.BelowConfidence != nil && item.Confidence >= *r.BelowConfidence {
		return false
	}
	when := item.Version
	if when == 0 {
		when = item.Created
	}
	if when == 0 {
		when = item.Added
	}
	age, day := int64(now-when), int64(24*time.Hour/time.Microsecond)
	days := func(p agreement.Period) int64 { return int64(time.Duration(p)/(24*time.Hour)) * day }
	if r.MaxAge != 0 && (when == 0 || age > days(r.MaxAge)) || r.OlderThan != 0 && when != 0 && age <= days(r.OlderThan) {
		return false
	}
	return true
}
