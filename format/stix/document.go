// SPDX-License-Identifier: Apache-2.0

package stix

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// maxDocument is the most that one object may have, whatever the limits say.
const maxDocument = 64 << 20

// node is one token of a document with its extent: raw[start:end]. Nodes stand
// in document order; next is the index of the first node after this one's
// subtree. A member is a name node (kind 'k') followed by its value.
type node struct {
	start, end, next int32
	kind             byte // '{' '[' '"' '0' 't' 'f' 'n', or 'k' for a name
}

// member is a top-level property.
type member struct {
	name  string // unescaped
	key   int32  // node of the name
	value int32  // node of the value
}

// document is the index of one JSON object over its bytes.
type document struct {
	raw   []byte
	nodes []node
	top   []member
	steps int // taken to resolve selectors, see maxSteps
}

var documents = sync.Pool{New: func() any { return new(document) }}

// index reads raw strictly (RFC 8259 with unique names and valid UTF-8, no names
// that differ only in case, depth and numbers bounded) and returns its index.
// The caller calls release when done with it.
func index(raw []byte, depth int) (*document, error) {
	if len(raw) > maxDocument {
		return nil, problem("", "", "the object has %d bytes; at most %d are read", len(raw), maxDocument)
	}
	if !jsontext.Value(raw).IsValid() {
		return nil, jsonProblem(raw)
	}
	d := documents.Get().(*document)
	d.raw, d.nodes, d.top, d.steps = raw, d.nodes[:0], d.top[:0], 0
	if err := d.build(depth); err != nil {
		d.release()
		return nil, err
	}
	return d, nil
}

func (d *document) release() {
	if cap(d.nodes) > 1<<16 {
		return // one huge object must not pin its index for ever
	}
	clear(d.top)
	d.raw = nil
	documents.Put(d)
}

// jsonProblem finds out why raw is not strict JSON.
func jsonProblem(raw []byte) error {
	if bytes.HasPrefix(raw, []byte("\xef\xbb\xbf")) {
		return problem("", "", "a byte order mark stands before the JSON text, at byte 0")
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(raw))
	_, err := dec.ReadValue()
	if err == nil {
		if _, err = dec.ReadToken(); errors.Is(err, io.EOF) || err == nil {
			err = errors.New("something follows the object")
		}
	}
	return syntaxProblem(err, 0)
}

// syntaxProblem words an error of jsontext; base is added to its offset.
func syntaxProblem(err error, base int64) error {
	var se *jsontext.SyntacticError
	if !errors.As(err, &se) {
		return problem("", "", "not JSON: %v", err)
	}
	why := fmt.Sprint(se.Err)
	if errors.Is(se.Err, jsontext.ErrDuplicateName) {
		why = "the same name twice in one object"
	}
	return problem(strings.TrimPrefix(clip(string(se.JSONPointer)), "/"), "", "not strict JSON at byte %d: %s", base+se.ByteOffset, clip(why))
}

// build fills nodes and top from raw, which is valid JSON.
func (d *document) build(depth int) error {
	raw := d.raw
	open := make([]int32, 0, 64)
	name := false // the next string is a name
	for i := 0; i < len(raw); {
		switch c := raw[i]; c {
		case ' ', '\t', '\n', '\r', ':':
			i++
		case ',':
			i++
			name = d.nodes[open[len(open)-1]].kind == '{'
		case '{', '[':
			if len(open) == depth {
				return problem("", "", "objects and lists nest deeper than %d at byte %d", depth, i)
			}
			open = append(open, int32(len(d.nodes)))
			d.nodes = append(d.nodes, node{start: int32(i), kind: c})
			name = c == '{'
			i++
		case '}', ']':
			i++
			n := open[len(open)-1]
			open = open[:len(open)-1]
			d.nodes[n].end, d.nodes[n].next = int32(i), int32(len(d.nodes))
			if err := d.checkNames(n); err != nil {
				return err
			}
			name = false
		default:
			end, err := d.scalar(i, name)
			if err != nil {
				return err
			}
			i, name = end, false
		}
	}
	if len(d.nodes) == 0 || d.nodes[0].kind != '{' {
		return problem("", "2.4", "want one JSON object")
	}
	for k := int32(1); k < d.nodes[0].next; k = d.nodes[k+1].next {
		d.top = append(d.top, member{name: d.name(k), key: k, value: k + 1})
	}
	return nil
}

// scalar adds the string, name, number or literal that begins at byte i and
// returns where it ends.
func (d *document) scalar(i int, name bool) (end int, err error) {
	raw, kind := d.raw, d.raw[i]
	end = i + 1
	switch kind {
	case '"':
		for ; raw[end] != '"'; end++ {
			if raw[end] == '\\' {
				end++
			}
		}
		end++
		if name {
			kind = 'k'
		}
	default:
		for end < len(raw) && raw[end] != ',' && raw[end] != '}' && raw[end] != ']' && raw[end] > ' ' {
			end++
		}
		if kind == '-' || kind >= '0' && kind <= '9' {
			kind = '0'
			err = checkNumber(raw[i:end], i)
		}
	}
	d.nodes = append(d.nodes, node{start: int32(i), end: int32(end), next: int32(len(d.nodes) + 1), kind: kind})
	return end, err
}

// checkNumber refuses a number that does not fit a double.
func checkNumber(b []byte, at int) error {
	if len(b) < 16 && bytes.IndexByte(b, 'e') < 0 && bytes.IndexByte(b, 'E') < 0 {
		return nil
	}
	if f, err := strconv.ParseFloat(string(b), 64); err != nil || math.IsInf(f, 0) {
		return problem("", "2.6", "the number %s at byte %d does not fit a double", clip(string(b)), at)
	}
	return nil
}

// checkNames refuses names in object n that differ only in case: readers that
// fold case would take the one for the other.
func (d *document) checkNames(n int32) error {
	if d.nodes[n].kind != '{' {
		return nil
	}
	count, plain := 0, true
	for k := n + 1; k < d.nodes[n].next; k = d.nodes[k+1].next {
		count++
		plain = plain && plainName(d.raw[d.nodes[k].start+1:d.nodes[k].end-1])
	}
	if plain {
		return nil
	}
	seen := make(map[string]bool, count)
	for k := n + 1; k < d.nodes[n].next; k = d.nodes[k+1].next {
		name := d.text(k)
		fold := strings.ToLower(name)
		if seen[fold] {
			return problem(clip(name), "3.1", "two names differ only in case at byte %d", d.nodes[k].start)
		}
		seen[fold] = true
	}
	return nil
}

// plainName reports whether b has neither capitals nor escapes nor anything
// beyond ASCII, so that folding does not change it.
func plainName(b []byte) bool {
	for _, c := range b {
		if c >= 'A' && c <= 'Z' || c == '\\' || c >= 0x80 {
			return false
		}
	}
	return true
}

// bytes returns the text of node n as it stands.
func (d *document) bytes(n int32) []byte { return d.raw[d.nodes[n].start:d.nodes[n].end] }

// kind returns the kind of node n, 0 for no node.
func (d *document) kind(n int32) byte {
	if n == 0 {
		return 0
	}
	return d.nodes[n].kind
}

// named reports whether the unescaped name at node n begins rest, as a whole step
// of a selector, and returns what follows it.
func (d *document) named(n int32, rest string) (tail string, ok bool) {
	b := d.raw[d.nodes[n].start+1 : d.nodes[n].end-1]
	if bytes.IndexByte(b, '\\') >= 0 {
		b = []byte(d.text(n))
	}
	if len(b) == 0 || len(rest) < len(b) || rest[:len(b)] != string(b) {
		return "", false
	}
	tail = rest[len(b):]
	return tail, tail == "" || tail[0] == '.' && len(tail) > 1
}

// text returns the unescaped string or name at node n; "" when it is neither.
func (d *document) text(n int32) string {
	if k := d.nodes[n].kind; k != '"' && k != 'k' {
		return ""
	}
	b := d.raw[d.nodes[n].start+1 : d.nodes[n].end-1]
	if bytes.IndexByte(b, '\\') < 0 {
		return string(b)
	}
	u, err := jsontext.AppendUnquote(nil, d.bytes(n))
	if err != nil {
		return "" // cannot be: the text was validated
	}
	return string(u)
}

// name is text for a name; the names of the standard cost no allocation.
func (d *document) name(n int32) string {
	if s, ok := known[string(d.raw[d.nodes[n].start+1:d.nodes[n].end-1])]; ok {
		return s
	}
	return d.text(n)
}

// get returns the node of the top-level property name; 0 when there is none.
func (d *document) get(name string) int32 {
	for i := range d.top {
		if d.top[i].name == name {
			return d.top[i].value
		}
	}
	return 0
}

// str returns the top-level property name when it is a string, else "".
func (d *document) str(name string) string {
	if n := d.get(name); d.kind(n) == '"' {
		return d.text(n)
	}
	return ""
}

// find returns the value of property name of the object at n; 0 when there is none.
func (d *document) find(n int32, name string) int32 {
	if d.nodes[n].kind != '{' {
		return 0
	}
	for k := n + 1; k < d.nodes[n].next; k = d.nodes[k+1].next {
		if string(d.bare(k)) == name {
			return k + 1
		}
	}
	return 0
}

// elements calls f with each element of the list at n and its index.
func (d *document) elements(n int32, f func(i int, e int32)) {
	if n == 0 || d.nodes[n].kind != '[' {
		return
	}
	i := 0
	for e := n + 1; e < d.nodes[n].next; e = d.nodes[e].next {
		f(i, e)
		i++
	}
}

// strings returns the strings of the list at top-level property name.
func (d *document) strings(name string) (out []string) {
	d.elements(d.get(name), func(_ int, e int32) {
		if d.nodes[e].kind == '"' {
			out = append(out, d.text(e))
		}
	})
	return out
}
