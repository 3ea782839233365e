// SPDX-License-Identifier: Apache-2.0

package misp

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"accord"
	"accord/format/stix"
)

// galaxyTypes are the STIX types of what galaxies name, by the galaxy's type. A
// cluster of another galaxy stays a label.
var galaxyTypes = map[string]string{
	"threat-actor": "threat-actor", "microsoft-activity-group": "threat-actor", "360net-threat-actor": "threat-actor", "eset-threat-actor": "threat-actor",
	"mitre-intrusion-set": "intrusion-set", "mitre-enterprise-attack-intrusion-set": "intrusion-set", "mitre-mobile-attack-intrusion-set": "intrusion-set",
	"mitre-attack-pattern": "attack-pattern", "mitre-enterprise-attack-attack-pattern": "attack-pattern", "mitre-mobile-attack-attack-pattern": "attack-pattern",
	"mitre-pre-attack-attack-pattern": "attack-pattern", "mitre-ics-techniques": "attack-pattern", "stix-2.1-attack-pattern": "attack-pattern",
	"mitre-course-of-action": "course-of-action", "mitre-enterprise-attack-course-of-action": "course-of-action", "mitre-mobile-attack-course-of-action": "course-of-action",
	"stix-2.1-course-of-action": "course-of-action",
	"mitre-malware":             "malware", "mitre-enterprise-attack-malware": "malware", "mitre-mobile-attack-malware": "malware", "mitre-ics-software": "malware",
	"malpedia": "malware", "ransomware": "malware", "backdoor": "malware", "banker": "malware", "botnet": "malware", "stealer": "malware", "rat": "malware",
	"android": "malware", "cryptominers": "malware", "stix-2.1-malware": "malware",
	"mitre-tool": "tool", "mitre-enterprise-attack-tool": "tool", "mitre-mobile-attack-tool": "tool", "tool": "tool", "exploit-kit": "tool", "stix-2.1-tool": "tool",
	"mitre-campaign": "campaign", "campaign": "campaign", "stix-2.1-campaign": "campaign",
	"stix-2.1-intrusion-set": "intrusion-set", "stix-2.1-threat-actor": "threat-actor", "mitre-data-source": "",
}

// attackID is an id of ATT&CK at the end of a cluster's value.
var attackID = regexp.MustCompile(` - ((?:T\d{4}(?:\.\d{3})?|[GSMC]\d{4}))$`)

// cluster is what is known of one.
type cluster struct {
	galaxy, value, tag string
	in                 *Cluster // nil when only the tag is known
}

// clusters adds what the tags and galaxies name, and returns the ids, in order. An
// entry of the public galaxies is public, and keeps its uuid, which for those of
// ATT&CK is ATT&CK's own; anything else is as secret as what it stands beside.
func (c *conversion) clusters(tags []Tag, galaxies []Galaxy, tlp accord.TLP) (ids []string) {
	found := map[string]cluster{}
	for _, g := range galaxies {
		for i := range g.Clusters {
			cl := &g.Clusters[i]
			galaxy, value := string(cl.Type), string(cl.Value)
			if galaxy == "" {
				galaxy = string(g.Type)
			}
			tag := string(cl.Tag)
			if tag == "" {
				tag = galaxyTag(galaxy, value)
			}
			found[strings.ToLower(tag)] = cluster{galaxy, value, tag, cl}
		}
	}
	for _, t := range tags {
		galaxy, value, ok := galaxyOf(string(t.Name))
		if _, known := found[strings.ToLower(string(t.Name))]; ok && !known {
			found[strings.ToLower(string(t.Name))] = cluster{galaxy, value, string(t.Name), nil}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(found)) {
		cl := found[key]
		typ := galaxyTypes[cl.galaxy]
		if typ == "" || cl.value == "" {
			continue
		}
		ob := cl.object(typ, tlp)
		if err := c.add(ob); err != nil {
			c.lose(string(c.UUID), "galaxy", "the object of "+clip(cl.tag, 100)+": "+reason(err))
			continue
		}
		ids = append(ids, ob.ID)
	}
	return ids
}

// object writes a cluster. Its date is before any that the real object has, so
// that the real one stands for the id wherever it is known.
func (cl cluster) object(typ string, tlp accord.TLP) stixObject {
	name := cl.value
	ob := stixObject{Type: typ, Created: orgStamp, Modified: orgStamp, External: []external{{Source: "misp-galaxy", ID: cl.tag}}}
	public := false
	if m := attackID.FindStringSubmatch(cl.value); m != nil && strings.HasPrefix(cl.galaxy, "mitre-") {
		name, public = strings.TrimSuffix(cl.value, m[0]), true
		ob.External = append(ob.External, external{Source: "mitre-attack", ID: m[1]})
	}
	ob.Name = clip(name, 500)
	if cl.in != nil && bool(cl.in.Default) {
		public = true
	}
	if public {
		tlp = accord.TLPClear
	}
	ob.Markings = []string{stix.MarkingID(tlp)}
	ob.ID = typ + "--" + derived("cluster", strings.ToLower(cl.tag), tlp.String())
	if cl.in != nil && public {
		if id := strings.ToLower(string(cl.in.UUID)); validUUID(id) {
			ob.ID = typ + "--" + id
		}
		if v, err := strconv.ParseInt(string(cl.in.Version), 10, 64); err == nil && v > 0 {
			ob.Modified += accord.Stamp(v % 100_000_000 * 1_000_000) // within four years
		}
		ob.Description = clip(string(cl.in.Description), 20_000)
	}
	ob.Rest = cl.rest(typ)
	return ob
}

// rest is what the type has besides: that malware is a family, other names.
func (cl cluster) rest(typ string) map[string]any {
	out := map[string]any{}
	if typ == "malware" {
		out["is_family"] = true
		if cl.galaxy == "ransomware" || cl.galaxy == "backdoor" {
			out["malware_types"] = []string{cl.galaxy}
		}
	}
	if cl.in == nil || typ == "attack-pattern" || typ == "course-of-action" {
		return out
	}
	var meta map[string]jsontext.Value
	if json.Unmarshal(cl.in.Meta, &meta) != nil {
		return out
	}
	var names []string
	if json.Unmarshal(meta["synonyms"], &names) == nil && len(names) > 0 {
		slices.Sort(names)
		names = slices.DeleteFunc(slices.Compact(names), func(s string) bool { return s == "" || len(s) > 500 })
		if names = names[:min(len(names), 100)]; len(names) > 0 {
			out["aliases"] = names
		}
	}
	return out
}

// galaxyOf reads a tag such as misp-galaxy:tool="X".
func galaxyOf(tag string) (galaxy, value string, ok bool) {
	rest, ok := strings.CutPrefix(tag, "misp-galaxy:")
	if !ok {
		return "", "", false
	}
	galaxy, value, ok = strings.Cut(rest, "=")
	return galaxy, strings.Trim(value, `"`), ok
}

func galaxyTag(galaxy, value string) string { return `misp-galaxy:` + galaxy + `="` + value + `"` }
