// SPDX-License-Identifier: Apache-2.0

package zeek

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how deep JSON may nest.
const maxDepth = 64

// jsonState remembers the names of the line before: writers repeat them in the
// same order, so most names are recognised by one comparison.
type jsonState struct {
	b      []byte
	i      int
	nth    int
	recall []recalled
	prefix []byte
}

type recalled struct {
	name  []byte // with the names of the objects it is in
	field *field
}

// maxRecall bounds how many names are remembered.
const maxRecall = 256

// parseJSON reads one object; why tells what is wrong with it.
func (z *Reader) parseJSON(line []byte) (why string) {
	s := &z.json
	s.b, s.i, s.nth, s.prefix = line, 0, 0, s.prefix[:0]
	s.space()
	if why = z.object(1); why != "" {
		return why
	}
	s.space()
	if s.i != len(s.b) {
		return "text after the JSON object"
	}
	return ""
}

func (s *jsonState) space() {
	for s.i < len(s.b) && (s.b[s.i] == ' ' || s.b[s.i] == '\t' || s.b[s.i] == '\r' || s.b[s.i] == '\n') {
		s.i++
	}
}

// peek returns the next byte that is not space, 0 at the end.
func (s *jsonState) peek() byte {
	s.space()
	if s.i == len(s.b) {
		return 0
	}
	return s.b[s.i]
}

func (s *jsonState) eat(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.i++
	return true
}

const (
	whyObject = "not a JSON object"
	whyBroken = "broken JSON"
	whyDeep   = "JSON nested too deep"
)

func (z *Reader) object(depth int) string {
	s := &z.json
	if !s.eat('{') {
		return whyObject
	}
	if s.eat('}') {
		return ""
	}
	if depth > maxDepth {
		return whyDeep
	}
	for {
		if s.peek() != '"' {
			return whyBroken
		}
		name, _, ok := s.text()
		if !ok || !s.eat(':') {
			return whyBroken
		}
		if why := z.member(name, depth); why != "" {
			return why
		}
		if s.eat(',') {
			continue
		}
		if s.eat('}') {
			return ""
		}
		return whyBroken
	}
}

// member reads the value of a name. An object within is flattened: "id":
// {"orig_h": …} is id.orig_h.
func (z *Reader) member(name []byte, depth int) string {
	s := &z.json
	if s.peek() == '{' {
		n := len(s.prefix)
		if n+len(name) < 200 {
			s.prefix = append(append(s.prefix, name...), '.')
		}
		why := z.object(depth + 1)
		s.prefix = s.prefix[:n]
		return why
	}
	return z.value(s.recognise(name), depth)
}

// value reads what is not an object of a member, for field f or for none.
func (z *Reader) value(f *field, depth int) string {
	s := &z.json
	switch s.peek() {
	case '{':
		return z.object(depth + 1)
	case '[':
		return z.array(f, depth+1)
	case '"':
		text, escaped, ok := s.text()
		if !ok {
			return whyBroken
		}
		if f == nil {
			return ""
		}
		if escaped {
			n := len(z.spare)
			if z.spare, ok = unquote(z.spare, text); !ok {
				return whyBroken
			}
			text = z.spare[n:]
		}
		z.put(f, text)
		return ""
	}
	text, ok := s.literal()
	if !ok {
		return whyBroken
	}
	if f != nil && (text[0] == '-' || text[0] >= '0' && text[0] <= '9') {
		z.put(f, text)
	}
	return ""
}

func (z *Reader) array(f *field, depth int) string {
	s := &z.json
	s.i++
	if s.eat(']') {
		return ""
	}
	if depth > maxDepth {
		return whyDeep
	}
	for {
		if why := z.value(f, depth); why != "" {
			return why
		}
		if s.eat(',') {
			continue
		}
		if s.eat(']') {
			return ""
		}
		return whyBroken
	}
}

// text reads a string and returns what is between its quotes, still escaped.
func (s *jsonState) text() (text []byte, escaped, ok bool) {
	start := s.i + 1
	i := start
	for {
		n := bytes.IndexByte(s.b[i:], '"')
		if n < 0 {
			return nil, false, false
		}
		i += n
		back := 0
		for i-1-back >= start && s.b[i-1-back] == '\\' {
			back++
		}
		i++
		if back%2 == 0 {
			break
		}
	}
	s.i = i
	text = s.b[start : i-1]
	return text, bytes.IndexByte(text, '\\') >= 0, true
}

// literal reads a number, true, false or null.
func (s *jsonState) literal() ([]byte, bool) {
	start := s.i
	for s.i < len(s.b) {
		c := s.b[s.i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && c != '.' && c != '-' && c != '+' && c != 'E' {
			break
		}
		s.i++
	}
	text := s.b[start:s.i]
	if len(text) == 0 {
		return nil, false
	}
	switch text[0] {
	case 't', 'f', 'n':
		w := string(text)
		return text, w == "true" || w == "false" || w == "null"
	}
	return text, isNumber(text)
}

// isNumber checks the grammar of RFC 8259 §6.
func isNumber(b []byte) bool {
	digits := func() bool {
		n := 0
		for n < len(b) && b[n] >= '0' && b[n] <= '9' {
			n++
		}
		b = b[n:]
		return n > 0
	}
	if len(b) > 0 && b[0] == '-' {
		b = b[1:]
	}
	if len(b) > 1 && b[0] == '0' && b[1] >= '0' && b[1] <= '9' || !digits() {
		return false
	}
	if len(b) > 0 && b[0] == '.' {
		b = b[1:]
		if !digits() {
			return false
		}
	}
	if len(b) > 0 && (b[0] == 'e' || b[0] == 'E') {
		b = b[1:]
		if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
			b = b[1:]
		}
		if !digits() {
			return false
		}
	}
	return len(b) == 0
}

// recognise returns the field that name, in the objects it is in, stands for.
func (s *jsonState) recognise(name []byte) *field {
	nth := s.nth
	s.nth++
	p := len(s.prefix)
	if nth < len(s.recall) {
		r := &s.recall[nth]
		if len(r.name) == p+len(name) && bytes.Equal(r.name[p:], name) && bytes.Equal(r.name[:p], s.prefix) {
			return r.field
		}
	}
	full := append(s.prefix[:p:p], name...)
	f := fieldNamed(full)
	if nth < maxRecall {
		for len(s.recall) <= nth {
			s.recall = append(s.recall, recalled{})
		}
		s.recall[nth] = recalled{name: bytes.Clone(full), field: f}
	}
	return f
}

// unquote appends text with JSON's escapes resolved (RFC 8259 §7).
func unquote(dst, text []byte) ([]byte, bool) {
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c != '\\' {
			dst = append(dst, c)
			continue
		}
		i++
		if i == len(text) {
			return dst, false
		}
		switch text[i] {
		case '"', '\\', '/':
			dst = append(dst, text[i])
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, ok := hex4(text, i+1)
			if !ok {
				return dst, false
			}
			i += 4
			if utf16.IsSurrogate(r) {
				low, ok := rune(0), false
				if i+2 < len(text) && text[i+1] == '\\' && text[i+2] == 'u' {
					low, ok = hex4(text, i+3)
				}
				if both := utf16.DecodeRune(r, low); ok && both != utf8.RuneError {
					r = both
					i += 6
				} else {
					r = utf8.RuneError
				}
			}
			dst = utf8.AppendRune(dst, r)
		default:
			return dst, false
		}
	}
	return dst, true
}

func hex4(b []byte, i int) (rune, bool) {
	if i+4 > len(b) {
		return 0, false
	}
	var r rune
	for _, c := range b[i : i+4] {
		h := unhex(c)
		if h < 0 {
			return 0, false
		}
		r = r<<4 | rune(h)
	}
	return r, true
}
