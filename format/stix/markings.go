// SPDX-License-Identifier: Apache-2.0

package stix

import "strings"

// tlp2Extension is the extension definition of TLP 2.0 that OASIS published.
const tlp2Extension = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"

// tlp1 and tlp2IDs are the only marking definitions of TLP there are, by what they
// say: §7.2.1.4, and the TLP 2.0 extension.
var (
	tlp1 = map[string]string{
		"white": "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9",
		"green": "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da",
		"amber": "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82",
		"red":   "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed",
	}
	tlp2IDs = map[string]string{
		"clear":        "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
		"green":        "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
		"amber":        "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
		"amber+strict": "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
		"red":          "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
	}
)

// markingDefinition checks what a marking definition defines (§7.2.1).
func (c *checker) markingDefinition() {
	d := c.d
	c.selfMarked()
	typ, def := d.get("definition_type"), d.get("definition")
	if d.get("extensions") == 0 {
		for name, n := range map[string]int32{"definition": def, "definition_type": typ} {
			if n == 0 {
				c.addSection("marking", "7.2.1", "%s is missing: without extensions, a marking definition needs it", name)
			}
		}
	}
	if d.kind(typ) != '"' || d.kind(def) != '{' {
		return
	}
	switch d.text(typ) {
	case "tlp":
		c.at(def, func() { c.tlp(def) })
	case "statement":
		if s := d.find(def, "statement"); d.kind(s) != '"' {
			c.at(def, func() { c.add("marking", "want the property statement, a string") })
		}
	default:
		if d.get("extensions") == 0 {
			c.at(typ, func() { c.add("marking-type", "%s: define new markings by an extension", show(d.text(typ))) })
		}
	}
}

// tlpMembers are the properties of the TLP definitions of §7.2.1.4, and there are
// no others.
var tlpMembers = map[string]bool{
	"type": true, "spec_version": true, "id": true, "created": true, "definition_type": true, "name": true, "definition": true,
}

// tlp checks a marking definition of TLP 1; def is its definition.
func (c *checker) tlp(def int32) {
	d := c.d
	n := d.find(def, "tlp")
	if d.kind(n) != '"' {
		c.add("marking", "want the property tlp, a string")
		return
	}
	level := d.text(n)
	id, name, created := tlp1[level], d.str("name"), []byte(d.str("created"))
	exact := id != "" && id == c.id && d.nodes[def].next == def+3 && // one member
		(name == "TLP:"+strings.ToUpper(level) || name == "" && c.upgraded) && // 2.0 had no names
		validTimestamp(created) && compareTimestamps(created, []byte("2017-01-20T00:00:00.000Z")) == 0
	for _, m := range d.top {
		exact = exact && tlpMembers[m.name]
	}
	if !exact {
		c.at(n, func() {
			c.add("tlp", "this is not one of the four TLP definitions of the standard: refer to one of those instead")
		})
	}
}

// tlp2 checks the TLP 2.0 extension at n, which stands in a marking definition.
func (c *checker) tlp2(n int32) {
	d := c.d
	level := d.find(n, "tlp_2_0")
	if d.kind(level) == '"' && c.typ == "marking-definition" {
		if id := tlp2IDs[d.text(level)]; id != "" && id == c.id {
			return
		}
	}
	c.add("tlp-2", "this is not one of the five TLP 2.0 definitions: refer to one of those instead")
}

// selfMarked refuses a marking definition that marks itself (§3.2).
func (c *checker) selfMarked() {
	d := c.d
	refs := d.get("object_marking_refs")
	d.elements(refs, func(i int, e int32) {
		if d.kind(e) == '"' && d.text(e) == c.id {
			c.path = append(c.path, step{name: refs - 1}, step{index: i})
			c.add("marking-self", "a marking does not mark itself: leave it out")
			c.path = c.path[:len(c.path)-2]
		}
	})
}

// granularMarking checks the selectors of the granular marking at n (§7.2.3).
func (c *checker) granularMarking(n int32) {
	d := c.d
	if ref := d.find(n, "marking_ref"); c.typ == "marking-definition" && d.kind(ref) == '"' && d.text(ref) == c.id {
		c.at(ref, func() { c.add("marking-self", "a marking does not mark itself: leave it out") })
	}
	sel := d.find(n, "selectors")
	d.elements(sel, func(i int, s int32) {
		if d.kind(s) == '"' && d.resolve(d.text(s)) == nil {
			c.path = append(c.path, step{name: sel - 1}, step{index: i})
			c.add("selector", "%s selects nothing in this object", show(d.text(s)))
			c.path = c.path[:len(c.path)-2]
		}
	})
}
