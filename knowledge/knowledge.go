// SPDX-License-Identifier: Apache-2.0

// Package knowledge makes MITRE ATT&CK navigable: items that carry an ATT&CK
// identifier become a base of tactics, techniques, groups, software, campaigns,
// mitigations and detections, linked both ways, with what else in the store
// refers to each.
//
// Source: the STIX representation of ATT&CK (mitre/cti USAGE.md and ATT&CK
// specification 3.3: x-mitre-matrix, x-mitre-tactic, kill_chain_phases,
// x_mitre_domains, detection strategies and analytics). Objects of several
// authors under one identifier are one; the node's own, then the one that looks
// most like MITRE's, gives the text. A base that holds only a part of ATT&CK
// works as well: tactics then follow the phases the techniques name.
//
// A [Base] is immutable. A [Keeper] keeps one current from a store, which is all
// it reads; it knows no clock but a ticker. What cannot be read as ATT&CK is no
// part of the base and no error. Texts are not kept in memory: [ReadDetail]
// reads them from an object's bytes, as plain spans without markup. Everything
// is safe for concurrent use once made.
package knowledge

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"accord"
)

// Kind is what sort of thing an ATT&CK object is.
type Kind string

// The kinds, each with the letters its identifiers begin with.
const (
	Technique     Kind = "technique"      // T1059, T1059.001
	Tactic        Kind = "tactic"         // TA0002
	Group         Kind = "group"          // G0007
	Software      Kind = "software"       // S0154
	Campaign      Kind = "campaign"       // C0011
	Mitigation    Kind = "mitigation"     // M1038
	Detection     Kind = "detection"      // DET0039
	Analytic      Kind = "analytic"       // AN0110
	DataSource    Kind = "data-source"    // DS0014
	DataComponent Kind = "data-component" // DC0084
	Asset         Kind = "asset"          // A0008
)

// Kinds are all of them, in the order people look for them.
var Kinds = []Kind{Technique, Tactic, Group, Software, Campaign, Mitigation, Detection, Analytic, DataSource, DataComponent, Asset}

// of is how each STIX type is read.
var of = map[string]struct {
	kind Kind
	id   *regexp.Regexp
}{
	"attack-pattern":             {Technique, regexp.MustCompile(`^T[0-9]{4}(\.[0-9]{3})?$`)},
	"x-mitre-tactic":             {Tactic, regexp.MustCompile(`^TA[0-9]{4}$`)},
	"intrusion-set":              {Group, regexp.MustCompile(`^G[0-9]{4}$`)},
	"malware":                    {Software, regexp.MustCompile(`^S[0-9]{4}$`)},
	"tool":                       {Software, regexp.MustCompile(`^S[0-9]{4}$`)},
	"campaign":                   {Campaign, regexp.MustCompile(`^C[0-9]{4}$`)},
	"course-of-action":           {Mitigation, regexp.MustCompile(`^M[0-9]{4}$`)},
	"x-mitre-detection-strategy": {Detection, regexp.MustCompile(`^DET[0-9]{4}$`)},
	"x-mitre-analytic":           {Analytic, regexp.MustCompile(`^AN[0-9]{4}$`)},
	"x-mitre-data-source":        {DataSource, regexp.MustCompile(`^DS[0-9]{4}$`)},
	"x-mitre-data-component":     {DataComponent, regexp.MustCompile(`^DC[0-9]{4}$`)},
	"x-mitre-asset":              {Asset, regexp.MustCompile(`^A[0-9]{4}$`)},
}

// anyID is an identifier of any kind, as it stands in a URL of attack.mitre.org.
var anyID = regexp.MustCompile(`^(T[0-9]{4}([./][0-9]{3})?|(TA|G|S|C|M|DET|AN|DS|DC|A)[0-9]{4})$`)

// Object is one thing that ATT&CK names.
type Object struct {
	ID         string // "T1059.001"
	Kind       Kind
	STIX       string   // identifier of the object whose text is shown
	Also       []string // identifiers of other objects that name the same
	Source     string   // where the shown object came from
	Name       string
	Aliases    []string
	Platforms  []string
	Domains    []string // "enterprise-attack"
	Tactics    []Phase  // of a technique; of a tactic its own
	Deprecated bool
	Revoked    bool
	Successor  *Object // of a revoked one
	Parent     *Object // of a sub-technique
	Subs       []*Object
	Links      []Link
	Refs       []Ref // what else refers to it, newest first
	Count      Count
}

// Phase is a tactic as techniques name it.
type Phase struct{ Domain, Name string }

// Link is a relationship inside the base.
type Link struct {
	Rel    string // identifier of the relationship; empty when the object itself says it
	Verb   string // "uses", "mitigates", "detects", "attributed-to", "targets"
	Out    bool   // from this object to To
	To     *Object
	Source string // where the relationship came from
}

// Ref is an item outside the base that refers to an object.
type Ref struct {
	Item    string // identifier of the item
	Via     string // identifier of the relationship between them; empty when the item holds the reference
	Verb    string
	Added   accord.Stamp
	Live    bool  // neither withdrawn nor revoked; whether it has expired is the reader's to say
	Matches int64 // of an indicator
}

// Count is how many live items refer to an object.
type Count struct {
	Indicators int64
	Reports    int64 // reports, groupings, notes
	Malware    int64 // malware and tools
	Others     int64
	Matches    int64 // of these indicators
}

// Items is the sum without matches.
func (c Count) Items() int64 { return c.Indicators + c.Reports + c.Malware + c.Others }

// Column is one tactic of a domain's matrix, with its techniques, sub-techniques
// apart, by name.
type Column struct {
	Phase      Phase
	ID         string // of the tactic; empty when no object describes it
	Name       string
	Techniques []*Object
}

// Base is ATT&CK as it is held at one moment. The zero Base is empty.
type Base struct {
	Seq     int64 // the change feed's entry it is current with
	Loading bool  // nothing has been read yet
	Cut     bool  // there is more than was taken: counts are at least
	objects map[string]*Object
	bySTIX  map[string]*Object
	ordered map[Kind][]*Object
	columns map[string][]Column
	domains []string
}

// Empty reports whether the base holds no technique.
func (b *Base) Empty() bool { return len(b.ordered[Technique]) == 0 }

// Len is how many objects of kind are in use, neither revoked nor deprecated.
func (b *Base) Len(kind Kind) int { return len(b.ordered[kind]) }

// Object returns what an ATT&CK identifier names, whatever its case.
func (b *Base) Object(id string) (*Object, bool) {
	if len(id) > 16 {
		return nil, false
	}
	o, ok := b.objects[strings.ToUpper(id)]
	return o, ok
}

// Of returns the object that a STIX identifier stands for.
func (b *Base) Of(stixID string) (*Object, bool) {
	o, ok := b.bySTIX[stixID]
	return o, ok
}

// All returns the objects of kind that are in use, by name.
func (b *Base) All(kind Kind) []*Object { return b.ordered[kind] }

// Domains returns the domains that have techniques, the usual order first.
func (b *Base) Domains() []string { return b.domains }

// Matrix returns a domain's columns in the order of its matrix.
func (b *Base) Matrix(domain string) []Column { return b.columns[domain] }

// Find returns the object of one of kinds that name names: an identifier, a name
// or an alias, in any case.
func (b *Base) Find(name string, kinds ...Kind) (*Object, bool) {
	name = strings.TrimSpace(name)
	if o, ok := b.Object(name); ok && slices.Contains(kinds, o.Kind) {
		return o, true
	}
	for _, kind := range kinds {
		for _, o := range b.ordered[kind] {
			if strings.EqualFold(o.Name, name) {
				return o, true
			}
		}
	}
	for _, kind := range kinds {
		for _, o := range b.ordered[kind] {
			if slices.ContainsFunc(o.Aliases, func(a string) bool { return strings.EqualFold(a, name) }) {
				return o, true
			}
		}
	}
	return nil, false
}

// Used returns the techniques that o, a group, a software or a campaign, uses; of
// a sub-technique its parent too, marked false.
func (b *Base) Used(o *Object) map[*Object]bool {
	out := map[*Object]bool{}
	for _, l := range o.Links {
		if l.Out && l.Verb == "uses" && l.To.Kind == Technique {
			out[l.To] = true
			if p := l.To.Parent; p != nil && !out[p] {
				out[p] = false
			}
		}
	}
	return out
}

func compareNames(a, b *Object) int {
	return cmp.Or(cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), cmp.Compare(a.ID, b.ID))
}
