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
	Type           string       `json:"type"`
	Spec           string       `json:"spec_version"`
	ID             string       `json:"id"`
	CreatedBy      string       `json:"created_by_ref,omitempty"`
	Created        accord.Stamp `json:"created"`
	Modified       accord.Stamp `json:"modified"`
	Revoked        bool         `json:"revoked,omitzero"`
	Labels         []string     `json:"labels,omitempty"`
	Confidence     *int         `json:"confidence,omitempty"`
	External       []external   `json:"external_references,omitempty"`
	Markings       []string     `json:"object_marking_refs,omitempty"`
	Name           string       `json:"name,omitempty"`
	Description    string       `json:"description,omitempty"`
	Class          string       `json:"identity_class,omitempty"`
	IndicatorTypes []string     `json:"indicator_types,omitempty"`
	Pattern        string       `json:"pattern,omitempty"`
	PatternType    string       `json:"pattern_type,omitempty"`
	ValidFrom      accord.Stamp `json:"valid_from,omitzero"`
	ReportTypes    []string     `json:"report_types,omitempty"`
	Published      accord.Stamp `json:"published,omitzero"`
	Refs           []string     `json:"object_refs,omitempty"`
}

// external is an external reference.
type external struct {
	Source string `json:"source_name"`
	ID     string `json:"external_id,omitempty"`
}

// add writes ob and reads it back as an item, so that nothing leaves here that
// would not be taken from outside.
func (c *conversion) add(ob stixObject) error {
	ob.Spec = "2.1"
	b, err := json.Marshal(ob)
	if err != nil {
		return err
	}
	item, err := stix.Parse(stix.Raw{Bytes: b, Spec: "2.1"}, c.o.TLP)
	if err != nil {
		return err
	}
	c.items = append(c.items, item)
	return nil
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
