// SPDX-License-Identifier: Apache-2.0

//go:build ignore

// gen writes suffix_parents.txt: the names that are an ancestor of a public
// suffix without being one, such as amazonaws.com, which golang.org/x/net's
// compiled table cannot be asked for. It reads the rules of the same snapshot
// from that module's table_test.go. Run it with go generate when x/net moves.
package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/publicsuffix"
)

const head = `# Ancestors of public suffixes that are not suffixes themselves, one a line.
# Written by gen.go from the Public Suffix List (https://publicsuffix.org/), which
# is under the Mozilla Public License 2.0 (https://mozilla.org/MPL/2.0/); this file too.
`

func main() {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/net").Output()
	if err != nil {
		log.Fatal(err)
	}
	file := filepath.Join(strings.TrimSpace(string(out)), "publicsuffix", "table_test.go")
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		log.Fatal(err)
	}
	parents := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || v.Names[0].Name != "rules" {
			return true
		}
		for _, e := range v.Values[0].(*ast.CompositeLit).Elts {
			rule, err := strconv.Unquote(e.(*ast.BasicLit).Value)
			if err != nil {
				log.Fatal(err)
			}
			for {
				var ok bool
				if _, rule, ok = strings.Cut(rule, "."); !ok {
					break
				}
				if s, _ := publicsuffix.PublicSuffix(rule); s != rule {
					parents[rule] = true
				}
			}
		}
		return false
	})
	var names []string
	for p := range parents {
		names = append(names, p)
	}
	slices.Sort(names)
	var b bytes.Buffer
	fmt.Fprint(&b, head, strings.Join(names, "\n"), "\n")
	if err := os.WriteFile("suffix_parents.txt", b.Bytes(), 0o644); err != nil {
		log.Fatal(err)
	}
}
