// SPDX-License-Identifier: Apache-2.0

package misp

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"accord"
)

// body writes the members: first what becomes objects, then attributes, then what
// hangs on them.
func (w *writing) body() {
	byUUID := map[string]*raw{} // of attributes
	for _, r := range w.order {
		if r.of == "attribute" {
			_, id, _ := strings.Cut(r.ID, "--")
			if old := byUUID[id]; old == nil || r.Type == "indicator" {
				byUUID[id] = r
			}
		}
	}
	for _, r := range w.order {
		if r.ext.Object != "" && (r.Type == "observed-data" || r.Type == "grouping" || domainTypes[r.Type]) {
			w.object(r, byUUID)
		}
	}
	for _, r := range w.order {
		if !r.done {
			w.loose(r)
		}
	}
	for _, r := range w.order {
		if !r.done && scoKnown(r.Type) && r.Version == 0 {
			w.observable(r, accord.Stamp(0))
		}
	}
	w.sortAttributes()
	w.relationships()
	for _, r := range w.order {
		if !r.done {
			w.rest(r)
		}
	}
	w.authors()
}

// loose writes attributes that are in no object.
func (w *writing) loose(r *raw) {
	list := w.attributesOf(r)
	w.ev.Attributes = append(w.ev.Attributes, list...)
	if len(list) == 0 && r.Type == "observed-data" && said(r, "type") == "" {
		w.observed(r)
		return
	}
	if len(list) > 0 {
		w.written(r)
	}
}

func (w *writing) written(r *raw) {
	r.done = true
	w.common(r)
}

// sortAttributes orders them, and notes where each stands: what hangs on them looks
// here.
func (w *writing) sortAttributes() {
	slices.SortStableFunc(w.ev.Attributes, func(a, b AttributeJSON) int { return cmp.Compare(a.UUID, b.UUID) })
	seen := map[string]bool{}
	w.ev.Attributes = slices.DeleteFunc(w.ev.Attributes, func(a AttributeJSON) bool {
		twice := seen[a.UUID]
		seen[a.UUID] = true
		return twice
	})
	slices.SortStableFunc(w.ev.Objects, func(a, b ObjectJSON) int { return cmp.Compare(a.UUID, b.UUID) })
	for i, o := range w.ev.Objects {
		w.anchor[o.item] = i
	}
	w.uuids = map[string]bool{}
	for a := range w.ev.All {
		w.uuids[a.UUID] = true
		if w.place[a.Item] == nil || !strings.HasPrefix(a.Item, "observed-data--") {
			w.place[a.Item] = a
		}
	}
}

// object writes the MISP object that an item of MISP's stands for.
func (w *writing) object(r *raw, byUUID map[string]*raw) {
	x := r.ext
	o := ObjectJSON{
		UUID: w.uuidOf(r), Name: x.Object, Meta: cmp.Or(x.Meta, "misc"), Template: x.Template, TemplateV: x.TemplateV, Timestamp: secondsOf(r.Version),
		Deleted: r.Revoked, Distribution: w.reach(r), item: r.ID, Description: x.Object, Attributes: []AttributeJSON{},
	}
	root := r
	switch r.Type {
	case "observed-data":
		refs := strs(r.p, "object_refs")
		if root = nil; len(refs) > 0 {
			root = w.objects[refs[0]]
		}
		w.consume(refs...)
		var a AttributeJSON
		w.times(&a, r)
		o.FirstSeen, o.LastSeen = a.FirstSeen, a.LastSeen
	case "grouping":
		o.Comment = str(r.p, "description")
	}
	o.Comment = cmp.Or(o.Comment, w.remarkOn(r.ID))
	for _, m := range x.Attributes {
		if a, ok := w.member(r, root, m, byUUID, o.Comment); ok {
			o.Attributes = append(o.Attributes, a)
		}
	}
	if len(o.Attributes) == 0 {
		w.lose(r.ID, r.Type, "an object none of whose attributes is here")
	} else {
		w.ev.Objects = append(w.ev.Objects, o)
	}
	w.written(r)
}

// remarkOn is the comment of MISP's on an item, from the note that holds it.
func (w *writing) remarkOn(id string) string {
	_, uuid, _ := strings.Cut(id, "--")
	n := w.objects["note--"+derived("comment", uuid)]
	if n == nil || n.of != "comment" || !slices.Contains(strs(n.p, "object_refs"), id) {
		return ""
	}
	n.done = n.done || n.mine
	return str(n.p, "content")
}

// member writes one attribute of an object: from the item that it is, else from
// where it stands in the object's.
func (w *writing) member(r, root *raw, m extMember, byUUID map[string]*raw, comment string) (AttributeJSON, bool) {
	if own := byUUID[m.UUID]; own != nil && !own.done {
		list := w.attributesOf(own)
		if len(list) != 1 {
			return AttributeJSON{}, false
		}
		a := list[0]
		a.Relation = m.Relation
		if c := strings.TrimSpace(comment); c != "" && (a.Comment == c || strings.HasSuffix(a.Comment, "\n"+c)) {
			a.Comment = strings.TrimSuffix(strings.TrimSuffix(a.Comment, c), "\n")
		}
		w.written(own)
		return a, true
	}
	if m.At == "" || root == nil || !validUUID(m.UUID) || typeByName[m.Type] == nil {
		return AttributeJSON{}, false
	}
	v, ok := get(root.p, m.At, w.follow)
	if !ok {
		return AttributeJSON{}, false
	}
	if m.Type == "AS" {
		v = "AS" + v
	}
	at, ok := seconds(text(m.Timestamp))
	if !ok || at == 0 {
		at = r.Version
	}
	a := AttributeJSON{
		UUID: m.UUID, Type: m.Type, Category: m.Category, Value: v, Timestamp: secondsOf(at), Distribution: w.reach(r), Relation: m.Relation, Item: r.ID,
	}
	if w.o.Elsewhere != nil && w.o.Elsewhere(r.ID) {
		a.UUID = derived("again", w.ev.UUID, m.UUID)
	}
	if t := typeByName[m.Type]; !slices.Contains(t.Categories, a.Category) {
		a.Category = t.Category
	}
	if r.TLP != w.tlp {
		a.Tags = appendTag(a.Tags, "tlp:"+r.TLP.String())
	}
	return a, true
}

// relationships writes references between objects, and tags for what an attribute
// indicates.
func (w *writing) relationships() {
	for _, r := range w.order {
		if r.done || r.Type != "relationship" {
			continue
		}
		from, to, kind := str(r.p, "source_ref"), str(r.p, "target_ref"), str(r.p, "relationship_type")
		i, object := w.anchor[from]
		switch {
		case object && w.target(to) != "":
			o := &w.ev.Objects[i]
			o.References = append(o.References, ReferenceJSON{
				UUID: w.uuidOf(r), From: o.UUID, To: w.target(to), Kind: kind, Comment: str(r.p, "description"), Timestamp: secondsOf(r.Version), Deleted: r.Revoked,
			})
		case w.place[from] != nil && w.cluster(w.objects[to]) != "":
			w.place[from].Tags = appendTag(w.place[from].Tags, w.cluster(w.objects[to]))
			w.said[to] = true
		case w.belongs(from, to):
		default:
			w.lose(r.ID, r.Type, fmt.Sprintf("that %s %s %s: MISP relates objects alone", from, kind, to))
		}
		w.written(r)
	}
}

// target is the uuid of what an item became, when a reference can point to it.
func (w *writing) target(id string) string {
	if i, ok := w.anchor[id]; ok {
		return w.ev.Objects[i].UUID
	}
	if a := w.place[id]; a != nil {
		return a.UUID
	}
	return ""
}

// belongs reports whether a relationship only says that an attribute is part of an
// object, or that two items are one attribute.
func (w *writing) belongs(from, to string) bool {
	a := w.place[from]
	if a == nil {
		return false
	}
	if b := w.place[to]; b != nil && b.UUID == a.UUID {
		return true
	}
	if _, one, _ := strings.Cut(from, "--"); to == "observed-data--"+baseUUID(one) {
		return true
	}
	i, ok := w.anchor[to]
	return ok && slices.ContainsFunc(w.ev.Objects[i].Attributes, func(b AttributeJSON) bool { return b.UUID == a.UUID })
}

// clusterTypes are the galaxies of what has no better one.
var clusterTypes = map[string]string{
	"malware": "stix-2.1-malware", "tool": "stix-2.1-tool", "attack-pattern": "stix-2.1-attack-pattern", "campaign": "stix-2.1-campaign",
	"course-of-action": "stix-2.1-course-of-action", "intrusion-set": "threat-actor", "threat-actor": "threat-actor",
}

// cluster is the tag of what a galaxy may name; empty when r is no such thing.
func (w *writing) cluster(r *raw) string {
	if r == nil || clusterTypes[r.Type] == "" || r.of == "attribute" || r.ext.Object != "" {
		return ""
	}
	name := str(r.p, "name")
	for _, x := range externals(r.p) {
		switch {
		case x.Source == "misp-galaxy" && strings.HasPrefix(x.ID, "misp-galaxy:"):
			return x.ID
		case x.Source == "mitre-attack" && attackID.MatchString(" - "+x.ID):
			return galaxyTag("mitre-"+r.Type, name+" - "+x.ID)
		}
	}
	return galaxyTag(clusterTypes[r.Type], strings.ReplaceAll(name, `"`, "'"))
}

// rest writes what hangs on others or on the event.
func (w *writing) rest(r *raw) {
	switch tag := w.cluster(r); {
	case tag != "":
		if !w.said[r.ID] {
			w.tags = append(w.tags, tag)
		}
		w.written(r)
	case r.Type == "sighting":
		w.sighting(r)
	case r.Type == "opinion":
		w.opinion(r)
	case r.Type == "note":
		w.report(r, str(r.p, "abstract"), str(r.p, "content"))
	case isHead(&r.Item):
		r.done = true
		w.lose(r.ID, r.Type, "that the event refers to it: it is an event of its own")
	case r.Type == "marking-definition" || r.Type == "extension-definition":
		r.done = true
	case r.of == "attribute": // its value stands elsewhere, or is withheld
		r.done = true
		if _, id, _ := strings.Cut(r.ID, "--"); !w.uuids[id] {
			w.lose(r.ID, r.Type, "its value is not here")
		}
	}
}

func (w *writing) report(r *raw, name, content string) {
	w.ev.Reports = append(w.ev.Reports, EventReportJSON{
		UUID: w.uuidOf(r), Name: cmp.Or(name, "Note"), Content: content, Timestamp: secondsOf(r.Version), Distribution: w.reach(r), Deleted: r.Revoked,
	})
	w.written(r)
}

// sighting writes a sighting of an attribute.
func (w *writing) sighting(r *raw) {
	r.done = true
	a := w.place[str(r.p, "sighting_of_ref")]
	if a == nil {
		w.lose(r.ID, r.Type, "a sighting of what is no attribute here")
		return
	}
	at, ok := instant(text(str(r.p, "last_seen")))
	if !ok {
		at = r.Version
	}
	if n, ok := r.p["count"].(float64); ok && n > 1 {
		w.lose(r.ID, r.Type, fmt.Sprintf("that it counts %.0f: MISP has one sighting for each", n))
	}
	w.seen(a, r, "0", at)
}

func (w *writing) seen(a *AttributeJSON, r *raw, kind string, at accord.Stamp) {
	s := SightingJSON{UUID: w.uuidOf(r), Kind: kind, Date: secondsOf(at), Of: a.UUID, Source: str(r.p, "description")}
	if r.CreatedBy != "" {
		org := w.org(r.CreatedBy)
		s.Org = &org
	}
	a.Sightings = append(a.Sightings, s)
}

// opinion writes a disagreement with an attribute as a false positive.
func (w *writing) opinion(r *raw) {
	r.done = true
	said := str(r.p, "opinion")
	for _, id := range strs(r.p, "object_refs") {
		if a := w.place[id]; a != nil && strings.HasSuffix(said, "disagree") {
			w.seen(a, r, "1", r.Version)
			return
		}
	}
	w.lose(r.ID, r.Type, "the opinion "+clip(said, 40)+": MISP has false positives of attributes alone")
}

// authors marks identities that an author or a sighting stands for as written.
func (w *writing) authors() {
	used := map[string]bool{}
	for _, r := range w.objects {
		used[r.CreatedBy] = true
		for _, id := range strs(r.p, "where_sighted_refs") {
			used[id] = true
		}
	}
	for _, r := range w.order {
		if r.Type == "identity" && used[r.ID] {
			r.done = true
		}
	}
}
