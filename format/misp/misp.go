// SPDX-License-Identifier: Apache-2.0

// Package misp reads MISP events and turns them into STIX 2.1 items.
//
// Source: the MISP core format (draft-dulaunoy-misp-core-format) with its
// attribute types, objects, tags and galaxies, and the TLP and PAP taxonomies.
// What the conversion keeps and what it loses is in docs/reference/misp.md;
// every loss is also reported, per object, as a [Loss]. MISP's instants are Unix
// seconds; sizes are bytes.
//
// Input is hostile: JSON is read strictly (duplicate names, names that differ
// only in case, invalid UTF-8 and depth over the limit are refused) and every
// event is bounded before it is parsed. Errors wrap [accord.ErrInvalid], except
// those of the underlying reader. Nothing here does I/O beyond the reader it is
// given, reads a clock or is shared: separate readers may run concurrently.
package misp

import (
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"accord"
)

// Limits bound what is read. Zero fields mean the defaults.
type Limits struct {
	Event  int64 // bytes of JSON of one event, default 64 MiB
	Events int   // events in one input, default 10,000
	Depth  int   // nesting of JSON values, default 64
}

func (l Limits) orDefault() Limits {
	if l.Event <= 0 {
		l.Event = 64 << 20
	}
	if l.Events <= 0 {
		l.Events = 10_000
	}
	if l.Depth <= 0 {
		l.Depth = 64
	}
	return l
}

// Event is one MISP event as read.
type Event struct {
	UUID         text             `json:"uuid"`
	Info         text             `json:"info"`
	Date         text             `json:"date"` // YYYY-MM-DD
	Threat       text             `json:"threat_level_id"`
	Analysis     text             `json:"analysis"`
	Published    flag             `json:"published"`
	Timestamp    text             `json:"timestamp"`
	PublishedAt  text             `json:"publish_timestamp"`
	Distribution text             `json:"distribution"`
	Extends      text             `json:"extends_uuid"`
	Orgc         Org              `json:"Orgc"`
	Org          Org              `json:"Org"`
	Attributes   []jsontext.Value `json:"Attribute"`
	Objects      []jsontext.Value `json:"Object"`
	Tags         []Tag            `json:"Tag"`
	Galaxies     []Galaxy         `json:"Galaxy"`
	Proposals    []jsontext.Value `json:"ShadowAttribute"`
	Reports      []jsontext.Value `json:"EventReport"`
	Related      []jsontext.Value `json:"RelatedEvent"`
	Keys         []jsontext.Value `json:"CryptographicKey"`
	Group        jsontext.Value   `json:"SharingGroup"`
}

// Org is an organisation: the event's owner here, or its creator (Orgc).
type Org struct {
	UUID text `json:"uuid"`
	Name text `json:"name"`
}

// Tag is a free tag or one of a taxonomy or galaxy (`namespace:predicate="value"`).
type Tag struct {
	Name text `json:"name"`
}

// Galaxy is a collection of clusters; a cluster is known by its tag.
type Galaxy struct {
	Name     text      `json:"name"`
	Type     text      `json:"type"`
	Clusters []Cluster `json:"GalaxyCluster"`
}

// Cluster is one entry of a galaxy, such as a threat actor.
type Cluster struct {
	UUID        text           `json:"uuid"`
	Tag         text           `json:"tag_name"`
	Type        text           `json:"type"`
	Value       text           `json:"value"`
	Description text           `json:"description"`
	Version     text           `json:"version"`
	Default     flag           `json:"default"` // of the public galaxies, not of the instance's own
	Meta        jsontext.Value `json:"meta"`
}

// attribute is one value of an event or object.
type attribute struct {
	UUID         text             `json:"uuid"`
	Type         text             `json:"type"`
	Category     text             `json:"category"`
	Value        text             `json:"value"`
	ToIDS        flag             `json:"to_ids"`
	Deleted      flag             `json:"deleted"`
	Timestamp    text             `json:"timestamp"`
	Comment      text             `json:"comment"`
	Distribution text             `json:"distribution"`
	FirstSeen    text             `json:"first_seen"`
	LastSeen     text             `json:"last_seen"`
	Relation     text             `json:"object_relation"`
	Tags         []Tag            `json:"Tag"`
	Galaxies     []Galaxy         `json:"Galaxy"`
	Sightings    []jsontext.Value `json:"Sighting"`
	Proposals    []jsontext.Value `json:"ShadowAttribute"`
	Data         text             `json:"data"`
}

// object groups attributes by a template.
type object struct {
	UUID         text             `json:"uuid"`
	Name         text             `json:"name"`
	Meta         text             `json:"meta-category"`
	Template     text             `json:"template_uuid"`
	TemplateV    text             `json:"template_version"`
	Timestamp    text             `json:"timestamp"`
	FirstSeen    text             `json:"first_seen"`
	LastSeen     text             `json:"last_seen"`
	Comment      text             `json:"comment"`
	Deleted      flag             `json:"deleted"`
	Distribution text             `json:"distribution"`
	Attributes   []jsontext.Value `json:"Attribute"`
	References   []jsontext.Value `json:"ObjectReference"`

	// What the conversion finds out:
	id     string // its uuid in lower case
	anchor string // id of the item that stands for it
	read   []attribute
	refs   []reference
	tlp    accord.TLP // the strictest of what it holds
}

// reference is an edge from an object to another, or to an attribute.
type reference struct {
	UUID      text `json:"uuid"`
	To        text `json:"referenced_uuid"`
	Kind      text `json:"relationship_type"`
	Comment   text `json:"comment"`
	Timestamp text `json:"timestamp"`
	Deleted   flag `json:"deleted"`
}

// sighting is somebody's word that an attribute was seen, was a false positive, or
// has expired.
type sighting struct {
	UUID   text `json:"uuid"`
	Kind   text `json:"type"` // 0, 1 or 2
	Date   text `json:"date_sighting"`
	Source text `json:"source"`
	Org    Org  `json:"Organisation"`
}

// eventReport is a text about the event, in Markdown.
type eventReport struct {
	UUID      text `json:"uuid"`
	Name      text `json:"name"`
	Content   text `json:"content"`
	Timestamp text `json:"timestamp"`
	Deleted   flag `json:"deleted"`
}

// text reads a JSON string, number or boolean as text, and null as "": MISP
// writes the same field in several of these ways.
type text string

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (t *text) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	tok, err := d.ReadToken()
	if err != nil {
		return err
	}
	switch tok.Kind() {
	case 'n':
		*t = ""
	case '"', '0', 't', 'f':
		*t = text(tok.String())
	default:
		return fmt.Errorf("want text, got a JSON %v", tok.Kind())
	}
	return nil
}

// flag reads true, false, 1, 0, "1", "0", "" and null.
type flag bool

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (f *flag) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	var t text
	if err := t.UnmarshalJSONFrom(d); err != nil {
		return err
	}
	switch t {
	case "true", "1", "True":
		*f = true
	case "false", "0", "", "False":
		*f = false
	default:
		return fmt.Errorf("want true or false, got %.20q", string(t))
	}
	return nil
}

var errTooBig = errors.New("event too big")

// bounded fails once more than left bytes are read; left is set anew for each event.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooBig
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// Read yields the events of r: one event ({"Event": {…}} or the bare object), a
// response ({"response": [{"Event": …}, …]}, or "response" an object), or an array of
// either. An event that is valid JSON but no MISP event yields an error and
// reading goes on; broken JSON, an event over its limit and the reader's own
// error end the reading.
func Read(r io.Reader, lim Limits) iter.Seq2[Event, error] {
	lim = lim.orDefault()
	return func(yield func(Event, error) bool) {
		b := &bounded{r: r, left: lim.Event}
		s := &scanner{dec: jsontext.NewDecoder(b), in: b, lim: lim, yield: yield}
		if err := s.document(); err != nil && !errors.Is(err, errStop) {
			yield(Event{}, ended{s.explain(err)})
		}
	}
}

// ErrEnded is what the last error of Read is when the input was not read to its
// end.
var ErrEnded = errors.New("not read to its end")

// ended is an error that is ErrEnded too, and says what it said.
type ended struct{ error }

func (e ended) Unwrap() []error { return []error{e.error, ErrEnded} }

// errStop: the consumer wants no more.
var errStop = errors.New("stop")

// scanner walks a document down to its events.
type scanner struct {
	dec   *jsontext.Decoder
	in    *bounded
	lim   Limits
	n     int
	yield func(Event, error) bool
}

// explain adds the place to an error that ends the reading.
func (s *scanner) explain(err error) error {
	var syn *jsontext.SyntacticError
	switch {
	case errors.Is(err, errTooBig):
		return fmt.Errorf("read MISP: %w: event %d: over %d bytes", accord.ErrInvalid, s.n+1, s.lim.Event)
	case errors.As(err, &syn):
		why := syn.Err
		if errors.Is(err, io.ErrUnexpectedEOF) {
			why = errors.New("the text ends too early")
		}
		return fmt.Errorf("read MISP: %w: event %d: broken JSON at byte %d: %w", accord.ErrInvalid, s.n+1, syn.ByteOffset, why)
	case errors.Is(err, accord.ErrInvalid):
		return fmt.Errorf("read MISP: %w", err)
	}
	return fmt.Errorf("read MISP: event %d: %w", s.n+1, err)
}

// document reads the whole input, which is one JSON value.
func (s *scanner) document() error {
	switch s.dec.PeekKind() {
	case '[':
		if err := s.array(); err != nil {
			return err
		}
	case '{':
		if err := s.value(0); err != nil {
			return err
		}
	default:
		if _, err := s.dec.ReadToken(); err != nil {
			return err
		}
		return fmt.Errorf("%w: neither an object nor an array", accord.ErrInvalid)
	}
	s.in.left = s.lim.Event
	if _, err := s.dec.ReadToken(); err == nil {
		return fmt.Errorf("%w: more text after the end of the document, at byte %d", accord.ErrInvalid, s.dec.InputOffset())
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// array reads events in a JSON array, one at a time.
func (s *scanner) array() error {
	if _, err := s.dec.ReadToken(); err != nil {
		return err
	}
	for s.dec.PeekKind() != ']' {
		if err := s.value(1); err != nil {
			return err
		}
	}
	_, err := s.dec.ReadToken()
	return err
}

// value reads an object that is, or holds, events. Only a response is read
// piecewise; level 0 is the document itself.
func (s *scanner) value(level int) error {
	s.in.left = s.lim.Event
	if level > 0 || s.dec.PeekKind() != '{' {
		v, err := s.dec.ReadValue()
		if err != nil {
			return err
		}
		return s.event(v)
	}
	if _, err := s.dec.ReadToken(); err != nil {
		return err
	}
	return s.members()
}

// members reads the document object: "response" and "Event" hold events; an
// object with neither, but a uuid and info, is an event without its wrapper.
func (s *scanner) members() error {
	bare := []byte{'{'}
	found := false
	for s.dec.PeekKind() != '}' {
		name, err := s.dec.ReadToken()
		if err != nil {
			return err
		}
		key := name.String()
		s.in.left = s.lim.Event - int64(len(bare))
		switch {
		case key == "response" && s.dec.PeekKind() == '[':
			found = true
			err = s.array()
		case key == "response" || key == "Event":
			found = true
			var v jsontext.Value
			if v, err = s.dec.ReadValue(); err == nil {
				err = s.event(v)
			}
		default:
			var v jsontext.Value
			if v, err = s.dec.ReadValue(); err == nil && !found {
				if len(bare) > 1 {
					bare = append(bare, ',')
				}
				if bare, err = jsontext.AppendQuote(bare, key); err == nil {
					bare = append(append(bare, ':'), v...)
				}
			}
		}
		if err != nil {
			return err
		}
	}
	if _, err := s.dec.ReadToken(); err != nil {
		return err
	}
	if found {
		return nil
	}
	return s.event(append(bare, '}'))
}

// event checks and decodes one event and hands it on.
func (s *scanner) event(v jsontext.Value) error {
	if s.n >= s.lim.Events {
		return fmt.Errorf("%w: over %d events", accord.ErrInvalid, s.lim.Events)
	}
	e, err := decode(v, s.lim)
	if err != nil {
		err = fmt.Errorf("read MISP: %w: event %d: %w", accord.ErrInvalid, s.n+1, err)
	}
	s.n++
	if !s.yield(e, err) {
		return errStop
	}
	return nil
}

// decode reads {"Event": {…}} or the bare event.
func decode(v jsontext.Value, lim Limits) (Event, error) {
	if err := strict(v, lim.Depth); err != nil {
		return Event{}, err
	}
	var w struct {
		Event jsontext.Value `json:"Event"`
	}
	if err := json.Unmarshal(v, &w); err != nil {
		return Event{}, err
	}
	if w.Event != nil {
		v = w.Event
	}
	var e Event
	if err := json.Unmarshal(v, &e); err != nil {
		return Event{}, err
	}
	if e.UUID == "" && e.Info == "" {
		return Event{}, errors.New("no MISP event: it has neither uuid nor info")
	}
	if !validUUID(string(e.UUID)) {
		return Event{}, fmt.Errorf("uuid %.50q is none", string(e.UUID))
	}
	return e, nil
}
