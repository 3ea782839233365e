// SPDX-License-Identifier: Apache-2.0

package agreement

import (
	"fmt"
	"strings"

	"accord"
)

// Explain says every article in one paragraph of plain English, in the order of
// the text.
func (a *Agreement) Explain() []string {
	out := make([]string, len(a.Articles))
	for i := range a.Articles {
		out[i] = a.Articles[i].explain()
	}
	return out
}

func (r *Article) explain() string {
	var b strings.Builder
	verb := "may give"
	if r.Effect == Withhold {
		verb = "must not give"
	}
	fmt.Fprintf(&b, "Article %s (%s): %s %s %s %s", r.Number, r.Title, side(r.From, "any party"), verb, side(r.To, "any other party"), objects(r.Types))
	for _, c := range r.conditions() {
		b.WriteString(", " + c)
	}
	b.WriteString(".")
	if r.Effect == Withhold {
		b.WriteString(" This overrides every article that shares.")
		return b.String()
	}
	if r.Pseudonymise {
		b.WriteString(" Identities are replaced by pseudonyms, unless they are the author of something given or stand for a class.")
	}
	if len(r.Redact) > 0 {
		fmt.Fprintf(&b, " Left out of the copy: %s.", strings.Join(r.Redact, ", "))
	}
	b.WriteString(r.duties())
	return b.String()
}

func side(names []string, all string) string {
	if names[0] == Any {
		return all
	}
	return strings.Join(names, " or ")
}

func objects(types []string) string {
	if types[0] == All {
		return "objects of every type"
	}
	return "objects of type " + strings.Join(types, ", ")
}

// conditions are what an item must satisfy, each as a clause.
func (r *Article) conditions() []string {
	var out []string
	add := func(given bool, format string, args ...any) {
		if given {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	kinds := make([]string, len(r.Observables))
	for i, k := range r.Observables {
		kinds[i] = string(k)
	}
	holding := "holding values of kind %s and no other"
	if r.Effect == Withhold {
		holding = "holding a value of kind %s"
	}
	add(len(kinds) > 0, holding, strings.Join(kinds, ", "))
	add(len(r.Labels) > 0, "labelled %s", strings.Join(r.Labels, " or "))
	add(len(r.WithoutLabels) > 0, "not labelled %s", strings.Join(r.WithoutLabels, " or "))
	add(len(r.Sectors) > 0, "about the sector %s", strings.Join(r.Sectors, " or "))
	add(len(r.Sources) > 0, "from the source %s", strings.Join(r.Sources, " or "))
	if r.MaxTLP != nil {
		add(true, "marked TLP:%s at most", upper(*r.MaxTLP))
	}
	if r.AboveTLP != nil {
		add(true, "marked above TLP:%s", upper(*r.AboveTLP))
	}
	if r.MaxPAP != nil {
		add(true, "marked PAP:%s at most", upper(*r.MaxPAP))
	}
	if r.AbovePAP != nil {
		add(true, "marked above PAP:%s", upper(*r.AbovePAP))
	}
	if r.MinConfidence != nil {
		add(true, "with a confidence of %d at least", *r.MinConfidence)
	}
	if r.BelowConfidence != nil {
		add(true, "with a confidence below %d or none", *r.BelowConfidence)
	}
	add(r.MaxAge != 0, "changed within %s", r.MaxAge.words())
	add(r.OlderThan != 0, "not changed for %s", r.OlderThan.words())
	return out
}

func upper(s fmt.Stringer) string { return strings.ToUpper(s.String()) }

// duties are what the receiver is bound to.
func (r *Article) duties() string {
	var b strings.Builder
	fmt.Fprintf(&b, " The receiver %s", actionWords[r.Actions])
	fmt.Fprintf(&b, ", %s", onwardWords[r.Onward])
	if r.Retain != 0 {
		fmt.Fprintf(&b, ", deletes it %s after receiving it", r.Retain.words())
	}
	if r.AcknowledgeWithin != 0 {
		fmt.Fprintf(&b, ", acknowledges it within %s", r.AcknowledgeWithin.words())
	}
	if r.ConfirmRetractionWithin != 0 {
		fmt.Fprintf(&b, ", confirms a retraction within %s", r.ConfirmRetractionWithin.words())
	}
	switch r.Attribution {
	case AttributionMust:
		b.WriteString(", names the giver wherever it uses it")
	case AttributionMustNot:
		b.WriteString(", names the giver to nobody")
	case AttributionMay: // says nothing
	}
	return b.String() + "."
}

var actionWords = [...]string{
	accord.ActNone:             "may keep it for its knowledge only",
	accord.ActContact:          "asks the giver before acting on it",
	accord.ActInternal:         "may act on it where only its own systems see it, such as blocking",
	accord.ActExternalIndirect: "may act on it by means that others may see but not trace",
	accord.ActExternalDirect:   "may act on it openly",
}

var onwardWords = [...]string{
	accord.OnwardNone:         "passes it to nobody",
	accord.OnwardInstitutions: "may pass it to its public institutions for their protection",
	accord.OnwardParties:      "may pass it to its institutions and, under agreements of its own, to other parties",
}

func (p Period) words() string {
	s := p.String()
	if s == "" {
		return "no time"
	}
	unit := map[byte]string{'d': "day", 'h': "hour", 'm': "minute"}[s[len(s)-1]]
	if n := s[:len(s)-1]; n != "1" {
		return n + " " + unit + "s"
	}
	return "1 " + unit
}
