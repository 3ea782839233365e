// SPDX-License-Identifier: Apache-2.0

package zeek

import (
	"bytes"
	"fmt"
)

// tsvState is what the header lines said.
type tsvState struct {
	seen   bool // a header line was met
	sep    byte
	set    []byte
	empty  []byte
	unset  []byte
	path   string
	fields int
	types  [][]byte
	names  [][]byte
	plan   []column
	header []byte // as read, to resume with
}

// column is one that can hold something to look for.
type column struct {
	index int
	field *field
	many  bool // a set or a vector
}

func (t *tsvState) reset() {
	*t = tsvState{sep: '\t', set: []byte(","), empty: []byte("(empty)"), unset: []byte("-")}
}

var headerWords = [][]byte{
	[]byte("#separator"), []byte("#set_separator"), []byte("#empty_field"), []byte("#unset_field"),
	[]byte("#path"), []byte("#open"), []byte("#close"), []byte("#fields"), []byte("#types"),
}

// isHeader tells a header line of Zeek's from another comment.
func isHeader(line []byte) bool {
	for _, w := range headerWords {
		if bytes.HasPrefix(line, w) && len(line) > len(w) && (line[len(w)] == ' ' || line[len(w)] == '\t') {
			return true
		}
	}
	return bytes.HasPrefix(line, []byte("#fields")) || bytes.HasPrefix(line, []byte("#types"))
}

// headerLine takes one header line and returns why it cannot be read, or "".
func (t *tsvState) headerLine(line []byte) string {
	if rest, ok := bytes.CutPrefix(line, []byte("#separator ")); ok {
		t.reset()
		t.seen = true
		sep := unescape(nil, bytes.TrimSpace(rest))
		if len(sep) != 1 {
			return fmt.Sprintf("separator %.20q: want one byte", rest)
		}
		t.sep = sep[0]
		t.keep(line)
		return ""
	}
	word, rest, ok := bytes.Cut(line, []byte{t.sep})
	if !ok || bytes.Equal(word, []byte("#open")) || bytes.Equal(word, []byte("#close")) {
		return ""
	}
	t.seen = true
	t.keep(line)
	switch string(word) {
	case "#set_separator":
		if len(rest) != 1 {
			return fmt.Sprintf("set separator %.20q: want one byte", rest)
		}
		t.set = bytes.Clone(rest)
	case "#empty_field":
		t.empty = bytes.Clone(rest)
	case "#unset_field":
		t.unset = bytes.Clone(rest)
	case "#path":
		t.path = pathName(rest)
	case "#fields":
		t.names, t.types = bytes.Split(bytes.Clone(rest), []byte{t.sep}), nil
		t.compile()
	case "#types":
		t.types = bytes.Split(bytes.Clone(rest), []byte{t.sep})
		if len(t.types) != len(t.names) {
			n := len(t.types)
			t.types = nil
			return fmt.Sprintf("%d types for %d fields", n, len(t.names))
		}
		t.compile()
	}
	return ""
}

// keep remembers a header line for Header, as long as it is of sane size.
func (t *tsvState) keep(line []byte) {
	if len(t.header)+len(line) < maxHeader {
		t.header = append(append(t.header, line...), '\n')
	}
}

func (t *tsvState) compile() {
	t.plan = t.plan[:0]
	t.fields = len(t.names)
	for i, name := range t.names {
		f := fieldNamed(name)
		if f == nil {
			continue
		}
		many := f.name == "answers" || f.name == "san.dns" // when there are no types
		if t.types != nil {
			many = bytes.HasPrefix(t.types[i], []byte("set[")) || bytes.HasPrefix(t.types[i], []byte("vector["))
		}
		t.plan = append(t.plan, column{index: i, field: f, many: many})
	}
}

// parseTSV reads one line of values; why tells what is wrong with it.
func (z *Reader) parseTSV(line []byte) (why string) {
	t := &z.tsv
	if t.fields == 0 {
		return "values before a #fields header"
	}
	sep := [1]byte{t.sep}
	if n := bytes.Count(line, sep[:]) + 1; n != t.fields {
		return fmt.Sprintf("%d columns, the header has %d", n, t.fields)
	}
	if t.path != "" {
		z.rec.Path = t.path
	}
	at, i := 0, 0
	for p := range t.plan {
		c := &t.plan[p]
		for ; at < c.index; at++ {
			i += bytes.IndexByte(line[i:], t.sep) + 1
		}
		text := line[i:]
		if end := bytes.IndexByte(text, t.sep); end >= 0 {
			text = text[:end]
		}
		if bytes.Equal(text, t.unset) || bytes.Equal(text, t.empty) {
			continue
		}
		if c.many {
			z.putSet(c.field, text)
			continue
		}
		z.put(c.field, z.unescaped(text))
	}
	return ""
}

func (z *Reader) putSet(f *field, text []byte) {
	for len(text) > 0 {
		one := text
		if i := bytes.Index(text, z.tsv.set); i >= 0 {
			one, text = text[:i], text[i+len(z.tsv.set):]
		} else {
			text = nil
		}
		if bytes.Equal(one, z.tsv.unset) {
			continue
		}
		z.put(f, z.unescaped(one))
	}
}

// unescaped returns text without Zeek's escapes, in place when it has none.
func (z *Reader) unescaped(text []byte) []byte {
	if bytes.IndexByte(text, '\\') < 0 {
		return text
	}
	n := len(z.spare)
	z.spare = unescape(z.spare, text)
	return z.spare[n:]
}

// unescape appends text with \xNN and \\ resolved; any other backslash stays.
func unescape(dst, text []byte) []byte {
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c != '\\' || i+1 == len(text) {
			dst = append(dst, c)
			continue
		}
		switch {
		case text[i+1] == '\\':
			dst = append(dst, '\\')
			i++
		case text[i+1] == 'x' && i+3 < len(text) && unhex(text[i+2]) >= 0 && unhex(text[i+3]) >= 0:
			dst = append(dst, byte(unhex(text[i+2])<<4|unhex(text[i+3])))
			i += 3
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
