// SPDX-License-Identifier: Apache-2.0

package stix

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"iter"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// Read streams the objects of r: of a bundle (STIX 2.0 or 2.1), of a TAXII
// envelope, of a JSON list, or single objects one after another (also one per
// line). It never holds more than one object. Each Raw's bytes are the caller's.
//
// An object that is complete but not acceptable (a name twice, invalid UTF-8,
// nesting, a number out of range, up to twice too large) is yielded as an
// error, and reading goes on; a syntax error, an object larger still, an error of
// r, or a limit of the whole input ends it: such an error is [ErrEnded].
func Read(r io.Reader, lim Limits) iter.Seq2[Raw, error] {
	return func(yield func(Raw, error) bool) {
		s := newSplitter(r, lim.withDefaults(), yield)
		if err := s.run(); err != nil && !errors.Is(err, errStopped) {
			yield(Raw{}, ended{err})
		}
	}
}

// ErrEnded is what the last error of Read is when the input was not read to its
// end.
var ErrEnded = errors.New("not read to its end")

// ended is an error that is ErrEnded too, and says what it said.
type ended struct{ error }

func (e ended) Unwrap() []error { return []error{e.error, ErrEnded} }

// errStopped means that the consumer wants no more.
var errStopped = errors.New("stopped")

// splitter cuts a stream into objects.
type splitter struct {
	meter *meter
	dec   *jsontext.Decoder
	lim   Limits
	yield func(Raw, error) bool
	spec  string // of the bundle
	count int

	// What a Validator wants to know besides: each object before it is checked
	// strictly, where it is, and the members and ends of containers.
	accept func(raw []byte, place step) error
	member func(name string, value []byte)
	ended  func(typ string, list bool)
}

func newSplitter(r io.Reader, lim Limits, yield func(Raw, error) bool) *splitter {
	m := &meter{r: bufio.NewReaderSize(r, 64<<10), total: lim.Total}
	// Duplicates and bad UTF-8 pass here, so that one bad object does not end
	// the stream; emit checks each object strictly.
	dec := jsontext.NewDecoder(m, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	return &splitter{meter: m, dec: dec, lim: lim, yield: yield}
}

// meter counts what the decoder reads, refuses more than it may, and records it
// while that is asked for.
type meter struct {
	r      *bufio.Reader
	n      int64 // bytes given so far
	total  int64 // most in all
	object int64 // offset beyond which the current object is too large
	record bool
	rec    []byte
	from   int64 // offset of rec[0]
}

func (m *meter) Read(b []byte) (int, error) {
	switch {
	case m.n >= m.total:
		// Whether the input ends exactly here decides: one more byte is too many.
		if _, err := m.r.Peek(1); err != nil {
			return 0, err
		}
		return 0, problem("", "", "the input has more than %d bytes", m.total)
	case m.n >= m.object:
		return 0, problem("", "", "the object at byte %d is larger than allowed", m.from)
	}
	b = b[:min(int64(len(b)), 32<<10, m.total-m.n, m.object-m.n)]
	n, err := m.r.Read(b)
	m.n += int64(n)
	if m.record {
		m.rec = append(m.rec, b[:n]...)
	}
	return n, err
}

// begin allows one more object: up to twice the limit is read, so that one that
// is a little too large can be passed over.
func (s *splitter) begin() {
	s.meter.object = max(s.dec.InputOffset(), s.meter.n) + 2*s.lim.Object + 64
	if !s.meter.record {
		s.meter.from = s.dec.InputOffset()
	}
}

func (s *splitter) run() error {
	head, _ := s.meter.r.Peek(3)
	if bytes.HasPrefix(head, []byte("\xef\xbb\xbf")) || bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff")) {
		return problem("", "", "a byte order mark stands before the JSON text, at byte 0")
	}
	for {
		// What the decoder has read ahead belongs to the record of a single object.
		s.meter.record, s.meter.from = true, s.dec.InputOffset()
		s.meter.rec = append(s.meter.rec[:0], s.dec.UnreadBuffer()...)
		s.begin()
		kind := s.dec.PeekKind()
		var err error
		switch kind {
		case '{':
			err = s.object()
		case '[':
			s.stopRecording()
			err = s.list("")
		default:
			if _, err = s.dec.ReadToken(); errors.Is(err, io.EOF) {
				return nil
			}
			if err == nil {
				err = problem("", "2.4", "want a JSON object or list at byte %d", s.dec.InputOffset())
			}
		}
		if err != nil {
			return s.fault(err)
		}
	}
}

func (s *splitter) stopRecording() { s.meter.record, s.meter.rec = false, nil }

// fault words what the decoder or the meter reported.
func (s *splitter) fault(err error) error {
	var p *Problem
	switch {
	case errors.Is(err, errStopped):
		return err
	case errors.As(err, &p):
		return p
	case errors.Is(err, io.ErrUnexpectedEOF):
		return problem("", "", "the input ends in the middle of an object, at byte %d", s.meter.n)
	}
	if _, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return syntaxProblem(err, 0)
	}
	return err // of the reader
}

// object reads a top-level object: a bundle, an envelope, or a single object.
func (s *splitter) object() error {
	if _, err := s.dec.ReadToken(); err != nil {
		return err
	}
	start := s.dec.InputOffset() - 1
	s.spec = ""
	container, typ := false, ""
	seen := map[string]bool{}
	for s.dec.PeekKind() == '"' {
		name, err := s.name(seen)
		if err != nil {
			return err
		}
		if name == "objects" && s.dec.PeekKind() == '[' && (typ == "bundle" || typ == "") {
			container = true
			if s.member != nil {
				s.member(name, nil)
			}
			s.stopRecording()
			if err := s.list("objects"); err != nil {
				return err
			}
			continue
		}
		if !s.meter.record {
			s.begin()
		}
		v, err := s.dec.ReadValue()
		if err != nil {
			return err
		}
		if s.member != nil {
			s.member(name, v)
		}
		switch name {
		case "type":
			typ = unquoted(v)
			if container && typ != "bundle" {
				return problem("type", "8.1", "an object of type %q holds a list of objects; only a bundle does", clip(typ))
			}
		case "spec_version":
			s.spec = unquoted(v)
		}
	}
	if _, err := s.dec.ReadToken(); err != nil {
		return err
	}
	if container || typ == "bundle" || envelope(seen) {
		s.stopRecording()
		if s.ended != nil {
			s.ended(typ, container)
		}
		return nil
	}
	s.spec = ""
	end := s.dec.InputOffset()
	return s.emit(s.meter.rec[start-s.meter.from:end-s.meter.from], start, "", step{index: -1})
}

// envelope reports whether an object without objects is a TAXII envelope (TAXII
// 2.1 §3.7), an empty page: {} or {"more":false}.
func envelope(names map[string]bool) bool {
	for n := range names {
		if n != "more" && n != "next" {
			return false
		}
	}
	return true
}

// name reads a name of a container, each only once.
func (s *splitter) name(seen map[string]bool) (string, error) {
	t, err := s.dec.ReadToken()
	if err != nil {
		return "", err
	}
	name := t.String()
	if len(seen) < 10_000 { // a single object's names are checked again by emit
		if name == "objects" && seen[name] {
			return "", problem(name, "", "a second list of objects at byte %d", s.dec.InputOffset())
		}
		seen[name] = true
	}
	return name, nil
}

// unquoted returns the string v, or "".
func unquoted(v jsontext.Value) string {
	b, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return ""
	}
	return string(b)
}

// list reads a list of objects.
func (s *splitter) list(path string) error {
	if _, err := s.dec.ReadToken(); err != nil {
		return err
	}
	for i := 0; ; i++ {
		s.begin()
		kind := s.dec.PeekKind()
		if kind == ']' || kind == 0 {
			_, err := s.dec.ReadToken()
			return err
		}
		v, err := s.dec.ReadValue()
		if err != nil {
			return err
		}
		at := s.dec.InputOffset() - int64(len(v))
		place := path + ".[" + strconv.Itoa(i) + "]"
		if kind != '{' && s.accept == nil {
			if !s.yield(Raw{}, problem(place, "2.4", "want an object at byte %d", at)) {
				return errStopped
			}
			continue
		}
		if err := s.emit(v, at, place, step{index: i}); err != nil {
			return err
		}
	}
}

// emit checks one object strictly and yields it; raw is copied.
func (s *splitter) emit(raw []byte, at int64, place string, in step) error {
	if s.count++; s.count > s.lim.Objects {
		return problem(place, "", "more than %d objects in one input", s.lim.Objects)
	}
	if int64(len(raw)) > s.lim.Object {
		return s.refuse(problem(place, "", "the object at byte %d has %d bytes; at most %d are read", at, len(raw), s.lim.Object))
	}
	if s.accept != nil {
		return s.accept(raw, in)
	}
	raw = bytes.Clone(raw)
	d, err := index(raw, s.lim.Depth)
	if err != nil {
		if p, ok := errors.AsType[*Problem](err); ok {
			p.Path = join(place, p.Path)
			p.Message += ", of the object at byte " + strconv.FormatInt(at, 10)
		}
		return s.refuse(err)
	}
	d.release()
	if !s.yield(Raw{Bytes: raw, Spec: s.spec}, nil) {
		return errStopped
	}
	return nil
}

func (s *splitter) refuse(err error) error {
	if !s.yield(Raw{}, err) {
		return errStopped
	}
	return nil
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "." + b
}
