// SPDX-License-Identifier: Apache-2.0

package misp

import (
	_ "embed"
	"slices"
	"strconv"
	"strings"
)

// Type is an attribute type, as describeTypes tells it.
type Type struct {
	Name       string
	Category   string   // the default one
	ToIDS      bool     // whether such a value is for detection unless somebody says otherwise
	Categories []string // those it may stand in
}

//go:embed types.tsv
var typesText string

var (
	categories, types = readTypes(typesText)
	typeByName        = byName(types)
)

// readTypes reads the table: after a comment, a line with the categories and a
// line per type.
func readTypes(text string) (cats []string, out []Type) {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	cats = strings.Split(lines[1], "\t")[1:]
	for _, line := range lines[2:] {
		f := strings.Split(line, "\t")
		t := Type{Name: f[0], Category: cats[number(f[1])], ToIDS: f[2] == "1"}
		for n := range strings.SplitSeq(f[3], ",") {
			t.Categories = append(t.Categories, cats[number(n)])
		}
		out = append(out, t)
	}
	return cats, out
}

// number reads a number of the table, which is ours.
func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic("types.tsv: " + err.Error())
	}
	return n
}

func byName(list []Type) map[string]*Type {
	out := map[string]*Type{}
	for i := range list {
		out[list[i].Name] = &list[i]
	}
	return out
}

// Types returns the attribute types of MISP 2.5, in its order.
func Types() []Type { return slices.Clone(types) }

// Categories returns the categories of attributes, in MISP's order.
func Categories() []string { return slices.Clone(categories) }
