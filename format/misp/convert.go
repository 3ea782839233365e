// SPDX-License-Identifier: Apache-2.0

package misp

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"accord"
	"accord/format/stix"
)

// Options say how to convert.
type Options struct {
	// TLP is what an event without a TLP tag counts as, unless its distribution
	// is narrower.
	TLP accord.TLP
}

// Loss is something of an event that its items do not carry.
type Loss struct {
	UUID string // of the MISP object concerned
	Type string // its attribute type, or "event", "object", "tag"…
	Why  string
}

// namespace is the UUIDv5 namespace of the ids that are made here because MISP
// gave none.
var namespace = uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://accord.example/ns/misp"))

// orgStamp is the date of every identity made from an organisation, which has none
// of its own: the same organisation in two events is one item.
const orgStamp accord.Stamp = 1262304000_000000 // 2010-01-01, before MISP

// conversion is one event on its way.
type conversion struct {
	Event
	o          Options
	owner      string // id of the identity
	made       accord.Stamp
	tlp        accord.TLP
	pap        *accord.PAP
	tags       []string // of the event, as written
	labels     []string // of the report: tags and PAP
	confidence *int
	items      []accord.Item
	losses     []Loss
}

// Items converts the event: the identity of its owner, an indicator for each
// attribute that is marked for detection, and a report that refers to them. Ids
// are MISP's own UUIDs, dates are the event's, so converting again gives the
// same bytes. The error means that the event as a whole is unusable; what is
// wrong with one attribute is a Loss.
func (e Event) Items(o Options) ([]accord.Item, []Loss, error) {
	c := &conversion{Event: e, o: o}
	changed, ok := seconds(e.Timestamp)
	if !ok {
		return nil, nil, fmt.Errorf("MISP event %s: %w: timestamp %.30q", e.UUID, accord.ErrInvalid, string(e.Timestamp))
	}
	c.made = changed
	if d, ok := day(e.Date); ok && d < changed {
		c.made = d
	} else if !ok {
		c.lose(string(e.UUID), "event", "its date is not YYYY-MM-DD: the timestamp stands for it")
	}
	c.marks()
	if err := c.identity(); err != nil {
		return nil, nil, fmt.Errorf("MISP event %s: organisation: %w", e.UUID, err)
	}
	for _, v := range e.Attributes {
		c.attribute(v, nil)
	}
	for _, v := range e.Objects {
		c.object(v)
	}
	c.leftovers()
	if err := c.report(changed); err != nil {
		return nil, nil, fmt.Errorf("MISP event %s: report: %w", e.UUID, err)
	}
	return c.items, c.losses, nil
}

func (c *conversion) lose(id, typ, why string) {
	c.losses = append(c.losses, Loss{UUID: clip(id, 60), Type: clip(typ, 60), Why: why})
}

// identity makes the item of the organisation that made the event.
func (c *conversion) identity() error {
	org := c.Orgc
	if org.Name == "" && org.UUID == "" {
		org = c.Org
	}
	if org.Name == "" && org.UUID == "" {
		c.lose(string(c.UUID), "event", "no organisation: it has no author")
		return nil
	}
	id := strings.ToLower(string(org.UUID))
	if !validUUID(id) {
		id = uuid.NewSHA1(namespace, []byte("org:"+string(org.Name))).String()
	}
	c.owner = "identity--" + id
	return c.add(stixObject{
		Type: "identity", ID: c.owner, Created: orgStamp, Modified: orgStamp,
		Name: cmp.Or(clip(string(org.Name), 500), id), Class: "organization",
	})
}

// object converts the attributes of a MISP object, one by one.
func (c *conversion) object(v jsontext.Value) {
	var ob object
	if err := json.Unmarshal(v, &ob); err != nil {
		c.lose("", "object", "not readable: "+reason(err))
		return
	}
	if ob.Name == "" {
		ob.Name = "object"
	}
	before := len(c.items)
	for _, a := range ob.Attributes {
		c.attribute(a, &ob)
	}
	switch n := len(c.items) - before; {
	case n > 1:
		c.lose(string(ob.UUID), "object "+string(ob.Name), "that its attributes belong together")
	case n == 0 && len(ob.Attributes) == 0:
		c.lose(string(ob.UUID), "object "+string(ob.Name), "it has no attributes")
	}
	if len(ob.References) > 0 {
		c.lose(string(ob.UUID), "object "+string(ob.Name), "its references to other objects")
	}
}

// attribute converts one attribute, of the event or of an object.
func (c *conversion) attribute(v jsontext.Value, in *object) {
	var a attribute
	if err := json.Unmarshal(v, &a); err != nil {
		c.lose("", "attribute", "not readable: "+reason(err))
		return
	}
	typ, id := string(a.Type), strings.ToLower(string(a.UUID))
	gone := bool(a.Deleted) || in != nil && bool(in.Deleted)
	read, known := readers[typ]
	switch {
	case !validUUID(id):
		c.lose(string(a.UUID), typ, "its uuid is none")
		return
	case !bool(a.ToIDS):
		c.lose(id, typ, "not marked for detection (to_ids)")
		return
	case !known:
		c.lose(id, typ, "a type that says nothing to look for")
		return
	}
	s, err := read(string(a.Value))
	if err != nil {
		c.lose(id, typ, "its value is not of its type: "+reason(err))
		return
	}
	if err := c.indicator(id, a, in, s, gone); err != nil {
		c.lose(id, typ, "no valid indicator: "+reason(err))
		return
	}
	c.attributeLosses(id, a, s)
}

// attributeLosses reports what an attribute had and its indicator has not.
func (c *conversion) attributeLosses(id string, a attribute, s sought) {
	typ := string(a.Type)
	for _, l := range []struct {
		lost bool
		why  string
	}{
		{s.lost != "", s.lost},
		{a.LastSeen != "", "when it was last seen"},
		{len(a.Sightings) > 0, "its sightings"},
		{len(a.Proposals) > 0, "proposals of others to change it"},
		{a.Data != "", "the file attached to it"},
	} {
		if l.lost {
			c.lose(id, typ, l.why)
		}
	}
}

// indicator makes the item of one attribute.
func (c *conversion) indicator(id string, a attribute, in *object, s sought, gone bool) error {
	changed, ok := seconds(a.Timestamp)
	if !ok {
		changed, _ = seconds(c.Timestamp)
		c.lose(id, string(a.Type), "its timestamp is none: the event's stands for it")
	}
	made := min(c.made, changed) // does not change when the attribute does, as STIX demands
	from := changed
	if t, ok := instant(a.FirstSeen); ok {
		from = t
	} else if a.FirstSeen != "" {
		c.lose(id, string(a.Type), "its first_seen is no instant")
	}
	m := c.own(id, a, in)
	name := s.value
	if in != nil && name == s.value {
		name = cmp.Or(siblingName(in, s.value), s.value)
	}
	note := []string{string(a.Comment)}
	if in != nil {
		note = append(note, string(in.Comment))
	}
	return c.add(stixObject{
		Type: "indicator", ID: "indicator--" + id, CreatedBy: c.owner, Created: made, Modified: max(made, changed), Revoked: gone,
		Labels: m.labels, Confidence: m.confidence, Markings: []string{stix.MarkingID(m.tlp)},
		Name: clip(name, 200) + suffix(c.Info), Description: joined(note),
		IndicatorTypes: []string{"malicious-activity"}, Pattern: s.pattern, PatternType: s.lang, ValidFrom: from,
		External: []external{{Source: "MISP", ID: "attribute:" + id}},
	})
}

// siblingName returns the file name that stands beside a hash in a file object.
func siblingName(in *object, value string) string {
	if in.Name != "file" {
		return ""
	}
	for _, v := range in.Attributes {
		var a attribute
		if json.Unmarshal(v, &a) == nil && a.Type == "filename" && string(a.Value) != value {
			return string(a.Value)
		}
	}
	return ""
}

// suffix returns what the event is about, to follow a value in a name.
func suffix(info text) string {
	if info == "" {
		return ""
	}
	return " (" + clip(strings.TrimSpace(string(info)), 120) + ")"
}

// report makes the item of the event itself.
func (c *conversion) report(changed accord.Stamp) error {
	refs := make([]string, len(c.items))
	for i, it := range c.items {
		refs[i] = it.ID
	}
	if len(refs) == 0 {
		c.lose(string(c.UUID), "event", "the event itself: nothing of it could be converted")
		return nil
	}
	published := changed
	if t, ok := seconds(c.PublishedAt); ok && t > 0 {
		published = t
	}
	return c.add(stixObject{
		Type: "report", ID: "report--" + strings.ToLower(string(c.UUID)), CreatedBy: c.owner, Created: c.made, Modified: max(c.made, changed),
		Labels: c.labels, Markings: []string{stix.MarkingID(c.tlp)}, Name: cmp.Or(clip(strings.TrimSpace(string(c.Info)), 1000), "MISP event "+string(c.UUID)),
		ReportTypes: []string{"threat-report"}, Published: published, Refs: refs,
		External: []external{{Source: "MISP", ID: "event:" + strings.ToLower(string(c.UUID))}},
	})
}

// leftovers reports what of the event has no place in its items.
func (c *conversion) leftovers() {
	for _, l := range []struct {
		n    int
		what string
	}{
		{len(c.Reports), "its event reports (%d)"},
		{len(c.Proposals), "proposals of others to change it (%d)"},
		{len(c.Related), "which events MISP found related (%d)"},
		{len(c.Keys), "the keys that protect it (%d)"},
	} {
		if l.n > 0 {
			c.lose(string(c.UUID), "event", fmt.Sprintf(l.what, l.n))
		}
	}
	if c.Extends != "" {
		c.lose(string(c.UUID), "event", "that it extends another event")
	}
	if len(c.Group) > 0 && c.Group.Kind() == '{' {
		c.lose(string(c.UUID), "event", "its sharing group: the TLP marking stands for it")
	}
}
