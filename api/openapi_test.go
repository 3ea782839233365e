// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"bytes"
	"fmt"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"accord/api"
)

// spec is the part of openapi.yaml that the tests and the reference page read.
type spec struct {
	Info struct {
		Title, Summary, Description string
	}
	Servers    []struct{ URL, Description string }
	Paths      yaml.Node
	Components struct {
		Parameters      map[string]parameter
		Responses       map[string]response
		Schemas         yaml.Node
		SecuritySchemes map[string]struct{ Type, Scheme, Description string } `yaml:"securitySchemes"`
	}
}

type operation struct {
	OperationID string `yaml:"operationId"`
	Tags        []string
	Summary     string
	Description string
	Role        string `yaml:"x-role"`
	Security    []map[string][]string
	Parameters  []parameter
	RequestBody *struct {
		Description string
		Content     map[string]media
	} `yaml:"requestBody"`
	Responses map[string]response

	method, path string
}

type parameter struct {
	Ref         string `yaml:"$ref"`
	Name, In    string
	Required    bool
	Description string
	Schema      schema
}

type response struct {
	Ref         string `yaml:"$ref"`
	Description string
	Headers     map[string]any
	Content     map[string]media
}

type media struct {
	Schema  *schema
	Example any
}

type schema struct {
	Ref         string `yaml:"$ref"`
	Type        string
	Description string
	Format      string
	Enum        []string
	Const       string
	Default     any
	Minimum     *int64
	Maximum     *int64
	MaxItems    int `yaml:"maxItems"`
	Required    []string
	Properties  yaml.Node
	Items       *schema
	AllOf       []schema `yaml:"allOf"`
	Additional  any      `yaml:"additionalProperties"`
}

// description is openapi.yaml, read once.
var description = sync.OnceValues(func() (*spec, error) {
	var s spec
	return &s, yaml.Unmarshal(api.Description, &s)
})

func readSpec(t testing.TB) *spec {
	t.Helper()
	s, err := description()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// operations are those of the description, in its order.
func (s *spec) operations(t testing.TB) (out []operation) {
	t.Helper()
	each(t, &s.Paths, func(path string, methods *yaml.Node) {
		each(t, methods, func(method string, n *yaml.Node) {
			var o operation
			if err := n.Decode(&o); err != nil {
				t.Fatal(err)
			}
			o.method, o.path = strings.ToUpper(method), path
			for i, p := range o.Parameters {
				if p.Ref != "" {
					o.Parameters[i] = s.Components.Parameters[last(p.Ref)]
				}
			}
			out = append(out, o)
		})
	})
	return out
}

func each(t testing.TB, n *yaml.Node, do func(string, *yaml.Node)) {
	t.Helper()
	if n.Kind != 0 && n.Kind != yaml.MappingNode {
		t.Fatalf("line %d: not a mapping", n.Line)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		do(n.Content[i].Value, n.Content[i+1])
	}
}

func last(ref string) string { return ref[strings.LastIndex(ref, "/")+1:] }

// answer is the response of o for a status, and where in the document it stands.
func (s *spec) answer(o operation, status int) (response, string, bool) {
	code := fmt.Sprint(status)
	r, ok := o.Responses[code]
	at := "/paths/" + escape(o.path) + "/" + strings.ToLower(o.method) + "/responses/" + code
	if ok && r.Ref != "" {
		at = strings.TrimPrefix(r.Ref, "#")
		r, ok = s.Components.Responses[last(r.Ref)]
	}
	return r, at, ok
}

func escape(s string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(s)
}

// schemas compiles places of the document.
var schemas = sync.OnceValues(func() (*jsonschema.Compiler, error) {
	var doc any
	if err := yaml.Unmarshal(api.Description, &doc); err != nil {
		return nil, err
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	if doc, err = jsonschema.UnmarshalJSON(bytes.NewReader(text)); err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	return c, c.AddResource("mem:///openapi.json", doc)
})

var compiling sync.Mutex

// conforms says how a JSON text departs from the schema at a place of the document.
func conforms(t testing.TB, at string, text []byte) error {
	t.Helper()
	compiling.Lock()
	defer compiling.Unlock()
	c, err := schemas()
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("mem:///openapi.json#" + at)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

// checkAnswer fails the test when the description does not allow an answer.
func checkAnswer(t testing.TB, method, pattern string, res *http.Response, body []byte) {
	t.Helper()
	s := readSpec(t)
	i := slices.IndexFunc(s.operations(t), func(o operation) bool { return o.method == method && o.path == pattern })
	if i < 0 {
		t.Errorf("%s %s is not described", method, pattern)
		return
	}
	r, at, ok := s.answer(s.operations(t)[i], res.StatusCode)
	if !ok {
		t.Errorf("%s %s: status %d is not described: %s", method, pattern, res.StatusCode, body)
		return
	}
	typ, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	m, ok := r.Content[typ]
	if err != nil || !ok {
		t.Errorf("%s %s: %d is of type %q (%v), which is not described", method, pattern, res.StatusCode, typ, err)
		return
	}
	for name := range r.Headers {
		if res.Header.Get(name) == "" {
			t.Errorf("%s %s: %d has no %s", method, pattern, res.StatusCode, name)
		}
	}
	if m.Schema == nil || !strings.HasSuffix(typ, "json") {
		return
	}
	if err := conforms(t, at+"/content/"+escape(typ)+"/schema", body); err != nil {
		t.Errorf("%s %s: %d: %v\n%s", method, pattern, res.StatusCode, err, body)
	}
}

func TestEveryRouteIsDescribedAndNothingElse(t *testing.T) {
	var described, served []api.Route
	for _, o := range readSpec(t).operations(t) {
		var query []string
		for _, p := range o.Parameters {
			if p.In == "query" {
				query = append(query, p.Name)
			}
		}
		described = append(described, api.Route{Method: o.method, Pattern: o.path, Role: o.Role, Query: query})
	}
	for _, r := range api.Routes() {
		if len(r.Query) == 0 {
			r.Query = nil
		}
		served = append(served, r)
	}
	if diff := cmp.Diff(served, described); diff != "" {
		t.Errorf("openapi.yaml (+) is not the route table (-):\n%s", diff)
	}
}

func TestTheDescriptionNamesTheCredentialsOfEachRole(t *testing.T) {
	for _, o := range readSpec(t).operations(t) {
		want := "bearer"
		if o.Role == "partner" {
			want = "partner"
		}
		switch {
		case o.Role == "public":
			if o.Security == nil || len(o.Security) != 0 {
				t.Errorf("%s %s is public: say security: []", o.method, o.path)
			}
		case len(o.Security) != 1 || o.Security[0][want] == nil:
			t.Errorf("%s %s is for %s and its security is %v", o.method, o.path, o.Role, o.Security)
		}
		if o.Summary == "" || o.OperationID == "" || len(o.Tags) != 1 {
			t.Errorf("%s %s lacks a summary, an operationId or a tag", o.method, o.path)
		}
	}
}

func TestExamplesFitTheirSchemas(t *testing.T) {
	s := readSpec(t)
	checked := 0
	check := func(at string, content map[string]media) {
		for typ, m := range content {
			if m.Example == nil {
				continue
			}
			text, err := json.Marshal(m.Example)
			if err != nil {
				t.Fatal(err)
			}
			checked++
			if err := conforms(t, at+"/content/"+escape(typ)+"/schema", text); err != nil {
				t.Errorf("%s: %v", at, err)
			}
		}
	}
	for _, o := range s.operations(t) {
		at := "/paths/" + escape(o.path) + "/" + strings.ToLower(o.method)
		if o.RequestBody != nil {
			check(at+"/requestBody", o.RequestBody.Content)
		}
		for code, r := range o.Responses {
			if r.Ref == "" {
				check(at+"/responses/"+code, r.Content)
			}
		}
	}
	for name, r := range s.Components.Responses {
		check("/components/responses/"+name, r.Content)
	}
	if checked < 15 {
		t.Errorf("only %d examples", checked)
	}
}

// A schema that lets everything pass would prove nothing.
func TestTheSchemasRefuseWhatIsNotSo(t *testing.T) {
	for at, text := range map[string]string{
		"Health":   `{"status":"fine"}`,
		"Item":     `{"id":"x","type":"indicator","tlp":"white","source":"","added":"2026-01-01T00:00:00.000000Z"}`,
		"Stamp":    `"2026-01-01T00:00:00Z"`,
		"Mirrored": `{"size":-1}`,
		"Problem":  `{"type":"about:blank","title":"x","status":404,"stack":"main.go:1"}`,
	} {
		if err := conforms(t, "/components/schemas/"+at, []byte(text)); err == nil {
			t.Errorf("%s takes %s", at, text)
		}
	}
}

func TestTheDescriptionIsServedAsItIs(t *testing.T) {
	file, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(file, api.Description) {
		t.Error("api.Description is not openapi.yaml")
	}
}
