// SPDX-License-Identifier: Apache-2.0

package stix

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Level is how strongly the standard asks for something (BCP 14).
type Level uint8

// The levels of a Finding.
const (
	Must   Level = iota // MUST, MUST NOT: the object is not valid
	Should              // SHOULD, SHOULD NOT: the object is valid, and could be better
)

// String returns "MUST" or "SHOULD".
func (l Level) String() string {
	if l == Must {
		return "MUST"
	}
	return "SHOULD"
}

// MarshalText returns the same.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText takes what MarshalText gives.
func (l *Level) UnmarshalText(b []byte) error {
	switch string(b) {
	case "MUST":
		*l = Must
	case "SHOULD":
		*l = Should
	default:
		return problem("level", "", "%q: want MUST or SHOULD", clip(string(b)))
	}
	return nil
}

// Finding is one way in which STIX departs from the standard.
type Finding struct {
	// Object is the id of the object; empty when it has none that can be read.
	Object string `json:"object,omitempty"`
	// Path is where the value is, such as objects[3].kill_chain_phases[0].phase_name:
	// names after full stops, or quoted in brackets when they are no plain words,
	// and indexes from 0. What is missing is found at the object that lacks it;
	// the empty path is the document itself.
	Path string `json:"path"`
	// Section is of STIX 2.1, such as "3.2"; empty where an input ends too early.
	Section string `json:"section,omitempty"`
	Level   Level  `json:"level"`
	// Code is the word of Checks for this kind of finding; codes do not change.
	Code string `json:"code"`
	// Message says what is wrong and what to do.
	Message string `json:"message"`
}

// String is one line; what is quoted from the input is escaped.
func (f Finding) String() string {
	at := f.Path
	if at == "" {
		at = "."
	}
	section := ""
	if f.Section != "" {
		section = " (STIX 2.1 §" + f.Section + ")"
	}
	return fmt.Sprintf("%s: %s %s: %s%s", at, f.Level, f.Code, f.Message, section)
}

// Check is one kind of finding.
type Check struct {
	Code    string
	Level   Level
	Section string // of STIX 2.1, where a finding has none that is nearer
	Says    string
}

// checkOf returns the check that code names.
func checkOf(code string) *Check {
	c := checksByCode[code]
	if c == nil {
		panic("no check is called " + code) // a typing error: every code is a constant
	}
	return c
}

var checksByCode = func() map[string]*Check {
	out := make(map[string]*Check, len(Checks))
	for i := range Checks {
		out[Checks[i].Code] = &Checks[i]
	}
	return out
}()

// step is one step of a path: a name's node, or an index when name is 0.
type step struct {
	name  int32
	index int
}

// plainStep reports whether a name can follow a full stop in a path.
func plainStep(s string) bool {
	for i := range len(s) {
		if c := s[i]; !(c == '_' || c == '-' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9') {
			return false
		}
	}
	return s != ""
}

// appendName appends the step to the member name.
func appendName(b []byte, name string) []byte {
	if !plainStep(name) {
		return append(appendVisible(append(b, '['), name), ']')
	}
	if len(b) > 0 {
		b = append(b, '.')
	}
	return append(b, name...)
}

// appendVisible appends s as a JSON string in which what would move the cursor or
// hide text is escaped.
func appendVisible(b []byte, s string) []byte {
	for _, r := range string(appendQuoted(nil, s)) {
		switch {
		case r > 0xffff && !unicode.IsGraphic(r):
			hi, lo := utf16.EncodeRune(r)
			b = fmt.Appendf(b, `\u%04x\u%04x`, hi, lo)
		case r >= 0x7f && !unicode.IsGraphic(r):
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return b
}

// named is an id as a finding names it: what is no plain identifier is escaped.
func named(id string) string {
	if plainStep(id) {
		return clip(id)
	}
	return printable(clip(id))
}

// pathOf renders a path below place.
func pathOf(place string, d *document, steps []step) string {
	b := []byte(place)
	for _, s := range steps {
		if s.name != 0 {
			b = appendName(b, d.text(s.name))
			continue
		}
		b = strconv.AppendInt(append(b, '['), int64(s.index), 10)
		b = append(b, ']')
	}
	return string(b)
}

// show quotes a value of the input for a message.
func show(s string) string { return strconv.QuoteToASCII(clip(s)) }

// orList joins words: "a, b or c".
func orList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
