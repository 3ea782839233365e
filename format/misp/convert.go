// SPDX-License-Identifier: Apache-2.0

package misp

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
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

// Loss is something of an event that its items do not carry, or of items that the
// events do not.
type Loss struct {
	UUID string // of the MISP object concerned; of a STIX object its id
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
	changed    accord.Stamp
	tlp        accord.TLP
	pap        *accord.PAP
	tags       []string // of the event, as written
	labels     []string // of the report: tags and PAP
	confidence *int
	items      []accord.Item
	there      map[string]bool   // ids of items
	standsFor  map[string]string // by MISP uuid: the id of its item
	pointed    map[string]bool   // uuids that object references point to
	losses     []Loss
}

// Items converts the event: the identity of its owner; for each attribute an
// indicator when it is marked for detection, else what was observed, or a note
// where STIX has no place for the value; for each MISP object the STIX object that
// it is, or a grouping; what its galaxies name, its sightings and its reports; and
// a report that refers to them all. Ids are MISP's own UUIDs where it has one,
// dates are the event's, so converting again gives the same bytes. The error means
// that the event as a whole is unusable; what is wrong with one attribute is a
// Loss.
func (e Event) Items(o Options) ([]accord.Item, []Loss, error) {
	c := &conversion{Event: e, o: o, there: map[string]bool{}, standsFor: map[string]string{}, pointed: map[string]bool{}}
	var ok bool
	if c.changed, ok = seconds(e.Timestamp); e.Timestamp == "" { // as PyMISP leaves it away for MISP to set
		c.changed, ok = day(e.Date)
	}
	if !ok {
		return nil, nil, fmt.Errorf("MISP event %s: %w: timestamp %.30q", e.UUID, accord.ErrInvalid, string(e.Timestamp))
	}
	c.made = c.changed
	if d, ok := day(e.Date); ok && d < c.changed {
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
	objects := c.readObjects()
	for i := range objects {
		c.object(&objects[i])
	}
	for i := range objects {
		c.references(&objects[i])
	}
	c.clusters(c.Tags, c.Galaxies, c.tlp)
	c.reports()
	c.leftovers()
	if err := c.report(); err != nil {
		return nil, nil, fmt.Errorf("MISP event %s: report: %w", e.UUID, err)
	}
	return c.items, c.losses, nil
}

func (c *conversion) lose(id, typ, why string) {
	c.losses = append(c.losses, Loss{UUID: clip(id, 60), Type: clip(typ, 60), Why: why})
}

// identity makes the item of the organisation that made the event.
func (c *conversion) identity() (err error) {
	org := c.Orgc
	if org.Name == "" && org.UUID == "" {
		org = c.Org
	}
	if org.Name == "" && org.UUID == "" {
		c.lose(string(c.UUID), "event", "no organisation: it has no author")
		return nil
	}
	c.owner, err = c.organisation(org)
	return err
}

// organisation adds the identity of an organisation and returns its id.
func (c *conversion) organisation(org Org) (string, error) {
	id := strings.ToLower(string(org.UUID))
	if !validUUID(id) {
		id = uuid.NewSHA1(namespace, []byte("org:"+string(org.Name))).String()
	}
	return "identity--" + id, c.add(stixObject{
		Type: "identity", ID: "identity--" + id, Created: orgStamp, Modified: orgStamp,
		Name: cmp.Or(clip(string(org.Name), 500), id), Class: "organization",
	})
}

// reportID is the id of the event's report.
func (c *conversion) reportID() string { return "report--" + strings.ToLower(string(c.UUID)) }

// report makes the item of the event itself.
func (c *conversion) report() error {
	refs := make([]string, len(c.items))
	for i, it := range c.items {
		refs[i] = it.ID
	}
	if len(refs) == 0 {
		c.lose(string(c.UUID), "event", "the event itself: nothing of it could be converted")
		return nil
	}
	published := c.changed
	if t, ok := seconds(c.PublishedAt); ok && t > 0 {
		published = t
	}
	ext := []external{{Source: "MISP", ID: "event:" + strings.ToLower(string(c.UUID))}}
	if id := strings.ToLower(string(c.Extends)); validUUID(id) {
		ext = append(ext, external{Source: "MISP", ID: "extends:" + id})
	} else if id != "" {
		c.lose(string(c.UUID), "event", "what it extends: no uuid")
	}
	return c.add(stixObject{
		Type: "report", ID: c.reportID(), CreatedBy: c.owner, Created: c.made, Modified: max(c.made, c.changed),
		Labels: c.labels, Markings: []string{stix.MarkingID(c.tlp)}, Name: cmp.Or(clip(strings.TrimSpace(string(c.Info)), 1000), "MISP event "+string(c.UUID)),
		ReportTypes: []string{"threat-report"}, Published: published, Refs: refs, External: ext, Confidence: c.confidence,
	})
}

// reports makes a note of each event report.
func (c *conversion) reports() {
	for _, v := range c.Reports {
		var r eventReport
		if err := json.Unmarshal(v, &r); err != nil {
			c.lose(string(c.UUID), "event report", "not readable: "+reason(err))
			continue
		}
		id := strings.ToLower(string(r.UUID))
		at, ok := seconds(r.Timestamp)
		if !ok || at == 0 {
			at = c.changed
		}
		switch {
		case !validUUID(id):
			c.lose(string(r.UUID), "event report", "its uuid is none")
			continue
		case r.Content == "":
			c.lose(id, "event report", "it is empty")
			continue
		}
		if len(r.Content) > longest {
			c.lose(id, "event report", "what of it is over a megabyte")
		}
		made := min(c.made, at)
		err := c.add(stixObject{
			Type: "note", ID: "note--" + id, CreatedBy: c.owner, Created: made, Modified: max(made, at), Revoked: bool(r.Deleted),
			Labels: []string{`misp:event-report`}, Markings: []string{stix.MarkingID(c.tlp)},
			Abstract: clip(string(r.Name), 1000), Content: clip(string(r.Content), longest), Refs: []string{c.reportID()},
			External: []external{{Source: "MISP", ID: "event-report:" + id}},
		})
		if err != nil {
			c.lose(id, "event report", "no valid note: "+reason(err))
		}
	}
}

// longest is the most bytes of one text that is kept.
const longest = 1 << 20

// leftovers reports what of the event has no place in its items.
func (c *conversion) leftovers() {
	for _, l := range []struct {
		n    int
		what string
	}{
		{len(c.Proposals), "proposals of others to change it (%d)"},
		{len(c.Related), "which events MISP found related (%d)"},
		{len(c.Keys), "the keys that protect it (%d)"},
	} {
		if l.n > 0 {
			c.lose(string(c.UUID), "event", fmt.Sprintf(l.what, l.n))
		}
	}
	if len(c.Group) > 0 && c.Group.Kind() == '{' {
		c.lose(string(c.UUID), "event", "its sharing group: the TLP marking stands for it")
	}
}

// suffix returns what the event is about, to follow a value in a name.
func suffix(info text) string {
	if info == "" {
		return ""
	}
	return " (" + clip(strings.TrimSpace(string(info)), 120) + ")"
}
