// SPDX-License-Identifier: Apache-2.0

package misp

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"accord"
	"accord/format/stix"
)

var errNoPlace = errors.New("STIX has no place for it")

// readObjects decodes the event's objects and notes what their references point to,
// so that it gets an item of its own.
func (c *conversion) readObjects() []object {
	var out []object
	for _, v := range c.Objects {
		var ob object
		if err := json.Unmarshal(v, &ob); err != nil {
			c.lose("", "object", "not readable: "+reason(err))
			continue
		}
		ob.Name = cmp.Or(ob.Name, "object")
		ob.id = strings.ToLower(string(ob.UUID))
		for _, v := range ob.Attributes {
			var a attribute
			if err := json.Unmarshal(v, &a); err != nil {
				c.lose("", "attribute", "not readable: "+reason(err))
				continue
			}
			ob.read = append(ob.read, a)
		}
		for _, v := range ob.References {
			var r reference
			if err := json.Unmarshal(v, &r); err != nil {
				c.lose(string(ob.UUID), "object reference", "not readable: "+reason(err))
				continue
			}
			ob.refs = append(ob.refs, r)
			c.pointed[strings.ToLower(string(r.To))] = true
		}
		ob.tlp = c.tlp
		for _, a := range ob.read {
			ob.tlp = max(ob.tlp, c.quiet(a, &ob).tlp)
		}
		out = append(out, ob)
	}
	return out
}

// object converts a MISP object: into the STIX object that it is, when there is
// one, and what has a place in it; the rest of its attributes as items of their
// own that it refers to, or that refer to it.
func (c *conversion) object(ob *object) {
	if !validUUID(ob.id) {
		c.lose(string(ob.UUID), "object "+string(ob.Name), "its uuid is none: its attributes stand alone")
		for _, a := range ob.read {
			c.one(a, nil)
		}
		return
	}
	if len(ob.Attributes) == 0 {
		c.lose(ob.id, "object "+string(ob.Name), "it has no attributes")
		return
	}
	if c.standsFor[ob.id] != "" {
		c.lose(ob.id, "object "+string(ob.Name), "an object with this uuid stands before it")
		return
	}
	t, known := templates[string(ob.Name)]
	var n *node
	at := map[int]string{}
	if known {
		n, at = t.compose(ob.read, c.pointed)
	}
	if n == nil {
		at = nil
	}
	ob.anchor = "grouping--" + ob.id
	switch {
	case n != nil && domainTypes[n.typ]:
		ob.anchor = n.typ + "--" + ob.id
	case n != nil:
		ob.anchor = "observed-data--" + ob.id
	}
	x := extension{Object: string(ob.Name), Template: string(ob.Template), TemplateV: string(ob.TemplateV), Meta: string(ob.Meta)}
	var refs []string
	for i, a := range ob.read {
		path := at[i]
		own := ""
		if path == "" || !c.plain(a, ob) {
			if own = c.one(a, ob); own == "" {
				continue
			}
			refs = append(refs, own)
		}
		x.Attributes = append(x.Attributes, extMember{
			UUID: strings.ToLower(string(a.UUID)), Type: string(a.Type), Category: string(a.Category), Relation: string(a.Relation),
			Timestamp: string(a.Timestamp), At: path,
		})
		if own == "" {
			c.standsFor[strings.ToLower(string(a.UUID))] = ob.anchor
		}
	}
	if err := c.anchor(ob, n, x, refs); err != nil {
		c.lose(ob.id, "object "+string(ob.Name), "that its attributes belong together: "+reason(err))
		return
	}
	c.standsFor[ob.id] = ob.anchor
	c.basedOn(ob, refs)
}

// mostPlaced is how many attributes one STIX object takes; the rest become items
// of their own.
const mostPlaced = 500

// compose builds the template's object from the attributes, and says where each
// that has a place in it stands. Nil when they do not suffice.
func (t template) compose(list []attribute, _ map[string]bool) (*node, map[int]string) {
	n := t.start("")
	if n.typ == "" {
		return nil, nil
	}
	at := map[int]string{}
	for i, a := range list {
		path, ok := t.path(string(a.Relation), string(a.Type))
		if !ok || len(at) >= mostPlaced || bool(a.Deleted) || a.Data != "" || !t.fits(path, string(a.Value)) || !n.set(path, string(a.Value)) {
			continue
		}
		path = n.last(path)
		if v, ok := get(n.flat(), path, n.follow); ok && (v == string(a.Value) || path == "number" && "AS"+v == string(a.Value)) {
			at[i] = path
		}
	}
	if n = n.complete(); n == nil || len(at) == 0 {
		return nil, nil
	}
	return n, at
}

// plain reports whether an attribute says nothing beyond its value and place, so
// that it needs no item of its own.
func (c *conversion) plain(a attribute, ob *object) bool {
	id := strings.ToLower(string(a.UUID))
	return validUUID(id) && !bool(a.ToIDS) && !bool(a.Deleted) && strings.TrimSpace(string(a.Comment)) == "" && len(a.Tags)+len(a.Galaxies)+len(a.Sightings)+len(a.Proposals) == 0 &&
		(a.FirstSeen == "" || a.FirstSeen == ob.FirstSeen) && (a.LastSeen == "" || a.LastSeen == ob.LastSeen) && !c.pointed[id] && c.standsFor[id] == ""
}

// anchor adds the item that stands for the object as a whole.
func (c *conversion) anchor(ob *object, n *node, x extension, refs []string) error {
	changed, ok := seconds(ob.Timestamp)
	if !ok || changed == 0 {
		changed = c.changed
	}
	made := min(c.made, changed)
	first, _ := instant(ob.FirstSeen)
	last, _ := instant(ob.LastSeen)
	it := stixObject{
		ID: ob.anchor, CreatedBy: c.owner, Created: made, Modified: max(made, changed), Revoked: bool(ob.Deleted),
		Labels: clean(append(slices.Clone(c.tags), `misp:object="`+string(ob.Name)+`"`)), Markings: []string{stix.MarkingID(ob.tlp)},
		External: []external{{Source: "MISP", ID: "object:" + ob.id}}, Extensions: x.asMap(),
	}
	it.Type, _, _ = strings.Cut(ob.anchor, "--")
	switch it.Type {
	case "observed-data":
		ids, err := c.observables(n, ob.tlp, extension{})
		if err != nil {
			return err
		}
		it.FirstObserved = cmp.Or(first, changed)
		it.LastObserved = max(cmp.Or(last, it.FirstObserved), it.FirstObserved)
		it.Observed, it.Refs = 1, ids
	case "grouping":
		if len(refs) == 0 {
			return errors.New("none of them could be converted")
		}
		it.Name, it.Context, it.Refs, it.Description = string(ob.Name), "unspecified", refs, joined([]string{string(ob.Comment)})
	default:
		it.Rest = n.props
		if d := strings.TrimSpace(string(ob.Comment)); d != "" && n.props["description"] == nil {
			it.Description = d
		}
		for prop := range n.refs {
			delete(it.Rest, prop)
		}
	}
	if first+last != 0 && it.Type != "observed-data" {
		c.lose(ob.id, "object "+string(ob.Name), "when it was first and last seen")
	}
	if err := c.add(it); err != nil {
		return err
	}
	if it.Type == "observed-data" {
		c.remark(prepared{attribute: attribute{Comment: ob.Comment, Type: "object"}, id: ob.id, made: made, changed: changed, m: marked{tlp: ob.tlp}}, it.ID)
	}
	return nil
}

// basedOn ties the indicators of an object to what was observed.
func (c *conversion) basedOn(ob *object, refs []string) {
	changed, _ := seconds(ob.Timestamp)
	changed = cmp.Or(changed, c.changed)
	for _, id := range refs {
		kind := "related-to"
		if strings.HasPrefix(id, "indicator--") && strings.HasPrefix(ob.anchor, "observed-data--") {
			kind = "based-on"
		}
		if strings.HasPrefix(ob.anchor, "grouping--") || strings.HasPrefix(id, "note--") {
			continue // the one refers to the other
		}
		if err := c.link(kind, id, ob.anchor, ob.tlp, min(c.made, changed), changed, ""); err != nil {
			c.lose(ob.id, "object "+string(ob.Name), "that an attribute belongs to it: "+reason(err))
		}
	}
}

// references makes relationships of the object's references.
func (c *conversion) references(ob *object) {
	for _, r := range ob.refs {
		id, to := strings.ToLower(string(r.UUID)), c.standsFor[strings.ToLower(string(r.To))]
		from := c.standsFor[ob.id]
		switch {
		case bool(r.Deleted):
			continue
		case from == "" || to == "":
			c.lose(id, "object reference", "one of its ends is not among the items of this event")
			continue
		case !validUUID(id):
			id = ""
		}
		changed, ok := seconds(r.Timestamp)
		if !ok || changed == 0 {
			changed = c.changed
		}
		err := c.refer(id, relationshipType(string(r.Kind)), from, to, string(r.Comment), ob.tlp, changed)
		if err != nil {
			c.lose(id, "object reference", "no valid relationship: "+reason(err))
		}
	}
}

func (c *conversion) refer(id, kind, from, to, comment string, tlp accord.TLP, changed accord.Stamp) error {
	made := min(c.made, changed)
	return c.add(stixObject{
		Type: "relationship", ID: "relationship--" + cmp.Or(id, derived("reference", kind, from, to)), CreatedBy: c.owner,
		Created: made, Modified: max(made, changed), Markings: []string{stix.MarkingID(tlp)},
		Relationship: kind, Source: from, Target: to, Description: clip(comment, 20_000),
	})
}

// relationshipType writes a relation as §3.1 has it: a–z, 0–9 and hyphens.
func relationshipType(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r == ' ', r == '_':
			return '-'
		}
		return -1
	}, s)
	return cmp.Or(strings.Trim(clip(s, 100), "-…"), "related-to")
}
