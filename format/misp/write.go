// SPDX-License-Identifier: Apache-2.0

package misp

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"accord"
	"accord/format/stix"
)

// WriteOptions say how events are written.
type WriteOptions struct {
	// Org stands for whoever writes: the author of what has none.
	Org OrgJSON
	// Elsewhere says which items stand in another event too, which keeps their
	// uuids: here they get others, since MISP has a uuid once.
	Elsewhere func(id string) bool
	// Timestamp is the least the event's may be. Without it, it is the report's, or
	// the newest of the leftovers'.
	Timestamp accord.Stamp
	// Part is which of several events of leftovers it is, from 0: see [LeftoverID].
	Part int
	// Extra are objects that may be referred to and are not part of the event, such
	// as the identities of authors.
	Extra []accord.Item
}

// leftoversMost is about how many items that no report holds one event takes: a
// list of a million rows must not become one event, which is read as a whole.
const leftoversMost = 4096

// LeftoverID is the uuid of an event of those items that no report holds: one per
// author and day of creation (UTC), and where these are many, one per part of them.
func LeftoverID(author string, created accord.Stamp, part int) string {
	if part == 0 {
		return derived("leftover", author, dayOf(created))
	}
	return derived("leftover", author, dayOf(created), strconv.Itoa(part))
}

// LeftoverPart is the part that an item goes to when there are so many, a power of
// two: with twice as many, half of each part moves to a new one.
func LeftoverPart(id string, parts int) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // never fails
	return int(h.Sum32()) & (parts - 1)
}

func dayOf(at accord.Stamp) string {
	if at == 0 {
		return "1970-01-01"
	}
	return at.Time().Format(time.DateOnly)
}

// isHead reports whether an item becomes an event, which holds what it refers to:
// a report, or a grouping that is no MISP object.
func isHead(it *accord.Item) bool {
	return it.Type == "report" || it.Type == "grouping" && !strings.Contains(string(it.Bytes), `"`+extensionID+`"`)
}

// HeadID is the uuid of the event that a report or a grouping becomes.
func HeadID(it *accord.Item) string { _, id, _ := strings.Cut(it.ID, "--"); return strings.ToLower(id) }

// writing is one event being written.
type writing struct {
	o       WriteOptions
	ev      EventJSON
	tlp     accord.TLP
	tags    []string // of the event
	said    map[string]bool
	objects map[string]*raw // members and extras by id
	order   []*raw          // members
	place   map[string]*AttributeJSON
	anchor  map[string]int  // index in ev.Objects, by id of the item that stands for it
	uuids   map[string]bool // of attributes written
	latest  accord.Stamp
	losses  []Loss
}

// raw is an object read for writing.
type raw struct {
	accord.Item
	p    map[string]any
	ext  extension
	done bool
	mine bool   // a member, not an extra
	of   string // "attribute:…", "object:…", "comment:…" of MISP, by its external references
}

// WriteEvent writes head, a report or a grouping, as a MISP event with its members;
// without head, the event of leftovers, which the first of its members dates. What
// MISP has no place for is in the losses. Members come in any order; the event is
// the same for the same members.
func WriteEvent(head *accord.Item, members []accord.Item, o WriteOptions) (EventJSON, []Loss, error) {
	w := &writing{o: o, objects: map[string]*raw{}, place: map[string]*AttributeJSON{}, anchor: map[string]int{}, said: map[string]bool{}}
	for _, it := range o.Extra {
		if r, err := readRaw(it); err == nil {
			w.objects[it.ID] = r
		}
	}
	for _, it := range members {
		if head != nil && it.ID == head.ID {
			continue
		}
		r, err := readRaw(it)
		if err != nil {
			return EventJSON{}, nil, fmt.Errorf("write MISP event: %s: %w", it.ID, err)
		}
		r.mine = true
		w.objects[it.ID] = r
		if head == nil {
			w.latest = max(w.latest, it.Version)
		}
	}
	for _, r := range w.objects {
		if r.mine {
			w.order = append(w.order, r)
		}
	}
	slices.SortFunc(w.order, func(a, b *raw) int { return cmp.Compare(a.ID, b.ID) })
	if err := w.head(head); err != nil {
		return EventJSON{}, nil, err
	}
	w.body()
	w.finish()
	return w.ev, w.losses, nil
}

func readRaw(it accord.Item) (*raw, error) {
	r := &raw{Item: it}
	if err := json.Unmarshal(it.Bytes, &r.p); err != nil {
		return nil, fmt.Errorf("%w: %w", accord.ErrInvalid, err)
	}
	var x struct {
		Ext      map[string]jsonValue `json:"extensions"`
		External []external           `json:"external_references"`
	}
	if err := json.Unmarshal(it.Bytes, &x); err != nil {
		return r, nil //nolint:nilerr // extensions of another form are another's
	}
	if v, ok := x.Ext[extensionID]; ok {
		_ = json.Unmarshal(v, &r.ext) // what is not of its form counts as not there
	}
	for _, e := range x.External {
		if kind, _, ok := strings.Cut(e.ID, ":"); ok && e.Source == "MISP" && kind != "extends" {
			r.of = kind
		}
	}
	return r, nil
}

func (w *writing) lose(id, typ, why string) {
	w.losses = append(w.losses, Loss{UUID: id, Type: typ, Why: why})
}

// head writes what the event itself says.
func (w *writing) head(head *accord.Item) error {
	e := &w.ev
	e.Analysis, e.Threat, e.Published = "2", "4", true
	e.Attributes, e.Objects = []AttributeJSON{}, []ObjectJSON{}
	author, created := "", accord.Stamp(0)
	if head != nil {
		r, err := readRaw(*head)
		if err != nil {
			return fmt.Errorf("write MISP event: %s: %w", head.ID, err)
		}
		w.objects[head.ID] = r
		author, created = head.CreatedBy, head.Created
		e.UUID, e.Info = HeadID(head), cmp.Or(str(r.p, "name"), head.Name)
		w.tlp, w.latest = head.TLP, max(w.latest, head.Version)
		w.headLabels(r)
		for _, x := range externals(r.p) {
			if id, ok := strings.CutPrefix(x.ID, "extends:"); ok && x.Source == "MISP" && validUUID(id) {
				e.Extends = id
			}
		}
		if at, ok := instant(text(str(r.p, "published"))); ok {
			e.PublishedAt = secondsOf(at)
		}
		if d := str(r.p, "description"); d != "" {
			e.Reports = append(e.Reports, EventReportJSON{UUID: derived("description", head.ID), Name: "Description", Content: d, Timestamp: secondsOf(head.Version), Distribution: "5"})
		}
		w.common(r)
	} else {
		for _, r := range w.order {
			if r.Created != 0 && (created == 0 || r.Created < created) {
				created = r.Created
			}
			author = cmp.Or(author, r.CreatedBy)
			w.tlp = max(w.tlp, r.TLP)
		}
		e.UUID, e.Info = LeftoverID(author, created, w.o.Part), "Items without a report, "+dayOf(created)
	}
	e.Orgc = w.org(author)
	if head == nil {
		e.Info += ", from " + e.Orgc.Name
		if w.o.Part > 0 {
			e.Info += fmt.Sprintf(", part %d", w.o.Part+1)
		}
	}
	e.Date = dayOf(created)
	e.Distribution = distributionOf(w.tlp)
	w.tags = append(w.tags, "tlp:"+w.tlp.String())
	return nil
}

// headLabels turns the labels of the head into tags, and into what MISP has
// fields for.
func (w *writing) headLabels(r *raw) {
	for _, l := range strs(r.p, "labels") {
		for id, name := range threats {
			if l == `misp:threat-level="`+name+`"` {
				w.ev.Threat = string(id)
			}
		}
		for id, name := range analyses {
			if l == `misp:analysis="`+name+`"` {
				w.ev.Analysis = string(id)
			}
		}
	}
	w.tags = append(w.tags, tagsOf(r)...)
}

// mostTags is how many tags one object is given.
const mostTags = 500

// tagsOf returns the labels that are tags, and the PAP.
func tagsOf(r *raw) []string {
	var out []string
	for _, l := range strs(r.p, "labels") {
		low := strings.ToLower(l)
		switch {
		case len(out) == mostTags:
			return out
		case strings.HasPrefix(low, "tlp:"):
		case strings.HasPrefix(low, "pap:"):
			out = append(out, strings.ToUpper(l))
		case strings.HasPrefix(low, "misp:") && !strings.HasPrefix(low, "misp:confidence-level="):
		default:
			out = append(out, l)
		}
	}
	return out
}

// org returns the organisation that an identity stands for.
func (w *writing) org(id string) OrgJSON {
	_, uuid, ok := strings.Cut(id, "--")
	if !ok {
		return w.o.Org
	}
	name := uuid
	if r := w.objects[id]; r != nil {
		name = cmp.Or(str(r.p, "name"), uuid)
	}
	return OrgJSON{UUID: strings.ToLower(uuid), Name: name}
}

// finish sets what depends on the whole.
func (w *writing) finish() {
	e := &w.ev
	latest := max(w.latest, w.o.Timestamp)
	e.Timestamp = secondsOf(latest)
	if e.PublishedAt == "" || w.o.Timestamp != 0 {
		e.PublishedAt = e.Timestamp
	}
	e.Info = cmp.Or(e.Info, "event "+e.UUID)
	for _, t := range w.tags {
		e.Tags = appendTag(e.Tags, t)
	}
	events := map[string]bool{}
	for _, t := range e.Tags {
		events[t.Name] = true
	}
	for a := range e.All {
		a.Tags = slices.DeleteFunc(a.Tags, func(t TagJSON) bool { return events[t.Name] })
	}
	for _, r := range w.order {
		if !r.done {
			w.lose(r.ID, r.Type, "MISP has no place for it")
		}
	}
}

func appendTag(tags []TagJSON, name string) []TagJSON {
	if name == "" || len(name) > 1000 || slices.ContainsFunc(tags, func(t TagJSON) bool { return t.Name == name }) {
		return tags
	}
	return append(tags, TagJSON{Name: name, Colour: colours[name]})
}

// colours are those of FIRST's labels.
var colours = map[string]string{
	"tlp:red": "#ff2b2b", "tlp:amber": "#ffc000", "tlp:amber+strict": "#ffc000", "tlp:green": "#33ff00", "tlp:clear": "#ffffff",
}

// distributionOf is the distribution whose reach a TLP label allows: all
// communities, this community, or the organisation alone.
func distributionOf(t accord.TLP) string {
	switch t {
	case accord.TLPClear, accord.TLPGreen:
		return "3"
	case accord.TLPAmber:
		return "1"
	case accord.TLPAmberStrict, accord.TLPRed:
	}
	return "0"
}

// reach is the distribution of what r becomes: the event's (5, inherit), unless r is
// marked stricter. A MISP gives on by distribution, whatever the tags say.
func (w *writing) reach(r *raw) string {
	if r.TLP > w.tlp {
		return distributionOf(r.TLP)
	}
	return "5"
}

func secondsOf(at accord.Stamp) string { return strconv.FormatInt(int64(at)/1e6, 10) }

// isoOf writes an instant as MISP does first_seen.
func isoOf(at accord.Stamp) string {
	if at == 0 {
		return ""
	}
	return at.Time().Format("2006-01-02T15:04:05.000000+00:00")
}

// common reports what no object of MISP carries: markings that are no TLP, marks of
// parts, phases.
func (w *writing) common(r *raw) {
	for _, id := range strs(r.p, "object_marking_refs") {
		if _, tlp := stix.MarkingTLP(id); !tlp {
			w.lose(r.ID, r.Type, "the marking "+clip(id, 80)+": MISP has no tag for it")
		}
	}
	for _, name := range []string{"granular_markings", "kill_chain_phases", "lang"} {
		if r.p[name] != nil {
			w.lose(r.ID, r.Type, "its "+name)
		}
	}
	if ext, ok := r.p["extensions"].(map[string]any); ok {
		for _, name := range sortedKeys(ext) {
			if name != extensionID {
				w.lose(r.ID, r.Type, "its extension "+clip(name, 80))
			}
		}
	}
}

func str(p map[string]any, name string) string {
	s, _ := p[name].(string)
	return s
}

func strs(p map[string]any, name string) []string {
	list, _ := p[name].([]any)
	var out []string
	for _, v := range list {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func externals(p map[string]any) []external {
	list, _ := p["external_references"].([]any)
	var out []external
	for _, v := range list {
		if m, ok := v.(map[string]any); ok {
			out = append(out, external{Source: str(m, "source_name"), ID: str(m, "external_id"), URL: str(m, "url")})
		}
	}
	return out
}
