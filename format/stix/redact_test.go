// SPDX-License-Identifier: Apache-2.0

package stix

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"accord"
)

// text is an object whose layout a redaction must leave alone.
const text = `{
  "type": "report",  "spec_version": "2.1",
  "id": "report--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f",
  "created_by_ref": "identity--f431f809-377b-45e0-aa1c-6a4751cae5ff",
  "created": "2026-01-02T03:04:05.000Z",
  "modified": "2026-01-02T03:04:05.000Z",
  "name": "The caf\u00e9 case", "x_number": 1.50,
  "published": "2026-01-02T03:04:05Z",
  "description": "secret",
  "labels": ["a", "tlp:red", "b"],
  "external_references": [ {"source_name": "x", "url": "https://a.example"}, {"source_name": "y"} ],
  "object_refs": [
    "indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f",
    "malware--31b940d4-6f7f-459a-80ea-9c1f17b5891b",
    "identity--023d105b-752e-4e3c-941c-7d3f3cb15e9e"
  ],
  "x_nested": {"victim_ref": "identity--023d105b-752e-4e3c-941c-7d3f3cb15e9e"},
  "object_marking_refs": ["marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da"],
  "granular_markings": [
    {"marking_ref": "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed", "selectors": ["description", "object_refs.[2]"]},
    {"lang": "fr", "selectors": ["description"]}
  ]
}`

func TestRedactCutsWhatItIsToldAndNothingElse(t *testing.T) {
	for _, tt := range []struct {
		name    string
		r       Redaction
		edits   []string // old, new, old, new… applied to text in turn
		removed []string
	}{
		{"nothing", Redaction{}, nil, nil},
		{"nothing that is there", Redaction{Drop: []string{"x_absent"}, Remove: map[string]bool{idA + "0": true}}, nil, nil},
		{"a property, and the markings of it", Redaction{Drop: []string{"description"}}, []string{
			`
  "description": "secret",`, ``,
			`"selectors": ["description", "object_refs.[2]"]`, `"selectors": [ "object_refs.[2]"]`,
			`,
    {"lang": "fr", "selectors": ["description"]}
  ]`, `]`,
		}, []string{"description"}},
		{"a reference in a list, a selector shifts", Redaction{Remove: map[string]bool{malA: true}}, []string{
			`
    "malware--31b940d4-6f7f-459a-80ea-9c1f17b5891b",`, ``, `object_refs.[2]`, `object_refs.[1]`,
		}, []string{"object_refs.[1]"}},
		{"a reference in several places, empty objects go", Redaction{Remove: map[string]bool{idB: true}}, []string{
			`,
    "identity--023d105b-752e-4e3c-941c-7d3f3cb15e9e"
  ]`, `]`,
			`
  "x_nested": {"victim_ref": "identity--023d105b-752e-4e3c-941c-7d3f3cb15e9e"},`, ``,
			`, "object_refs.[2]"]`, `]`,
		}, []string{"object_refs.[2]", "x_nested"}},
		{"a renamed reference", Redaction{Rename: map[string]string{idB: idA}}, []string{
			idB, idA, idB, idA,
		}, []string{"object_refs.[2]", "x_nested.victim_ref"}},
		{"the author", Redaction{Remove: map[string]bool{idA: true}}, []string{
			`
  "created_by_ref": "identity--f431f809-377b-45e0-aa1c-6a4751cae5ff",`, ``,
		}, []string{"created_by_ref"}},
		{"a new id and author", Redaction{NewID: "report--31b940d4-6f7f-459a-80ea-9c1f17b5891b", CreatedBy: idB}, []string{
			`"id": "report--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f"`, `"id": "report--31b940d4-6f7f-459a-80ea-9c1f17b5891b"`,
			`"created_by_ref": "` + idA, `"created_by_ref": "` + idB,
		}, []string{"id", "created_by_ref"}},
		{"labels, but not the marks among them", Redaction{Drop: []string{"labels"}}, []string{
			`["a", "tlp:red", "b"]`, `[ "tlp:red"]`,
		}, []string{"labels.[0]", "labels.[2]"}},
		{"the last reference of a list", Redaction{Drop: []string{"external_references"}}, []string{
			`
  "external_references": [ {"source_name": "x", "url": "https://a.example"}, {"source_name": "y"} ],`, ``,
		}, []string{"external_references"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := text
			for i := 0; i < len(tt.edits); i += 2 {
				if !strings.Contains(want, tt.edits[i]) {
					t.Fatalf("the object has no %q", tt.edits[i])
				}
				want = strings.Replace(want, tt.edits[i], tt.edits[i+1], 1)
			}
			out, removed, err := Redact([]byte(text), tt.r)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, string(out)); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
			if d := cmp.Diff(tt.removed, removed); d != "" {
				t.Errorf("removed, -want +got:\n%s", d)
			}
			parse(t, string(out))
		})
	}
}

func TestAnAuthorIsAddedAfterTheID(t *testing.T) {
	in := object("campaign", `,"name":"c"`)
	out, removed, err := Redact([]byte(in), Redaction{CreatedBy: idA})
	if want := strings.Replace(in, `98ee46b3cd3f"`, `98ee46b3cd3f","created_by_ref":"`+idA+`"`, 1); err != nil || string(out) != want || !cmp.Equal(removed, []string{"created_by_ref"}) {
		t.Errorf("got %s, %v, %v", out, removed, err)
	}
}

func TestAnObjectIsWithheldRatherThanBroken(t *testing.T) {
	gone := map[string]bool{indA: true, malA: true, idA: true, idB: true}
	for name, tt := range map[string]struct {
		in string
		r  Redaction
	}{
		"the source of a relationship":    {object("relationship", `,"relationship_type":"uses","source_ref":"`+indA+`","target_ref":"x-y--`+indA[11:]+`"`), Redaction{Remove: gone}},
		"the target of a relationship":    {object("relationship", `,"relationship_type":"uses","target_ref":"`+malA+`","source_ref":"x-y--`+indA[11:]+`"`), Redaction{Remove: gone}},
		"what was sighted":                {object("sighting", `,"sighting_of_ref":"`+indA+`"`), Redaction{Remove: gone}},
		"all that a report is about":      {object("report", `,"name":"r","published":"2026-01-02T03:04:05Z","object_refs":["`+malA+`","`+indA+`"]`), Redaction{Remove: gone}},
		"what a note is about":            {object("note", `,"content":"n","object_refs":["`+malA+`"]`), Redaction{Remove: gone}},
		"what is translated":              {object("language-content", `,"object_ref":"`+malA+`","contents":{}`), Redaction{Remove: gone}},
		"all that was observed":           {object("observed-data", `,"first_observed":"2026-01-02T03:04:05Z","last_observed":"2026-01-02T03:04:05Z","number_observed":1,"object_refs":["`+malA+`"]`), Redaction{Remove: gone}},
		"both ends of a connection":       {`{"type":"network-traffic","id":"network-traffic--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f","protocols":["tcp"],"src_ref":"` + idA + `","dst_ref":"` + idB + `"}`, Redaction{Remove: gone}},
		"a required property":             {object("campaign", `,"name":"c"`), Redaction{Drop: []string{"name"}}},
		"what another property needs":     {object("location", `,"latitude":1,"longitude":2,"region":"africa"`), Redaction{Drop: []string{"longitude"}}},
		"the type":                        {object("campaign", `,"name":"c"`), Redaction{Drop: []string{"type"}}},
		"the markings":                    {text, Redaction{Drop: []string{"object_marking_refs"}}},
		"the granular markings":           {text, Redaction{Drop: []string{"granular_markings"}}},
		"the author of an extension":      {object("extension-definition", `,"name":"e","created_by_ref":"`+idA+`","schema":"x","version":"1.0.0","extension_types":["new-sdo"]`), Redaction{Remove: gone}},
		"the extension that makes a type": {object("x-thing", `,"extensions":{"e":{"extension_type":"new-sdo"}}`), Redaction{Drop: []string{"extensions"}}},
	} {
		if out, _, err := Redact([]byte(tt.in), tt.r); !errors.Is(err, ErrRequired) {
			t.Errorf("%s: %s, %v; want ErrRequired", name, out, err)
		}
	}
	if _, _, err := Redact([]byte(`{"a":1,"a":2}`), Redaction{}); !errors.Is(err, accord.ErrInvalid) {
		t.Errorf("no object: %v", err)
	}
}

func TestMarkingsSurviveEveryRemoval(t *testing.T) {
	red := MarkingID(accord.TLPRed)
	in := object("campaign", `,"name":"c","object_marking_refs":["`+red+`"],"granular_markings":[{"marking_ref":"`+mark+`","selectors":["name"]}]`)
	out, removed, err := Redact([]byte(in), Redaction{Remove: map[string]bool{red: true, mark: true}, Rename: map[string]string{red: MarkingID(accord.TLPClear)}})
	if err != nil || string(out) != in || removed != nil {
		t.Errorf("got %s, %v, %v", out, removed, err)
	}
}

// drawn is an object with references and markings anywhere in it.
func drawn() *rapid.Generator[string] {
	ids := []string{idA, idB, indA, malA}
	id := rapid.SampledFrom(ids)
	space := rapid.SampledFrom([]string{"", " ", "\n\t"})
	return rapid.Custom(func(t *rapid.T) string {
		var b strings.Builder
		b.WriteString(object("x-case", ``))
		out := strings.TrimSuffix(b.String(), "}")
		var names []string
		var value func(depth int, path string) string
		value = func(depth int, path string) string {
			names = append(names, path)
			s := space.Draw(t, "space")
			switch rapid.IntRange(0, 4).Draw(t, "value") {
			case 0:
				return s + `"` + id.Draw(t, "id") + `"` + s
			case 1:
				return s + rapid.SampledFrom([]string{`"é\u00e9"`, "1.50", "true", `"x,]}"`, "{}", "[]"}).Draw(t, "leaf")
			case 2:
				if depth > 0 {
					n := rapid.IntRange(1, 3).Draw(t, "n")
					list := make([]string, n)
					for i := range list {
						list[i] = value(depth-1, path+".["+string(rune('0'+i))+"]")
					}
					return s + "[" + strings.Join(list, ",") + "]" + s
				}
			}
			if depth == 0 {
				return `"` + id.Draw(t, "id") + `"`
			}
			var list []string
			for _, k := range []string{"a_ref", "b_refs", "c"}[:rapid.IntRange(1, 3).Draw(t, "keys")] {
				list = append(list, s+`"`+k+`":`+value(depth-1, path+"."+k))
			}
			return "{" + strings.Join(list, ",") + s + "}"
		}
		for _, k := range []string{"p", "q_ref", "r_refs"} {
			out += `,"` + k + `":` + value(3, k)
		}
		var marks []string
		for range rapid.IntRange(0, 3).Draw(t, "marks") {
			sel, err := json.Marshal(rapid.SliceOfN(rapid.SampledFrom(names), 1, 3).Draw(t, "selectors"))
			if err != nil {
				t.Fatal(err)
			}
			marks = append(marks, `{"marking_ref":"`+mark+`","selectors":`+string(sel)+`}`)
		}
		if len(marks) > 0 {
			out += `,"granular_markings":[` + strings.Join(marks, ",") + "]"
		}
		return out + "}"
	})
}

// selected gives what each granular marking of an object selects, as compact JSON.
func selected(t *rapid.T, raw []byte) (out []string) {
	d, err := index(raw, 64)
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	defer d.release()
	d.elements(d.get("granular_markings"), func(_ int, m int32) {
		d.elements(d.find(m, "selectors"), func(_ int, s int32) {
			path := d.resolve(d.text(s))
			if path == nil {
				t.Fatalf("%s: the selector %s selects nothing", raw, d.text(s))
			}
			out = append(out, string(d.bytes(path[len(path)-1])))
		})
	})
	return out
}

func TestARedactedObjectNamesNothingThatWasRemoved(t *testing.T) {
	touchedSome := 0
	rapid.Check(t, func(t *rapid.T) {
		in := drawn().Draw(t, "object")
		gone := rapid.SampledFrom([]string{idA, idB, indA, malA}).Draw(t, "gone")
		r := Redaction{Remove: map[string]bool{gone: true}, Rename: map[string]string{idB: idA}}
		if rapid.Bool().Draw(t, "drop") {
			r.Drop = []string{"p"}
		}
		out, removed, err := Redact([]byte(in), r)
		if err != nil {
			t.Fatalf("%s: %v", in, err)
		}
		it, err := Parse(Raw{Bytes: out}, accord.TLPAmber)
		if err != nil {
			t.Fatalf("%s\nbecame %s: %v", in, out, err)
		}
		if gone != idA && bytes.Contains(out, []byte(gone)) || bytes.Contains(out, []byte(idB)) {
			t.Fatalf("%s still names what was removed or renamed", out)
		}
		for _, ref := range it.Refs {
			if gone != idA && ref.To == gone {
				t.Fatalf("%v is left", ref)
			}
		}
		if (len(removed) == 0) != (string(out) == in) {
			t.Fatalf("removed %v, yet the bytes differ: %v", removed, string(out) != in)
		}
		if len(removed) > 0 {
			touchedSome++
		}
		// What is still marked is what was marked before, each in its place.
		before, after := selected(t, []byte(in)), selected(t, out)
		if len(after) > len(before) {
			t.Fatalf("more is marked than before: %v, %v", before, after)
		}
		for _, s := range after {
			if !strings.Contains(s, idA) && !strings.ContainsAny(s, "[{") && !slices.Contains(before, s) {
				t.Fatalf("%s is marked now and was not: %v", s, before)
			}
		}
		again, more, err := Redact(out, Redaction{Drop: r.Drop, Remove: map[string]bool{gone: gone != idA}, Rename: r.Rename})
		if err != nil || !bytes.Equal(again, out) || more != nil {
			t.Fatalf("a second time it cuts more: %v, %v", more, err)
		}
	})
	if touchedSome == 0 {
		t.Error("nothing was ever removed")
	}
}

func TestASelectorMayNotBeMadeCostly(t *testing.T) {
	var b strings.Builder
	b.WriteString(`,"name":"c","x_list":[0`)
	b.WriteString(strings.Repeat(",0", 100_000))
	b.WriteString(`],"granular_markings":[{"lang":"fr","selectors":["name"`)
	b.WriteString(strings.Repeat(`,"x_list.[99999]"`, 20_000))
	b.WriteString(`]}]`)
	if _, err := Parse(Raw{Bytes: []byte(object("campaign", b.String()))}, accord.TLPAmber); !errors.Is(err, accord.ErrInvalid) {
		t.Errorf("two thousand million steps were taken: %v", err)
	}
}

// identity is a victim with everything an identity can tell.
const victim = `{"type":"identity","spec_version":"2.1","id":"identity--023d105b-752e-4e3c-941c-7d3f3cb15e9e",
"created_by_ref":"identity--f431f809-377b-45e0-aa1c-6a4751cae5ff","created":"2026-01-02T03:04:05.000Z","modified":"2026-02-02T03:04:05.000Z",
"name":"Hospital of Someplace","description":"Its mail server was taken.","roles":["ceo"],"identity_class":"organization",
"sectors":["healthcare","Hospital of Someplace"],"contact_information":"it@hospital.example","labels":["tlp:amber+strict"],
"external_references":[{"source_name":"web","url":"https://hospital.example"}],"x_ip":"192.0.2.1",
"object_marking_refs":["marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da"]}`

func TestAPseudonymKeepsOnlyWhatIsAllowed(t *testing.T) {
	out, id, err := Pseudonym([]byte(victim), []byte("key"), idA)
	if err != nil {
		t.Fatal(err)
	}
	it := parse(t, string(out))
	if it.ID != id || it.CreatedBy != idA || it.Class != "organization" || !cmp.Equal(it.Sectors, []string{"healthcare"}) {
		t.Errorf("got %s", out)
	}
	if it.TLP != accord.TLPAmberStrict {
		t.Errorf("the mark that stood in a label is lost: %v", it.TLP)
	}
	if it.Name != "Victim "+id[10:18] || it.Version != stampAt("2026-02-02T03:04:05Z") {
		t.Errorf("name %q, version %v", it.Name, it.Version)
	}
	for _, s := range []string{"Someplace", "mail", "ceo", "hospital", "example", "192", "023d105b", "tlp:"} {
		if bytes.Contains(out, []byte(s)) {
			t.Errorf("%q survives in %s", s, out)
		}
	}
	again, same, _ := Pseudonym([]byte(victim), []byte("key"), idA)
	_, other, _ := Pseudonym([]byte(victim), []byte("other key"), idA)
	_, third, _ := Pseudonym([]byte(victim), []byte("key"), idB)
	if !bytes.Equal(again, out) || same != id || other == id || third == id {
		t.Errorf("ids %s %s %s %s: want one per key and sharer", id, same, other, third)
	}
	for _, in := range []string{text, `{}`, strings.Replace(victim, `"healthcare"`, `7`, 1)} {
		if _, _, err := Pseudonym([]byte(in), []byte("key"), idA); !errors.Is(err, accord.ErrInvalid) {
			t.Errorf("Pseudonym(%.40s): %v", in, err)
		}
	}
	if _, _, err := Pseudonym([]byte(victim), []byte("key"), "me"); !errors.Is(err, accord.ErrInvalid) {
		t.Errorf("a sharer that is no identity: %v", err)
	}
}

func TestNoRemovedStringSurvivesInAPseudonym(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching(`[A-Z][a-zé]{3,12} [a-z]{4,9}`)
		var fields []string
		var secrets []string
		for _, k := range []string{"name", "description", "identity_class", "contact_information", "x_a", "x_b_ref"} {
			s := secret.Draw(t, k)
			secrets = append(secrets, s)
			fields = append(fields, `"`+k+`":"`+s+`"`)
		}
		s := secret.Draw(t, "sector")
		secrets = append(secrets, s)
		fields = append(fields, `"sectors":["`+s+`","energy"]`, `"labels":["`+secrets[0]+`"]`)
		in := object("identity", ","+strings.Join(fields, ","))
		out, _, err := Pseudonym([]byte(in), []byte("key"), idA)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range secrets {
			if bytes.Contains(out, []byte(s)) {
				t.Fatalf("%q survives in %s", s, out)
			}
		}
	})
}

func FuzzRedact(f *testing.F) {
	f.Add([]byte(text), "description", indA, malA)
	f.Add([]byte(victim), "sectors", idA, idB)
	f.Add([]byte(benchIndicator), "labels", idA, idB)
	f.Add([]byte(object("x-case", `,"a":[[["`+malA+`"]],{"b":{"c_ref":"`+malA+`"}}],"granular_markings":[{"lang":"fr","selectors":["a.[1]","a.[0].[0]"]}]`)), "x", malA, idB)
	f.Fuzz(func(t *testing.T, in []byte, drop, remove, rename string) {
		it, err := Parse(Raw{Bytes: in}, accord.TLPAmber)
		if err != nil {
			return
		}
		r := Redaction{Drop: []string{drop}, Remove: map[string]bool{remove: true}}
		if validID(rename) && typeOf(rename) == "identity" {
			r.Rename = map[string]string{rename: idA}
		}
		out, removed, err := Redact(it.Bytes, r)
		if errors.Is(err, ErrRequired) {
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", in, err)
		}
		if len(removed) == 0 && !bytes.Equal(out, it.Bytes) {
			t.Errorf("%s changed without a word to %s", in, out)
		}
		after, err := Parse(Raw{Bytes: out}, accord.TLPAmber)
		if err != nil {
			t.Fatalf("%s\nbecame %s: %v", it.Bytes, out, err)
		}
		for _, ref := range after.Refs {
			if ref.To == remove && len(remove) >= 38 && remove != idA {
				t.Errorf("%v is left in %s", ref, out)
			}
		}
		if after.TLP < it.TLP && drop != "description" && len(it.Labels) == 0 {
			t.Errorf("the mark fell from %v to %v", it.TLP, after.TLP)
		}
	})
}
