// SPDX-License-Identifier: Apache-2.0

package stix

import (
	"encoding/hex"
	"slices"
)

// Pseudonym returns what a partner may see of an identity: an object of the
// sharer's own with a deterministic id that only a holder of key can link to the
// original, the name "Victim <8 hex digits>", and of the original nothing but
// identity_class and sectors (those of the standard's vocabularies), created,
// modified and the markings. newID is its id. No other string of raw survives.
func Pseudonym(raw, key []byte, sharer string) (out []byte, newID string, err error) {
	d, err := index(raw, DefaultLimits.Depth)
	if err != nil {
		return nil, "", err
	}
	defer d.release()
	p := parser{d: d, typ: d.str("type"), id: d.str("id")}
	if err := p.identity(); err != nil {
		return nil, "", p.about(err)
	}
	p.schema = schemaOf(d, p.typ)
	if p.typ != "identity" {
		return nil, "", p.about(problem("type", "4.5", "only an identity gets a pseudonym"))
	}
	if err := p.check(); err != nil {
		return nil, "", p.about(err)
	}
	if !validID(sharer) || typeOf(sharer) != "identity" {
		return nil, "", problem("created_by_ref", "3.2", "the sharer %q is not the id of an identity", clip(sharer))
	}
	u := keyedUUID(key, "accord pseudonym\x00"+sharer+"\x00"+p.id)
	id := appendID(nil, "identity", u)

	out = append(out, `{"type":"identity","spec_version":"2.1","id":"`...)
	out = append(out, id...)
	out = append(out, `","created_by_ref":`...)
	out = append(out, quoted(sharer)...)
	out = append(out, `,"created":`...)
	out = append(out, d.bytes(d.get("created"))...)
	out = append(out, `,"modified":`...)
	out = append(out, d.bytes(d.get("modified"))...)
	out = append(out, `,"name":"Victim `...)
	out = hex.AppendEncode(out, u[:4])
	out = append(out, '"')
	if c := d.str("identity_class"); slices.Contains(identityClasses, c) {
		out = append(out, `,"identity_class":"`+c+`"`...)
	}
	var sectors []string
	for _, s := range d.strings("sectors") {
		if slices.Contains(industrySectors, s) && !slices.Contains(sectors, s) {
			sectors = append(sectors, s)
		}
	}
	out = appendList(out, "sectors", sectors)
	out = appendList(out, "object_marking_refs", pseudonymMarkings(d))
	return append(out, '}'), string(id), nil
}

// pseudonymMarkings returns the object markings of d, with the label that its
// granular markings and labels amount to when that is stricter, and with the
// granular markings as markings of the whole.
func pseudonymMarkings(d *document) (refs []string) {
	var objects marked
	add := func(id string) {
		if !slices.Contains(refs, id) {
			refs = append(refs, id)
		}
	}
	for _, id := range d.strings("object_marking_refs") {
		add(id)
		if t, ok := markings[id]; ok {
			objects.take(t)
		}
	}
	d.elements(d.get("granular_markings"), func(_ int, e int32) {
		if n := d.find(e, "marking_ref"); n != 0 {
			add(d.text(n))
			if t, ok := markings[d.text(n)]; ok {
				objects.take(t)
			}
		}
	})
	if m := markingOf(d, "identity"); m.has && (!objects.has || m.tlp > objects.tlp) {
		add(MarkingID(m.tlp))
	}
	return refs
}

// appendList appends a member that is a list of strings; nothing for none.
func appendList(b []byte, name string, list []string) []byte {
	for i, s := range list {
		if i == 0 {
			b = append(b, `,"`+name+`":[`...)
		} else {
			b = append(b, ',')
		}
		b = append(b, quoted(s)...)
	}
	if len(list) > 0 {
		b = append(b, ']')
	}
	return b
}

// identityClasses is identity-class-ov (§10.7).
var identityClasses = []string{"individual", "group", "system", "organization", "class", "unspecified", "unknown"}

// industrySectors is industry-sector-ov (§10.11).
var industrySectors = []string{
	"agriculture", "aerospace", "automotive", "chemical", "commercial", "communications", "construction", "defense",
	"education", "energy", "entertainment", "financial-services", "government", "emergency-services",
	"government-local", "government-national", "government-public-services", "government-regional", "healthcare",
	"hospitality-leisure", "infrastructure", "dams", "nuclear", "water", "insurance", "manufacturing", "mining",
	"non-profit", "pharmaceuticals", "retail", "technology", "telecommunications", "transportation", "utilities",
}
