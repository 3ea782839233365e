// SPDX-License-Identifier: Apache-2.0

package stix_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"accord/format/stix"
)

// resolve follows the path of a finding in a document.
func resolve(doc any, path string) (any, error) {
	for path != "" {
		switch {
		case strings.HasPrefix(path, `["`):
			name, rest, err := quotedStep(path[1:])
			if err != nil {
				return nil, err
			}
			m, _ := doc.(map[string]any)
			v, ok := m[name]
			if !ok {
				return nil, fmt.Errorf("no member %q", name)
			}
			doc, path = v, rest
		case path[0] == '[':
			number, rest, _ := strings.Cut(path[1:], "]")
			i, err := strconv.Atoi(number)
			list, ok := doc.([]any)
			if err != nil || !ok || i >= len(list) {
				return nil, fmt.Errorf("no item [%s]", number)
			}
			doc, path = list[i], rest
		default:
			path = strings.TrimPrefix(path, ".")
			end := strings.IndexAny(path, ".[")
			if end < 0 {
				end = len(path)
			}
			m, _ := doc.(map[string]any)
			v, ok := m[path[:end]]
			if !ok {
				return nil, fmt.Errorf("no member %q", path[:end])
			}
			doc, path = v, path[end:]
		}
	}
	return doc, nil
}

// quotedStep reads "name"] and returns what follows it.
func quotedStep(s string) (name, rest string, err error) {
	dec := jsontext.NewDecoder(strings.NewReader(s))
	v, err := dec.ReadValue()
	if err != nil {
		return "", "", err
	}
	if err := json.Unmarshal(v, &name); err != nil {
		return "", "", err
	}
	rest, ok := strings.CutPrefix(s[len(v):], "]")
	if !ok {
		return "", "", fmt.Errorf("%q does not end the step", s)
	}
	return name, rest, nil
}

// The path of every finding leads to something in the document.
func TestPathsOfFindingsResolve(t *testing.T) {
	found := 0
	for i, o := range mutations(t, 7, 5000) {
		text := fmt.Sprintf(`{"type":"bundle","id":"bundle--%s","objects":[{},%s]}`, someUUID, o)
		var doc any
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatal(err)
		}
		v := stix.NewValidator(stix.DefaultLimits)
		err := v.Read(strings.NewReader(text), func(f stix.Finding) error {
			found++
			_, err := resolve(doc, f.Path)
			if err != nil {
				err = fmt.Errorf("%v: %w", f, err)
			}
			return err
		})
		if err != nil {
			t.Errorf("object %d, %s: %v", i, o, err)
		}
	}
	if found < 10_000 {
		t.Errorf("only %d findings", found)
	}
}

// A valid object with one more custom property stays valid, and is advised of it.
func TestAValidObjectStaysValidWithACustomProperty(t *testing.T) {
	valid := validObjects(t)
	rapid.Check(t, func(t *rapid.T) {
		object := rapid.SampledFrom(valid).Draw(t, "object")
		if strings.Contains(string(object), `"TLP:`) {
			return // those are what they are
		}
		name := "x_" + rapid.StringMatching(`[a-z0-9_]{1,248}`).Draw(t, "name")
		value, err := json.Marshal(rapid.OneOf(
			rapid.Map(rapid.String(), func(s string) any { return s }), rapid.Map(rapid.Bool(), func(b bool) any { return b }),
			rapid.Map(rapid.Int32(), func(i int32) any { return i }), rapid.Map(rapid.SliceOfN(rapid.String(), 1, 5), func(l []string) any { return l }),
		).Draw(t, "value"), jsontext.AllowInvalidUTF8(false))
		if err != nil {
			return // no text
		}
		with := fmt.Appendf(nil, `{%q:%s,%s`, name, value, object[1:])
		if must := marks(stix.Validate(stix.Raw{Bytes: with}), stix.Must); must != nil {
			t.Fatalf("%s: %q", with, must)
		}
	})
}

// What is valid can be read: reading is never stricter than the standard, but for
// what cannot be held.
func TestWhatIsValidIsRead(t *testing.T) {
	objects := append(validObjects(t), mutations(t, 11, 5000)...)
	read := 0
	for _, o := range objects {
		if marks(stix.Validate(stix.Raw{Bytes: o}), stix.Must) != nil {
			continue
		}
		if _, err := stix.Parse(stix.Raw{Bytes: o}, 0); err != nil && !strings.Contains(string(o), ":60Z") {
			t.Errorf("%s: %v", o, err)
		}
		read++
	}
	if read < 1000 {
		t.Errorf("only %d valid objects", read)
	}
}

func FuzzValidate(f *testing.F) {
	for _, o := range validObjects(f) {
		f.Add(o)
	}
	for _, o := range mutations(f, 3, 200) {
		f.Add(o)
	}
	for _, tt := range wrong {
		f.Add([]byte(tt.object))
	}
	f.Add([]byte(bundleOf(domainObject("identity", ``))))
	f.Add([]byte(`{"type":"observed-data","id":"observed-data--1","objects":{"0":{"type":"file","extensions":{"ntfs-ext":7}}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, spec := range []string{"", "2.0", "2.1"} {
			for _, finding := range stix.Validate(stix.Raw{Bytes: text, Spec: spec}) {
				if finding.Code == "" || finding.Message == "" || strings.ContainsAny(finding.String(), "\x1b\n\r") {
					t.Errorf("%q", finding.String())
				}
			}
		}
		v := stix.NewValidator(stix.Limits{Object: 1 << 16, Total: 1 << 18})
		if err := v.Read(strings.NewReader(string(text)), func(stix.Finding) error { return nil }); err != nil {
			t.Error(err)
		}
	})
}
