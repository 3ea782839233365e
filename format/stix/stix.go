// SPDX-License-Identifier: Apache-2.0

// Package stix turns bytes into items and items into bytes: it reads STIX 2.1
// and 2.0 strictly, keeps every byte it does not have to change, redacts by
// cutting tokens out of the original text, and writes indicators, sightings,
// bundles and TAXII envelopes.
//
// Source: STIX 2.1 (OASIS, with Errata 01) by section; STIX 2.0 parts 1 to 5 for
// what is upgraded; the TLP 2.0 extension of cti-stix-common-objects. Where it
// is stricter or laxer than the text, docs/reference/divergences-stix.md says so.
//
// Sizes are bytes, positions are byte offsets from 0, instants are accord.Stamp.
// What is refused is a [*Problem], which wraps accord.ErrInvalid; [Redact] also
// fails with [ErrRequired]. The package does no I/O beyond the io.Reader and
// io.Writer it is given, reads no clock, and is safe for concurrent use, save
// for a [Writer], which one goroutine uses at a time.
package stix

import (
	"errors"
	"fmt"
	"strings"

	"accord"
)

// Limits bound what Read takes; a zero field is the field of DefaultLimits.
type Limits struct {
	Object  int64 // bytes of one object
	Total   int64 // bytes of the whole input
	Depth   int   // nesting of objects and lists, the object itself counted
	Objects int   // objects in the input
}

// DefaultLimits are generous for intelligence and small for a machine.
var DefaultLimits = Limits{Object: 8 << 20, Total: 4 << 30, Depth: 64, Objects: 20_000_000}

func (l Limits) withDefaults() Limits {
	if l.Object <= 0 {
		l.Object = DefaultLimits.Object
	}
	if l.Total <= 0 {
		l.Total = DefaultLimits.Total
	}
	if l.Depth <= 0 {
		l.Depth = DefaultLimits.Depth
	}
	if l.Objects <= 0 {
		l.Objects = DefaultLimits.Objects
	}
	return l
}

// Raw is one object as it came.
type Raw struct {
	Bytes []byte // JSON of the object, without what surrounds it
	Spec  string // spec_version of the bundle it came in ("2.0", "2.1"); may be empty
}

// ErrRequired means that a redaction would take what the object cannot be
// without; such an object is withheld as a whole.
var ErrRequired = errors.New("a required property would go")

// Problem is why an object was refused.
type Problem struct {
	Object  string // id of the object, where it was read
	Path    string // property, as a selector (§7.2.3) or a place in the input
	Section string // of STIX 2.1, such as "3.3"; empty for plain JSON
	Message string
}

// Error says which object, where in it, what and by which section.
func (p *Problem) Error() string {
	var b strings.Builder
	for _, s := range []string{p.Object, p.Path} {
		if s != "" {
			b.WriteString(s + ": ")
		}
	}
	b.WriteString(p.Message)
	if p.Section != "" {
		b.WriteString(" (STIX 2.1 §" + p.Section + ")")
	}
	return b.String()
}

// Unwrap returns accord.ErrInvalid.
func (p *Problem) Unwrap() error { return accord.ErrInvalid }

func problem(path, section, format string, args ...any) *Problem {
	return &Problem{Path: path, Section: section, Message: fmt.Sprintf(format, args...)}
}

// clip shortens s for a message.
func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:77], "") + "…"
	}
	return s
}
