// SPDX-License-Identifier: Apache-2.0

package stix

import (
	"errors"
	"regexp"
	"strconv"
	"strings"

	"accord/format/stix/pattern"
)

// special are the rules that the table of schema.txt has no words for, by type.
var special = map[string]func(*checker){
	"attack-pattern":       func(c *checker) { c.externalIDs("capec", capecID, "CAPEC-163", "4.1.1") },
	"vulnerability":        func(c *checker) { c.externalIDs("cve", cveID, "CVE-2026-0001", "4.19.1") },
	"indicator":            (*checker).indicator,
	"malware":              (*checker).malware,
	"observed-data":        (*checker).observedData,
	"relationship":         (*checker).relationship,
	"email-message":        (*checker).emailMessage,
	"network-traffic":      (*checker).networkTraffic,
	"marking-definition":   (*checker).markingDefinition,
	"extension-definition": (*checker).extensionDefinition,
	"language-content":     (*checker).languageContent,
}

// specialParts are the same for parts of objects.
var specialParts = map[string]func(*checker, int32){
	"external-reference": (*checker).externalReference,
	"granular-marking":   (*checker).granularMarking,
}

var (
	capecID = regexp.MustCompile(`^CAPEC-[0-9]+$`)
	cveID   = regexp.MustCompile(`^CVE-[0-9]{4}-[0-9]{4,}$`)
)

// externalIDs checks identifiers of a taxonomy that the standard knows.
func (c *checker) externalIDs(source string, form *regexp.Regexp, example, section string) {
	d := c.d
	refs := d.get("external_references")
	d.elements(refs, func(i int, e int32) {
		name, id := d.find(e, "source_name"), d.find(e, "external_id")
		if d.kind(name) != '"' || d.kind(id) != '"' {
			return
		}
		named, formed := d.text(name) == source, form.MatchString(d.text(id))
		if named == formed {
			return
		}
		c.path = append(c.path, step{name: refs - 1}, step{index: i})
		if named {
			c.at(id, func() {
				c.addSection("external-id", section, "%s: want an identifier such as %s", show(d.text(id)), example)
			})
		} else if strings.EqualFold(d.text(name), source) {
			c.at(name, func() { c.addSection("external-id", section, "%s: write %q", show(d.text(name)), source) })
		}
		c.path = c.path[:len(c.path)-2]
	})
}

func (c *checker) externalReference(n int32) {
	d := c.d
	if u := d.find(n, "url"); u != 0 && d.find(n, "hashes") == 0 {
		c.at(u, func() { c.add("external-hashes", "give the hashes of what the URL leads to") })
	}
}

func (c *checker) indicator() {
	d := c.d
	n := d.get("pattern")
	if d.kind(n) != '"' || d.str("pattern_type") != "stix" {
		return
	}
	if _, err := pattern.Parse(d.text(n)); err != nil && !errors.Is(err, pattern.ErrUnsupported) {
		c.at(n, func() { c.add("pattern", "%s", printable(err.Error())) })
	}
}

// printable is text of ours that may quote the input.
func printable(s string) string {
	q := strconv.QuoteToGraphic(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

func (c *checker) malware() {
	if c.d.kind(c.d.get("is_family")) == 't' && c.d.get("name") == 0 {
		c.add("malware-name", "name is missing: a malware family has one")
	}
}

func (c *checker) observedData() {
	d := c.d
	n := d.get("object_refs")
	if d.kind(n) != '[' || d.nodes[n].next == n+1 {
		return
	}
	found := false
	d.elements(n, func(_ int, e int32) {
		if d.kind(e) == '"' {
			s := schemas[typeOf(d.text(e))]
			found = found || s == nil || s.class == classObservable
		}
	})
	if !found {
		c.at(n, func() { c.add("observable-refs", "none leads to a cyber-observable: add the one that was observed") })
	}
}

// relationship checks that the standard defines the relationship (§5.1, §3.7).
func (c *checker) relationship() {
	d := c.d
	n := d.get("relationship_type")
	name, from, to := d.str("relationship_type"), typeOf(d.str("source_ref")), typeOf(d.str("target_ref"))
	if name == "" || from == "" || to == "" {
		return
	}
	switch name {
	case "related-to":
		return
	case "derived-from", "duplicate-of":
		if from != to {
			c.at(n, func() {
				c.addSection("relationship", "3.7", "%s is between objects of one type, not %s and %s", name, show(from), show(to))
			})
		}
		return
	}
	if schemas[from] == nil || schemas[to] == nil {
		return
	}
	targets := relations[from+" "+name]
	if targets == "" || !strings.Contains(targets, " "+to+" ") && !(schemas[to].kind == "sco" && strings.Contains(targets, " SCO ")) {
		c.at(n, func() {
			c.add("relationship", "the standard defines no %s from %s to %s: use one that it does, or related-to", show(name), article(from), article(to))
		})
	}
}

func (c *checker) emailMessage() {
	d := c.d
	multi := d.kind(d.get("is_multipart"))
	if n := d.get("body"); n != 0 && multi == 't' {
		c.at(n, func() { c.add("multipart", "the message has several parts: use body_multipart") })
	}
	if n := d.get("body_multipart"); n != 0 && multi == 'f' {
		c.at(n, func() { c.add("multipart", "the message has one part: use body") })
	}
}

func (c *checker) networkTraffic() {
	d := c.d
	if n := d.get("end"); n != 0 && d.kind(d.get("is_active")) == 't' {
		c.at(n, func() { c.add("active", "is_active is true: leave end out") })
	}
}

func (c *checker) extensionDefinition() {
	d := c.d
	top := false
	for _, t := range d.strings("extension_types") {
		top = top || t == "toplevel-property-extension"
	}
	n := d.get("extension_properties")
	switch {
	case n != 0 && !top && d.get("extension_types") != 0:
		c.at(n, func() { c.add("extension-properties", "only a toplevel-property-extension has extension_properties") })
	case n == 0 && top:
		c.add("extension-listed", "extension_properties ought to list what the extension adds")
	}
}

// languageContent checks the form of translations (§7.1.1).
func (c *checker) languageContent() {
	d := c.d
	n := d.get("contents")
	if d.kind(n) != '{' {
		return
	}
	c.at(n, func() {
		if d.nodes[n].next == n+1 {
			c.addSection("empty-dictionary", "7.1.1", "there is no translation: give at least one language")
		}
		for k := n + 1; k < d.nodes[n].next; k = d.nodes[k+1].next {
			c.path = append(c.path, step{name: k})
			if tag := d.text(k); !validLanguage(tag) {
				c.addSection("language", "7.1.1", "%s: want a language tag such as \"en\" or \"fr-MA\" (RFC 5646)", show(tag))
			}
			if d.nodes[k+1].kind != '{' {
				c.add("translation", "want an object that names the translated properties")
			} else {
				c.anything(k + 1)
			}
			c.path = c.path[:len(c.path)-1]
		}
	})
}
