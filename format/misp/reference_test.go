// SPDX-License-Identifier: Apache-2.0

package misp

import (
	goflag "flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = goflag.Bool("update", false, "write golden files")

// TestTheReferenceSaysWhereEveryTypeStands compares docs/reference/misp-types.md
// with the tables that the conversion goes by.
func TestTheReferenceSaysWhereEveryTypeStands(t *testing.T) {
	var b strings.Builder
	b.WriteString("# MISP's attribute types and objects in STIX\n\nWritten from the tables of package `format/misp` by its test. " +
		"How to read it: [MISP and STIX](misp.md). *A note* is a STIX `note` with the type as `abstract`.\n\n" +
		"## Attribute types\n\n| type | with `to_ids`: what the pattern looks for | without: where the value stands |\n|---|---|---|\n")
	for _, typ := range types {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", strings.ReplaceAll(typ.Name, "|", `\|`), sought1(typ.Name), place1(typ.Name))
	}
	b.WriteString("\n## Objects\n\nAttributes of other relations, and objects of other names, become items of their own.\n\n| object | STIX object | relations with a place in it |\n|---|---|---|\n")
	for _, name := range sortedKeys(templates) {
		tp := templates[name]
		var rel []string
		for _, r := range sortedKeys(tp.paths) {
			rel = append(rel, "`"+r+"` "+tp.paths[r])
		}
		if tp.hashes {
			rel = append(rel, "every hash in `hashes`")
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s |\n", name, tp.root, strings.Join(rel, ", "))
	}
	b.WriteString("\n## Galaxies\n\n| STIX object | galaxies |\n|---|---|\n")
	by := map[string][]string{}
	for g, typ := range galaxyTypes {
		if typ != "" {
			by[typ] = append(by[typ], "`"+g+"`")
		}
	}
	for _, typ := range sortedKeys(by) {
		slices.Sort(by[typ])
		fmt.Fprintf(&b, "| `%s` | %s |\n", typ, strings.Join(by[typ], ", "))
	}
	name := filepath.Join("..", "..", "docs", "reference", "misp-types.md")
	if *update {
		if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil { //nolint:gosec // a page for all to read
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(name)
	if err != nil || string(have) != b.String() {
		t.Errorf("docs/reference/misp-types.md is stale (%v): go test ./format/misp -run TheReferenceSays -update", err)
	}
}

// sought1 says what an indicator of the type looks for, by an example.
func sought1(typ string) string {
	for _, v := range []string{
		"lamp.example", "192.0.2.7", "192.0.2.7|443", "lamp.example|192.0.2.7", "lamp.example|443", "http://lamp.example/a", "keeper@lamp.example", "AS64496",
		strings.Repeat("ab", 16), strings.Repeat("ab", 20), strings.Repeat("ab", 32), strings.Repeat("ab", 64), "lamp.exe|" + strings.Repeat("ab", 16),
		"lamp.exe|" + strings.Repeat("ab", 20), "lamp.exe|" + strings.Repeat("ab", 32), "lamp.exe|" + strings.Repeat("ab", 64), "a|b", "a",
	} {
		s, err := readPattern(typ, v)
		switch {
		case err != nil:
			continue
		case s.lang != "stix":
			return "the rule itself, " + s.lang
		case typ == "stix2-pattern":
			return "the pattern itself"
		}
		text := s.pattern
		if len(text) > 150 {
			text = text[:70] + "…" + text[len(text)-20:]
		}
		return "`" + strings.ReplaceAll(text, "|", `\|`) + "`"
	}
	return "nothing: as without"
}

// place1 says where the value of an observation stands.
func place1(typ string) string {
	s, ok := slots[typ]
	if !ok {
		return "a note"
	}
	var out []string
	for _, p := range s.paths {
		out = append(out, "`"+s.root+"` "+p)
	}
	return strings.Join(out, ", ")
}
