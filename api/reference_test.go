// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write golden files")

// The reference page is written from openapi.yaml.
func TestTheReferenceSaysWhatTheDescriptionSays(t *testing.T) {
	const path = "../docs/reference/api.md"
	got := page(t, readSpec(t))
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
		t.Errorf("%s is not what openapi.yaml says: run make gen", path)
	}
}

func page(t testing.TB, s *spec) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# HTTP interface\n\n<!-- Written from api/openapi.yaml by its test: run make gen. -->\n\n%s\n\n%s\n", s.Info.Summary, s.Info.Description)
	b.WriteString("A node serves this page's source at `/api/v1/openapi.yaml`.\n\n")
	for _, v := range s.Servers {
		fmt.Fprintf(&b, "- `%s`: %s\n", v.URL, v.Description)
	}
	b.WriteString("\n| | path | for | |\n|---|---|---|---|\n")
	for _, o := range s.operations(t) {
		fmt.Fprintf(&b, "| %s | [`%s`](#%s) | %s | %s |\n", o.method, o.path, strings.ToLower(o.OperationID), who[o.Role], cell(o.Summary))
	}
	for _, o := range s.operations(t) {
		s.section(&b, o)
	}
	s.problems(&b)
	b.WriteString("\n## Objects\n")
	each(t, &s.Components.Schemas, func(name string, n *yaml.Node) {
		var c schema
		if err := n.Decode(&c); err != nil {
			t.Fatal(err)
		}
		object(t, &b, name, c)
	})
	return b.Bytes()
}

var who = map[string]string{
	"public": "anyone", "reader": "tokens that may read", "sensor": "tokens of sensors", "partner": "partners",
}

func (s *spec) section(b *bytes.Buffer, o operation) {
	fmt.Fprintf(b, "\n## %s\n\n`%s %s`, for %s. %s\n", o.OperationID, o.method, o.path, who[o.Role], flow(o.Summary))
	if o.Description != "" {
		fmt.Fprintf(b, "\n%s\n", strings.TrimSpace(o.Description))
	}
	if len(o.Parameters) > 0 {
		b.WriteString("\n| parameter | | meaning |\n|---|---|---|\n")
		for _, p := range o.Parameters {
			need := ""
			if p.Required {
				need = ", required"
			}
			fmt.Fprintf(b, "| `%s` | %s%s | %s |\n", p.Name, p.Schema, need, cell(p.Description))
		}
	}
	if o.RequestBody != nil {
		for typ, m := range o.RequestBody.Content {
			fmt.Fprintf(b, "\nBody: `%s`, %s. %s\n", typ, m.Schema, flow(o.RequestBody.Description))
		}
	}
	b.WriteString("\n| status | body | |\n|---|---|---|\n")
	var shared []string
	for _, code := range slices.Sorted(maps.Keys(o.Responses)) {
		r := o.Responses[code]
		if r.Ref != "" {
			shared = append(shared, fmt.Sprintf("[%s](#%s)", code, strings.ToLower(last(r.Ref))))
			continue
		}
		for typ, m := range r.Content {
			body := "`" + typ + "`"
			if m.Schema != nil && m.Schema.Ref != "" {
				body = m.Schema.String()
			}
			fmt.Fprintf(b, "| %s | %s | %s |\n", code, body, cell(r.Description))
		}
	}
	fmt.Fprintf(b, "\nProblems: %s.\n", strings.Join(shared, ", "))
}

// problems are the answers that routes share.
func (s *spec) problems(b *bytes.Buffer) {
	b.WriteString("\n## Problems\n\nEach is a [Problem](#problem-object).\n")
	for _, name := range slices.Sorted(maps.Keys(s.Components.Responses)) {
		fmt.Fprintf(b, "\n### %s\n\n%s\n", name, flow(s.Components.Responses[name].Description))
	}
}

func object(t testing.TB, b *bytes.Buffer, name string, c schema) {
	fmt.Fprintf(b, "\n### %s object\n\n", name)
	if c.Description != "" {
		fmt.Fprintf(b, "%s\n\n", flow(c.Description))
	}
	if c.Properties.Kind == 0 {
		fmt.Fprintf(b, "%s\n", c)
		return
	}
	b.WriteString("| member | | meaning |\n|---|---|---|\n")
	each(t, &c.Properties, func(member string, n *yaml.Node) {
		var p schema
		if err := n.Decode(&p); err != nil {
			t.Fatal(err)
		}
		may := ""
		if !slices.Contains(c.Required, member) {
			may = ", may be absent"
		}
		fmt.Fprintf(b, "| `%s` | %s%s | %s |\n", member, p, may, cell(p.Description))
	})
}

// String says what a schema takes, in Markdown.
func (c schema) String() string {
	switch {
	case c.Ref != "":
		return fmt.Sprintf("[%s](#%s-object)", last(c.Ref), strings.ToLower(last(c.Ref)))
	case len(c.AllOf) > 0:
		return c.AllOf[0].String()
	case c.Const != "":
		return "`" + c.Const + "`"
	case len(c.Enum) > 0:
		return "`" + strings.Join(c.Enum, "`, `") + "`" + c.otherwise()
	case c.Items != nil:
		return "list of " + c.Items.String()
	case c.Type == "integer" && c.Minimum != nil && c.Maximum != nil:
		return fmt.Sprintf("integer %d to %d%s", *c.Minimum, *c.Maximum, c.otherwise())
	case c.Type == "object" && c.Additional != nil && c.Additional != false:
		return "object of integers"
	case c.Format != "" && c.Type == "string":
		return c.Format + c.otherwise()
	}
	return c.Type + c.otherwise()
}

func (c schema) otherwise() string {
	if c.Default == nil {
		return ""
	}
	return fmt.Sprintf(", default %v", c.Default)
}

func flow(s string) string { return strings.Join(strings.Fields(s), " ") }
func cell(s string) string { return strings.ReplaceAll(flow(s), "|", "\\|") }
