// SPDX-License-Identifier: Apache-2.0

package misp

import (
	"hash/fnv"
	"strconv"
)

// EventJSON is an event as MISP writes it (core format §2.2); it marshals to the
// object under "Event". Numbers are texts, as MISP has them.
type EventJSON struct {
	ID           string            `json:"id,omitempty"` // see [NumberOf]
	UUID         string            `json:"uuid"`
	Info         string            `json:"info"`
	Date         string            `json:"date"`
	Threat       string            `json:"threat_level_id"`
	Analysis     string            `json:"analysis"`
	Published    bool              `json:"published"`
	Timestamp    string            `json:"timestamp"`
	PublishedAt  string            `json:"publish_timestamp"`
	Distribution string            `json:"distribution"`
	Extends      string            `json:"extends_uuid,omitempty"`
	OrgID        string            `json:"org_id,omitempty"`
	OrgcID       string            `json:"orgc_id,omitempty"`
	Count        string            `json:"attribute_count,omitempty"`
	Org          *OrgJSON          `json:"Org,omitempty"`
	Orgc         OrgJSON           `json:"Orgc"`
	Tags         []TagJSON         `json:"Tag,omitempty"`
	Attributes   []AttributeJSON   `json:"Attribute"`
	Objects      []ObjectJSON      `json:"Object"`
	Reports      []EventReportJSON `json:"EventReport,omitempty"`
}

// OrgJSON is an organisation.
type OrgJSON struct {
	ID   string `json:"id,omitempty"`
	UUID string `json:"uuid"`
	Name string `json:"name"`
}

// TagJSON is a tag.
type TagJSON struct {
	Name   string `json:"name"`
	Colour string `json:"colour,omitempty"`
}

// AttributeJSON is an attribute, of an event or of an object.
type AttributeJSON struct {
	ID           string         `json:"id,omitempty"`
	EventID      string         `json:"event_id,omitempty"`
	ObjectID     string         `json:"object_id,omitempty"`
	UUID         string         `json:"uuid"`
	Type         string         `json:"type"`
	Category     string         `json:"category"`
	Value        string         `json:"value"`
	ToIDS        bool           `json:"to_ids"`
	Timestamp    string         `json:"timestamp"`
	Comment      string         `json:"comment"`
	Deleted      bool           `json:"deleted"`
	Correlate    bool           `json:"disable_correlation"`
	Distribution string         `json:"distribution"`
	Relation     string         `json:"object_relation,omitempty"`
	FirstSeen    string         `json:"first_seen,omitempty"`
	LastSeen     string         `json:"last_seen,omitempty"`
	Data         string         `json:"data,omitempty"`
	Tags         []TagJSON      `json:"Tag,omitempty"`
	Sightings    []SightingJSON `json:"Sighting,omitempty"`
	Event        *EventHeadJSON `json:"Event,omitempty"` // in answers to a search

	Item string `json:"-"` // id of the STIX object it comes from
}

// EventHeadJSON is what a found attribute says of its event.
type EventHeadJSON struct {
	ID           string `json:"id"`
	OrgID        string `json:"org_id"`
	OrgcID       string `json:"orgc_id"`
	Distribution string `json:"distribution"`
	Info         string `json:"info"`
	UUID         string `json:"uuid"`
}

// ObjectJSON is a MISP object.
type ObjectJSON struct {
	ID           string          `json:"id,omitempty"`
	EventID      string          `json:"event_id,omitempty"`
	UUID         string          `json:"uuid"`
	Name         string          `json:"name"`
	Meta         string          `json:"meta-category"`
	Description  string          `json:"description"`
	Template     string          `json:"template_uuid"`
	TemplateV    string          `json:"template_version"`
	Timestamp    string          `json:"timestamp"`
	Comment      string          `json:"comment"`
	Deleted      bool            `json:"deleted"`
	Distribution string          `json:"distribution"`
	FirstSeen    string          `json:"first_seen,omitempty"`
	LastSeen     string          `json:"last_seen,omitempty"`
	References   []ReferenceJSON `json:"ObjectReference,omitempty"`
	Attributes   []AttributeJSON `json:"Attribute"`

	item string // id of the STIX object it comes from
}

// ReferenceJSON is an edge from an object.
type ReferenceJSON struct {
	UUID      string `json:"uuid"`
	From      string `json:"object_uuid"`
	To        string `json:"referenced_uuid"`
	Kind      string `json:"relationship_type"`
	Comment   string `json:"comment"`
	Timestamp string `json:"timestamp"`
	Deleted   bool   `json:"deleted"`
}

// SightingJSON is a sighting of an attribute.
type SightingJSON struct {
	UUID   string   `json:"uuid"`
	Kind   string   `json:"type"`
	Date   string   `json:"date_sighting"`
	Source string   `json:"source"`
	Of     string   `json:"attribute_uuid,omitempty"`
	Org    *OrgJSON `json:"Organisation,omitempty"`
}

// EventReportJSON is a text about an event.
type EventReportJSON struct {
	UUID         string `json:"uuid"`
	Name         string `json:"name"`
	Content      string `json:"content"`
	Timestamp    string `json:"timestamp"`
	Distribution string `json:"distribution"`
	Deleted      bool   `json:"deleted"`
}

// NumberOf returns the number that stands for a uuid where MISP's interface wants
// one: 50 bits that follow from it, not a count.
func NumberOf(uuid string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(uuid)) // never fails
	return strconv.FormatUint(h.Sum64()>>14|1, 10)
}

// All yields every attribute of the event, those of its objects too.
func (e *EventJSON) All(yield func(*AttributeJSON) bool) {
	for i := range e.Attributes {
		if !yield(&e.Attributes[i]) {
			return
		}
	}
	for i := range e.Objects {
		for k := range e.Objects[i].Attributes {
			if !yield(&e.Objects[i].Attributes[k]) {
				return
			}
		}
	}
}

// Number fills in the ids that MISP's interface has and its feeds have not.
func (e *EventJSON) Number() {
	e.ID, e.OrgcID = NumberOf(e.UUID), NumberOf(e.Orgc.UUID)
	e.Orgc.ID = e.OrgcID
	if e.Org != nil {
		e.OrgID = NumberOf(e.Org.UUID)
		e.Org.ID = e.OrgID
	}
	n := 0
	for a := range e.All {
		n++
		a.ID, a.EventID, a.ObjectID = NumberOf(a.UUID), e.ID, "0"
	}
	for i := range e.Objects {
		o := &e.Objects[i]
		o.ID, o.EventID = NumberOf(o.UUID), e.ID
		for k := range o.Attributes {
			o.Attributes[k].ObjectID = o.ID
		}
	}
	e.Count = strconv.Itoa(n)
}

// Head is what a found attribute says of the event.
func (e *EventJSON) Head() *EventHeadJSON {
	return &EventHeadJSON{ID: e.ID, OrgID: e.OrgID, OrgcID: e.OrgcID, Distribution: e.Distribution, Info: e.Info, UUID: e.UUID}
}
