// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/json"

	"accord"
)

// marks are the markings of an object itself, before tags raise them.
type marks struct {
	TLP accord.TLP `json:"tlp"`
	PAP accord.PAP `json:"pap"`
}

// local is what analysts and telemetry add to an item, as its row keeps it.
type local struct {
	Tags     []string `json:"t,omitempty"`
	False    string   `json:"f,omitempty"`
	Own      *marks   `json:"m,omitempty"`
	First    int64    `json:"a,omitempty"`
	Last     int64    `json:"z,omitempty"`
	Count    int64    `json:"n,omitempty"`
	Negative int64    `json:"d,omitempty"`
}

// local is the row's column; empty when nobody added anything, and once the item
// is erased.
func (r *row) local() (string, error) {
	if r.erased() || len(r.Tags) == 0 && r.False == "" && r.Sighted == (accord.Sighted{}) {
		return "", nil
	}
	l := local{
		Tags: r.Tags, False: r.False, Own: r.own,
		First: int64(r.Sighted.First), Last: int64(r.Sighted.Last), Count: r.Sighted.Count, Negative: r.Sighted.Negative,
	}
	b, err := json.Marshal(l)
	return string(b), err
}

func (r *row) setLocal(text string) error {
	if text == "" {
		return nil
	}
	var l local
	if err := json.Unmarshal([]byte(text), &l); err != nil {
		return err
	}
	r.Tags, r.False, r.own = l.Tags, l.False, l.Own
	r.Sighted = accord.Sighted{First: accord.Stamp(l.First), Last: accord.Stamp(l.Last), Count: l.Count, Negative: l.Negative}
	return nil
}

// keepLocal gives r, whose markings are its own, what was added to another version.
func (r *row) keepLocal(from *row) {
	r.False, r.Sighted, r.own = from.False, from.Sighted, nil
	r.tag(from.Tags)
}

// tag sets the tags of r, and the markings that follow: the object's own, raised by
// every tag that is a marking. A tag never lowers one.
func (r *row) tag(tags []string) {
	own := marks{r.TLP, r.PAP}
	if r.own != nil {
		own = *r.own
	}
	r.Tags, r.own = tags, nil
	r.TLP, r.PAP = own.TLP, own.PAP
	for _, t := range tags {
		if tlp, pap, ok := accord.Mark(t); ok {
			r.TLP, r.PAP = max(r.TLP, tlp), max(r.PAP, pap)
		}
	}
	if r.TLP != own.TLP || r.PAP != own.PAP {
		r.own = &own
	}
}
