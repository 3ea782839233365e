// SPDX-License-Identifier: Apache-2.0

package search

import (
	"bytes"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"accord"
)

// Text is what an object says in words.
type Text struct {
	Texts []string // every text that is searched, the name first
	Names []string // the names by which it is known: name, aliases, external ids
}

// wordy are the properties whose strings are searched, at the top of an object.
var wordy = map[string]bool{
	"name": true, "description": true, "aliases": true, "x_mitre_aliases": true, "abstract": true, "content": true,
	"explanation": true, "external_references": true,
}

// hints are what an object without words does not hold.
var hints = [][]byte{[]byte(`escription"`), []byte(`liases"`), []byte(`references"`), []byte(`abstract"`), []byte(`ontent"`), []byte(`explanation"`), []byte(`\u`)}

// TextOf returns what it says: its name without its values, what its bytes say
// beyond it, its labels and tags.
func TextOf(it *accord.Item) (t Text) {
	if name := nameOf(it); name != "" {
		t.Texts, t.Names = append(t.Texts, name), append(t.Names, name)
	}
	if slices.ContainsFunc(hints, func(h []byte) bool { return bytes.Contains(it.Bytes, h) }) {
		t.read(it)
	}
	t.Texts = append(append(t.Texts, it.Labels...), it.Tags...)
	return t
}

// nameOf is its name without its values, which are found as values: a million
// names of a list make no words.
func nameOf(it *accord.Item) string {
	name := it.Name
	for _, o := range it.Observables {
		switch {
		case name == o.Value || strings.EqualFold(name, o.Value):
			return ""
		case strings.Contains(name, o.Value):
			name = strings.ReplaceAll(name, o.Value, " ")
		}
	}
	return strings.TrimSpace(name)
}

// read adds what the bytes say. What is no object says nothing.
func (t *Text) read(it *accord.Item) {
	d := jsontext.NewDecoder(bytes.NewReader(it.Bytes), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if tok, err := d.ReadToken(); err != nil || tok.Kind() != jsontext.KindBeginObject {
		return
	}
	for d.PeekKind() == jsontext.KindString {
		tok, err := d.ReadToken()
		if err != nil {
			return
		}
		name := tok.String()
		if !wordy[name] {
			if d.SkipValue() != nil {
				return
			}
			continue
		}
		if !t.property(d, it, name) {
			return
		}
	}
}

// property reads the strings of one property.
func (t *Text) property(d *jsontext.Decoder, it *accord.Item, name string) bool {
	top := d.StackDepth()
	key := ""
	for {
		tok, err := d.ReadToken()
		if err != nil {
			return false
		}
		if tok.Kind() == jsontext.KindString {
			kind, n := d.StackIndex(d.StackDepth())
			if kind == jsontext.KindBeginObject && n%2 == 1 && d.StackDepth() > top {
				key = tok.String()
				continue
			}
			t.add(it, name, key, tok.String())
		}
		if d.StackDepth() <= top {
			return true
		}
	}
}

func (t *Text) add(it *accord.Item, property, key, text string) {
	switch property {
	case "external_references":
		if key == "external_id" {
			t.Texts, t.Names = append(t.Texts, text), append(t.Names, text)
		}
	case "aliases", "x_mitre_aliases":
		t.Texts, t.Names = append(t.Texts, text), append(t.Names, text)
	case "name": // the item's may have been cut
		if len(text) > len(it.Name) && len(it.Observables) == 0 {
			t.Texts = append(t.Texts, text)
		}
	default:
		t.Texts = append(t.Texts, text)
	}
}

// Words returns the words of the texts, each text followed by an empty word, so
// that no phrase reaches from one into the next.
func (t Text) Words() (out []string) {
	for _, s := range t.Texts {
		out = append(append(out, Words(s)...), "")
	}
	return out
}

// Distinct returns up to MaxWords words of the texts, each once.
func (t Text) Distinct() (out []string) {
	seen := map[string]bool{"": true}
	for _, s := range t.Texts {
		for _, w := range Words(s) {
			if !seen[w] && len(out) < MaxWords {
				seen[w] = true
				out = append(out, w)
			}
		}
	}
	return out
}

// NameKey is the form in which names are compared: their words, a space between.
func NameKey(name string) string {
	key := strings.Join(Words(name), " ")
	if len(key) > 200 {
		key = strings.ToValidUTF8(key[:200], "")
	}
	return key
}
