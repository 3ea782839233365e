// SPDX-License-Identifier: Apache-2.0

package stix

import (
	_ "embed"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// The standard as data: what the objects have, which words their vocabularies
// hold, and how they may be related. One place, used to read, check and redact.
var (
	//go:embed schema.txt
	schemaText string
	//go:embed vocabularies.txt
	vocabularyText string
	//go:embed relationships.txt
	relationshipText string

	vocabularies = readVocabularies(vocabularyText)
	blocks       = readSchema(schemaText)
	schemas      = blocks.objects
	relations    = readRelationships(relationshipText)
)

// class is what common properties an object has (§3.2).
type class uint8

const (
	classDomain     class = iota // SDO, SRO and the meta objects that have versions
	classObservable              // SCO
	classMarking                 // marking-definition: cannot be versioned
)

// schema is one block of schema.txt: an object, an extension or a part of one.
type schema struct {
	name     string
	kind     string // "sdo", "sro", "sco", "meta", "extension", "part"
	class    class
	section  string
	required []string
	oneOf    []string // at least one of them; the first such rule
	props    map[string]*property
	rules    []rule
	id       []string // what contributes to the identifier (§3.4)
	owner    string   // of an extension: the object it extends
	protocol string   // and its entry in protocols
}

// property is one property of a block.
type property struct {
	name     string
	typ      string // as in schema.txt, without the s of a list
	list     bool
	required bool
	section  string
	words    *vocabulary
	part     *schema
	refs     string  // allowed targets, each between spaces
	of       string  // what the values of a dictionary are
	min, max float64 // of a number; the standard's own bounds when not given
	format   *format // of a string
}

// rule is what must hold among the properties of a block.
type rule struct {
	kind  string // "any", "some", "only", "with", "order", "after", "should"
	names []string
}

// vocabulary is one list of words of §10.
type vocabulary struct {
	name, section string
	words         map[string]bool
}

// library is schema.txt, read.
type library struct {
	objects, extensions, parts map[string]*schema
	common                     map[string]*schema
}

// meaningful returns the fields of the lines that are neither comments nor blank.
func meaningful(text string) (out [][]string) {
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 0 && f[0] != "#" {
			out = append(out, f)
		}
	}
	return out
}

func readVocabularies(text string) map[string]*vocabulary {
	out := map[string]*vocabulary{}
	var v *vocabulary
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		switch {
		case len(f) == 0 || f[0] == "#":
		case line[0] != ' ':
			v = &vocabulary{name: f[0], section: f[1], words: map[string]bool{}}
			out[f[0]] = v
		default:
			for _, w := range f {
				v.words[w] = true
			}
		}
	}
	return out
}

// readRelationships returns the targets of "source name", each between spaces.
func readRelationships(text string) map[string]string {
	out := map[string]string{}
	for _, f := range meaningful(text) {
		out[f[0]+" "+strings.TrimSuffix(f[1], ":")] = " " + strings.Join(f[2:], " ") + " "
	}
	return out
}

func readSchema(text string) *library {
	lib := &library{map[string]*schema{}, map[string]*schema{}, map[string]*schema{}, map[string]*schema{}}
	var s *schema
	for _, f := range meaningful(text) {
		switch f[0] {
		case "common", "sdo", "sro", "sco", "meta", "extension", "part":
			s = lib.block(f[0], f[1], f[2])
		case "any", "some", "only", "with", "order", "after", "should":
			if f[0] == "any" && s.oneOf == nil {
				s.oneOf = f[1:]
			}
			s.rules = append(s.rules, rule{f[0], f[1:]})
		case "id":
			s.id = f[1:]
		case "for":
			s.owner = f[1]
			s.protocol = strings.Join(f[2:], "")
		default:
			p := newProperty(f, s.section)
			if p.required && !slices.Contains([]string{"type", "spec_version", "id", "created", "modified"}, p.name) {
				s.required = append(s.required, p.name)
			}
			s.props[p.name] = p
		}
	}
	lib.link()
	return lib
}

// block begins a block, with the common properties of its kind.
func (lib *library) block(kind, name, section string) *schema {
	s := &schema{name: name, kind: kind, section: section, props: map[string]*property{}}
	base := lib.common[kind]
	switch kind {
	case "common":
		lib.common[name] = s
	case "extension":
		lib.extensions[name] = s
	case "part":
		lib.parts[name] = s
	case "sro":
		base = lib.common["sdo"]
		fallthrough
	default:
		lib.objects[name] = s
	}
	if base != nil {
		maps.Copy(s.props, base.props)
		s.rules = slices.Clone(base.rules)
	}
	if kind == "sco" {
		s.class = classObservable
	}
	if name == "marking-definition" {
		s.class = classMarking
	}
	return s
}

// link points properties at the parts they are made of.
func (lib *library) link() {
	for _, group := range []map[string]*schema{lib.common, lib.objects, lib.extensions, lib.parts} {
		for _, s := range group {
			for _, p := range s.props {
				if p.typ == "part" {
					p.part = lib.parts[p.of]
				}
			}
		}
	}
}

// listTypes are the types of schema.txt that are lists, and what they are lists of.
var listTypes = map[string]string{
	"strings": "string", "refs": "ref", "parts": "part", "vocabs": "vocab", "enums": "enum",
	"languages": "language", "protocols": "protocol", "property-names": "property-name",
}

func newProperty(f []string, section string) *property {
	p := &property{name: strings.TrimSuffix(f[0], "!"), typ: f[1], section: section, min: -maxInteger, max: maxInteger}
	p.required = p.name != f[0]
	if of := listTypes[p.typ]; of != "" {
		p.typ, p.list = of, true
	}
	rest := strings.Join(f[2:], " ")
	switch p.typ {
	case "ref":
		p.refs = " " + rest + " "
	case "vocab", "enum":
		p.words = vocabularies[rest]
	case "part", "dictionary":
		p.of = rest
	case "float":
		p.min, p.max = math.Inf(-1), math.Inf(1)
		p.bounds(rest)
	case "integer":
		p.bounds(rest)
	default:
		p.format = formats[p.typ]
	}
	return p
}

// bounds reads "0..100", either side of which may be missing.
func (p *property) bounds(s string) {
	low, high, _ := strings.Cut(s, "..")
	if v, err := strconv.ParseFloat(low, 64); err == nil {
		p.min = v
	}
	if v, err := strconv.ParseFloat(high, 64); err == nil {
		p.max = v
	}
}

// maxInteger is the largest integer of STIX (§2.10).
const maxInteger = 1<<53 - 1

// instants are the properties of type timestamp whose values this node relies on.
var instants = map[string]bool{
	"created": true, "modified": true, "valid_from": true, "valid_until": true,
	"first_seen": true, "last_seen": true, "first_observed": true, "last_observed": true,
	"published": true, "submitted": true, "analysis_started": true, "analysis_ended": true,
	"start_time": true, "stop_time": true, "object_modified": true,
}

// known are the names of properties that are met often.
var known = knownNames()

func knownNames() map[string]string {
	out := map[string]string{}
	for _, group := range []map[string]*schema{blocks.objects, blocks.extensions, blocks.parts} {
		for _, s := range group {
			for n := range s.props {
				out[n] = n
			}
		}
	}
	for n := range strings.FieldsSeq("x_mitre_version x_mitre_attack_spec_version x_mitre_domains x_mitre_modified_by_ref") {
		out[n] = n
	}
	return out
}

// texts are the properties that must be strings wherever they are at the top of
// an object this package knows.
var texts = map[string]bool{
	"name": true, "description": true, "pattern": true, "pattern_type": true, "lang": true,
	"identity_class": true, "relationship_type": true, "content": true, "abstract": true,
	"opinion": true, "context": true, "product": true, "schema": true, "version": true,
	"definition_type": true,
}

// lists are the properties that must be lists of strings.
var lists = map[string]bool{
	"labels": true, "sectors": true, "aliases": true, "indicator_types": true, "malware_types": true,
	"infrastructure_types": true, "threat_actor_types": true, "tool_types": true, "report_types": true,
}

// isReference reports whether a property holds identifiers (§3.1), and whether a
// list of them.
func isReference(name string) (ref, many bool) {
	switch {
	case strings.HasSuffix(name, "_ref"):
		return true, false
	case strings.HasSuffix(name, "_refs"):
		return true, true
	}
	return false, false
}

// isMarking reports whether a property refers to a marking, which is no
// reference to intelligence.
func isMarking(name string) bool { return name == "object_marking_refs" || name == "marking_ref" }

// schemaOf returns the schema of the object d, whose type is typ. An unknown type
// is an observable unless it has versions.
func schemaOf(d *document, typ string) *schema {
	if s := schemas[typ]; s != nil {
		return s
	}
	if d.get("created") != 0 || d.get("modified") != 0 {
		return unknownDomain
	}
	return unknownObservable
}

// validID reports whether s is an identifier (§2.9): type--UUID.
func validID(s string) bool {
	typ, uuid, ok := strings.Cut(s, "--")
	return ok && validType(typ) && validUUID(uuid)
}

// validType reports whether s may name a type (§3.1): 3 to 250 of a–z, 0–9, '-'.
func validType(s string) bool {
	if len(s) < 3 || len(s) > 250 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-') {
			return false
		}
	}
	return true
}

func validUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
			continue
		}
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') {
			return false
		}
	}
	return true
}

// typeOf returns the type of an identifier.
func typeOf(id string) string {
	t, _, _ := strings.Cut(id, "--")
	return t
}
