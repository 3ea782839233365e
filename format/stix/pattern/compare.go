// SPDX-License-Identifier: Apache-2.0

package pattern

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// constant is a literal made ready for comparison.
type constant struct {
	kind   tokenKind
	text   string
	octets string // of a string, hex or binary constant
	binary bool   // octets can be compared
	number number
	at     instant
}

func newConstant(v literal) constant {
	c := constant{kind: v.kind, text: v.text}
	switch v.kind {
	case tokString:
		c.octets, c.binary = octetsOf(v.text)
	case tokHex, tokBinary:
		c.octets, c.binary = v.text, true
	case tokInt, tokFloat:
		c.number = readNumber(v.text)
	case tokTime:
		c.at, _ = readInstant(v.text)
	default: // true and false are compared as they stand
	}
	return c
}

// octetsOf turns code points below U+0100 into octets (§9.2).
func octetsOf(s string) (string, bool) {
	if isASCII(s) {
		return s, true
	}
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 0xff {
			return "", false
		}
		b = append(b, byte(r))
	}
	return string(b), true
}

// wide is the opposite of octetsOf.
func wide(octets string) string {
	if isASCII(octets) {
		return octets
	}
	var b strings.Builder
	for i := range len(octets) {
		b.WriteRune(rune(octets[i]))
	}
	return b.String()
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// number is a JSON number or a numeric constant, exact where it is an integer of 64
// bits.
type number struct {
	whole bool
	i     int64
	f     float64
}

func readNumber(s string) number {
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return number{whole: true, i: i}
	}
	f, _ := strconv.ParseFloat(s, 64) // out of range: an infinity, which compares right
	return number{f: f}
}

// compare compares full values: nothing is rounded to be compared (§9.2).
func (a number) compare(b number) int {
	switch {
	case a.whole && b.whole:
		return cmp.Compare(a.i, b.i)
	case a.whole:
		return -b.compare(a)
	case !b.whole:
		return cmp.Compare(a.f, b.f)
	case a.f >= 1<<63:
		return 1
	case a.f < -1<<63:
		return -1
	}
	whole, rest := math.Modf(a.f)
	if c := cmp.Compare(int64(whole), b.i); c != 0 {
		return c
	}
	return cmp.Compare(rest, 0)
}

// found is what an object path leads to: a value and the last property's name.
type found struct {
	v    *value
	name string
}

// octets returns the value of a binary property in its native format (§9.6.4);
// binary is false for other properties.
func (f found) octets() (octets string, binary, ok bool) {
	var b []byte
	var err error
	switch {
	case strings.HasSuffix(f.name, "_hex"):
		b, err = hex.DecodeString(f.v.text)
	case strings.HasSuffix(f.name, "_bin"):
		b, err = base64.StdEncoding.DecodeString(f.v.text)
	default:
		return "", false, false
	}
	return string(b), true, err == nil
}

// against compares the value found with c; comparable is false when their types
// cannot be compared (§9.2, §9.6.1). Of truth values only zero means something.
func (f found) against(c *constant) (order int, comparable bool) {
	switch f.v.kind {
	case '0':
		if c.kind == tokInt || c.kind == tokFloat {
			return readNumber(f.v.text).compare(c.number), true
		}
	case 't', 'f':
		if c.kind == tokWord {
			return strings.Compare(map[byte]string{'t': "true", 'f': "false"}[f.v.kind], c.text), true
		}
	case '"':
		return f.text(c)
	}
	return 0, false
}

// text compares a JSON string, which may hold octets or an instant.
func (f found) text(c *constant) (order int, comparable bool) {
	octets, binary, ok := f.octets()
	switch {
	case binary:
		return strings.Compare(octets, c.octets), ok && c.binary
	case c.kind == tokString:
		return strings.Compare(f.v.text, c.text), true // UTF-8 sorts as code points do (§9.6.2)
	case c.kind == tokHex || c.kind == tokBinary:
		octets, ok = octetsOf(f.v.text)
		return strings.Compare(octets, c.octets), ok
	case c.kind == tokTime:
		at, ok := readInstant(f.v.text)
		return at.compare(c.at), ok
	}
	return 0, false
}
