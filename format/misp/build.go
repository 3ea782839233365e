// SPDX-License-Identifier: Apache-2.0

package misp

import (
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"accord"
	"accord/format/stix"
)

// stixObject is what is written of a STIX 2.1 object.
type stixObject struct {
	Type           string         `json:"type"`
	Spec           string         `json:"spec_version"`
	ID             string         `json:"id"`
	CreatedBy      string         `json:"created_by_ref,omitempty"`
	Created        accord.Stamp   `json:"created,omitzero"`
	Modified       accord.Stamp   `json:"modified,omitzero"`
	Revoked        bool           `json:"revoked,omitzero"`
	Labels         []string       `json:"labels,omitempty"`
	Confidence     *int           `json:"confidence,omitempty"`
	External       []external     `json:"external_references,omitempty"`
	Markings       []string       `json:"object_marking_refs,omitempty"`
	Name           string         `json:"name,omitempty"`
	Description    string         `json:"description,omitempty"`
	Class          string         `json:"identity_class,omitempty"`
	IndicatorTypes []string       `json:"indicator_types,omitempty"`
	Pattern        string         `json:"pattern,omitempty"`
	PatternType    string         `json:"pattern_type,omitempty"`
	ValidFrom      accord.Stamp   `json:"valid_from,omitzero"`
	ValidUntil     accord.Stamp   `json:"valid_until,omitzero"`
	ReportTypes    []string       `json:"report_types,omitempty"`
	Published      accord.Stamp   `json:"published,omitzero"`
	Abstract       string         `json:"abstract,omitempty"`
	Content        string         `json:"content,omitempty"`
	Context        string         `json:"context,omitempty"`
	Opinion        string         `json:"opinion,omitempty"`
	Relationship   string         `json:"relationship_type,omitempty"`
	Source         string         `json:"source_ref,omitempty"`
	Target         string         `json:"target_ref,omitempty"`
	SightingOf     string         `json:"sighting_of_ref,omitempty"`
	Where          []string       `json:"where_sighted_refs,omitempty"`
	FirstSeen      accord.Stamp   `json:"first_seen,omitzero"`
	LastSeen       accord.Stamp   `json:"last_seen,omitzero"`
	Count          int            `json:"count,omitzero"`
	FirstObserved  accord.Stamp   `json:"first_observed,omitzero"`
	LastObserved   accord.Stamp   `json:"last_observed,omitzero"`
	Observed       int            `json:"number_observed,omitzero"`
	Refs           []string       `json:"object_refs,omitempty"`
	Extensions     map[string]any `json:"extensions,omitempty"`
	Rest           map[string]any `json:"-"` // written after the others
}

// encode writes ob.
func (ob stixObject) encode() ([]byte, error) {
	b, err := json.Marshal(ob)
	if err != nil || len(ob.Rest) == 0 {
		return b, err
	}
	rest, err := json.Marshal(ob.Rest, json.Deterministic(true))
	if err != nil {
		return nil, err
	}
	b[len(b)-1] = ','
	return append(b, rest[1:]...), nil
}

// external is an external reference.
type external struct {
	Source string `json:"source_name"`
	ID     string `json:"external_id,omitempty"`
	URL    string `json:"url,omitempty"`
}

// extensionID names the property extension in which an item carries what MISP says
// and STIX has no property for; docs/reference/misp.md describes it.
const extensionID = "extension-definition--5d3fbd0c-2f0b-5c55-8f5b-0c7e5b1f6a11"

// extension is that property extension (STIX 2.1 §7.3). It never holds a value that
// another object holds, so that withholding that object withholds the value.
type extension struct {
	Kind       string      `json:"extension_type"`
	Value      string      `json:"value,omitempty"`      // as MISP wrote it, where this object's own text differs
	First      string      `json:"first_seen,omitempty"` // of a note
	LastSeen   string      `json:"last_seen,omitempty"`  // of an indicator or a note
	Relation   string      `json:"object_relation,omitempty"`
	Object     string      `json:"object,omitempty"` // name of the MISP object
	Template   string      `json:"template_uuid,omitempty"`
	TemplateV  string      `json:"template_version,omitempty"`
	Meta       string      `json:"meta_category,omitempty"`
	Attributes []extMember `json:"attributes,omitempty"`
}

// extMember is an attribute of a MISP object: where its value stands, not the value.
type extMember struct {
	UUID      string `json:"uuid"`
	Type      string `json:"type"`
	Category  string `json:"category,omitempty"`
	Relation  string `json:"object_relation,omitempty"`
	Timestamp string `json:"timestamp,omitempty"`
	At        string `json:"at,omitempty"` // path in the object; empty: an item of its own
}

func (x extension) asMap() map[string]any {
	x.Kind = "property-extension"
	return map[string]any{extensionID: x}
}

// add writes ob and reads it back as an item, so that nothing leaves here that
// would not be taken from outside. What is there already is not added twice.
func (c *conversion) add(ob stixObject) error {
	if c.there[ob.ID] {
		return nil
	}
	ob.Spec = "2.1"
	b, err := ob.encode()
	if err != nil {
		return err
	}
	item, err := stix.Parse(stix.Raw{Bytes: b, Spec: "2.1"}, c.o.TLP)
	if err != nil {
		return err
	}
	if c.there == nil {
		c.there = map[string]bool{}
	}
	c.there[ob.ID] = true
	c.items = append(c.items, item)
	return nil
}

// derived returns a UUID that depends on these texts alone.
func derived(parts ...string) string {
	return uuid.NewSHA1(namespace, []byte(strings.Join(parts, "\x00"))).String()
}

// seconds reads MISP's Unix seconds.
func seconds(t text) (accord.Stamp, bool) {
	n, err := strconv.ParseInt(string(t), 10, 64)
	if err != nil || n < 0 || n > 253402300799 { // the last second of year 9999
		return 0, false
	}
	return accord.Stamp(n * 1e6), n > 0
}

// instant reads first_seen and the like: RFC 3339, or Unix seconds.
func instant(t text) (accord.Stamp, bool) {
	if s, ok := seconds(t); ok {
		return s, true
	}
	at, err := time.Parse(time.RFC3339Nano, string(t))
	if err != nil || at.Year() < 1970 || at.Year() > 9999 {
		return 0, false
	}
	return accord.StampOf(at), true
}

// day reads an event's date as its first instant in UTC.
func day(t text) (accord.Stamp, bool) {
	at, err := time.Parse(time.DateOnly, string(t))
	if err != nil || at.Year() < 1971 {
		return 0, false
	}
	return accord.StampOf(at), true
}

// validUUID reports whether s is a UUID in its usual text form.
func validUUID(s string) bool {
	return len(s) == 36 && uuid.Validate(s) == nil
}

// clip cuts s to at most n bytes, at a whole character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// joined returns the parts that say something, each once, on lines of their own.
func joined(parts []string) string {
	var out []string
	for _, p := range parts {
		if p = strings.TrimSpace(p); p != "" && (len(out) == 0 || out[0] != p) {
			out = append(out, clip(p, 20_000))
		}
	}
	return strings.Join(out, "\n")
}

// reason returns the innermost cause, which is what the reader of a loss needs.
func reason(err error) string {
	for {
		var sem *json.SemanticError
		if errors.As(err, &sem) && sem.Err != nil {
			err = sem.Err
			continue
		}
		return clip(err.Error(), 200)
	}
}
