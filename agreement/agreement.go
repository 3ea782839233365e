// SPDX-License-Identifier: Apache-2.0

// Package agreement says what one party may give another, and on whose word.
//
// An agreement is TOML in a C2SP signed note (https://c2sp.org/signed-note): the
// text people read is the bytes the parties sign, without canonicalisation. Its
// articles are data, not expressions; [Decide] is the one function that says
// whether an item may go to a party, and names the article. The language is
// described in docs/reference/agreement.md. Markings are TLP 2.0 and PAP,
// obligations are those of FIRST IEP 2.0.
//
// Instants are [accord.Stamp]; From is the first instant at which an agreement
// holds, Until the first at which it no longer does. Durations are written
// "30m", "1h", "90d", "2w"; a day is 24 hours.
//
// Malformed text fails with [accord.ErrInvalid], a forged or unknown signature
// or a key that differs from the pinned one with [accord.ErrForbidden], two
// texts where one is meant with [accord.ErrConflict]. Everything undecided is
// withheld.
//
// The package does no I/O and reads no clock. An [Agreement] is immutable once
// parsed and may be used from many goroutines.
package agreement

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"accord"
)

// Header is the first line of every agreement's text. It is a TOML comment, so
// that the whole text is TOML, and it keeps one kind of signed note from being
// taken for another.
const Header = "# accord agreement v1"

// Limits of a text; MaxSize counts the bytes of a note with its signatures.
const (
	MaxSize     = 1 << 20
	MaxArticles = 500
	MaxParties  = 64
	maxLine     = 8 << 10
	maxList     = 200
	maxNesting  = 16
)

// Any, in an article's from or to, stands for every party of the agreement;
// All, in its types, for every STIX type.
const (
	Any = "any"
	All = "*"
)

// Agreement is what its parties consented to.
type Agreement struct {
	ID      string
	Version int
	Title   string
	From    accord.Stamp // first instant at which it holds
	Until   accord.Stamp // first instant at which it no longer holds; 0 = open-ended
	// Parties are those the text names; after [Open] with everything the node
	// has pinned for them.
	Parties  []accord.Party
	Articles []Article
	Text     string          // the bytes that are signed
	Signed   map[string]bool // party → its signature is on the note; empty after [Parse]

	signed bool // by all
	plan   plan
}

// Party returns the named party of the agreement.
func (a *Agreement) Party(name string) (accord.Party, bool) {
	i := slices.IndexFunc(a.Parties, func(p accord.Party) bool { return p.Name == name })
	if i < 0 {
		return accord.Party{}, false
	}
	return a.Parties[i], true
}

// Article returns the article of that number.
func (a *Agreement) Article(number string) (Article, bool) {
	i := slices.IndexFunc(a.Articles, func(r Article) bool { return r.Number == number })
	if i < 0 {
		return Article{}, false
	}
	return a.Articles[i], true
}

// Missing returns the parties whose signature is not on the note, in the order
// of the text.
func (a *Agreement) Missing() []string {
	var names []string
	for _, p := range a.Parties {
		if !a.Signed[p.Name] {
			names = append(names, p.Name)
		}
	}
	return names
}

// Effect says what an article does, and what a decision says.
type Effect uint8

// The effects. The zero value is Withhold.
const (
	Withhold Effect = iota
	Share
	ShareRedacted // decisions only: a copy with properties removed or replaced
)

var effectNames = [...]string{"withhold", "share", "share-redacted"}

// String returns the effect's name.
func (e Effect) String() string {
	if int(e) < len(effectNames) {
		return effectNames[e]
	}
	return fmt.Sprintf("%d", e)
}

// Shares reports whether something may go out.
func (e Effect) Shares() bool { return e == Share || e == ShareRedacted }

// UnmarshalText reads "share" or "withhold", what an article may say.
func (e *Effect) UnmarshalText(b []byte) error {
	switch string(b) {
	case "share":
		*e = Share
	case "withhold":
		*e = Withhold
	default:
		return fmt.Errorf("%w: effect %q: want share or withhold", accord.ErrInvalid, b)
	}
	return nil
}

// Attribution is IEP 2.0's rule on naming the giver, ordered by strictness.
type Attribution uint8

// The attribution rules.
const (
	AttributionMay Attribution = iota
	AttributionMust
	AttributionMustNot
)

var attributionNames = [...]string{"may", "must", "must-not"}

// String returns the rule's name.
func (t Attribution) String() string {
	if int(t) < len(attributionNames) {
		return attributionNames[t]
	}
	return fmt.Sprintf("%d", t)
}

// UnmarshalText reads a name as String writes it.
func (t *Attribution) UnmarshalText(b []byte) error {
	i := slices.Index(attributionNames[:], string(b))
	if i < 0 {
		return fmt.Errorf("%w: attribution %q: want one of %s",
			accord.ErrInvalid, b, strings.Join(attributionNames[:], ", "))
	}
	*t = Attribution(i)
	return nil
}

// Period is a length of time as an agreement writes it: a whole number and one
// of m, h, d, w.
type Period time.Duration

var periodUnits = []struct {
	suffix byte
	length time.Duration
}{{'w', 7 * 24 * time.Hour}, {'d', 24 * time.Hour}, {'h', time.Hour}, {'m', time.Minute}}

const maxPeriod = 100 * 366 * 24 * time.Hour

// UnmarshalText reads a period of at most a hundred years.
func (p *Period) UnmarshalText(b []byte) error {
	bad := fmt.Errorf("%w: period %q: want a number from 1 and one of m, h, d, w, such as \"90d\"", accord.ErrInvalid, b)
	if len(b) < 2 || len(b) > 9 || b[0] < '1' || b[0] > '9' {
		return bad
	}
	var n int64
	for _, c := range b[:len(b)-1] {
		if c < '0' || c > '9' {
			return bad
		}
		n = n*10 + int64(c-'0')
	}
	for _, u := range periodUnits {
		if u.suffix == b[len(b)-1] {
			if n > int64(maxPeriod/u.length) {
				return bad
			}
			*p = Period(time.Duration(n) * u.length)
			return nil
		}
	}
	return bad
}

// String writes p in the largest unit that divides it without changing days
// into weeks; the zero Period is empty.
func (p Period) String() string {
	for _, u := range periodUnits[1:] {
		if p != 0 && time.Duration(p)%u.length == 0 {
			return fmt.Sprintf("%d%c", time.Duration(p)/u.length, u.suffix)
		}
	}
	return ""
}

func (p Period) micros() accord.Stamp { return accord.Stamp(time.Duration(p).Microseconds()) }

// Article is one numbered clause. A grant (Effect Share) applies to an item
// that satisfies everything it says; an exclusion (Effect Withhold) likewise,
// and overrides every grant.
type Article struct {
	Number string `toml:"number"` // "1", "2.3"; unique in the agreement
	Title  string `toml:"title"`
	Effect Effect `toml:"effect"`
	Pillar string `toml:"pillar"` // which purpose of the accord it serves; for people

	// Whom it is about: names of parties, or the single word "any".
	From []string `toml:"from"`
	To   []string `toml:"to"`

	// What it is about.
	Types         []string      `toml:"types"`       // STIX types, or "*"
	Observables   []accord.Kind `toml:"observables"` // grant: all the item's values are of these kinds, and it has some; exclusion: one is
	Labels        []string      `toml:"labels"`      // the item carries at least one
	WithoutLabels []string      `toml:"without_labels"`
	Sectors       []string      `toml:"sectors"` // the item names at least one
	Sources       []string      `toml:"sources"` // the item came from one

	// Ceilings of a grant.
	MaxTLP        *accord.TLP `toml:"max_tlp"` // required in a grant
	MaxPAP        *accord.PAP `toml:"max_pap"`
	MinConfidence *int        `toml:"min_confidence"` // an item without confidence does not reach any
	MaxAge        Period      `toml:"max_age"`        // since modified, else created, else stored

	// Thresholds of an exclusion.
	AboveTLP        *accord.TLP `toml:"above_tlp"`
	AbovePAP        *accord.PAP `toml:"above_pap"`
	BelowConfidence *int        `toml:"below_confidence"` // an item without confidence is below
	OlderThan       Period      `toml:"older_than"`

	// What is taken out of the copy that goes, in a grant.
	Pseudonymise bool     `toml:"pseudonymise"` // identities that author nothing and are not a class
	Redact       []string `toml:"redact"`       // optional top-level properties to leave out

	// What the receiver is bound to, in a grant.
	Actions                 accord.Action `toml:"actions"` // default: none
	Attribution             Attribution   `toml:"attribution"`
	Onward                  accord.Onward `toml:"onward"` // default: none
	Retain                  Period        `toml:"retain"` // 0 = no limit
	AcknowledgeWithin       Period        `toml:"acknowledge_within"`
	ConfirmRetractionWithin Period        `toml:"confirm_retraction_within"`
}
