// SPDX-License-Identifier: Apache-2.0

package misp

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"accord"
	"accord/format/misp"
)

// searchAttributes answers attributes/restSearch.
func (s *Server) searchAttributes(r *http.Request, c Caller) (answer, error) {
	q, err := s.readQuery(r, attributeParameters)
	if err != nil {
		return nil, err
	}
	form, ok := attributeForms[q.format]
	if !ok {
		return nil, fmt.Errorf("%w: returnFormat %.30q: want json, csv, text or values", accord.ErrInvalid, q.format)
	}
	// What is cheap to refuse is refused before the answer begins.
	if _, err := s.cfg.Backend.Heads(r.Context(), c, ""); err != nil {
		return nil, err
	}
	return func(w http.ResponseWriter) error {
		w.Header().Set("Content-Type", form.typ)
		w.Header().Set("X-Response-Format", q.format)
		out := bufio.NewWriterSize(w, heldBack)
		enc := form.begin(out, q)
		skip, left := q.window()
		err := s.found(r, c, q, func(e *misp.EventJSON) (bool, error) {
			for a, o := range members(e) {
				if err := r.Context().Err(); err != nil {
					return false, err
				}
				if !q.attribute(e, o, a) {
					continue
				}
				if skip > 0 {
					skip--
					continue
				}
				if left == 0 {
					return false, nil
				}
				left--
				q.scanned = 0
				if err := enc.write(e, o, q.shown(e, a)); err != nil {
					return false, err
				}
			}
			return left != 0, nil
		})
		if err != nil {
			return err
		}
		if err := enc.end(); err != nil {
			return err
		}
		return out.Flush()
	}, nil
}

// members yields an event's attributes, each with its object or nil.
func members(e *misp.EventJSON) func(func(*misp.AttributeJSON, *misp.ObjectJSON) bool) {
	return func(yield func(*misp.AttributeJSON, *misp.ObjectJSON) bool) {
		for i := range e.Attributes {
			if !yield(&e.Attributes[i], nil) {
				return
			}
		}
		for i := range e.Objects {
			for k := range e.Objects[i].Attributes {
				if !yield(&e.Objects[i].Attributes[k], &e.Objects[i]) {
					return
				}
			}
		}
	}
}

// shown is a copy of a for an answer, with what q asks for.
func (q *query) shown(e *misp.EventJSON, a *misp.AttributeJSON) misp.AttributeJSON {
	out := *a
	out.Event = e.Head()
	if !q.attachments {
		out.Data = ""
	}
	if !q.sightings {
		out.Sightings = nil
	}
	if q.eventTags {
		out.Tags = slices.Clone(out.Tags)
		for _, t := range e.Tags {
			if !slices.ContainsFunc(out.Tags, func(o misp.TagJSON) bool { return o.Name == t.Name }) {
				out.Tags = append(out.Tags, t)
			}
		}
	}
	return out
}

// attributeForm writes found attributes in one format.
type attributeForm struct {
	typ   string
	begin func(w *bufio.Writer, q *query) attributeEncoder
}

type attributeEncoder struct {
	write func(e *misp.EventJSON, o *misp.ObjectJSON, a misp.AttributeJSON) error
	end   func() error
}

var attributeForms = map[string]attributeForm{
	"json":   {"application/json", attributesJSON},
	"csv":    {"text/csv; charset=utf-8", attributesCSV},
	"text":   {"text/plain; charset=utf-8", attributesText},
	"values": {"text/plain; charset=utf-8", attributesText},
}

func attributesJSON(w *bufio.Writer, _ *query) attributeEncoder {
	_, _ = w.WriteString(`{"response":{"Attribute":[`) // a Writer's first error sticks until Flush
	first := true
	return attributeEncoder{
		write: func(_ *misp.EventJSON, _ *misp.ObjectJSON, a misp.AttributeJSON) error {
			if !first {
				_ = w.WriteByte(',')
			}
			first = false
			return json.MarshalWrite(w, a)
		},
		end: func() error { _, err := w.WriteString("]}}"); return err },
	}
}

func attributesCSV(w *bufio.Writer, q *query) attributeEncoder {
	out := csv.NewWriter(w)
	if !q.headerless {
		_ = out.Write([]string{
			"uuid", "event_id", "category", "type", "value", "comment", "to_ids", "date", "object_relation", "attribute_tag", "object_uuid", "object_name", "object_meta_category",
		})
	}
	return attributeEncoder{
		write: func(_ *misp.EventJSON, o *misp.ObjectJSON, a misp.AttributeJSON) error {
			ids, tags, of := "0", []string(nil), [3]string{}
			if a.ToIDS {
				ids = "1"
			}
			for _, t := range a.Tags {
				tags = append(tags, t.Name)
			}
			if o != nil {
				of = [3]string{o.UUID, o.Name, o.Meta}
			}
			return out.Write([]string{a.UUID, a.EventID, a.Category, a.Type, a.Value, a.Comment, ids, a.Timestamp, a.Relation, strings.Join(tags, ","), of[0], of[1], of[2]})
		},
		end: func() error { out.Flush(); return out.Error() },
	}
}

func attributesText(w *bufio.Writer, _ *query) attributeEncoder {
	return attributeEncoder{
		write: func(_ *misp.EventJSON, _ *misp.ObjectJSON, a misp.AttributeJSON) error {
			_, err := w.WriteString(strings.ReplaceAll(a.Value, "\n", " ") + "\n")
			return err
		},
		end: func() error { return nil },
	}
}

// searchEvents answers events/restSearch.
func (s *Server) searchEvents(r *http.Request, c Caller) (answer, error) {
	q, err := s.readQuery(r, eventParameters)
	if err != nil {
		return nil, err
	}
	if q.format != "json" {
		return nil, fmt.Errorf("%w: returnFormat %.30q: events come as json", accord.ErrInvalid, q.format)
	}
	if _, err := s.cfg.Backend.Heads(r.Context(), c, ""); err != nil {
		return nil, err
	}
	return func(w http.ResponseWriter) error {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Response-Format", "json")
		out := bufio.NewWriterSize(w, heldBack)
		_, _ = out.WriteString(`{"response":[`)
		skip, left := q.window()
		first := true
		err := s.found(r, c, q, func(e *misp.EventJSON) (bool, error) {
			if !q.event(e) {
				return true, nil
			}
			if skip > 0 {
				skip--
				return true, nil
			}
			if left == 0 {
				return false, nil
			}
			left--
			q.scanned = 0
			if !first {
				_ = out.WriteByte(',')
			}
			first = false
			return left != 0, json.MarshalWrite(out, document{q.cut(e)})
		})
		if err != nil {
			return err
		}
		_, _ = out.WriteString("]}")
		return out.Flush()
	}, nil
}

// cut is a copy of e for an answer: without deleted attributes, files and
// sightings unless q asks for them.
func (q *query) cut(e *misp.EventJSON) *misp.EventJSON {
	out := *e
	if q.metadata {
		out.Attributes, out.Objects, out.Reports = []misp.AttributeJSON{}, []misp.ObjectJSON{}, nil
		return &out
	}
	keep := func(list []misp.AttributeJSON) []misp.AttributeJSON {
		kept := make([]misp.AttributeJSON, 0, len(list))
		for i := range list {
			a := list[i]
			if !q.wantsDeleted(a.Deleted) {
				continue
			}
			if !q.attachments {
				a.Data = ""
			}
			kept = append(kept, a)
		}
		return kept
	}
	out.Attributes = keep(e.Attributes)
	out.Objects = make([]misp.ObjectJSON, 0, len(e.Objects))
	for i := range e.Objects {
		o := e.Objects[i]
		if o.Deleted && !q.wantsDeleted(true) {
			continue
		}
		o.Attributes = keep(o.Attributes)
		out.Objects = append(out.Objects, o)
	}
	return &out
}

// index answers events/index: what the list of events shows.
func (s *Server) index(r *http.Request, c Caller) (answer, error) {
	q, err := s.readQuery(r, indexParameters)
	if err != nil {
		return nil, err
	}
	heads, err := s.cfg.Backend.Heads(r.Context(), c, "")
	if err != nil {
		return nil, err
	}
	lacks, err := s.lacking(r, c, q)
	if err != nil {
		return nil, err
	}
	out := []any{}
	skip, left := q.window()
	for _, h := range heads {
		if !q.head(&h) || !q.indexed(&h) || lacks(h.UUID) {
			continue
		}
		if q.values.some() { // an attribute with this value
			e, err := s.cfg.Backend.Event(r.Context(), c, "", h.UUID)
			if gone(err) {
				continue
			}
			if err != nil {
				return nil, err
			}
			if err := q.read(e); err != nil {
				return nil, err
			}
			if !q.event(e) {
				continue
			}
		}
		if skip > 0 {
			skip--
			continue
		}
		if left == 0 {
			break
		}
		left--
		q.scanned = 0
		out = append(out, s.indexEntry(&h, q.minimal))
	}
	return sendJSON(r, out)
}

func (s *Server) indexEntry(h *Head, minimal bool) any {
	at := strconv.FormatInt(h.Timestamp, 10)
	if minimal {
		return map[string]any{"timestamp": at, "sighting_timestamp": "0", "published": true, "uuid": h.UUID, "orgc_uuid": h.Orgc.UUID}
	}
	tags := []any{}
	for _, t := range h.Tags {
		tags = append(tags, map[string]any{"Tag": t})
	}
	org, orgc := s.cfg.Org, h.Orgc
	org.ID, orgc.ID = misp.NumberOf(org.UUID), misp.NumberOf(orgc.UUID)
	return map[string]any{
		"id": misp.NumberOf(h.UUID), "uuid": h.UUID, "info": h.Info, "date": h.Date, "threat_level_id": h.Threat, "analysis": h.Analysis, "published": true,
		"timestamp": at, "publish_timestamp": at, "org_id": org.ID, "orgc_id": orgc.ID, "Org": org, "Orgc": orgc, "EventTag": tags, "distribution": "0",
	}
}

// view answers events/view: one event, by uuid or by the number that stands for it.
func (s *Server) view(r *http.Request, c Caller) (answer, error) {
	q := &query{sightings: true, attachments: true}
	if r.Method == http.MethodPost {
		var err error
		if q, err = s.readQuery(r, viewParameters); err != nil {
			return nil, err
		}
		q.sightings, q.attachments = true, true
	}
	for p := range strings.SplitSeq(r.PathValue("more"), "/") {
		if name, _, _ := strings.Cut(p, ":"); p != "" && !slices.Contains([]string{"noSightings", "deleted", "extended"}, name) {
			return nil, fmt.Errorf("%w: parameter %.40q", accord.ErrInvalid, p)
		}
	}
	id := strings.ToLower(strings.TrimSuffix(r.PathValue("id"), ".json"))
	if !validUUID(id) {
		heads, err := s.cfg.Backend.Heads(r.Context(), c, "")
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(heads, func(h Head) bool { return misp.NumberOf(h.UUID) == id })
		if i < 0 {
			return nil, fmt.Errorf("%w: invalid event", accord.ErrNotFound)
		}
		id = heads[i].UUID
	}
	e, err := s.cfg.Backend.Event(r.Context(), c, "", id)
	if err != nil {
		return nil, err
	}
	return sendJSON(r, document{q.cut(e)})
}

// viewAttribute answers attributes/view.
func (s *Server) viewAttribute(r *http.Request, c Caller) (answer, error) {
	id := strings.ToLower(strings.TrimSuffix(r.PathValue("id"), ".json"))
	var out *misp.AttributeJSON
	q := &query{sightings: true, attachments: true, mostScanned: s.cfg.MostScanned}
	err := s.found(r, c, q, func(e *misp.EventJSON) (bool, error) {
		for a := range e.All {
			if a.UUID == id || a.ID == id {
				shown := q.shown(e, a)
				out = &shown
			}
		}
		return out == nil, nil
	})
	if err != nil {
		return nil, err
	}
	if out == nil {
		return nil, fmt.Errorf("%w: invalid attribute", accord.ErrNotFound)
	}
	return sendJSON(r, map[string]any{"Attribute": out})
}
