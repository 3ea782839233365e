// SPDX-License-Identifier: Apache-2.0

package misp

import (
	"cmp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"accord"
	"accord/format/stix/pattern"
)

// jsonValue is a JSON value that is not looked into yet.
type jsonValue = jsontext.Value

// follow finds a member by its id.
func (w *writing) follow(id string) map[string]any {
	if r := w.objects[id]; r != nil {
		return r.p
	}
	return nil
}

// uuidOf is the uuid that an item has in this event.
func (w *writing) uuidOf(r *raw) string {
	if w.o.Elsewhere != nil && w.o.Elsewhere(r.ID) {
		return derived("again", w.ev.UUID, r.ID)
	}
	_, id, _ := strings.Cut(r.ID, "--")
	return strings.ToLower(id)
}

// said returns what a label such as misp:type="domain" says.
func said(r *raw, name string) string {
	for _, l := range strs(r.p, "labels") {
		if v, ok := strings.CutPrefix(l, "misp:"+name+`="`); ok {
			return strings.TrimSuffix(v, `"`)
		}
	}
	return ""
}

// attribute begins the attribute of an item.
func (w *writing) attribute(r *raw, typ string) AttributeJSON {
	a := AttributeJSON{
		UUID: w.uuidOf(r), Type: typ, Timestamp: secondsOf(r.Version), Deleted: r.Revoked, Distribution: w.reach(r), Item: r.ID,
		Comment: cmp.Or(str(r.p, "description"), w.remarkOn(r.ID)), Relation: r.ext.Relation,
	}
	t := typeByName[typ]
	if a.Category = said(r, "category"); t != nil && !slices.Contains(t.Categories, a.Category) {
		a.Category = t.Category
	}
	for _, tag := range tagsOf(r) {
		a.Tags = appendTag(a.Tags, tag)
	}
	if r.TLP != w.tlp {
		a.Tags = appendTag(a.Tags, "tlp:"+r.TLP.String())
	}
	if n := r.Confidence; n >= 0 && !slices.ContainsFunc(a.Tags, func(t TagJSON) bool {
		_, scale := credibility[t.Name]
		return scale || strings.HasPrefix(t.Name, "misp:confidence-level=")
	}) && !w.confident(n) {
		a.Tags = appendTag(a.Tags, confidenceTag(n))
	}
	return a
}

// confident reports whether the event's own tags say this confidence.
func (w *writing) confident(n int) bool {
	return slices.ContainsFunc(w.tags, func(t string) bool { return t == confidenceTag(n) || credibility[t] == n })
}

// confidenceTag is the tag whose number is nearest.
func confidenceTag(n int) string {
	best, word := 101, ""
	for _, w := range sortedKeys(confidences) {
		if d := max(confidences[w]-n, n-confidences[w]); d < best {
			best, word = d, w
		}
	}
	return `misp:confidence-level="` + word + `"`
}

// attributesOf writes an item that is an attribute, or several. None: it is none.
func (w *writing) attributesOf(r *raw) []AttributeJSON {
	typ := said(r, "type")
	if typeByName[typ] == nil {
		typ = ""
	}
	switch {
	case r.Type == "indicator":
		return w.fromIndicator(r, typ)
	case r.Type == "observed-data" && typ != "":
		if a, ok := w.fromObserved(r, typ); ok {
			return []AttributeJSON{a}
		}
	case r.Type == "note" && r.of == "attribute" && typ != "":
		a := w.attribute(r, typ)
		a.Value = str(r.p, "content")
		a.ToIDS = said(r, "to_ids") == "true"
		a.FirstSeen, a.LastSeen = r.ext.First, r.ext.LastSeen
		return []AttributeJSON{a}
	case domainTypes[r.Type] && r.of == "attribute" && typ != "":
		if s := slots[typ]; s.root == r.Type {
			a := w.attribute(r, typ)
			a.Value = str(r.p, "name")
			a.ToIDS = said(r, "to_ids") == "true"
			return []AttributeJSON{a}
		}
	case r.Type == "vulnerability" && r.ext.Object == "":
		a := w.attribute(r, "vulnerability")
		a.Value = str(r.p, "name")
		for _, x := range externals(r.p) {
			if x.Source == "cve" && x.ID != "" {
				a.Value = x.ID
			}
		}
		return []AttributeJSON{a}
	}
	return nil
}

// kindTypes are the attribute types of what a pattern looks for.
var kindTypes = map[accord.Kind]string{
	accord.KindDomain: "domain", accord.KindIPv4: "ip-dst", accord.KindIPv6: "ip-dst", accord.KindCIDR: "ip-dst", accord.KindAddrPort: "ip-dst|port",
	accord.KindURL: "url", accord.KindEmail: "email", accord.KindMD5: "md5", accord.KindSHA1: "sha1", accord.KindSHA256: "sha256", accord.KindSHA512: "sha512",
}

// fromIndicator writes the attribute that an indicator is, or those that its
// pattern asks for.
func (w *writing) fromIndicator(r *raw, typ string) []AttributeJSON {
	text, lang := str(r.p, "pattern"), str(r.p, "pattern_type")
	first := accord.Stamp(0)
	if r.ValidFrom != r.Version {
		first = r.ValidFrom
	}
	mark := func(a *AttributeJSON) {
		a.ToIDS, a.FirstSeen, a.LastSeen = true, isoOf(first), r.ext.LastSeen
		if at, ok := instant(asText(r.ext.LastSeen)); ok {
			a.LastSeen = isoOf(at)
		}
		if r.ValidUntil != 0 {
			a.Sightings = append(a.Sightings, SightingJSON{
				UUID: derived("expires", a.UUID), Kind: "2", Date: secondsOf(r.ValidUntil), Of: a.UUID, Source: "valid_until",
			})
		}
	}
	if typ != "" {
		if value, ok := w.patternValue(r, typ, text, lang); ok {
			a := w.attribute(r, typ)
			a.Value, a.Data = value, w.based(r)
			mark(&a)
			return []AttributeJSON{a}
		}
	}
	var out []AttributeJSON
	for i, tv := range typed(text, lang) {
		a := w.attribute(r, tv[0])
		if i > 0 {
			a.UUID = derived("part", a.UUID, tv[0], tv[1])
		}
		a.Value = tv[1]
		if name := str(r.p, "name"); name != "" && !strings.Contains(name, tv[1]) && a.Comment != name {
			a.Comment = strings.TrimSpace(name + "\n" + a.Comment)
		}
		mark(&a)
		out = append(out, a)
	}
	for _, t := range strs(r.p, "indicator_types") {
		if t != "malicious-activity" && t != "unknown" && len(out) > 0 {
			out[0].Tags = appendTag(out[0].Tags, `stix:indicator-type="`+t+`"`)
		}
	}
	return out
}

// based writes off what MISP's indicator is based on, which is the same attribute,
// and returns the file that it holds.
func (w *writing) based(r *raw) (data string) {
	_, id, _ := strings.Cut(r.ID, "--")
	base := w.objects["observed-data--"+baseUUID(id)]
	if base == nil || base.done || base.of != "attribute" {
		return ""
	}
	base.done = base.mine
	refs := strs(base.p, "object_refs")
	if len(refs) > 0 && w.objects[refs[0]] != nil {
		if art := w.objects[str(w.objects[refs[0]].p, "content_ref")]; art != nil {
			data = str(art.p, "payload_bin")
		}
	}
	w.consume(refs...)
	return data
}

func asText(s string) text { return text(s) }

// patternValue returns the value as MISP wrote it. What an extension claims counts
// only if it asks for the same: the pattern is what was decided upon.
func (w *writing) patternValue(r *raw, typ, text, lang string) (string, bool) {
	if r.ext.Value != "" {
		if s, err := readPattern(typ, r.ext.Value); err == nil && s.pattern == text && s.lang == lang {
			return r.ext.Value, true
		}
	}
	v, ok := valueOf(typ, text, lang)
	if !ok {
		return "", false
	}
	s, err := readPattern(typ, v)
	return v, err == nil && s.pattern == text && s.lang == lang
}

// typed returns types and values of what a pattern of somebody else asks for.
func typed(text, lang string) [][2]string {
	switch lang {
	case "yara", "sigma", "snort", "suricata", "zeek":
		return [][2]string{{lang, text}}
	case "kusto":
		return [][2]string{{"kusto-query", text}}
	case "stix":
	default:
		return nil
	}
	p, err := pattern.Parse(text)
	if err == nil {
		if obs, atomic := p.Observables(); atomic && len(obs) > 0 {
			var out [][2]string
			for _, o := range obs {
				v := o.Value
				if o.Kind == accord.KindAddrPort {
					i := strings.LastIndexByte(v, ':')
					v = strings.Trim(v[:i], "[]") + "|" + v[i+1:]
				}
				out = append(out, [2]string{kindTypes[o.Kind], v})
			}
			return out
		}
		for _, typ := range single {
			if v, ok := valueOf(typ, text, lang); ok && v != text {
				if s, err := readPattern(typ, v); err == nil && s.pattern == text {
					return [][2]string{{typ, v}}
				}
			}
		}
	}
	return [][2]string{{"stix2-pattern", text}}
}

// single are the types that a pattern of one comparison may mean, the first that
// fits.
var single = singles()

func singles() []string {
	first := []string{"filename", "mutex", "regkey", "user-agent", "mac-address", "email-subject", "email-message-id", "AS"}
	var rest []string
	for typ := range hashNames {
		rest = append(rest, typ)
	}
	slices.Sort(rest)
	return append(first, rest...)
}

// fromObserved writes the attribute that an observed-data of MISP's is.
func (w *writing) fromObserved(r *raw, typ string) (AttributeJSON, bool) {
	s, ok := slots[typ]
	refs := strs(r.p, "object_refs")
	if !ok || len(refs) == 0 || w.objects[refs[0]] == nil {
		return AttributeJSON{}, false
	}
	root := w.objects[refs[0]]
	value, ok := s.value(root.p, w.follow)
	if claimed := root.ext.Value; claimed != "" {
		// It counts only if it means the same object.
		if n := s.fill(typ, claimed); n != nil && n.typ == root.Type {
			if v, fits := s.value(n.flat(), n.follow); fits && v == value {
				value = claimed
			}
		}
	}
	if !ok || rootOf(s.root, value) != root.Type {
		return AttributeJSON{}, false
	}
	a := w.attribute(r, typ)
	a.Value = value
	a.ToIDS = said(r, "to_ids") == "true"
	w.times(&a, r)
	if art := w.objects[str(root.p, "content_ref")]; art != nil {
		a.Data = str(art.p, "payload_bin")
	}
	w.consume(refs...)
	return a, true
}

// times sets first_seen and last_seen where they say more than the timestamp.
func (w *writing) times(a *AttributeJSON, r *raw) {
	first, _ := instant(text(str(r.p, "first_observed")))
	last, _ := instant(text(str(r.p, "last_observed")))
	if first != r.Version {
		a.FirstSeen = isoOf(first)
	}
	if last != first {
		a.LastSeen = isoOf(last)
		a.FirstSeen = cmp.Or(a.FirstSeen, isoOf(first))
	}
}

// consume marks observables, and what they refer to, as written.
func (w *writing) consume(ids ...string) {
	for _, id := range ids {
		r := w.objects[id]
		if r == nil || r.done {
			continue
		}
		r.done = true
		for _, ref := range r.Refs {
			if !domainObject(ref.To) {
				w.consume(ref.To)
			}
		}
	}
}

// domainObject reports whether an id is none of an observable.
func domainObject(id string) bool {
	typ, _, _ := strings.Cut(id, "--")
	return scoTemplates[typ] == "" && !slices.Contains([]string{"ipv4-addr", "ipv6-addr", "url", "email-addr", "mac-addr", "mutex", "artifact", "directory", "software"}, typ)
}
