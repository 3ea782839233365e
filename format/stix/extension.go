// SPDX-License-Identifier: Apache-2.0

package stix

import "strings"

const definitionPrefix = "extension-definition--"

// eachExtension calls f with the name's node of each extension of the object.
func (c *checker) eachExtension(f func(k int32)) {
	d := c.d
	n := d.get("extensions")
	if d.kind(n) != '{' {
		return
	}
	for k := n + 1; k < d.nodes[n].next; k = d.nodes[k+1].next {
		f(k)
	}
}

// hasTopLevel reports whether a top-level extension may bring properties.
func (c *checker) hasTopLevel() (has bool) {
	c.eachExtension(func(k int32) {
		has = has || c.extensionType(k+1) == "toplevel-property-extension"
	})
	return has
}

// extended reports whether an extension defines the object's type.
func (c *checker) extended() (is bool) {
	c.eachExtension(func(k int32) {
		is = is || strings.HasPrefix(c.extensionType(k+1), "new-")
	})
	return is
}

// extensionType returns the extension_type of the extension at n.
func (c *checker) extensionType(n int32) string {
	if t := c.d.find(n, "extension_type"); c.d.kind(t) == '"' {
		return c.d.text(t)
	}
	return ""
}

// extensions checks the dictionary of extensions at n (§3.2, §7.3, §11.3).
func (c *checker) extensions(n int32) {
	d := c.d
	if d.nodes[n].next == n+1 {
		c.add("empty-dictionary", "there is no extension: leave the property out")
	}
	for k := n + 1; k < d.nodes[n].next; k = d.nodes[k+1].next {
		c.path = append(c.path, step{name: k})
		key := d.text(k)
		known := blocks.extensions[key]
		switch {
		case d.nodes[k+1].kind != '{':
			c.addSection("type", "3.2", "want an object, not %s%s", kindNames[d.nodes[k+1].kind], nullHint(d.nodes[k+1].kind))
		case known != nil && known.owner == c.ownerType(n):
			c.object(k+1, known)
			c.rules(k+1, known)
			c.listsProtocol(known)
		case known != nil:
			c.addSection("extension-key", known.section, "%s extends %s: leave it out here", key, known.owner)
		case strings.HasPrefix(key, definitionPrefix):
			c.defined(key, k+1)
		default:
			c.customExtension(key, k+1)
		}
		c.path = c.path[:len(c.path)-1]
	}
}

// ownerType is the type of the object whose extensions stand at n: the object
// itself, or one in the container being checked.
func (c *checker) ownerType(n int32) string {
	if c.local == 0 {
		return c.typ
	}
	d := c.d
	for k := c.local + 1; k < d.nodes[c.local].next; k = d.nodes[k+1].next {
		if k < n && n < d.nodes[k+1].next {
			if t := d.find(k+1, "type"); d.kind(t) == '"' {
				return d.text(t)
			}
		}
	}
	return ""
}

// listsProtocol wants the protocol of an extension among those of the traffic.
func (c *checker) listsProtocol(s *schema) {
	if s.protocol == "" || c.local != 0 {
		return
	}
	for _, p := range c.d.strings("protocols") {
		if strings.EqualFold(p, s.protocol) {
			return
		}
	}
	c.addSection("protocol", "6.12.1", "protocols does not list %q, the protocol of this extension", s.protocol)
}

// defined checks an extension that an extension definition describes.
func (c *checker) defined(key string, n int32) {
	d := c.d
	_, uuid, _ := strings.Cut(key, "--")
	if !validUUID(uuid) || !rfc4122(uuid) {
		c.add("extension-key", "%s is not the identifier of an extension definition", show(key))
	}
	t := d.find(n, "extension_type")
	switch {
	case t == 0:
		c.add("extension-type", "extension_type is missing: say what the extension does")
		return
	case d.kind(t) != '"' || !vocabularies["extension-type"].words[d.text(t)]:
		c.at(t, func() {
			c.addSection("extension-type", "10.5", "want one of %s", "new-sdo, new-sco, new-sro, property-extension, toplevel-property-extension")
		})
		return
	}
	if strings.HasPrefix(d.text(t), "new-") && schemas[c.typ] != nil {
		c.at(t, func() {
			c.add("extension-redefine", "%s is a type of the standard: use property-extension", show(c.typ))
		})
	}
	for k := n + 1; k < d.nodes[n].next; k = d.nodes[k+1].next {
		c.path = append(c.path, step{name: k})
		if name := d.text(k); !validPropertyName(name) {
			c.addSection("custom-name", "7.3.2", "%s: want 3 to 250 of a-z, 0-9 and _", show(name))
		}
		c.anything(k + 1)
		c.path = c.path[:len(c.path)-1]
	}
	if key == tlp2Extension {
		c.tlp2(n)
	}
}

// customExtension checks an extension of the kind that §11.3 keeps for old content.
func (c *checker) customExtension(key string, n int32) {
	d := c.d
	switch {
	case c.schema.class != classObservable && c.local == 0:
		c.add("extension-key", "%s: name the extension by the identifier of its definition", show(key))
	case len(key) < 3 || len(key) > 250 || !every(key, "-") || !strings.HasSuffix(key, "-ext"):
		c.add("custom-extension-name", "%s: want 3 to 250 of a-z, 0-9 and -, with -ext at the end", show(key))
	default:
		c.add("custom-extension", "%s: define it by an extension definition", show(key))
	}
	if d.nodes[n].next == n+1 {
		c.addSection("empty-dictionary", "11.3.1", "the extension is empty: leave it out")
	}
	for k := n + 1; k < d.nodes[n].next; k = d.nodes[k+1].next {
		c.path = append(c.path, step{name: k})
		if name := d.text(k); !validPropertyName(name) {
			c.addSection("custom-name", "11.3.1", "%s: want 3 to 250 of a-z, 0-9 and _", show(name))
		}
		c.anything(k + 1)
		c.path = c.path[:len(c.path)-1]
	}
}

// localReference checks a reference inside an observable container (§2.13).
func (c *checker) localReference(p *property, n int32) {
	d := c.d
	key := d.text(n)
	to := d.find(c.local, key)
	if to == 0 {
		c.add("container-ref", "%s: no object of the container has this key", show(key))
		return
	}
	if t := d.find(to, "type"); d.kind(t) == '"' && !allowed(p.refs, d.text(t)) {
		c.add("container-ref", "%s may not lead to %s; it leads to %s", p.name, article(clip(d.text(t))), p.targets())
	}
}

// container checks the deprecated objects of an observed-data (§2.13). Its objects
// may be of STIX 2.0, so properties that 2.1 does not have are passed over.
func (c *checker) container(n int32) {
	d := c.d
	c.add("deprecated", "objects is deprecated: use object_refs")
	if d.nodes[n].next == n+1 {
		c.addSection("empty-dictionary", "4.14.1", "the container is empty: it holds at least one object")
	}
	c.local, c.lenient = n, true
	defer func() { c.local, c.lenient = 0, false }()
	for k := n + 1; k < d.nodes[n].next; k = d.nodes[k+1].next {
		c.path = append(c.path, step{name: k})
		t := d.find(k+1, "type")
		switch {
		case d.nodes[k+1].kind != '{':
			c.addSection("type", "2.13", "want an object, not %s", kindNames[d.nodes[k+1].kind])
		case d.kind(t) != '"':
			c.addSection("required", "2.13", "the object has no type")
		default:
			if s := schemas[d.text(t)]; s != nil && s.class == classObservable {
				c.object(k+1, s)
				c.rules(k+1, s)
			}
		}
		c.path = c.path[:len(c.path)-1]
	}
}
