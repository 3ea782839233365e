// SPDX-License-Identifier: Apache-2.0

// Package pattern reads and writes the STIX patterning language, tells whether
// observations match a pattern, and finds in a pattern the values that telemetry can
// be searched for.
//
// Source: STIX 2.1 §9 (OASIS), all of it (conformance level 3, §12.7.3), with the
// forms of STIX 2.0 part 5 that differ (START '…' STOP '…', bare keys with a hyphen,
// keywords in any case). [Parse] refuses what §9 forbids; where it is narrower or
// wider than the standard, docs/reference/divergences-stix.md says so. Observations
// are observed-data of 2.0 and 2.1 (§4.14) and cyber-observable objects (§6).
//
// Sizes are bytes; offsets in errors count from 0, lines and columns from 1,
// columns in code points. Failures are [*Error]; one that is the standard's to
// allow and this package's not to evaluate (a PCRE construct that RE2 lacks) is
// also [ErrUnsupported]. Matching is exact or ends with [ErrLimit], after a number of
// steps and not of seconds. Everything here is pure and, but for [Collection], safe
// for concurrent use.
package pattern

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"accord"
)

// Limits of a pattern; beyond them Parse refuses.
const (
	MaxSize  = 64 << 10 // bytes of a pattern
	MaxDepth = 64       // nested parentheses
	MaxNodes = 8192     // comparisons, constants and path steps together
	MaxRegex = 4 << 10  // bytes of one regular expression
	MaxTypes = 64       // different object types
)

// ErrUnsupported marks a pattern that may be valid STIX but uses a construct
// that this node cannot evaluate. Its bytes can be kept; it yields no values.
var ErrUnsupported = errors.New("not supported here")

// Error is why a pattern was refused, and where.
type Error struct {
	Offset      int // byte offset
	Line        int // from 1
	Column      int // in code points, from 1
	Message     string
	Unsupported bool // see ErrUnsupported
}

// Error says where and why.
func (e *Error) Error() string {
	return fmt.Sprintf("pattern, line %d column %d (byte %d): %s", e.Line, e.Column, e.Offset, e.Message)
}

// Unwrap returns accord.ErrInvalid, and ErrUnsupported where it applies.
func (e *Error) Unwrap() []error {
	if e.Unsupported {
		return []error{accord.ErrInvalid, ErrUnsupported}
	}
	return []error{accord.ErrInvalid}
}

// fault builds an Error for byte offset at of src.
func fault(src string, at int, format string, args ...any) *Error {
	before := src[:min(at, len(src))]
	line := 1 + strings.Count(before, "\n")
	column := 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
	return &Error{Offset: at, Line: line, Column: column, Message: fmt.Sprintf(format, args...)}
}

// Pattern is a parsed pattern; immutable.
type Pattern struct {
	root observation

	once    sync.Once
	program *program // made by the first match
}

// observation is one observation expression with its qualifiers: either a test
// in brackets, or several observations joined.
type observation struct {
	test       *comparison   // […]; nil when joined
	op         string        // "AND", "OR", "FOLLOWEDBY"; empty for a single part in parentheses
	parts      []observation // two or more with op
	qualifiers []qualifier
}

// qualifier restricts an observation in time or number (§9.5.1).
type qualifier struct {
	kind        string // "WITHIN", "REPEATS", "START"
	number      literal
	start, stop string // timestamps
}

// comparison is a comparison expression: either a test of one path, or several
// joined.
type comparison struct {
	op    string // "AND", "OR" when joined; else the comparison operator
	parts []comparison
	path  path
	not   bool
	value []literal // one; any number for IN; none for EXISTS
}

// joined reports whether c joins others.
func (c *comparison) joined() bool { return len(c.parts) > 0 }

// path is an object path (§9.7).
type path struct {
	object string
	steps  []step
}

// step is a property name, or an index ("0", "*") when index is set.
type step struct {
	name  string
	index bool
}

// literal is a constant (§9.2); text is decoded for strings and octets.
type literal struct {
	kind tokenKind
	text string
}

// String writes the pattern in the form of STIX 2.1: Parse of it gives an equal
// pattern, and its String is the same text.
func (p *Pattern) String() string {
	var b strings.Builder
	p.root.print(&b)
	return b.String()
}

func (o *observation) print(b *strings.Builder) {
	switch {
	case o.test != nil:
		b.WriteByte('[')
		o.test.print(b)
		b.WriteByte(']')
	case len(o.qualifiers) > 0:
		b.WriteByte('(')
		o.printParts(b)
		b.WriteByte(')')
	default:
		o.printParts(b)
	}
	for _, q := range o.qualifiers {
		q.print(b)
	}
}

func (o *observation) printParts(b *strings.Builder) {
	for i := range o.parts {
		p := &o.parts[i]
		if i > 0 {
			b.WriteString(" " + o.op + " ")
		}
		wrap := len(p.parts) > 0 && len(p.qualifiers) == 0 && rank[p.op] <= rank[o.op]
		if wrap {
			b.WriteByte('(')
		}
		p.print(b)
		if wrap {
			b.WriteByte(')')
		}
	}
}

// rank is the precedence of the joining operators, the tightest highest (§9.5.3).
var rank = map[string]int{"FOLLOWEDBY": 1, "OR": 2, "AND": 3}

func (q *qualifier) print(b *strings.Builder) {
	switch q.kind {
	case "START":
		b.WriteString(" START t" + quote(q.start) + " STOP t" + quote(q.stop))
	case "WITHIN":
		b.WriteString(" WITHIN " + q.number.text + " SECONDS")
	case "REPEATS":
		b.WriteString(" REPEATS " + q.number.text + " TIMES")
	}
}

func (c *comparison) print(b *strings.Builder) {
	if c.joined() {
		for i := range c.parts {
			p := &c.parts[i]
			if i > 0 {
				b.WriteString(" " + c.op + " ")
			}
			wrap := p.joined() && rank[p.op] <= rank[c.op]
			if wrap {
				b.WriteByte('(')
			}
			p.print(b)
			if wrap {
				b.WriteByte(')')
			}
		}
		return
	}
	if c.op == "EXISTS" {
		if c.not {
			b.WriteString("NOT ")
		}
		b.WriteString("EXISTS ")
		c.path.print(b)
		return
	}
	c.path.print(b)
	if c.not {
		b.WriteString(" NOT")
	}
	b.WriteString(" " + c.op + " ")
	if c.op != "IN" {
		c.value[0].print(b)
		return
	}
	b.WriteByte('(')
	for i, v := range c.value {
		if i > 0 {
			b.WriteString(", ")
		}
		v.print(b)
	}
	b.WriteByte(')')
}

func (p *path) print(b *strings.Builder) {
	b.WriteString(p.object)
	for i, s := range p.steps {
		if s.index {
			b.WriteString("[" + s.name + "]")
			continue
		}
		if i == 0 {
			b.WriteByte(':')
		} else {
			b.WriteByte('.')
		}
		if plainKey(s.name) {
			b.WriteString(s.name)
		} else {
			b.WriteString(quote(s.name))
		}
	}
}

// plainKey reports whether a property name needs no apostrophes (§9.7).
func plainKey(s string) bool {
	if s == "" || !isWordStart(s[0]) {
		return false
	}
	for i := range len(s) {
		if s[i] == '-' || !isWordPart(s[i]) {
			return false
		}
	}
	return true
}

func (v literal) print(b *strings.Builder) {
	switch v.kind {
	case tokString:
		b.WriteString(quote(v.text))
	case tokHex:
		b.WriteString("h'" + hex.EncodeToString([]byte(v.text)) + "'")
	case tokBinary:
		b.WriteString("b'" + base64.StdEncoding.EncodeToString([]byte(v.text)) + "'")
	case tokTime:
		b.WriteString("t" + quote(v.text))
	default:
		b.WriteString(v.text)
	}
}

// quote writes s as a string constant.
func quote(s string) string { return string(AppendQuote(nil, s)) }

// AppendQuote appends s as a string constant of the pattern language: between
// apostrophes, with \' and \\ escaped (§9.2).
func AppendQuote(b []byte, s string) []byte {
	b = append(b, '\'')
	for i := range len(s) {
		if s[i] == '\'' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '\'')
}
