// SPDX-License-Identifier: Apache-2.0

package stix

import (
	"strconv"
	"strings"
	"time"
)

// check refuses an object that lacks what its type requires or holds a malformed
// value in a property that this node relies on.
func (p *parser) check() error {
	d := p.d
	if err := p.required(); err != nil {
		return err
	}
	for _, m := range d.top {
		if err := p.property(m); err != nil {
			return err
		}
	}
	for _, r := range p.schema.rules {
		if r.kind != "order" && r.kind != "after" || !instants[r.names[0]] {
			continue
		}
		a, okA := instant(d.str(r.names[0]))
		b, okB := instant(d.str(r.names[1]))
		if okA && okB && (b.Before(a) || r.kind == "after" && b.Equal(a)) {
			return problem(r.names[1], orderSection(p.schema, r), "%s is before %s", r.names[1], r.names[0])
		}
	}
	if p.typ == "marking-definition" && d.get("extensions") == 0 && (d.get("definition_type") == 0 || d.get("definition") == 0) {
		return problem("definition", "7.2.1", "a marking definition without extensions needs definition_type and definition")
	}
	return nil
}

// required checks that nothing is missing.
func (p *parser) required() error {
	d, s := p.d, p.schema
	var common []string
	switch s.class {
	case classDomain:
		common = []string{"created", "modified"}
	case classMarking:
		common = []string{"created"}
	case classObservable:
	}
	for _, n := range common {
		if d.get(n) == 0 {
			return problem(n, "3.2", "%s needs the property %q", article(p.typ), n)
		}
	}
	for _, n := range s.required {
		if d.get(n) == 0 {
			return problem(n, s.section, "%s needs the property %q", article(p.typ), n)
		}
	}
	for _, n := range s.oneOf {
		if d.get(n) != 0 {
			return nil
		}
	}
	if len(s.oneOf) > 0 {
		return problem("", s.section, "%s needs one of the properties %s", article(p.typ), strings.Join(s.oneOf, ", "))
	}
	return nil
}

func article(typ string) string {
	if strings.ContainsRune("aeio", rune(typ[0])) {
		return "an " + typ
	}
	return "a " + typ
}

// property checks the value of one top-level property.
func (p *parser) property(m member) error {
	d := p.d
	kind := d.nodes[m.value].kind
	switch {
	case kind == 'n':
		return problem(clip(m.name), "2", "null is not a value of STIX; leave the property out")
	case instants[m.name] && (schemas[p.typ] != nil || m.name == "created" || m.name == "modified"):
		return p.timestamp(m, kind)
	case texts[m.name] && kind != '"' && schemas[p.typ] != nil:
		return problem(m.name, p.schema.section, "want a string")
	case lists[m.name] && schemas[p.typ] != nil:
		return p.list(m, kind)
	}
	switch m.name {
	case "confidence":
		n, err := strconv.Atoi(string(d.bytes(m.value)))
		if kind != '0' || err != nil || n < 0 || n > 100 {
			return problem(m.name, "3.2", "want an integer from 0 to 100")
		}
	case "revoked", "is_family", "defanged", "summary":
		if kind != 't' && kind != 'f' {
			return problem(m.name, "2.2", "want true or false")
		}
	case "number_observed", "count":
		if n, err := strconv.ParseInt(string(d.bytes(m.value)), 10, 64); schemas[p.typ] != nil && (kind != '0' || err != nil || n < 0 || n > 999_999_999) {
			return problem(m.name, "5.2.1", "want an integer from 0 to 999999999")
		}
	case "granular_markings":
		return p.granular(m)
	}
	return p.references(m, kind)
}

func (p *parser) timestamp(m member, kind byte) error {
	if kind == '"' {
		if t, ok := instant(p.d.text(m.value)); ok && t.Year() > 0 && t.Before(time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)) {
			return nil
		}
	}
	return problem(m.name, "2.16", "%s is not a timestamp: want RFC 3339 in UTC, such as \"2026-01-02T03:04:05.000Z\"", clip(string(p.d.bytes(m.value))))
}

func (p *parser) list(m member, kind byte) error {
	if kind != '[' {
		return problem(m.name, "2.12", "want a list of strings")
	}
	var err error
	p.d.elements(m.value, func(i int, e int32) {
		if p.d.nodes[e].kind != '"' && err == nil {
			err = problem(m.name+".["+strconv.Itoa(i)+"]", "2.12", "want a string")
		}
	})
	return err
}

// references checks a property that the standard says holds identifiers (§3.1).
// Custom properties (x_…) are held to it only where they are used.
func (p *parser) references(m member, kind byte) error {
	ref, many := isReference(m.name)
	if !ref || strings.HasPrefix(m.name, "x_") || schemas[p.typ] == nil && m.name != "created_by_ref" && !isMarking(m.name) {
		return nil
	}
	d := p.d
	if !many {
		if kind != '"' || !validID(d.text(m.value)) {
			return problem(m.name, "2.9", "%s is not an identifier", clip(string(d.bytes(m.value))))
		}
		if m.name == "created_by_ref" && typeOf(d.text(m.value)) != "identity" {
			return problem(m.name, "3.2", "the creator is an identity, not %q", clip(d.text(m.value)))
		}
		return nil
	}
	if kind != '[' {
		return problem(m.name, "2.12", "want a list of identifiers")
	}
	var err error
	d.elements(m.value, func(i int, e int32) {
		if err != nil {
			return
		}
		place := m.name + ".[" + strconv.Itoa(i) + "]"
		switch {
		case d.nodes[e].kind != '"' || !validID(d.text(e)):
			err = problem(place, "2.9", "%s is not an identifier", clip(string(d.bytes(e))))
		case m.name == "object_marking_refs" && typeOf(d.text(e)) != "marking-definition":
			err = problem(place, "7.2.2", "a marking is a marking-definition, not %q", clip(d.text(e)))
		}
	})
	return err
}

// granular checks the form of granular markings (§7.2.3): each has selectors and
// exactly one of marking_ref and lang.
func (p *parser) granular(m member) error {
	d := p.d
	if d.nodes[m.value].kind != '[' {
		return problem(m.name, "7.2.3", "want a list")
	}
	var err error
	d.elements(m.value, func(i int, e int32) {
		if err != nil {
			return
		}
		place := m.name + ".[" + strconv.Itoa(i) + "]"
		ref, lang, sel := d.find(e, "marking_ref"), d.find(e, "lang"), d.find(e, "selectors")
		switch {
		case d.kind(sel) != '[' || d.nodes[sel].next == sel+1:
			err = problem(place, "7.2.3", "a granular marking needs selectors")
		case (ref == 0) == (lang == 0):
			err = problem(place, "7.2.3", "a granular marking has either marking_ref or lang")
		case ref != 0 && (d.kind(ref) != '"' || typeOf(d.text(ref)) != "marking-definition" || !validID(d.text(ref))):
			err = problem(place+".marking_ref", "7.2.3", "want the identifier of a marking-definition")
		}
		d.elements(sel, func(j int, s int32) {
			if err == nil && (d.nodes[s].kind != '"' || d.resolve(d.text(s)) == nil) {
				err = problem(place+".selectors.["+strconv.Itoa(j)+"]", "7.2.3", "%s selects nothing in this object", clip(string(d.bytes(s))))
			}
		})
	})
	return err
}

// orderSection is the section that demands the order of r.
func orderSection(s *schema, r rule) string {
	if r.names[0] == "created" {
		return "3.2"
	}
	return s.section
}
