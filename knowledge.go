// SPDX-License-Identifier: Apache-2.0

package accord

import "strings"

// Sighted is what is known of an item's being seen, added up: STIX sightings of
// partners and feeds, and the node's own matches.
type Sighted struct {
	First, Last Stamp // of what was seen; 0 = never
	Count       int64 // how often it was seen
	Negative    int64 // how many say that it is a false positive
}

// Sightings is what an item's [Sighted] is made of.
type Sightings struct {
	Sighted
	By   []Sighting // the newest by Last, at most 200
	More bool       // there are more than are listed
}

// Sighting is one word on whether an item was seen.
type Sighting struct {
	Kind     string  // "match", "sighting" or "opinion"
	By       string  // the sensor, party or source that says so
	Item     ItemKey // the STIX sighting or opinion; zero for a match
	Match    string  // id of the match; empty for the others
	Negative bool    // it says that the item is a false positive
	First    Stamp
	Last     Stamp
	Count    int64
}

// Score says how much an item still counts, and why.
type Score struct {
	Base      float64       // 0–100, when it was new
	Now       float64       // 0–100
	Model     string        // name of the model of decay; empty when none applies
	Threshold float64       // below it the item is expired
	Since     Stamp         // from when it decays
	ExpiresAt Stamp         // first instant at which it is below the threshold; 0 = never
	Reasons   []ScoreReason // in the order they count
}

// Expired reports whether the item no longer counts at now.
func (s Score) Expired(now Stamp) bool { return s.ExpiresAt != 0 && s.ExpiresAt <= now }

// ScoreReason is one ground of a score: a code with its arguments, so that it can
// be said in any language. Package score says it in English.
type ScoreReason struct {
	Code string   `json:"code"`
	Args []string `json:"args,omitempty"`
}

// Correlation is what other items have in common with an item. It is found when
// asked for, by bounded lookups, and never stored.
type Correlation struct {
	Item  ItemKey
	Links []Link
}

// Link is one thing in common, and the other items that have it.
type Link struct {
	By LinkBy
	// Value is what the others hold. For LinkReference its Kind is empty and its
	// Value the id of the object that both refer to.
	Value Observable
	Name  string // of the object that both refer to
	// Count is how many other items there are: exact, unless More, when there are
	// more than this. Such a value correlates too much to say anything, or the item
	// has so many that do that no more was read, and Items is empty.
	Count   int
	More    bool
	Sources []string // of the others, each once, in order; at most 20
	Parties []string // that gave the others, each once, in order; at most 20
	Items   []Linked // the newest, at most 20
}

// LinkBy says what a link is made of.
type LinkBy string

// The kinds of link.
const (
	LinkValue     LinkBy = "value"     // the same value
	LinkWider     LinkBy = "wider"     // a network or a domain that holds the item's value
	LinkNarrower  LinkBy = "narrower"  // an address in the item's network, a name under its domain, a URL at its host
	LinkReference LinkBy = "reference" // both refer to the same object, such as a malware
)

// Linked is another item, as a link lists it.
type Linked struct {
	ItemKey
	Type   string
	Name   string
	Source string
	Party  string
	TLP    TLP
	Added  Stamp
}

// Spread is in how many places the values of an item are.
type Spread struct {
	Items   int  // live items that hold one of its values, itself included
	Sources int  // distinct sources of these
	More    bool // there are more than were counted
}

// SourceOf is one of the places that an item version came from.
type SourceOf struct {
	Source string
	Party  string // empty for a source of the node's own
	First  Stamp  // when it first came from there
}

// LabelCount is a label or tag, and roughly how many items carry it.
type LabelCount struct {
	Label string
	Items int
}

// ValidTag reports whether s may be a tag: a word or phrase of up to 200 bytes on
// one line, or a machine tag of a MISP taxonomy, namespace:predicate="value".
func ValidTag(s string) bool {
	if s == "" || len(s) > 200 || s != strings.TrimSpace(s) || strings.ToLower(s) != s || strings.HasPrefix(s, "-") {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd })
}

// Mark is the marking that a tag stands for: "tlp:amber", "pap:red".
func Mark(tag string) (tlp TLP, pap PAP, ok bool) {
	name, value, _ := strings.Cut(strings.ToLower(tag), ":")
	var err error
	switch name {
	case "tlp":
		tlp, err = ParseTLP(strings.Trim(value, `"`))
	case "pap":
		pap, err = ParsePAP(strings.Trim(value, `"`))
	default:
		return 0, 0, false
	}
	return tlp, pap, err == nil
}
