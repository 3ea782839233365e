// SPDX-License-Identifier: Apache-2.0

package stix

import (
	"slices"
)

// typeLists are the 2.1 properties that took over the meaning of the 2.0 labels.
var typeLists = map[string]string{
	"indicator": "indicator_types", "malware": "malware_types", "report": "report_types",
	"threat-actor": "threat_actor_types", "tool": "tool_types",
}

// upgrade returns the STIX 2.1 form of the 2.0 object d: what 2.1 requires is
// added, the rest stays byte for byte. The changes are those of STIX 2.1 §1.3
// that make a 2.0 object invalid in 2.1; labels are kept and copied.
func upgrade(d *document, typ string) []byte {
	root := d.nodes[0]
	out := make([]byte, 0, len(d.raw)+160)
	at := d.nodes[d.get("type")].end // spec_version follows the type
	if n := d.get("spec_version"); n != 0 {
		at = d.nodes[n].start
		out = append(out, d.raw[root.start:at]...)
		out = append(out, `"2.1"`...)
		at = d.nodes[n].end
	} else {
		out = append(out, d.raw[root.start:at]...)
		out = append(out, `,"spec_version":"2.1"`...)
	}
	last := d.nodes[0].end - 1
	for last > at && isSpace(d.raw[last-1]) {
		last--
	}
	out = append(out, d.raw[at:last]...)
	add := func(name string, value []byte) {
		if d.get(name) == 0 {
			out = append(out, `,"`+name+`":`...)
			out = append(out, value...)
		}
	}
	if list := typeLists[typ]; list != "" {
		if n := d.get("labels"); d.kind(n) == '[' && d.nodes[n].next > n+1 {
			add(list, d.bytes(n))
		}
	}
	switch typ {
	case "indicator":
		add("pattern_type", []byte(`"stix"`))
		if n := d.get("created"); n != 0 {
			add("valid_from", d.bytes(n))
		}
	case "malware":
		// 2.0 has no properties of a sample: what it describes is a family.
		add("is_family", []byte("true"))
	}
	return append(out, d.raw[last:root.end]...)
}

func isSpace(c byte) bool { return slices.Contains([]byte(" \t\r\n"), c) }
