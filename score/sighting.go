// SPDX-License-Identifier: Apache-2.0

package score

import (
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"accord"
)

// Said is what a STIX sighting (STIX 2.1 §5.2) or opinion (§4.13) says.
type Said struct {
	Of       []string // STIX identifiers of what it is about
	Negative bool     // it is a false positive: disagree, strongly-disagree
	First    accord.Stamp
	Last     accord.Stamp
	Count    int64 // 0: looked for and not seen (§5.2)
}

// maxAbout bounds what one opinion is about.
const maxAbout = 100

// Saying reads what an object says of others' being seen. A sighting without a
// count is one; without instants it is of when it was made. An opinion counts
// only when it disagrees: MISP's false-positive sightings are exchanged so.
func Saying(it *accord.Item) (s Said, ok bool) {
	if it.Type != "sighting" && it.Type != "opinion" || it.Revoked || it.Withdrawn != 0 || len(it.Bytes) == 0 {
		return s, false
	}
	var o struct {
		Of      string   `json:"sighting_of_ref"`
		About   []string `json:"object_refs"`
		Opinion string   `json:"opinion"`
		First   string   `json:"first_seen"`
		Last    string   `json:"last_seen"`
		Count   *int64   `json:"count"`
	}
	if json.Unmarshal(it.Bytes, &o, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) != nil {
		return s, false
	}
	if it.Type == "opinion" {
		s = Said{Of: o.About, Negative: o.Opinion == "disagree" || o.Opinion == "strongly-disagree", Count: 1, Last: it.Version}
		slices.Sort(s.Of)
		s.Of = slices.Compact(s.Of)
		s.Of, s.First = s.Of[:min(len(s.Of), maxAbout)], s.Last
		return s, s.Negative && len(s.Of) > 0
	}
	s = Said{Of: []string{o.Of}, Count: 1, First: stamp(o.First), Last: stamp(o.Last)}
	if o.Count != nil {
		s.Count = min(max(*o.Count, 0), 999_999_999)
	}
	if s.Last == 0 {
		s.Last = max(s.First, it.Version)
	}
	if s.First == 0 {
		s.First = s.Last
	}
	return s, o.Of != "" && s.Count > 0
}

func stamp(s string) accord.Stamp {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return 0
	}
	return accord.StampOf(t)
}
