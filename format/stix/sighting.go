// SPDX-License-Identifier: Apache-2.0

package stix

import (
	"strconv"

	"accord"
)

// maxCount is the most that a sighting may count (§5.2.1).
const maxCount = 999_999_999

// Sighting writes a match as a STIX sighting (§5.2) of the indicator: how often
// and when its value was seen, by author (the id of an identity), as of now. The
// id is deterministic per match, so a later version of the same match is a later
// version of the same sighting. What was seen, in which log, stands in the
// description; who was seen doing it does not leave the node. The mark is AMBER:
// what a nation sees of an attack tells where it looks.
func Sighting(m accord.Match, author string, now accord.Stamp) ([]byte, error) {
	switch {
	case !validID(author) || typeOf(author) != "identity":
		return nil, problem("created_by_ref", "3.2", "%q is not the id of an identity", clip(author))
	case !validID(m.Indicator.ID):
		return nil, problem("sighting_of_ref", "2.9", "%q is not an identifier", clip(m.Indicator.ID))
	case m.First == 0 || m.Last < m.First:
		return nil, problem("last_seen", "5.2.1", "the match has no first and last instant in order")
	}
	created := m.Reported
	if created == 0 || created > now {
		created = now
	}
	b := make([]byte, 0, 640)
	b = append(b, `{"type":"sighting","spec_version":"2.1","id":"`...)
	b = append(b, SightingID(m.ID)...)
	b = append(b, `","created_by_ref":"`+author+`"`...)
	b = appendStamp(b, "created", created)
	b = appendStamp(b, "modified", max(created, now))
	b = append(b, `,"description":`...)
	b = appendQuoted(b, describe(m))
	b = appendStamp(b, "first_seen", m.First)
	b = appendStamp(b, "last_seen", m.Last)
	b = append(b, `,"count":`...)
	b = strconv.AppendInt(b, min(max(m.Count, 1), maxCount), 10)
	b = append(b, `,"sighting_of_ref":"`+m.Indicator.ID+`","where_sighted_refs":["`+author+`"],"summary":false`...)
	b = append(b, `,"object_marking_refs":["`+MarkingID(accord.TLPAmber)+`"]}`...)
	return b, nil
}

// SightingID returns the id of the sighting of a match.
func SightingID(match string) string {
	if validUUID(match) {
		return "sighting--" + match
	}
	return string(appendID(nil, "sighting", uuid5(ownSpace, []byte("sighting\x00"+match))))
}

// describe says what was seen, as in "domain login.example in a dns log, field query".
func describe(m accord.Match) string {
	s := string(m.Value.Kind) + " " + m.Value.Value
	if m.Seen.Value != "" && m.Seen.Value != m.Value.Value {
		s += ", seen as " + m.Seen.Value
	}
	if m.Seen.Log != "" {
		s += ", log " + m.Seen.Log
	}
	if m.Seen.Field != "" {
		s += ", field " + m.Seen.Field
	}
	return s
}
