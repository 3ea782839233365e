// SPDX-License-Identifier: Apache-2.0

package stix_test

import (
	"bufio"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

// validObjects are the objects of testdata/valid.jsonl: every type of the standard,
// with every property and extension somewhere.
func validObjects(t testing.TB) (out [][]byte) {
	t.Helper()
	f, err := os.Open("testdata/valid.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		out = append(out, slices.Clone(lines.Bytes()))
	}
	if err := lines.Err(); err != nil || len(out) < 60 {
		t.Fatalf("read testdata/valid.jsonl: %d objects, %v", len(out), err)
	}
	return out
}

// mutator changes objects at random, and always in the same way for one seed.
type mutator struct{ *rand.Rand }

// place is a value in a document, and how to replace or remove it.
type place struct {
	name   string // of the property that holds it, or of its list
	value  any
	set    func(any)
	remove func()
	object map[string]any // that holds it; nil in a list
}

// places are all values below the root, in a fixed order.
func places(root map[string]any) (out []place) {
	var walk func(name string, v any)
	walk = func(name string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, k := range slices.Sorted(mapKeys(v)) {
				out = append(out, place{k, v[k], func(x any) { v[k] = x }, func() { delete(v, k) }, v})
				walk(k, v[k])
			}
		case []any:
			for i := range v {
				out = append(out, place{name, v[i], func(x any) { v[i] = x }, func() {}, nil})
				walk(name, v[i])
			}
		}
	}
	walk("", root)
	return out
}

func mapKeys(m map[string]any) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func pick[T any](m mutator, list []T) T { return list[m.IntN(len(list))] }

// isID and the like say what a string seems to be.
func isID(s string) bool   { return strings.Count(s, "--") == 1 && strings.Count(s, "-") >= 6 }
func isTime(s string) bool { return len(s) >= 20 && s[10] == 'T' && strings.HasSuffix(s, "Z") }
func isDigest(s string) bool {
	return len(s) >= 32 && !strings.Contains(s, "-") && !strings.Contains(s, " ")
}

// change makes one change to a valid object and returns what it did; "" when the
// object has nothing that this kind of change could be made to.
func (m mutator) change(root map[string]any) string {
	all := places(root)
	kind := pick(m, changes)
	for range 30 {
		if what := kind(m, root, pick(m, all)); what != "" {
			return what
		}
	}
	return ""
}

var changes = []func(mutator, map[string]any, place) string{
	func(_ mutator, _ map[string]any, p place) string {
		p.remove()
		return "without " + p.name
	},
	func(m mutator, _ map[string]any, p place) string {
		p.set(pick(m, []any{nil, "text", 7, 1.5, true, []any{}, []any{"a"}, []any{1}, map[string]any{}, map[string]any{"key": "v"}, ""}))
		return "another type of " + p.name
	},
	stringChange("time", isTime, "2026-13-01T00:00:00Z", "2026-01-01 00:00:00Z", "2026-01-01T00:00:00+01:00", "2026-02-30T00:00:00Z",
		"2026-01-01T24:00:00Z", "2026-01-01T00:00:00", "2026-01-01T00:00Z", "2026-01-01T00:00:00.Z", "1999-01-01T00:00:00.000Z", "2099-01-01T00:00:00.000Z",
		"2026-12-31T23:59:60Z", "2026-01-01t00:00:00z", "2026-1-1T00:00:00Z", "", "yesterday", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123456789Z"),
	func(m mutator, _ map[string]any, p place) string {
		s, ok := p.value.(string)
		if !ok || !isID(s) {
			return ""
		}
		_, uuid, _ := strings.Cut(s, "--")
		p.set(pick(m, []string{"report", "marking-definition", "bundle", "x-example-thing", "file", "identity", "relationship", "sighting", "ipv4-addr", "malware", "language-content", "extension-definition"}) + "--" + uuid)
		return "another target of " + p.name
	},
	func(m mutator, _ map[string]any, p place) string {
		s, ok := p.value.(string)
		if !ok || !isID(s) {
			return ""
		}
		typ, uuid, _ := strings.Cut(s, "--")
		p.set(pick(m, []string{
			typ + "--" + strings.ToUpper(uuid), typ + "--" + uuid[:14] + "0" + uuid[15:], typ + "--" + uuid[:14] + "9" + uuid[15:], typ + "--" + uuid[:19] + "c" + uuid[20:],
			typ + "-" + uuid, typ + "--" + uuid[1:], uuid, typ + "--", strings.ToUpper(typ) + "--" + uuid, typ + "--" + uuid + " ", typ + "--00000000-0000-0000-0000-000000000000",
		}))
		return "a bad identifier in " + p.name
	},
	stringChange("hash", isDigest, "abcd", strings.Repeat("g", 32), strings.Repeat("A", 32), strings.Repeat("a", 40), strings.Repeat("0", 64), strings.Repeat("f", 128), strings.Repeat("1", 70)),
	func(m mutator, _ map[string]any, p place) string {
		h, ok := p.value.(map[string]any)
		if !ok || !strings.Contains(p.name, "hashes") {
			return ""
		}
		name := pick(m, []string{"MD4", "x_hash", "a b", "ab", "SHA256", "sha-256", "MD5", strings.Repeat("h", 251)})
		h[name] = pick(m, []any{"abcd", strings.Repeat("a", 32), 7, strings.Repeat("a", 64)})
		return "another hash in " + p.name
	},
	stringChange("word", func(s string) bool { return !isID(s) && !isTime(s) }, "Some Value", "some-value", "some_value", "", "ключ", "a\nb", "<script>", "MA", "ma", "xx", "english"),
	func(m mutator, root map[string]any, p place) string {
		name := pick(m, []string{"x_foo", "foo", "X_Foo", "fo", "foo bar", "action", "severity", "é_test", strings.Repeat("a", 251), "_foo", "9foo", "foo-bar", "x_foo_hex", "x_foo_bin", "x_foo_ref"})
		value := pick(m, []any{"v", 1, true, []any{}, []any{"a"}, map[string]any{}, map[string]any{"a": 1}, nil, "00ff"})
		to := root
		if inner, ok := p.value.(map[string]any); ok && m.IntN(3) == 0 && p.name != "contents" {
			to = inner
		}
		to[name] = value
		return "a custom " + name
	},
	func(m mutator, root map[string]any, _ place) string {
		name := pick(m, []string{"x-foo-ext", "foo", "Foo-ext", "ntfs-ext", "tcp-ext", "extension-definition--x", "extension-definition--71736db5-10db-43d3-b0e3-65cf81601fe1"})
		value := pick(m, []any{
			map[string]any{"foo_val": 1},
			map[string]any{},
			"text",
			map[string]any{"extension_type": "property-extension", "rank": 1},
			map[string]any{"extension_type": "other"},
			map[string]any{"extension_type": "new-sdo"},
			map[string]any{"extension_type": "property-extension", "Rank": 1},
			map[string]any{"extension_type": "toplevel-property-extension"},
		})
		root["extensions"] = map[string]any{name: value}
		return "an extension " + name
	},
	func(m mutator, _ map[string]any, p place) string {
		if _, ok := p.value.(float64); !ok {
			return ""
		}
		p.set(pick(m, []any{-1, 70000, 1.5, 1 << 54, 1_000_000_000, 0, -91, 91, 181, 101, 1e300}))
		return "another number in " + p.name
	},
	func(m mutator, root map[string]any, _ place) string {
		name := pick(m, []string{"defanged", "labels", "created", "modified", "revoked", "lang", "confidence", "external_references", "created_by_ref", "object_marking_refs"})
		if root[name] != nil {
			return ""
		}
		root[name] = map[string]any{
			"defanged": true, "labels": []any{"a"}, "created": "2026-01-02T03:04:05.000Z", "modified": "2026-01-02T03:04:05.000Z", "revoked": false, "lang": "en", "confidence": 5,
			"external_references": []any{map[string]any{"source_name": "a", "description": "b"}}, "created_by_ref": "identity--1f0c5d7a-22f1-4c4e-9a53-0d5d1b8f7b11",
			"object_marking_refs": []any{"marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da"},
		}[name]
		return "with " + name
	},
	func(m mutator, root map[string]any, _ place) string {
		root["lang"] = pick(m, []string{"fr", "fr-MA", "ar", "he", "fr_MA", "", "zz", "english-language-tags", "x", "zh-Hant-TW", "de-1996", "en-US-x-twain"})
		return "another lang"
	},
	func(m mutator, root map[string]any, _ place) string {
		root["granular_markings"] = []any{map[string]any{
			"marking_ref": "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed",
			"selectors":   []any{pick(m, []string{"nothing", "labels.[9]", "name.[0]", "type", "id", "", "labels", "labels.[0]", "external_references.[0].source_name", "labels.[-1]", "labels.0", "a..b"})},
		}}
		return "another selector"
	},
	func(m mutator, root map[string]any, _ place) string {
		one := pick(m, []place{
			{name: "url", value: "https://www.example.com/"},
			{name: "payload_bin", value: "AAAA"},
			{name: "longitude", value: 5},
			{name: "body_multipart", value: []any{map[string]any{"body": "b"}}},
			{name: "is_active", value: true},
			{name: "extension_properties", value: []any{"rank"}},
		})
		root[one.name] = one.value
		return "with " + one.name
	},
	func(m mutator, root map[string]any, _ place) string {
		root["type"] = pick(m, []string{"x-foo", "foo", "Foo", "x--foo", "fo", "-foo", "foo-", "x_foo", strings.Repeat("a", 251), "bundle", "report"})
		if s, ok := root["id"].(string); ok && m.IntN(2) == 0 {
			_, uuid, _ := strings.Cut(s, "--")
			root["id"] = root["type"].(string) + "--" + uuid
		}
		return "another type"
	},
	func(m mutator, root map[string]any, _ place) string {
		if root["spec_version"] == nil {
			return ""
		}
		root["spec_version"] = pick(m, []any{"2.2", 2.1, "", "2"})
		return "another spec_version"
	},
}

// stringChange replaces a string of some kind by another.
func stringChange(what string, is func(string) bool, by ...string) func(mutator, map[string]any, place) string {
	return func(m mutator, _ map[string]any, p place) string {
		if s, ok := p.value.(string); !ok || !is(s) || p.name == "type" || p.name == "spec_version" {
			return ""
		}
		p.set(pick(m, by))
		return "another " + what + " in " + p.name
	}
}

// mutations returns n changed objects, the same for the same seed.
func mutations(t testing.TB, seed uint64, n int) (out [][]byte) {
	t.Helper()
	valid := validObjects(t)
	m := mutator{rand.New(rand.NewPCG(seed, seed))} //nolint:gosec // the same every time is what is wanted
	for len(out) < n {
		var root map[string]any
		if err := json.Unmarshal(valid[len(out)%len(valid)], &root); err != nil {
			t.Fatal(err)
		}
		if m.change(root) == "" {
			continue
		}
		b, err := json.Marshal(root, json.Deterministic(true))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b)
	}
	return out
}
