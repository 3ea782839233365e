// SPDX-License-Identifier: Apache-2.0

package misp

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"accord"
	"accord/format/misp"
)

// query is a search as asked for.
type query struct {
	format string
	limit  int // 0 = all
	page   int

	values, types, cats, tags, orgs, uuids, info, relations, objects, all terms
	eventIDs                                                              terms

	from, to                 string // days
	changed, published, last span
	toIDs                    *bool
	deleted                  string // "" no, "with", "only"
	none                     bool   // asks for what there is not: unpublished events

	metadata, attachments, sightings, eventTags, headerless, minimal bool

	scanned, mostScanned int // attributes read since the last that was sent, and how many may be
}

// mostLimit is the largest page.
const mostLimit = 100_000

// window returns how many to skip and how many to take, -1 for all.
func (q *query) window() (skip, left int) {
	if q.limit <= 0 {
		return 0, -1
	}
	return (max(q.page, 1) - 1) * q.limit, q.limit
}

// span is a stretch of time in Unix seconds, both ends in it; zero is open.
type span struct{ from, to int64 }

func (s span) holds(at int64) bool { return at >= s.from && (s.to == 0 || at <= s.to) }

// terms are alternatives, what must all hold, and what must not, in lower case.
type terms struct{ or, and, not alternatives }

// alternatives are texts, of which any will do: as they stand, which is one look-up
// however many there are, and with %.
type alternatives struct {
	exact map[string]bool
	wild  []string
}

func (a *alternatives) add(text string) {
	text = strings.ToLower(text)
	if strings.Contains(text, "%") {
		a.wild = append(a.wild, text)
		return
	}
	if a.exact == nil {
		a.exact = map[string]bool{}
	}
	a.exact[text] = true
}

func (a *alternatives) size() int { return len(a.exact) + len(a.wild) }

func (a *alternatives) has(text string) bool {
	return a.exact[text] || slices.ContainsFunc(a.wild, func(term string) bool { return like(term, text) })
}

func (t *terms) some() bool { return t.or.size()+t.and.size()+t.not.size() > 0 }

// met reports whether a thing with these texts is let through, without regard to
// case.
func (t *terms) met(texts ...string) bool {
	if !t.some() {
		return true
	}
	low := make([]string, len(texts))
	for i, s := range texts {
		low[i] = strings.ToLower(s)
	}
	if slices.ContainsFunc(low, t.not.has) {
		return false
	}
	for term := range t.and.exact {
		if !slices.Contains(low, term) {
			return false
		}
	}
	for _, term := range t.and.wild {
		if !slices.ContainsFunc(low, func(s string) bool { return like(term, s) }) {
			return false
		}
	}
	return t.or.size() == 0 || slices.ContainsFunc(low, t.or.has)
}

// like compares texts in lower case; % stands for any text. Each % is tried at its
// first place only, which is right for a pattern without other wildcards, so the
// time is that of a search.
func like(term, s string) bool {
	parts := strings.Split(term, "%")
	if !strings.HasPrefix(s, parts[0]) {
		return false
	}
	s = s[len(parts[0]):]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(s, p)
		if i < 0 {
			return false
		}
		s = s[i+len(p):]
	}
	return strings.HasSuffix(s, parts[len(parts)-1])
}

// reader reads one parameter.
type paramReader func(q *query, v jsontext.Value, now time.Time) error

// ignored takes a parameter that only adds to what is shown and is not done here,
// or that changes nothing here.
func ignored(*query, jsontext.Value, time.Time) error { return nil }

// refused takes a parameter that would leave something out: only when it is off.
func refused(_ *query, v jsontext.Value, _ time.Time) error {
	if on, err := truth(v); err == nil && !on {
		return nil
	}
	return fmt.Errorf("%w: not done here, and leaving it away gives more than you asked for", accord.ErrInvalid)
}

func into(f func(*query) *terms) paramReader {
	return func(q *query, v jsontext.Value, _ time.Time) (err error) {
		*f(q), err = readTerms(v)
		return err
	}
}

func flagOf(f func(*query) *bool) paramReader {
	return func(q *query, v jsontext.Value, _ time.Time) (err error) {
		*f(q), err = truth(v)
		return err
	}
}

func spanOf(f func(*query) *span) paramReader {
	return func(q *query, v jsontext.Value, now time.Time) (err error) {
		*f(q), err = readSpan(v, now)
		return err
	}
}

func dayInto(f func(*query) *string) paramReader {
	return func(q *query, v jsontext.Value, now time.Time) (err error) {
		*f(q), err = readDay(v, now)
		return err
	}
}

// searchParameters are those of both searches.
var searchParameters = map[string]paramReader{
	"returnFormat": func(q *query, v jsontext.Value, _ time.Time) (err error) { q.format, err = textOf(v); return err },
	"limit": func(q *query, v jsontext.Value, _ time.Time) (err error) {
		q.limit, err = count(v, mostLimit)
		return err
	},
	"page": func(q *query, v jsontext.Value, _ time.Time) (err error) {
		q.page, err = count(v, 1_000_000)
		return err
	},
	"value": into(func(q *query) *terms { return &q.values }), "type": into(func(q *query) *terms { return &q.types }),
	"category": into(func(q *query) *terms { return &q.cats }), "tags": into(func(q *query) *terms { return &q.tags }), "tag": into(func(q *query) *terms { return &q.tags }),
	"org": into(func(q *query) *terms { return &q.orgs }), "eventid": into(func(q *query) *terms { return &q.eventIDs }),
	"uuid": into(func(q *query) *terms { return &q.uuids }), "eventinfo": into(func(q *query) *terms { return &q.info }),
	"object_relation": into(func(q *query) *terms { return &q.relations }), "object_name": into(func(q *query) *terms { return &q.objects }),
	"searchall": into(func(q *query) *terms { return &q.all }), "quickFilter": into(func(q *query) *terms { return &q.all }),
	"from": dayInto(func(q *query) *string { return &q.from }), "to": dayInto(func(q *query) *string { return &q.to }),
	"date_from": dayInto(func(q *query) *string { return &q.from }), "date_to": dayInto(func(q *query) *string { return &q.to }),
	"event_timestamp": spanOf(func(q *query) *span { return &q.published }), "publish_timestamp": spanOf(func(q *query) *span { return &q.last }),
	"last": spanOf(func(q *query) *span { return &q.last }), "timestamp": spanOf(func(q *query) *span { return &q.changed }),
	"to_ids": func(q *query, v jsontext.Value, _ time.Time) error {
		on, err := truth(v)
		q.toIDs = &on
		return err
	},
	"deleted": readDeleted,
	"published": func(q *query, v jsontext.Value, _ time.Time) error {
		on, err := truth(v)
		q.none = err == nil && !on
		return err
	},
	"metadata": flagOf(func(q *query) *bool { return &q.metadata }), "withAttachments": flagOf(func(q *query) *bool { return &q.attachments }),
	"includeSightings": flagOf(func(q *query) *bool { return &q.sightings }), "includeEventTags": flagOf(func(q *query) *bool { return &q.eventTags }),
	"headerless": flagOf(func(q *query) *bool { return &q.headerless }), "minimal": flagOf(func(q *query) *bool { return &q.minimal }),
	"includeEventUuid": ignored, "includeContext": ignored, "includeCorrelations": ignored, "includeDecayScore": ignored, "includeGalaxy": ignored,
	"includeProposals": ignored, "sgReferenceOnly": ignored, "includeAttributeUuid": ignored,
	"enforceWarninglist": refused, "excludeDecayed": refused, "sharinggroup": refused, "requested_attributes": refused, "event_tags": refused,
}

var (
	attributeParameters = searchParameters
	eventParameters     = searchParameters
	viewParameters      = map[string]paramReader{"deleted": readDeleted, "extended": ignored, "noSightings": ignored}
	indexParameters     = with(searchParameters, map[string]paramReader{
		"datefrom": dayInto(func(q *query) *string { return &q.from }), "dateuntil": dayInto(func(q *query) *string { return &q.to }),
		"attribute": into(func(q *query) *terms { return &q.values }), "all": into(func(q *query) *terms { return &q.all }), "eventuuid": into(func(q *query) *terms { return &q.eventIDs }),
		"sort": ignored, "direction": ignored, "desc": ignored, "email": refused, "hasproposal": refused, "threatlevel": refused, "distribution": refused, "analysis": refused,
		"timestamp": spanOf(func(q *query) *span { return &q.published }),
	})
)

func with(a, b map[string]paramReader) map[string]paramReader {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

// readQuery reads the body: a JSON object, or nothing. A parameter that is not
// known is refused, for a mistyped filter must not read as no filter.
func (s *Server) readQuery(r *http.Request, known map[string]paramReader) (*query, error) {
	q := &query{format: "json", page: 1, mostScanned: s.cfg.MostScanned}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	if len(strings.TrimSpace(string(b))) == 0 {
		return q, nil
	}
	if err := shallow(b, 8); err != nil {
		return nil, fmt.Errorf("%w: request: %w", accord.ErrInvalid, err)
	}
	var given map[string]jsontext.Value
	if err := json.Unmarshal(b, &given); err != nil {
		if string(b) == "[]" { // an empty query, as PHP writes it
			return q, nil
		}
		return nil, fmt.Errorf("%w: request: want a JSON object of parameters", accord.ErrInvalid)
	}
	if inner, ok := given["request"]; ok && len(given) == 1 {
		given = nil
		if err := json.Unmarshal(inner, &given); err != nil {
			return nil, fmt.Errorf("%w: request: want a JSON object of parameters", accord.ErrInvalid)
		}
	}
	for name, v := range given {
		if v.Kind() == 'n' {
			continue
		}
		read, ok := known[name]
		if !ok {
			return nil, fmt.Errorf("%w: parameter %.50q is not known here", accord.ErrInvalid, name)
		}
		if err := read(q, v, s.cfg.Now()); err != nil {
			return nil, fmt.Errorf("parameter %s: %w", name, err)
		}
	}
	return q, nil
}

// head reports whether q may want something of an event, by what is known of it
// without reading.
func (q *query) head(h *Head) bool {
	return !q.none && q.eventIDs.met(h.UUID, misp.NumberOf(h.UUID)) && q.info.met(h.Info) &&
		q.orgs.met(h.Orgc.Name, h.Orgc.UUID, misp.NumberOf(h.Orgc.UUID)) &&
		(q.from == "" || h.Date >= q.from) && (q.to == "" || h.Date <= q.to) &&
		q.published.holds(h.Timestamp) && q.last.holds(h.Timestamp)
}

// indexed reports whether an index entry is let through by what concerns the
// event alone.
func (q *query) indexed(h *Head) bool {
	tags := make([]string, len(h.Tags))
	for i, t := range h.Tags {
		tags[i] = t.Name
	}
	return q.tags.met(tags...) && q.all.met(h.Info, h.UUID) && q.uuids.met(h.UUID) && q.changed.holds(h.Timestamp)
}

func (q *query) wantsDeleted(deleted bool) bool {
	switch q.deleted {
	case "with":
		return true
	case "only":
		return deleted
	}
	return !deleted
}

// attribute reports whether an attribute is let through.
func (q *query) attribute(e *misp.EventJSON, o *misp.ObjectJSON, a *misp.AttributeJSON) bool {
	if !q.wantsDeleted(a.Deleted) || q.toIDs != nil && *q.toIDs != a.ToIDS || !q.types.met(a.Type) || !q.cats.met(a.Category) ||
		!q.uuids.met(a.UUID, e.UUID) || !q.relations.met(a.Relation) {
		return false
	}
	if q.values.some() && !q.values.met(parts(a)...) {
		return false
	}
	if at, err := strconv.ParseInt(a.Timestamp, 10, 64); err != nil || !q.changed.holds(at) {
		return false
	}
	name := ""
	if o != nil {
		name = o.Name
	}
	if !q.objects.met(name) || q.all.some() && !q.all.met(a.Value, a.Comment, e.Info) {
		return false
	}
	return !q.tags.some() || q.tags.met(tagNames(e.Tags, a.Tags)...)
}

func tagNames(lists ...[]misp.TagJSON) (out []string) {
	for _, l := range lists {
		for _, t := range l {
			out = append(out, t.Name)
		}
	}
	return out
}

// event reports whether an event is let through: an attribute of it is, or, with
// filters of events alone, the event itself.
func (q *query) event(e *misp.EventJSON) bool {
	at, err := strconv.ParseInt(e.Timestamp, 10, 64)
	if err != nil || !q.changed.holds(at) {
		return false
	}
	lists := [][]misp.TagJSON{e.Tags}
	for a := range e.All {
		lists = append(lists, a.Tags)
	}
	if q.tags.some() && !q.tags.met(tagNames(lists...)...) {
		return false
	}
	if !q.values.some() && !q.types.some() && !q.cats.some() && !q.uuids.some() && !q.relations.some() && !q.objects.some() && !q.all.some() && q.toIDs == nil {
		return true
	}
	if q.uuids.some() && !q.values.some() && q.uuids.met(e.UUID) {
		return true
	}
	own := *q
	own.tags, own.changed = terms{}, span{}
	for a, o := range members(e) {
		if own.attribute(e, o, a) {
			return true
		}
	}
	return false
}
