// SPDX-License-Identifier: Apache-2.0

package misp

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"accord"
	"accord/format/stix"
)

// observables adds the objects of n and returns their ids, n's first. The id of an
// observable follows from all it says, its marking included: two markings of one
// value are two objects, for one id cannot be both. x is n's extension.
func (c *conversion) observables(n *node, tlp accord.TLP, x extension) ([]string, error) {
	var ids []string
	for _, prop := range sortedKeys(n.refs) {
		var refs []any
		for _, to := range n.refs[prop] {
			sub, err := c.observables(to, tlp, extension{})
			if err != nil {
				return nil, err
			}
			refs = append(refs, sub[0])
			ids = append(ids, sub...)
		}
		if strings.HasSuffix(prop, "_ref") {
			n.props[prop] = refs[0]
		} else {
			n.props[prop] = refs
		}
	}
	ob := stixObject{Type: n.typ, Markings: []string{stix.MarkingID(tlp)}, Rest: n.props}
	if x.Value != "" || x.Object != "" {
		ob.Extensions = x.asMap()
	}
	key, err := ob.encode()
	if err != nil {
		return nil, err
	}
	ob.ID = n.typ + "--" + derived("observable", string(key))
	if err := c.add(ob); err != nil {
		return nil, err
	}
	return slices.Insert(slices.DeleteFunc(ids, func(s string) bool { return s == ob.ID }), 0, ob.ID), nil
}

// flat returns n as get reads it: references are lists of places in n.refs.
func (n *node) flat() map[string]any {
	out := maps.Clone(n.props)
	for prop, list := range n.refs {
		var ids []any
		for i := range list {
			ids = append(ids, prop+"--"+strconv.Itoa(i))
		}
		if strings.HasSuffix(prop, "_ref") {
			out[prop] = ids[0]
		} else {
			out[prop] = ids
		}
	}
	return out
}

// follow finds what flat names.
func (n *node) follow(id string) map[string]any {
	prop, at, _ := strings.Cut(id, "--")
	i, err := strconv.Atoi(at)
	if err != nil || i >= len(n.refs[prop]) {
		return nil
	}
	return n.refs[prop][i].flat()
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
