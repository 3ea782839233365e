// SPDX-License-Identifier: Apache-2.0

package stix

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Redaction says what to take out of an object.
type Redaction struct {
	// Drop names optional top-level properties to remove. Labels that are TLP or
	// PAP marks stay when labels are dropped.
	Drop []string
	// Remove holds the ids of objects that may not be referred to: entries of
	// lists are filtered (a list left empty goes), single references go. A string
	// that is such an id counts as a reference whatever its property is called.
	Remove map[string]bool
	// Rename replaces ids in the same places.
	Rename map[string]string
	// NewID and CreatedBy, when set, replace id and created_by_ref: a copy whose
	// content is changed is the sharer's own object.
	NewID, CreatedBy string
}

// unremovable are the properties that every reader relies on, and the markings,
// which a redaction never loosens.
var unremovable = []string{
	"type", "spec_version", "id", "created", "modified", "object_marking_refs", "granular_markings",
}

// Redact returns raw, an object of STIX 2.1 as Item.Bytes holds it, without what
// r takes out, and the places it touched as selectors of raw (§7.2.3). What is
// not touched stays byte for byte. Granular markings follow: selectors of what
// is gone go, list indexes shift. Markings are neither removed nor renamed.
//
// It fails with ErrRequired when the object could not stand without what would
// go, and with a *Problem when raw is no object.
func Redact(raw []byte, r Redaction) (out []byte, removed []string, err error) {
	d, err := index(raw, DefaultLimits.Depth)
	if err != nil {
		return nil, nil, err
	}
	defer d.release()
	p := parser{d: d, typ: d.str("type"), id: d.str("id")}
	if err := p.identity(); err != nil {
		return nil, nil, p.about(err)
	}
	p.schema = schemaOf(d, p.typ)
	e := editor{d: d, edits: map[int32]edit{}}
	if err := e.drop(&p, r.Drop); err != nil {
		return nil, nil, err
	}
	e.references(r)
	if len(e.edits) > 0 {
		e.cascade(0)
	}
	e.author(r)
	e.granular()
	if err := e.stillStands(&p); err != nil {
		return nil, nil, err
	}
	if len(e.edits) == 0 {
		return raw, nil, nil
	}
	e.order = slices.Sorted(maps.Keys(e.edits))
	return e.render(nil, 0), e.touched(), nil
}

// edit is what happens to a value: it goes, or becomes text.
type edit struct {
	gone   bool
	text   []byte // the new value, when not gone
	append []byte // members to add after it
	quiet  bool   // not reported: it follows from another edit
}

// editor gathers edits by value node and writes the result.
type editor struct {
	d     *document
	edits map[int32]edit
	order []int32 // the edited nodes in document order, for render
}

func (e *editor) gone(n int32) bool { return e.edits[n].gone }

// drop removes top-level properties.
func (e *editor) drop(p *parser, names []string) error {
	for _, name := range names {
		n := e.d.get(name)
		if n == 0 {
			continue
		}
		if slices.Contains(unremovable, name) {
			return fmt.Errorf("redact %s: %w: %s", clip(p.id), ErrRequired, name)
		}
		if name == "labels" && e.keepMarkLabels(n) {
			continue
		}
		e.edits[n] = edit{gone: true}
	}
	return nil
}

// keepMarkLabels removes the labels at n that are no marks, and reports whether
// any are left.
func (e *editor) keepMarkLabels(n int32) (left bool) {
	var others []int32
	e.d.elements(n, func(_ int, l int32) {
		var m marked
		if e.d.nodes[l].kind == '"' && m.label(e.d.text(l)) {
			left = true
		} else {
			others = append(others, l)
		}
	})
	if left {
		for _, l := range others {
			e.edits[l] = edit{gone: true}
		}
	}
	return left
}

// references removes and renames ids, in reference properties and wherever else
// a string is nothing but such an id; the object's own id and its markings stay.
func (e *editor) references(r Redaction) {
	if len(r.Remove)+len(r.Rename) == 0 {
		return
	}
	d, own := e.d, e.d.get("id")
	for n := int32(1); n < int32(len(d.nodes)); n++ {
		nd := d.nodes[n]
		switch {
		case nd.kind == 'k' && (isMarking(d.name(n)) || d.name(n) == "granular_markings"):
			n = d.nodes[n+1].next - 1
			continue
		case nd.kind != '"' || nd.end-nd.start < 40 || n == own || e.gone(n):
			continue
		}
		id := d.text(n)
		if r.Remove[id] {
			e.edits[n] = edit{gone: true}
		} else if to, ok := r.Rename[id]; ok && to != id {
			e.edits[n] = edit{text: quoted(to)}
		}
	}
}

// cascade removes lists and objects below n that are left empty by removals.
func (e *editor) cascade(n int32) (empty bool) {
	nd := e.d.nodes[n]
	if nd.kind != '{' && nd.kind != '[' {
		return false
	}
	kept, lost := 0, 0
	for c := n + 1; c < nd.next; c = e.d.nodes[c].next {
		if e.d.nodes[c].kind == 'k' {
			c++
		}
		if !e.gone(c) && e.cascade(c) {
			e.edits[c] = edit{gone: true}
		}
		if e.gone(c) {
			lost++
		} else {
			kept++
		}
	}
	return kept == 0 && lost > 0
}

// author sets id and created_by_ref.
func (e *editor) author(r Redaction) {
	id := e.d.get("id")
	if r.NewID != "" && r.NewID != e.d.text(id) {
		e.edits[id] = edit{text: quoted(r.NewID)}
	}
	if r.CreatedBy == "" {
		return
	}
	by := e.d.get("created_by_ref")
	switch {
	case by == 0:
		ed, changed := e.edits[id]
		if !changed {
			ed = edit{text: e.d.bytes(id), quiet: true}
		}
		ed.append = append([]byte(`,"created_by_ref":`), quoted(r.CreatedBy)...)
		e.edits[id] = ed
	case e.gone(by) || e.d.text(by) != r.CreatedBy:
		e.edits[by] = edit{text: quoted(r.CreatedBy)}
	}
}

// quoted writes s as a JSON string.
func quoted(s string) []byte { return appendQuoted(nil, s) }

// stillStands refuses the result when it lacks what its type requires.
func (e *editor) stillStands(p *parser) error {
	fail := func(name string) error {
		return fmt.Errorf("redact %s: %w: %s", clip(p.id), ErrRequired, name)
	}
	if n := e.d.get("extensions"); n != 0 && e.gone(n) && (schemas[p.typ] == nil || p.typ == "marking-definition") {
		return fail("extensions")
	}
	for _, name := range p.schema.required {
		if n := e.d.get(name); n != 0 && e.gone(n) {
			return fail(name)
		}
	}
	had, has := false, false
	for _, name := range p.schema.oneOf {
		if n := e.d.get(name); n != 0 {
			had, has = true, has || !e.gone(n)
		}
	}
	if had && !has {
		return fail(strings.Join(p.schema.oneOf, " or "))
	}
	for _, r := range p.schema.rules {
		if r.kind != "with" {
			continue
		}
		one, other := e.d.get(r.names[0]), e.d.get(r.names[1])
		if one != 0 && !e.gone(one) && other != 0 && e.gone(other) {
			return fail(r.names[1]) // what is left needs it
		}
	}
	return nil
}

// granular makes the granular markings follow the edits (§7.2.3).
func (e *editor) granular() {
	g := e.d.get("granular_markings")
	if g == 0 || len(e.edits) == 0 {
		return
	}
	all := true
	e.d.elements(g, func(_ int, m int32) {
		sel := e.d.find(m, "selectors")
		left := false
		e.d.elements(sel, func(_ int, s int32) {
			to, ok := e.shifted(e.d.text(s))
			switch {
			case !ok:
				e.edits[s] = edit{gone: true, quiet: true}
				return
			case to != e.d.text(s):
				e.edits[s] = edit{text: quoted(to), quiet: true}
			}
			left = true
		})
		if !left {
			e.edits[m] = edit{gone: true, quiet: true}
		} else {
			all = false
		}
	})
	if all {
		e.edits[g] = edit{gone: true, quiet: true}
	}
}

// shifted returns the selector that selects the same content after the edits, or
// false when that content is gone.
func (e *editor) shifted(selector string) (string, bool) {
	path := e.d.resolve(selector)
	if path == nil {
		return "", false
	}
	var out strings.Builder
	parent := int32(0)
	for i, n := range path {
		if e.gone(n) {
			return "", false
		}
		if i > 0 {
			out.WriteByte('.')
		}
		if e.d.nodes[parent].kind == '[' {
			at := 0
			for c := parent + 1; c < n; c = e.d.nodes[c].next {
				e.d.steps++
				if !e.gone(c) {
					at++
				}
			}
			out.WriteString("[" + strconv.Itoa(at) + "]")
		} else {
			out.WriteString(e.d.text(n - 1))
		}
		parent = n
	}
	return out.String(), true
}

// render appends the value at n with the edits applied.
func (e *editor) render(out []byte, n int32) []byte {
	if ed, ok := e.edits[n]; ok {
		return append(append(out, ed.text...), ed.append...)
	}
	nd := e.d.nodes[n]
	raw := e.d.raw
	if nd.kind != '{' && nd.kind != '[' || !e.within(nd, n) {
		return append(out, raw[nd.start:nd.end]...)
	}
	out = append(out, nd.kind)
	first, from := true, nd.start+1 // from is after the last delimiter
	for c := n + 1; c < nd.next; c = e.d.nodes[c].next {
		if e.d.nodes[c].kind == 'k' {
			c++
		}
		v := e.d.nodes[c]
		upto := v.end
		for raw[upto] != ',' && upto < nd.end-1 {
			upto++
		}
		if !e.gone(c) {
			if !first {
				out = append(out, ',')
			}
			first = false
			out = append(out, raw[from:v.start]...)
			out = e.render(out, c)
			out = append(out, raw[v.end:upto]...)
		}
		from = upto + 1
	}
	return append(out, raw[nd.end-1])
}

// within reports whether an edit lies inside the container n.
func (e *editor) within(nd node, n int32) bool {
	i, _ := slices.BinarySearch(e.order, n+1)
	return i < len(e.order) && e.order[i] < nd.next
}

// touched lists what the edits touched, outermost only, in document order.
func (e *editor) touched() (out []string) {
	var walk func(n int32, path string)
	walk = func(n int32, path string) {
		if ed, ok := e.edits[n]; ok && n > 0 {
			if !ed.quiet {
				out = append(out, path)
			}
			if len(ed.append) > 0 {
				out = append(out, "created_by_ref")
			}
			return
		}
		nd := e.d.nodes[n]
		switch nd.kind {
		case '{':
			for k := n + 1; k < nd.next; k = e.d.nodes[k+1].next {
				walk(k+1, join(path, e.d.text(k)))
			}
		case '[':
			e.d.elements(n, func(i int, c int32) { walk(c, path+".["+strconv.Itoa(i)+"]") })
		}
	}
	walk(0, "")
	return out
}
