// SPDX-License-Identifier: Apache-2.0

package stix

import (
	"bytes"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// The corpus holds every type with every property, extension and part somewhere,
// so that what is tested over it is tested over the standard.
func TestTheCorpusHoldsTheWholeSchema(t *testing.T) {
	text, err := os.ReadFile("testdata/valid.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	met := map[string]bool{}
	for line := range bytes.Lines(text) {
		d, err := index(bytes.TrimSpace(line), 64)
		if err != nil {
			t.Fatal(err)
		}
		meet(d, 0, schemas[d.str("type")], met)
		d.release()
	}
	for _, group := range []map[string]*schema{blocks.objects, blocks.extensions, blocks.parts} {
		for _, name := range slices.Sorted(maps.Keys(group)) {
			for _, p := range slices.Sorted(maps.Keys(group[name].props)) {
				once := slices.Contains([]string{"granular_markings", "extensions", "labels", "confidence", "lang", "revoked", "external_references", "object_marking_refs", "created_by_ref", "defanged"}, p)
				long := strings.HasPrefix(name, "windows-pe-optional") || strings.HasPrefix(name, "x509-v3") // one type each, met in part
				if !met[name+"."+p] && !once && !long && p != "windows_title" {
					t.Errorf("no object of the corpus has %s.%s", name, p)
				}
			}
		}
	}
}

// meet notes which properties of which blocks the object at n has.
func meet(d *document, n int32, s *schema, met map[string]bool) {
	if s == nil || d.nodes[n].kind != '{' {
		return
	}
	for k := n + 1; k < d.nodes[n].next; k = d.nodes[k+1].next {
		name := d.text(k)
		met[s.name+"."+name] = true
		p := s.props[name]
		switch {
		case p == nil:
		case p.typ == "part" && p.list:
			d.elements(k+1, func(_ int, e int32) { meet(d, e, p.part, met) })
		case p.typ == "part":
			meet(d, k+1, p.part, met)
		case p.typ == "extensions":
			for x := k + 2; x < d.nodes[k+1].next; x = d.nodes[x+1].next {
				meet(d, x+1, blocks.extensions[d.text(x)], met)
			}
		}
	}
}

// The tables name only what there is.
func TestTheSchemaIsWhole(t *testing.T) {
	count := map[string]int{}
	for _, group := range []map[string]*schema{blocks.objects, blocks.extensions, blocks.parts} {
		for name, s := range group {
			count[s.kind]++
			for _, p := range s.props {
				known := kindOf[p.typ] != 0
				if !known || (p.typ == "vocab" || p.typ == "enum") && p.words == nil || p.typ == "part" && p.part == nil {
					t.Errorf("%s.%s: type %s is not defined", name, p.name, p.typ)
				}
				for target := range strings.FieldsSeq(p.refs) {
					if schemas[target] == nil && !slices.Contains([]string{"SDO", "SCO", "SRO", "META"}, target) {
						t.Errorf("%s.%s leads to %s, which is no type", name, p.name, target)
					}
				}
			}
			for _, r := range s.rules {
				for _, p := range r.names {
					if s.props[p] == nil {
						t.Errorf("a rule of %s names %s, which it has not", name, p)
					}
				}
			}
			if s.owner != "" && schemas[s.owner] == nil {
				t.Errorf("%s extends %s, which is no type", name, s.owner)
			}
		}
	}
	if count["sdo"] != 19 || count["sro"] != 2 || count["sco"] != 18 || count["meta"] != 3 || count["extension"] != 12 {
		t.Errorf("the schema has %v; STIX 2.1 has 19 domain, 2 relationship, 18 observable and 3 meta objects, and 12 extensions", count)
	}
	for key, targets := range relations {
		source, _, _ := strings.Cut(key, " ")
		for target := range strings.FieldsSeq(targets) {
			if schemas[source] == nil || schemas[target] == nil && target != "SCO" {
				t.Errorf("the relationship %s leads to %s", key, target)
			}
		}
	}
}
