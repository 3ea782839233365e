// SPDX-License-Identifier: Apache-2.0

package stix

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// mostFindings is how many findings of one object are worded; beyond it they are
// only counted.
const mostFindings = 1000

// Validate checks one object against STIX 2.1 and returns what departs from it,
// in the order of the checks; nil when nothing does. It says of each finding
// whether the standard demands or advises ([Must], [Should]). At most 1000
// findings are worded.
//
// An object of STIX 2.0 is checked in the 2.1 form that Parse gives it; messages
// say so. What several objects have to do with one another is checked by a
// [Validator].
func Validate(raw Raw) []Finding {
	var c checker
	c.check(raw, "")
	return c.found
}

// checker checks one object.
type checker struct {
	d        *document
	original *document // of an object of 2.0: as it came
	typ, id  string
	schema   *schema
	place    string // path of the object in the input
	path     []step
	local    int32 // the observable container being checked; 0: none
	lenient  bool  // inside one: it may be of 2.0
	upgraded bool
	toplevel bool       // a top-level extension may bring properties
	sets     *Validator // compares the object with others; nil: alone
	found    []Finding
	must     int // findings, worded or not
	should   int
}

// check checks one object, which is at place.
func (c *checker) check(raw Raw, place string) {
	c.place = place
	d, err := index(raw.Bytes, DefaultLimits.Depth)
	if err != nil {
		c.unreadable(err)
		return
	}
	c.d = d
	defer func() {
		c.d.release()
		if c.original != nil {
			c.original.release()
		}
	}()
	c.typ, c.id = d.str("type"), d.str("id")
	if c.typ == "bundle" {
		c.addSection("bundle", "8.1", "a bundle stands where an object is wanted; check what it holds")
		return
	}
	if !c.version(raw.Spec) {
		return
	}
	c.schema = c.schemaOf()
	c.object(0, c.schema)
	c.identity()
	c.rules(0, c.schema)
	if f := special[c.typ]; f != nil {
		f(c)
	}
	if c.sets != nil {
		c.versions()
	}
}

// unreadable words an error of index.
func (c *checker) unreadable(err error) {
	var p *Problem
	if !errors.As(err, &p) {
		p = problem("", "", "%v", err)
	}
	c.add("json", "%s", p.Message)
}

// version finds out which version the object is written in, upgrades what is of
// 2.0, and reports whether checking can go on.
func (c *checker) version(bundle string) bool {
	spec, err := specOf(c.d, c.typ, bundle)
	n := c.d.get("spec_version")
	switch {
	case n != 0 && err != nil:
		return true // the property itself is found wrong
	case err != nil, spec != "2.0", c.typ == "": // what is missing is found missing
		return true
	}
	if n == 0 && bundle != "2.0" {
		c.add("required", "spec_version is missing, so this is read as STIX 2.0: add \"spec_version\": \"2.1\"")
	}
	up, err := index(upgrade(c.d, c.typ), DefaultLimits.Depth)
	if err != nil {
		c.unreadable(err)
		return false
	}
	c.original, c.d, c.upgraded = c.d, up, true
	return true
}

// schemaOf returns the block of the object's type; that of an unknown type has
// the common properties of its class.
func (c *checker) schemaOf() *schema {
	if s := schemas[c.typ]; s != nil {
		return s
	}
	kind := ""
	d := c.d
	if ext := d.get("extensions"); d.kind(ext) == '{' {
		for k := ext + 1; k < d.nodes[ext].next; k = d.nodes[k+1].next {
			if t := d.find(k+1, "extension_type"); d.kind(t) == '"' && strings.HasPrefix(d.text(t), "new-") {
				kind = strings.TrimPrefix(d.text(t), "new-")
			}
		}
	}
	if kind == "sco" || kind == "" && d.get("created") == 0 && d.get("modified") == 0 {
		return unknownObservable
	}
	return unknownDomain
}

// What is known of the objects of a custom type: the common properties.
var (
	unknownDomain     = unknown("sdo", classDomain)
	unknownObservable = unknown("sco", classObservable)
)

func unknown(kind string, of class) *schema {
	s := *blocks.common[kind]
	s.kind, s.class, s.section, s.required = kind, of, "7.3", nil
	return &s
}

// add adds a finding at the current path, with the section of its check.
func (c *checker) add(code, message string, args ...any) {
	c.addSection(code, "", message, args...)
}

// addSection adds a finding with the section that is nearest to it.
func (c *checker) addSection(code, section, message string, args ...any) {
	check := checkOf(code)
	if check.Level == Must {
		c.must++
	} else {
		c.should++
	}
	if c.must+c.should > mostFindings {
		return
	}
	if section == "" {
		section = check.Section
	}
	message = fmt.Sprintf(message, args...)
	steps := c.path
	if c.upgraded {
		message += " (read as 2.1)"
		if len(steps) > 0 && c.original.get(c.d.text(steps[0].name)) == 0 {
			steps = nil // the upgrade added it
		}
	}
	c.found = append(c.found, Finding{
		Object: named(c.id), Path: pathOf(c.place, c.d, steps), Section: section,
		Level: check.Level, Code: code, Message: message,
	})
}

// in runs f with one more step of the path.
func (c *checker) in(s step, f func()) {
	c.path = append(c.path, s)
	f()
	c.path = c.path[:len(c.path)-1]
}

// at runs f at the member whose value is n.
func (c *checker) at(n int32, f func()) { c.in(step{name: n - 1}, f) }

// object checks the members of the object at n against a block.
func (c *checker) object(n int32, s *schema) {
	d := c.d
	if n == 0 {
		c.toplevel = c.hasTopLevel()
	}
	for k := n + 1; k < d.nodes[n].next; k = d.nodes[k+1].next {
		c.path = append(c.path, step{name: k})
		if p := s.props[string(d.bare(k))]; p != nil {
			c.value(p, k+1)
		} else {
			c.other(k, n, s)
		}
		c.path = c.path[:len(c.path)-1]
	}
	for _, name := range s.required {
		if d.find(n, name) == 0 {
			c.addSection("required", s.section, "%s is missing: %s needs it", name, article(s.name))
		}
	}
	if n == 0 {
		c.commons(s)
	}
}

// commons checks that the common properties are there that s requires.
func (c *checker) commons(s *schema) {
	for _, name := range [...]string{"type", "spec_version", "id", "created", "modified"} {
		p := s.props[name]
		if p == nil || !p.required || c.d.get(name) != 0 {
			continue
		}
		what := "an object"
		if c.typ != "" {
			what = article(clip(c.typ))
		}
		c.addSection("required", "3.2", "%s is missing: %s needs it", name, what)
	}
}

// value checks the value at n of a property.
func (c *checker) value(p *property, n int32) {
	if !p.list {
		c.single(p, n)
		return
	}
	d := c.d
	switch {
	case d.nodes[n].kind != '[':
		c.addSection("type", p.section, "want a list of %s", plural[p.typ])
	case d.nodes[n].next == n+1:
		c.addSection("empty-list", "2.12", "the list is empty: leave the property out, or give it a value")
	default:
		i := 0
		for e := n + 1; e < d.nodes[n].next; e = d.nodes[e].next {
			c.path = append(c.path, step{index: i})
			c.single(p, e)
			c.path = c.path[:len(c.path)-1]
			i++
		}
	}
}

var plural = map[string]string{
	"string": "strings", "ref": "identifiers", "part": "objects", "vocab": "strings", "enum": "strings",
	"language": "language tags", "protocol": "strings", "property-name": "strings",
}

// single checks one value; c.path leads to it.
func (c *checker) single(p *property, n int32) {
	kind := c.d.nodes[n].kind
	if want := kindOf[p.typ]; want != 0 && kind != want && !(want == 't' && kind == 'f') {
		c.addSection("type", sectionOf(p), "want %s, not %s%s", kindNames[want], kindNames[kind], nullHint(kind))
		return
	}
	switch p.typ {
	case "integer", "float":
		c.number(p, n)
	case "timestamp", "instant":
		c.timestamp(p, n)
	case "ref":
		c.reference(p, n)
	case "vocab", "enum":
		c.word(p, n)
	case "hex":
		if b := c.d.bare(n); len(b)%2 != 0 || !lowerHex(b) {
			c.add("hex", "%s: want an even number of the digits 0-9 and a-f, in lower case", show(c.d.text(n)))
		}
	case "binary":
		if !validBase64(c.d.text(n)) {
			c.add("binary", "%s is not base64 with padding (RFC 4648)", show(c.d.text(n)))
		}
	case "hashes":
		c.hashes(n)
	case "dictionary":
		c.dictionary(p, n)
	case "part":
		c.object(n, p.part)
		c.rules(n, p.part)
		if f := specialParts[p.of]; f != nil {
			f(c, n)
		}
	case "extensions":
		c.extensions(n)
	case "container":
		c.container(n)
	case "version":
		if v := c.d.text(n); v != "2.1" {
			c.add("spec-version", "%s: want \"2.1\"", show(v))
		}
	default:
		if p.format != nil && !p.format.ok(c.d.text(n)) {
			c.addSection(p.format.code, sectionNear(p), "%s: %s", show(c.d.text(n)), p.format.want)
		}
	}
}

// sectionOf is the section that a wrong type is against.
func sectionOf(p *property) string {
	if p.section == "3.2" || p.section == "" {
		return "3.2"
	}
	return p.section
}

// sectionNear is the section of a property, unless a check's own says more.
func sectionNear(p *property) string {
	switch p.typ {
	case "term", "language", "charset":
		return ""
	}
	return p.section
}

// kindOf is the JSON kind of each type, as in node.kind.
var kindOf = map[string]byte{
	"integer": '0', "float": '0', "boolean": 't', "hashes": '{', "dictionary": '{', "part": '{',
	"extensions": '{', "container": '{', "contents": '{', "marking": '{',
	"string": '"', "timestamp": '"', "instant": '"', "ref": '"', "vocab": '"', "enum": '"', "hex": '"',
	"binary": '"', "identifier": '"', "version": '"', "term": '"', "relation": '"', "property-name": '"',
	"language": '"', "domain": '"', "ipv4": '"', "ipv6": '"', "mac": '"', "url": '"', "email": '"',
	"cpe": '"', "charset": '"', "registry-key": '"', "media-type": '"', "country": '"', "protocol": '"',
	"product": '"', "priority": '"',
}

var kindNames = map[byte]string{
	'"': "a string", '0': "a number", 't': "true or false", 'f': "true or false", 'n': "null", '{': "an object", '[': "a list",
}

func nullHint(kind byte) string {
	if kind == 'n' {
		return ": leave the property out"
	}
	return ""
}

// bare is text as bytes.
func (d *document) bare(n int32) []byte {
	if k := d.nodes[n].kind; k != '"' && k != 'k' {
		return nil
	}
	b := d.raw[d.nodes[n].start+1 : d.nodes[n].end-1]
	if bytes.IndexByte(b, '\\') >= 0 {
		return []byte(d.text(n))
	}
	return b
}
