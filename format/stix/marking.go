// SPDX-License-Identifier: Apache-2.0

package stix

import (
	"strings"

	"accord"
)

// markings are the marking definitions known by their ids: TLP 1 of §7.2.1.4
// (which permits no others), TLP 2.0 of the extension definition
// extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d, and the id under
// which OpenCTI has always published AMBER+STRICT.
var markings = map[string]accord.TLP{
	"marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9": accord.TLPClear,
	"marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da": accord.TLPGreen,
	"marking-definition--f88d31f6-486f-44da-b317-01333bde0b82": accord.TLPAmber,
	"marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed": accord.TLPRed,

	"marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487": accord.TLPClear,
	"marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb": accord.TLPGreen,
	"marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421": accord.TLPAmber,
	"marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003": accord.TLPAmberStrict,
	"marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1": accord.TLPRed,

	"marking-definition--826578e1-40ad-459f-bc73-ede076f81f37": accord.TLPAmberStrict,
}

// written are the ids this package writes: those of TLP 1, which STIX 2.1 itself
// defines and every reader knows, and TLP 2.0's where TLP 1 has none.
var written = [...]string{
	accord.TLPClear:       "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9",
	accord.TLPGreen:       "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da",
	accord.TLPAmber:       "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82",
	accord.TLPAmberStrict: "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
	accord.TLPRed:         "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed",
}

// MarkingID returns the id of the marking definition that stands for t; an
// unknown label counts as RED.
func MarkingID(t accord.TLP) string {
	if int(t) >= len(written) {
		return written[accord.TLPRed]
	}
	return written[t]
}

// MarkingTLP returns the label that a marking definition's id stands for.
func MarkingTLP(id string) (accord.TLP, bool) {
	t, ok := markings[id]
	return t, ok
}

// MarkingDefinition returns the object that MarkingID(t) names, as OASIS
// published it.
func MarkingDefinition(t accord.TLP) []byte {
	head := `{"type":"marking-definition","spec_version":"2.1","id":"` + MarkingID(t) + `","created":`
	switch t {
	case accord.TLPAmberStrict:
		return []byte(head + `"2022-10-01T00:00:00.000Z","name":"TLP:AMBER+STRICT","extensions":{"extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d":{"extension_type":"property-extension","tlp_2_0":"amber+strict"}}}`)
	case accord.TLPClear:
		return []byte(head + `"2017-01-20T00:00:00.000Z","definition_type":"tlp","name":"TLP:WHITE","definition":{"tlp":"white"}}`)
	case accord.TLPGreen, accord.TLPAmber:
		n := t.String()
		return []byte(head + `"2017-01-20T00:00:00.000Z","definition_type":"tlp","name":"TLP:` + strings.ToUpper(n) + `","definition":{"tlp":"` + n + `"}}`)
	case accord.TLPRed:
	}
	return []byte(head + `"2017-01-20T00:00:00.000Z","definition_type":"tlp","name":"TLP:RED","definition":{"tlp":"red"}}`)
}

// marked is the TLP and PAP found in an object.
type marked struct {
	tlp accord.TLP
	has bool // a TLP was found
	pap accord.PAP
}

func (m *marked) take(t accord.TLP) { m.tlp, m.has = max(m.tlp, t), true }

// label takes a label such as "tlp:amber" or "PAP:RED"; others it leaves alone.
func (m *marked) label(s string) bool {
	if len(s) < 5 || s[3] != ':' {
		return false
	}
	switch strings.ToLower(s[:4]) {
	case "tlp:":
		t, err := accord.ParseTLP(s)
		if err == nil {
			m.take(t)
		}
		return err == nil
	case "pap:":
		p, err := accord.ParsePAP(s)
		if err == nil {
			m.pap = max(m.pap, p)
		}
		return err == nil
	}
	return false
}

// markingOf returns what marks the object d: the strictest of its object
// markings, of its granular markings (a part that is RED makes the object RED
// for a decision about the object), and of its labels.
func markingOf(d *document, typ string) marked {
	var m marked
	ref := func(n int32) {
		if n != 0 && d.nodes[n].kind == '"' {
			if t, ok := markings[d.text(n)]; ok {
				m.take(t)
			}
		}
	}
	d.elements(d.get("object_marking_refs"), func(_ int, e int32) { ref(e) })
	d.elements(d.get("granular_markings"), func(_ int, e int32) {
		ref(d.find(e, "marking_ref"))
	})
	for _, l := range d.strings("labels") {
		m.label(l)
	}
	if typ == "marking-definition" {
		var own marked
		if own.label(d.str("name")) {
			m.pap = max(m.pap, own.pap)
		}
		if _, known := markings[d.str("id")]; known && !m.has {
			m.take(accord.TLPClear) // the definition of a label is public
		}
	}
	return m
}
