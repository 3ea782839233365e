// SPDX-License-Identifier: Apache-2.0

package pattern

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"accord"
)

// value is a JSON value as it came: numbers are kept as text.
type value struct {
	kind  byte // '{' '[' '"' '0' 't' 'f' 'n', as jsontext.Kind
	text  string
	items []value  // elements, or the values of members
	names []string // of the members, in step with items
}

// get returns member name of an object.
func (v *value) get(name string) *value {
	if v == nil || v.kind != '{' {
		return nil
	}
	for i, n := range v.names {
		if n == name {
			return &v.items[i]
		}
	}
	return nil
}

// str returns member name when it is a string, else "".
func (v *value) str(name string) string {
	if m := v.get(name); m != nil && m.kind == '"' {
		return m.text
	}
	return ""
}

// reader builds values.
type reader struct {
	dec   *jsontext.Decoder
	nodes int // still allowed
}

// readValue reads strict JSON: valid UTF-8, no name twice in an object, MaxNesting
// deep at most, nodes values at most.
func readValue(data []byte, nodes int) (value, int, error) {
	r := reader{dec: jsontext.NewDecoder(bytes.NewBuffer(data)), nodes: nodes}
	v, err := r.value(0)
	if err == nil {
		if _, err = r.dec.ReadToken(); err == nil {
			err = errors.New("something follows the object")
		} else if errors.Is(err, io.EOF) {
			return v, r.nodes, nil
		}
	}
	if errors.Is(err, ErrLimit) {
		return v, 0, err
	}
	return v, 0, fmt.Errorf("%w: not strict JSON: %s", accord.ErrInvalid, clip(strings.ToValidUTF8(err.Error(), "?")))
}

func (r *reader) value(depth int) (v value, err error) {
	if r.nodes--; r.nodes < 0 {
		return v, fmt.Errorf("%w: too many values in the observations; give fewer at a time", ErrLimit)
	}
	tok, err := r.dec.ReadToken()
	if err != nil {
		return v, err
	}
	v.kind = byte(tok.Kind())
	switch v.kind {
	case '"', '0':
		v.text = tok.String()
	case '{', '[':
		if depth == MaxNesting {
			return v, fmt.Errorf("objects and lists nest deeper than %d", MaxNesting)
		}
		for k := r.dec.PeekKind(); k != '}' && k != ']'; k = r.dec.PeekKind() {
			if v.kind == '{' {
				name, err := r.dec.ReadToken()
				if err != nil {
					return v, err
				}
				v.names = append(v.names, name.String())
			}
			item, err := r.value(depth + 1)
			if err != nil {
				return v, err
			}
			v.items = append(v.items, item)
		}
		_, err = r.dec.ReadToken()
	}
	return v, err
}
