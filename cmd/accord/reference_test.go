// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

var update = flag.Bool("update", false, "write golden files")

// The configuration's reference page is the comments of its struct.
func TestTheReferenceSaysWhatTheConfigStructSays(t *testing.T) {
	got := referenceFrom(t, "config.go")
	for _, path := range []string{"reference.md", "../../docs/reference/config.md"} {
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what config.go says: run make gen", path)
		}
	}
}

func referenceFrom(t *testing.T, file string) []byte {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	structs := map[string]*ast.GenDecl{}
	for _, d := range f.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.TYPE {
			structs[g.Specs[0].(*ast.TypeSpec).Name.Name] = g
		}
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# accord.toml\n\n%s\n", flow(structs["Config"].Doc.Text()))
	defaults := reflect.ValueOf(defaultConfig())
	for _, section := range fields(structs["Config"]) {
		if section.key == "" {
			continue
		}
		g := structs[section.typ]
		fmt.Fprintf(&b, "## [%s]\n\n%s\n", section.key, flow(strings.SplitAfterN(g.Doc.Text(), " ", 2)[1]))
		for _, k := range fields(g) {
			value := tomlOf(t, defaults.FieldByName(section.name).FieldByName(k.name).Interface())
			fmt.Fprintf(&b, "- `%s` (default `%s`): %s\n", k.key, value, strings.TrimSpace(flow(k.doc)))
		}
		b.WriteString("\n")
	}
	return bytes.TrimRight(append(bytes.TrimRight(b.Bytes(), "\n"), '\n'), "")
}

type field struct{ name, key, typ, doc string }

func fields(g *ast.GenDecl) []field {
	var out []field
	doc := ""
	for _, f := range g.Specs[0].(*ast.TypeSpec).Type.(*ast.StructType).Fields.List {
		tag := ""
		if f.Tag != nil {
			tag = reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("toml")
		}
		if f.Doc != nil {
			doc = f.Doc.Text() // a comment may stand for the keys that follow it
		}
		typ, _ := f.Type.(*ast.Ident)
		name := ""
		if typ != nil {
			name = typ.Name
		}
		out = append(out, field{f.Names[0].Name, tag, name, doc})
	}
	return out
}

func flow(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "\n", " ") + "\n" }

func tomlOf(t *testing.T, v any) string {
	var b bytes.Buffer
	if err := toml.NewEncoder(&b).Encode(map[string]any{"v": v}); err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(strings.TrimSpace(b.String()), "v = ")
}
