// SPDX-License-Identifier: Apache-2.0

package stix

import (
	"strings"
)

// rules checks what must hold among the properties of the object at n.
func (c *checker) rules(n int32, s *schema) {
	for _, r := range s.rules {
		if c.lenient && (r.kind == "some" || r.kind == "should") {
			continue // 2.0 had other properties
		}
		switch r.kind {
		case "any":
			c.any(n, s, r.names)
		case "some":
			c.some(n, s)
		case "only":
			if v := c.d.find(n, r.names[1]); v != 0 && c.d.find(n, r.names[0]) != 0 {
				c.at(v, func() {
					c.addSection("exclusive", s.section, "%s and %s exclude one another: keep one", r.names[0], r.names[1])
				})
			}
		case "with":
			if v := c.d.find(n, r.names[0]); v != 0 && c.d.find(n, r.names[1]) == 0 {
				c.at(v, func() {
					c.addSection("depends", s.section, "%s needs %s: add it, or leave %s out", r.names[0], r.names[1], r.names[0])
				})
			}
		case "order", "after":
			c.order(n, s, r)
		case "should":
			for _, name := range r.names {
				if c.d.find(n, name) == 0 {
					c.addSection("recommended", s.section, "%s ought to be given", name)
				}
			}
		}
	}
}

// any wants at least one of some properties.
func (c *checker) any(n int32, s *schema, names []string) {
	for _, name := range names {
		if c.d.find(n, name) != 0 {
			return
		}
	}
	c.addSection("one-of", s.section, "%s needs %s", article(s.name), orList(names))
}

// some wants at least one of the properties that the block itself names.
func (c *checker) some(n int32, s *schema) {
	d := c.d
	for k := n + 1; k < d.nodes[n].next; k = d.nodes[k+1].next {
		p := s.props[string(d.bare(k))]
		if p != nil && !p.required && (p.section == s.section || p.name == "extensions" && (s.name == "process" || s.name == "user-account")) {
			return
		}
	}
	c.addSection("one-of", s.section, "%s needs at least one property of its own", article(s.name))
}

// order wants one instant not before another, or after it.
func (c *checker) order(n int32, s *schema, r rule) {
	first, second := c.d.find(n, r.names[0]), c.d.find(n, r.names[1])
	if c.d.kind(first) != '"' || c.d.kind(second) != '"' {
		return
	}
	a, b := c.d.bare(first), c.d.bare(second)
	if !validTimestamp(a) || !validTimestamp(b) {
		return
	}
	order := compareTimestamps(b, a)
	if order > 0 || order == 0 && r.kind == "order" {
		return
	}
	section := orderSection(s, r)
	c.at(second, func() {
		if r.kind == "after" {
			c.addSection("order", section, "%s is not after %s", r.names[1], r.names[0])
		} else {
			c.addSection("order", section, "%s is before %s", r.names[1], r.names[0])
		}
	})
}

// everyCommon are the common properties of any kind of object (§3.2).
var everyCommon = func() map[string]bool {
	out := map[string]bool{}
	for _, s := range blocks.common {
		for name := range s.props {
			out[name] = true
		}
	}
	return out
}()

// reservedNames are of §3.8; the standard spelled the third in both ways.
var reservedNames = map[string]bool{"severity": true, "username": true, "phone_number": true, "phone_numbers": true, "action": true}

// other checks a member, named at k, that its block does not define. The member
// is of the object at n.
func (c *checker) other(k, n int32, s *schema) {
	name := c.d.text(k)
	switch {
	case c.lenient:
	case n == 0 && everyCommon[name]:
		c.misplaced(name, s)
		if name == "extensions" && c.d.nodes[k+1].kind == '{' {
			c.extensions(k + 1)
			return
		}
	case reservedNames[name]:
		c.add("reserved", "%s is reserved: give the property another name", show(name))
	case !validPropertyName(name):
		c.add("custom-name", "%s: want 3 to 250 of a-z, 0-9 and _", show(name))
	case n == 0 && (schemas[c.typ] == nil || c.toplevel):
	case !strings.HasPrefix(name, "x_"):
		c.add("custom-prefix", "%s is no property of %s: give it the prefix x_, or define it by an extension", show(name), article(s.name))
	default:
		c.add("custom-property", "%s: define it by an extension (property-extension)", show(name))
	}
	c.anything(k + 1)
}

// misplaced is about a common property that objects of this kind do not have.
func (c *checker) misplaced(name string, s *schema) {
	if name == "defanged" {
		c.add("forbidden", "defanged is for cyber-observables alone: leave it out")
		return
	}
	what := "a cyber-observable"
	if s.name != "sco" && s.class != classObservable {
		what = article(c.typ)
	}
	c.add("not-applicable", "%s has no %s: leave it out", what, name)
}

// anything checks what holds for values that the standard does not describe.
func (c *checker) anything(n int32) {
	d := c.d
	nd := d.nodes[n]
	switch nd.kind {
	case 'n':
		c.add("type", "null is not a value of STIX: leave the property out")
	case '[':
		if nd.next == n+1 {
			c.add("empty-list", "the list is empty: leave the property out, or give it a value")
		}
		i := 0
		for e := n + 1; e < nd.next; e = d.nodes[e].next {
			c.path = append(c.path, step{index: i})
			c.anything(e)
			c.path = c.path[:len(c.path)-1]
			i++
		}
	case '{':
		if nd.next == n+1 {
			c.add("empty-dictionary", "the dictionary is empty: leave the property out")
		}
		for k := n + 1; k < nd.next; k = d.nodes[k+1].next {
			c.path = append(c.path, step{name: k})
			c.anything(k + 1)
			c.path = c.path[:len(c.path)-1]
		}
	}
}
