// SPDX-License-Identifier: Apache-2.0

package misp

import (
	"cmp"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"accord"
	"accord/format/stix"
)

// attribute converts one attribute, of the event or of an object, and returns the
// id of the item that stands for it.
func (c *conversion) attribute(v jsontext.Value, in *object) string {
	var a attribute
	if err := json.Unmarshal(v, &a); err != nil {
		c.lose("", "attribute", "not readable: "+reason(err))
		return ""
	}
	return c.one(a, in)
}

// one converts a read attribute.
func (c *conversion) one(a attribute, in *object) string {
	typ, id := string(a.Type), strings.ToLower(string(a.UUID))
	if !validUUID(id) {
		c.lose(string(a.UUID), typ, "its uuid is none")
		return ""
	}
	if c.standsFor[id] != "" {
		c.lose(id, typ, "an attribute with this uuid stands before it")
		return ""
	}
	p := c.prepare(id, a, in)
	made, err := "", error(nil)
	if bool(a.ToIDS) {
		if made, err = c.indicator(p); err != nil {
			c.lose(id, typ, "no indicator: "+reason(err))
		}
	}
	if made == "" {
		if made, err = c.observation(p); err != nil {
			c.lose(id, typ, "no valid item: "+reason(err))
		}
	}
	if made == "" {
		return ""
	}
	c.standsFor[id] = made
	c.related(p, made)
	if len(a.Proposals) > 0 {
		c.lose(id, typ, "proposals of others to change it")
	}
	return made
}

// prepared is an attribute with what follows from it for any item.
type prepared struct {
	attribute
	id      string
	item    string // uuid of the item, when it is not the attribute's
	in      *object
	made    accord.Stamp // created: does not change when the attribute does, as STIX demands
	changed accord.Stamp
	first   accord.Stamp // 0 = not said
	last    accord.Stamp
	m       marked
	gone    bool
}

func (c *conversion) prepare(id string, a attribute, in *object) prepared {
	p := prepared{attribute: a, id: id, in: in, m: c.own(id, a, in), gone: bool(a.Deleted) || in != nil && bool(in.Deleted)}
	var ok bool
	if p.changed, ok = seconds(a.Timestamp); !ok {
		p.changed = c.changed
		if a.Timestamp != "" {
			c.lose(id, string(a.Type), "its timestamp is none: the event's stands for it")
		}
	}
	p.made = min(c.made, p.changed)
	if p.first, ok = instant(a.FirstSeen); !ok && a.FirstSeen != "" {
		c.lose(id, string(a.Type), "its first_seen is no instant")
		p.first = 0
	}
	if p.last, ok = instant(a.LastSeen); !ok && a.LastSeen != "" {
		c.lose(id, string(a.Type), "its last_seen is no instant")
		p.last = 0
	}
	return p
}

// base begins the item of an attribute.
func (c *conversion) base(typ string, p prepared) stixObject {
	return stixObject{
		Type: typ, ID: typ + "--" + cmp.Or(p.item, p.id), CreatedBy: c.owner, Created: p.made, Modified: max(p.made, p.changed), Revoked: p.gone,
		Labels: p.m.labels, Confidence: p.m.confidence, Markings: []string{stix.MarkingID(p.m.tlp)},
		External: []external{{Source: "MISP", ID: "attribute:" + p.id}},
	}
}

// indicator makes the item of an attribute that is marked for detection.
func (c *conversion) indicator(p prepared) (string, error) {
	typ := string(p.Type)
	s, err := readPattern(typ, string(p.Value))
	if err != nil {
		return "", err
	}
	name, note := s.value, []string{string(p.Comment)}
	if p.in != nil {
		name = cmp.Or(siblingName(p.in, s.value), s.value)
		note = append(note, string(p.in.Comment))
	}
	ob := c.base("indicator", p)
	ob.Name, ob.Description = clip(name, 200)+suffix(c.Info), joined(note)
	ob.IndicatorTypes, ob.Pattern, ob.PatternType = []string{"malicious-activity"}, s.pattern, s.lang
	ob.ValidFrom = cmp.Or(p.first, p.changed)
	if until := c.expires(p); until > ob.ValidFrom {
		ob.ValidUntil = until
	}
	var x extension
	if v, ok := valueOf(typ, s.pattern, s.lang); !ok || v != string(p.Value) {
		x.Value = string(p.Value)
	}
	if p.last != 0 {
		x.LastSeen = p.last.String()
	}
	if x.Value != "" || x.LastSeen != "" {
		ob.Extensions = x.asMap()
	}
	if err := c.add(ob); err != nil {
		return "", err
	}
	if s.lost != "" || p.Data != "" {
		if err := c.baseOf(p, ob.ID); err != nil {
			c.lose(p.id, typ, cmp.Or(s.lost, "the file attached to it")+": "+reason(err))
		}
	}
	return ob.ID, nil
}

// baseOf adds what an indicator's pattern does not say, as what was observed.
func (c *conversion) baseOf(p prepared, indicator string) error {
	p.Sightings, p.Comment = nil, ""
	p.item = baseUUID(p.id) // the indicator has the attribute's: §2.9 gives a UUID once
	id, err := c.observed(p)
	if err != nil || id == "" {
		return cmp.Or(err, errNoPlace)
	}
	return c.link("based-on", indicator, id, p.m.tlp, p.made, p.changed, "")
}

// baseUUID is the uuid of what an attribute's indicator is based on.
func baseUUID(attribute string) string { return derived("observed", attribute) }

// observation makes the items of an attribute that says what was seen, or what
// somebody knows.
func (c *conversion) observation(p prepared) (string, error) {
	if bool(p.ToIDS) {
		p.m.labels = append(slices.Clip(p.m.labels), `misp:to_ids="true"`)
	}
	if id, err := c.observed(p); id != "" || err == nil && p.Value == "" {
		if p.Value == "" {
			c.lose(p.id, string(p.Type), "it has no value")
		}
		return id, err
	}
	return c.note(p)
}

// observed makes what STIX has an object for: the observables and the
// observed-data that says when; or a domain object. No id: there is no such place.
func (c *conversion) observed(p prepared) (string, error) {
	s, ok := slots[string(p.Type)]
	if !ok || p.Value == "" {
		return "", nil
	}
	n := s.fill(string(p.Type), string(p.Value))
	if n == nil {
		return "", nil
	}
	if domainTypes[n.typ] {
		return c.domainObject(p, n)
	}
	if p.Data != "" {
		if err := attach(n, string(p.Type), string(p.Data)); err != nil {
			c.lose(p.id, string(p.Type), "the file attached to it: "+reason(err))
		}
	}
	var exact extension
	if v, ok := s.value(n.flat(), n.follow); !ok || v != string(p.Value) {
		exact.Value = string(p.Value)
	}
	refs, err := c.observables(n, p.m.tlp, exact)
	if err != nil {
		return "", err
	}
	ob := c.base("observed-data", p)
	ob.FirstObserved = cmp.Or(p.first, p.changed)
	ob.LastObserved = max(cmp.Or(p.last, ob.FirstObserved), ob.FirstObserved)
	ob.Observed, ob.Refs = 1, refs
	if err := c.add(ob); err != nil {
		return "", err
	}
	c.remark(p, ob.ID)
	return ob.ID, nil
}

// domainObject makes a vulnerability, a threat actor and the like of an attribute.
func (c *conversion) domainObject(p prepared, n *node) (string, error) {
	ob := c.base(n.typ, p)
	ob.Rest, ob.Description = n.props, joined([]string{string(p.Comment)})
	if cve := strings.ToUpper(string(p.Value)); n.typ == "vulnerability" && strings.HasPrefix(cve, "CVE-") {
		ob.External = append(ob.External, external{Source: "cve", ID: cve})
	}
	if p.first != 0 || p.last != 0 {
		c.lose(p.id, string(p.Type), "when it was first and last seen")
	}
	return ob.ID, c.add(ob)
}

// note keeps a value that STIX has no object for.
func (c *conversion) note(p prepared) (string, error) {
	if p.Value == "" {
		return "", nil
	}
	ob := c.base("note", p)
	ob.Abstract, ob.Content = string(p.Type), clip(string(p.Value), longest)
	ob.Refs = []string{c.reportID()}
	if p.in != nil {
		ob.Refs = []string{p.in.anchor}
	}
	if len(p.Value) > longest {
		c.lose(p.id, string(p.Type), "what of it is over a megabyte")
	}
	if p.Data != "" {
		c.lose(p.id, string(p.Type), "the file attached to it")
	}
	if x := (extension{First: isoOf(p.first), LastSeen: isoOf(p.last)}); x.First != "" || x.LastSeen != "" {
		ob.Extensions = x.asMap()
	}
	if err := c.add(ob); err != nil {
		return "", err
	}
	c.remark(p, ob.ID)
	return ob.ID, nil
}

// remark keeps the comment of an attribute whose item has no description.
func (c *conversion) remark(p prepared, on string) {
	if strings.TrimSpace(string(p.Comment)) == "" {
		return
	}
	id := derived("comment", p.id)
	err := c.add(stixObject{
		Type: "note", ID: "note--" + id, CreatedBy: c.owner, Created: p.made, Modified: max(p.made, p.changed), Revoked: p.gone,
		Labels: []string{"misp:comment"}, Markings: []string{stix.MarkingID(p.m.tlp)}, Content: clip(string(p.Comment), longest), Refs: []string{on},
		External: []external{{Source: "MISP", ID: "comment:" + p.id}},
	})
	if err != nil {
		c.lose(p.id, string(p.Type), "its comment: "+reason(err))
	}
}

// related adds what hangs on an attribute: what its galaxies name, its sightings.
func (c *conversion) related(p prepared, id string) {
	kind := "related-to"
	if strings.HasPrefix(id, "indicator--") {
		kind = "indicates"
	}
	for _, to := range c.clusters(p.Tags, p.Galaxies, p.m.tlp) {
		verb := kind
		if strings.HasPrefix(to, "course-of-action--") || strings.HasPrefix(to, "identity--") {
			verb = "related-to"
		}
		if err := c.link(verb, id, to, p.m.tlp, p.made, p.changed, ""); err != nil {
			c.lose(p.id, string(p.Type), "what it indicates: "+reason(err))
		}
	}
	c.sightings(p, id)
}

// link adds a relationship with an id that follows from its ends.
func (c *conversion) link(kind, from, to string, tlp accord.TLP, made, changed accord.Stamp, id string) error {
	return c.add(stixObject{
		Type: "relationship", ID: "relationship--" + cmp.Or(id, derived(kind, from, to)), CreatedBy: c.owner, Created: made, Modified: max(made, changed),
		Markings: []string{stix.MarkingID(tlp)}, Relationship: kind, Source: from, Target: to,
	})
}

// attach puts the file that an attribute carries beside its name.
func attach(n *node, typ, data string) error {
	if _, err := base64.StdEncoding.DecodeString(data); err != nil {
		return err
	}
	art := &node{typ: "artifact", props: map[string]any{"payload_bin": data}}
	if typ == "malware-sample" { // MISP packs it so that nobody runs it by mistake
		art.props["mime_type"], art.props["encryption_algorithm"], art.props["decryption_key"] = "application/zip", "mime-type-indicated", "infected"
	}
	n.refs["content_ref"] = []*node{art}
	return nil
}

// siblingName returns the file name that stands beside a hash in a file object.
func siblingName(in *object, value string) string {
	if in.Name != "file" {
		return ""
	}
	for _, a := range in.read[:min(len(in.read), 100)] {
		if a.Type == "filename" && string(a.Value) != value {
			return string(a.Value)
		}
	}
	return ""
}
