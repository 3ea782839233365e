// SPDX-License-Identifier: Apache-2.0

package misp

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"

	"accord"
	"accord/format/stix"
)

// mostSightings is how many sightings of one attribute are taken one by one.
const mostSightings = 1000

// readSightings decodes the sightings of an attribute.
func readSightings(a *attribute) (out []sighting, unreadable int) {
	for _, v := range a.Sightings {
		var s sighting
		if at, ok := seconds(s.Date); json.Unmarshal(v, &s) != nil || ok && at == 0 && s.Date != "" {
			unreadable++
			continue
		}
		out = append(out, s)
	}
	return out, unreadable
}

// expires is the latest expiration among the sightings; 0 = none.
func (c *conversion) expires(p prepared) (until accord.Stamp) {
	list, _ := readSightings(&p.attribute)
	for _, s := range list {
		if at, ok := seconds(s.Date); ok && s.Kind == "2" {
			until = max(until, at)
		}
	}
	return until
}

// sightings makes a sighting of each of type 0, and an opinion, strongly-disagree,
// of each false positive (type 1). An expiration (type 2) ends the indicator.
func (c *conversion) sightings(p prepared, of string) {
	list, unreadable := readSightings(&p.attribute)
	if unreadable > 0 {
		c.lose(p.id, string(p.Type), fmt.Sprintf("%d of its sightings: not readable", unreadable))
	}
	if len(list) > mostSightings {
		c.lose(p.id, string(p.Type), fmt.Sprintf("%d of its sightings: over %d", len(list)-mostSightings, mostSightings))
		list = list[:mostSightings]
	}
	for _, s := range list {
		if err := c.sighting(p, s, of); err != nil {
			c.lose(p.id, string(p.Type), "a sighting: "+reason(err))
		}
	}
}

func (c *conversion) sighting(p prepared, s sighting, of string) error {
	at, ok := seconds(s.Date)
	if !ok || at == 0 {
		return fmt.Errorf("%w: its date is none", accord.ErrInvalid)
	}
	id := strings.ToLower(string(s.UUID))
	if !validUUID(id) {
		id = derived("sighting", p.id, string(s.Kind), string(s.Date), string(s.Org.UUID), string(s.Source))
	}
	author := c.owner
	if s.Org.Name != "" || s.Org.UUID != "" {
		var err error
		if author, err = c.organisation(s.Org); err != nil {
			return err
		}
	}
	ob := stixObject{
		CreatedBy: author, Created: at, Modified: at, Markings: []string{stix.MarkingID(p.m.tlp)},
		External: []external{{Source: "MISP", ID: "sighting:" + id}}, Description: clip(string(s.Source), 1000),
	}
	switch s.Kind {
	case "", "0":
		ob.Type, ob.SightingOf, ob.FirstSeen, ob.LastSeen, ob.Count = "sighting", of, at, at, 1
		if author != "" {
			ob.Where = []string{author}
		}
	case "1":
		ob.Type, ob.Opinion, ob.Refs, ob.Labels = "opinion", "strongly-disagree", []string{of}, []string{"misp:false-positive"}
		ob.Rest, ob.Description = map[string]any{"explanation": "Reported as a false positive. " + ob.Description}, ""
	case "2":
		if !strings.HasPrefix(of, "indicator--") || at <= p.valid() {
			return fmt.Errorf("%w: an expiration of what has no later end", accord.ErrInvalid)
		}
		return nil // valid_until says it
	default:
		return fmt.Errorf("%w: type %.10q is not 0, 1 or 2", accord.ErrInvalid, string(s.Kind))
	}
	ob.ID = ob.Type + "--" + id
	return c.add(ob)
}

// valid is from when an attribute's indicator holds.
func (p prepared) valid() accord.Stamp {
	if p.first != 0 {
		return p.first
	}
	return p.changed
}
