// SPDX-License-Identifier: Apache-2.0

package stix

import (
	"bytes"
	"encoding/base64"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// number checks an integer or a float and its bounds.
func (c *checker) number(p *property, n int32) {
	text := string(c.d.bytes(n))
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(v, 0) {
		c.addSection("type", "2.6", "%s is not a number that a double holds", clip(text))
		return
	}
	if p.typ == "integer" && (strings.ContainsAny(text, ".eE") || math.Abs(v) > maxInteger) {
		c.add("integer", "%s: want a whole number within ±9007199254740991, without fraction or exponent", clip(text))
		return
	}
	if v < p.min || v > p.max {
		c.addSection("range", p.section, "%s: want %s", clip(text), p.span())
	}
}

// span says the bounds of a property.
func (p *property) span() string {
	format := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	if p.max == maxInteger {
		return "at least " + format(p.min)
	}
	return format(p.min) + " to " + format(p.max)
}

func (c *checker) timestamp(p *property, n int32) {
	b := c.d.bare(n)
	switch {
	case !validTimestamp(b):
		c.add("timestamp", "%s: want a time in UTC such as \"2026-01-02T03:04:05.000Z\"", show(string(b)))
	case p.typ == "instant" && len(b) < len("2006-01-02T15:04:05.000Z"):
		c.add("precision", "%s: give at least milliseconds, such as \"2026-01-02T03:04:05.000Z\"", show(string(b)))
	case p.name == "time_date_stamp" && fraction(b) != "":
		c.add("second", "%s: leave out the fraction of the second", show(string(b)))
	}
}

// reference checks an identifier that refers to another object.
func (c *checker) reference(p *property, n int32) {
	if c.local != 0 && p.name != "created_by_ref" && !isMarking(p.name) {
		c.localReference(p, n)
		return
	}
	id := c.d.text(n)
	typ, uuid, ok := strings.Cut(id, "--")
	if !ok || !validTypeName(typ) || !validUUID(uuid) {
		c.add("identifier", "%s: want the type, two hyphens and a UUID", show(id))
		return
	}
	if !rfc4122(uuid) {
		c.add("identifier", "%s: its UUID is not one of RFC 4122: make a new one", show(id))
	}
	if !allowed(p.refs, typ) {
		c.addSection("reference-type", p.section, "%s: %s may not lead to %s; it leads to %s", show(id), p.name, article(typ), p.targets())
	}
}

// allowed reports whether a reference that may lead to what targets names may
// lead to an object of type typ. A custom type may be of any class.
func allowed(targets, typ string) bool {
	if strings.Contains(targets, " "+typ+" ") {
		return true
	}
	if typ == "bundle" {
		return false
	}
	if s := schemas[typ]; s != nil {
		return strings.Contains(targets, " "+strings.ToUpper(s.kind)+" ")
	}
	return strings.Contains(targets, " SDO ") || strings.Contains(targets, " SCO ") || strings.Contains(targets, " SRO ")
}

var classNames = strings.NewReplacer(
	"SDO", "a domain object", "SCO", "a cyber-observable object", "SRO", "a relationship or sighting", "META", "a meta object")

// targets says where the reference may lead.
func (p *property) targets() string {
	return classNames.Replace(orList(strings.Fields(p.refs)))
}

// rfc4122 reports whether a UUID, whose form is right, has the variant of RFC 4122
// and a version.
func rfc4122(uuid string) bool {
	return uuid[14] >= '1' && uuid[14] <= '8' && strings.IndexByte("89abAB", uuid[19]) >= 0
}

// word checks a value of an enumeration or an open vocabulary.
func (c *checker) word(p *property, n int32) {
	b := c.d.bare(n)
	if p.words.words[string(b)] {
		return
	}
	if p.typ == "enum" {
		c.addSection("enum", p.words.section, "%s: want one of %s-enum", show(string(b)), p.words.name)
		return
	}
	c.addSection("vocabulary", p.words.section, "%s is not in %s-ov: use one of its words if one fits", show(string(b)), p.words.name)
	if !validTerm(string(b)) {
		c.add("vocabulary-form", "%s: write it in lower case, with hyphens between words", show(string(b)))
	}
}

func lowerHex(b []byte) bool {
	for _, c := range b {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
			return false
		}
	}
	return true
}

func validBase64(s string) bool {
	_, err := base64.StdEncoding.Strict().DecodeString(s)
	return err == nil && !strings.ContainsAny(s, "\r\n")
}

// hashForms are the forms of the values of hash-algorithm-ov: a number of
// hexadecimal digits, or else a shape of their own.
var hashForms = map[string]func(string) bool{
	"MD5": hexOf(32), "SHA-1": hexOf(40), "SHA-256": hexOf(64), "SHA-512": hexOf(128),
	"SHA3-256": hexOf(64), "SHA3-512": hexOf(128),
	"SSDEEP": regexp.MustCompile(`^[0-9]{1,18}:[A-Za-z0-9/+]*:[A-Za-z0-9/+]*$`).MatchString,
	"TLSH":   func(s string) bool { return hexOf(70)(strings.TrimPrefix(s, "T1")) },
}

func hexOf(digits int) func(string) bool {
	return func(s string) bool { return len(s) == digits && lowerHex(bytes.ToLower([]byte(s))) }
}

// hashes checks a dictionary of hashes (§2.7).
func (c *checker) hashes(n int32) {
	d := c.d
	if d.nodes[n].next == n+1 {
		c.add("empty-dictionary", "there is no hash: leave the property out")
	}
	for k := n + 1; k < d.nodes[n].next; k = d.nodes[k+1].next {
		c.path = append(c.path, step{name: k})
		name := d.text(k)
		form := hashForms[name]
		switch {
		case len(name) < 3 || !dictionaryKey(name):
			c.add("hash-name", "%s: want 3 to 250 of a-z, A-Z, 0-9, - and _", show(name))
		case form == nil && !strings.HasPrefix(name, "x_"):
			c.add("hash-vocabulary", "%s is not in hash-algorithm-ov: use its words, such as SHA-256", show(name))
		}
		switch {
		case d.nodes[k+1].kind != '"':
			c.addSection("type", "2.7", "want a string, not %s", kindNames[d.nodes[k+1].kind])
		case form != nil && !form(d.text(k+1)):
			c.add("hash-value", "%s is no %s", show(d.text(k+1)), name)
		}
		c.path = c.path[:len(c.path)-1]
	}
}

// dictionaryKey reports whether s may be a key (§2.3).
func dictionaryKey(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return s != "" && len(s) <= 250
}

// dictionary checks a dictionary whose keys keep the case of their origin.
func (c *checker) dictionary(p *property, n int32) {
	d := c.d
	if d.nodes[n].next == n+1 {
		c.add("empty-dictionary", "the dictionary is empty: leave the property out")
	}
	for k := n + 1; k < d.nodes[n].next; k = d.nodes[k+1].next {
		c.path = append(c.path, step{name: k})
		if key := d.text(k); !dictionaryKey(key) {
			c.add("dictionary-key", "%s: want 1 to 250 of a-z, A-Z, 0-9, - and _", show(key))
		}
		c.entry(p, k+1)
		c.path = c.path[:len(c.path)-1]
	}
}

// entry checks a value of a dictionary.
func (c *checker) entry(p *property, n int32) {
	kind := c.d.nodes[n].kind
	ok := true
	switch p.of {
	case "string":
		ok = kind == '"'
	case "integer":
		ok = kind == '0'
	case "integer-or-string":
		ok = kind == '0' || kind == '"'
	case "strings":
		c.value(stringList, n)
	default:
		ok = kind != 'n'
	}
	if !ok {
		c.addSection("type", p.section, "want %s, not %s", strings.ReplaceAll(p.of, "-", " "), kindNames[kind])
	} else if kind == '0' && p.of != "" && p.of != "strings" {
		c.number(anyInteger, n)
	}
}

var (
	stringList = &property{typ: "string", list: true, section: "2.12"}
	anyInteger = &property{typ: "integer", section: "2.10", min: -maxInteger, max: maxInteger}
)
