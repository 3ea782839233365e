// SPDX-License-Identifier: Apache-2.0

package stix

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord"
)

const (
	idA  = "identity--f431f809-377b-45e0-aa1c-6a4751cae5ff"
	idB  = "identity--023d105b-752e-4e3c-941c-7d3f3cb15e9e"
	indA = "indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f"
	malA = "malware--31b940d4-6f7f-459a-80ea-9c1f17b5891b"
	mark = "marking-definition--089a6ecb-cc15-43cc-9494-767639779123"
)

// object writes an object of the given type with the common properties and rest.
func object(typ, rest string) string {
	return `{"type":"` + typ + `","spec_version":"2.1","id":"` + typ + `--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f",` +
		`"created":"2026-01-02T03:04:05.000Z","modified":"2026-01-02T03:04:05.000Z"` + rest + `}`
}

func stampAt(s string) accord.Stamp {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return accord.StampOf(t)
}

func parse(t *testing.T, in string) accord.Item {
	t.Helper()
	it, err := Parse(Raw{Bytes: []byte(in)}, accord.TLPAmber)
	if err != nil {
		t.Fatalf("Parse(%s): %v", in, err)
	}
	return it
}

func TestAnIndicatorFillsItsItem(t *testing.T) {
	got := parse(t, " "+benchIndicator+"\n")
	want := accord.Item{
		ItemKey: accord.ItemKey{ID: indA, Version: stampAt("2026-04-06T20:03:48Z")},
		Type:    "indicator", Spec: "2.1", Bytes: []byte(benchIndicator),
		Name: "Login page of a phishing kit", Created: stampAt("2026-04-06T20:03:48Z"),
		ValidFrom: stampAt("2026-04-06T20:03:48Z"), ValidUntil: stampAt("2026-08-06T20:03:48Z"),
		CreatedBy: idA, Confidence: 70, TLP: accord.TLPGreen,
		Labels: []string{"malicious-activity", "phishing"},
		Observables: []accord.Observable{
			{Kind: accord.KindURL, Value: "http://login.example/4712/"},
			{Kind: accord.KindDomain, Value: "login.example"},
		},
		Atomic: true, Refs: []accord.Ref{{Property: "created_by_ref", To: idA}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestFieldsOfOtherObjects(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		is       func(accord.Item) bool
	}{
		{"an identity has class and sectors", object("identity", `,"name":"Ministry","identity_class":"organization","sectors":["government","energy"]`), func(i accord.Item) bool {
			return i.Name == "Ministry" && i.Class == "organization" && cmp.Equal(i.Sectors, []string{"government", "energy"}) && i.Confidence == -1
		}},
		{"a relationship has both ends", object("relationship", `,"relationship_type":"indicates","source_ref":"`+indA+`","target_ref":"`+malA+`"`), func(i accord.Item) bool {
			return i.Name == "indicates" && cmp.Equal(i.Refs, []accord.Ref{{Property: "source_ref", To: indA}, {Property: "target_ref", To: malA}})
		}},
		{"a sighting refers", object("sighting", `,"sighting_of_ref":"`+indA+`","where_sighted_refs":["`+idA+`","`+idB+`"]`), func(i accord.Item) bool {
			return cmp.Equal(i.Refs, []accord.Ref{{Property: "sighting_of_ref", To: indA}, {Property: "where_sighted_refs", To: idA}, {Property: "where_sighted_refs", To: idB}})
		}},
		{"references are found however deep, and each once", object("x-case", `,"x":[{"y_ref":"`+indA+`"},{"y_ref":"`+indA+`","note_ref":"main"}]`), func(i accord.Item) bool {
			return cmp.Equal(i.Refs, []accord.Ref{{Property: "y_ref", To: indA}})
		}},
		{"an escaped name is the name", strings.Replace(object("x-case", `,"y_ref":"`+indA+`"`), "y_ref", `y\u005fref`, 1), func(i accord.Item) bool {
			return cmp.Equal(i.Refs, []accord.Ref{{Property: "y_ref", To: indA}})
		}},
		{"markings are no references", object("campaign", `,"name":"c","object_marking_refs":["`+mark+`"],"granular_markings":[{"marking_ref":"`+mark+`","selectors":["name"]}]`), func(i accord.Item) bool {
			return i.Refs == nil && i.TLP == accord.TLPAmber
		}},
		{"the strictest marking counts", object("campaign", `,"name":"c","object_marking_refs":["`+MarkingID(accord.TLPGreen)+`","`+MarkingID(accord.TLPAmberStrict)+`"]`), func(i accord.Item) bool { return i.TLP == accord.TLPAmberStrict }},
		{"a part that is RED makes the whole RED", object("campaign", `,"name":"c","object_marking_refs":["`+MarkingID(accord.TLPGreen)+`"],"granular_markings":[{"marking_ref":"`+MarkingID(accord.TLPRed)+`","selectors":["name"]}]`), func(i accord.Item) bool { return i.TLP == accord.TLPRed }},
		{"a marking below the default counts", object("campaign", `,"name":"c","object_marking_refs":["`+MarkingID(accord.TLPClear)+`"]`), func(i accord.Item) bool { return i.TLP == accord.TLPClear }},
		{"labels mark too", object("campaign", `,"name":"c","labels":["TLP:RED","PAP:Amber","x","X"]`), func(i accord.Item) bool {
			return i.TLP == accord.TLPRed && i.PAP == accord.PAPAmber && cmp.Equal(i.Labels, []string{"pap:amber", "tlp:red", "x"})
		}},
		{"a revoked object", object("campaign", `,"name":"c","revoked":true`), func(i accord.Item) bool { return i.Revoked }},
		{"an observable has no version", `{"type":"file","id":"file--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f","hashes":{"MD5":"` + strings.Repeat("AB", 16) + `","ssdeep":"x"}}`, func(i accord.Item) bool {
			return i.Version == 0 && i.Spec == "2.1" && i.Name == strings.Repeat("ab", 16) && cmp.Equal(i.Observables, []accord.Observable{{Kind: accord.KindMD5, Value: strings.Repeat("ab", 16)}})
		}},
		{"another pattern language is kept", object("indicator", `,"pattern":"rule x { condition: true }","pattern_type":"yara","valid_from":"2026-01-02T03:04:05Z"`), func(i accord.Item) bool {
			return i.Observables == nil && !i.Atomic && i.Name == "rule x { condition: true }"
		}},
		{"a pattern beyond RE2 is kept", object("indicator", `,"pattern":"[url:value MATCHES '(?=x)']","pattern_type":"stix","valid_from":"2026-01-02T03:04:05Z"`), func(i accord.Item) bool { return i.Observables == nil }},
		{"observed data of 2.0 shows its values and no references", object("observed-data", `,"first_observed":"2026-01-02T03:04:05Z","last_observed":"2026-01-02T03:04:05Z","number_observed":1,"objects":{"0":{"type":"ipv4-addr","value":"192.0.2.1"},"1":{"type":"network-traffic","dst_ref":"0"}}`), func(i accord.Item) bool {
			return i.Refs == nil && cmp.Equal(i.Observables, []accord.Observable{{Kind: accord.KindIPv4, Value: "192.0.2.1"}})
		}},
		{"a name is one line", object("campaign", `,"name":"a\nb\u0000 c`+strings.Repeat("é", 400)+`"`), func(i accord.Item) bool {
			return strings.HasPrefix(i.Name, "a b c") && len(i.Name) <= maxNameText && strings.HasSuffix(i.Name, "…")
		}},
		{"a well-known marking definition is public", string(MarkingDefinition(accord.TLPRed)), func(i accord.Item) bool { return i.TLP == accord.TLPClear && i.Name == "TLP:RED" }},
		{"microseconds are kept, finer is cut", strings.ReplaceAll(object("campaign", `,"name":"c"`), "05.000Z", "05.123456789Z"), func(i accord.Item) bool { return i.Version == stampAt("2026-01-02T03:04:05.123456Z") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if it := parse(t, tt.in); !tt.is(it) {
				t.Errorf("got %+v", it)
			}
		})
	}
}

func TestWhatBreaksTheStandardIsRefusedWithItsSection(t *testing.T) {
	good := object("campaign", `,"name":"c"`)
	swap := func(old, new string) string {
		out := strings.Replace(good, old, new, 1)
		if out == good {
			t.Fatalf("%s is not in the object", old)
		}
		return out
	}
	for _, tt := range []struct{ in, path, section string }{
		{swap(`"type":"campaign",`, ``), "type", "3.2"},
		{swap(`"type":"campaign"`, `"type":"Campaign"`), "type", "3.1"},
		{swap(`campaign--8e2e`, `malware--8e2e`), "id", "2.9"},
		{swap(`-98ee46b3cd3f`, `-98ee46b3cd3`), "id", "2.9"},
		{swap(`-98ee46b3cd3f`, `-98ee46b3cd3g`), "id", "2.9"},
		{swap(`"spec_version":"2.1"`, `"spec_version":"3.0"`), "spec_version", "3.2"},
		{swap(`"spec_version":"2.1"`, `"spec_version":2.1`), "spec_version", "3.2"},
		{swap(`"spec_version":"2.1"`, `"spec_version":2`), "spec_version", "3.2"},
		{swap(`"modified":"2026-01-02T03:04:05.000Z"`, `"modified":"2026-01-02T3:04:05.000Z"`), "modified", "2.16"},
		{swap(`,"modified":"2026-01-02T03:04:05.000Z"`, ``), "modified", "3.2"},
		{swap(`"modified":"2026-01-02T03`, `"modified":"2026-01-02T02`), "modified", "3.2"},
		{swap(`"modified":"2026-01-02T03:04:05.000Z"`, `"modified":"2026-01-02 03:04:05Z"`), "modified", "2.16"},
		{swap(`"modified":"2026-01-02T03:04:05.000Z"`, `"modified":"2026-01-02T03:04:05+00:00"`), "modified", "2.16"},
		{swap(`"modified":"2026-01-02T03:04:05.000Z"`, `"modified":1`), "modified", "2.16"},
		{swap(`"name":"c"`, `"name":7`), "name", "4.2.1"},
		{swap(`"name":"c"`, `"description":"c"`), "name", "4.2.1"},
		{swap(`"name":"c"`, `"name":"c","confidence":101`), "confidence", "3.2"},
		{swap(`"name":"c"`, `"name":"c","confidence":50.5`), "confidence", "3.2"},
		{swap(`"name":"c"`, `"name":"c","revoked":"true"`), "revoked", "2.2"},
		{swap(`"name":"c"`, `"name":"c","labels":"x"`), "labels", "2.12"},
		{swap(`"name":"c"`, `"name":"c","labels":[1]`), "labels.[0]", "2.12"},
		{swap(`"name":"c"`, `"name":"c","lang":null`), "lang", "2"},
		{swap(`"name":"c"`, `"name":"c","created_by_ref":"`+malA+`"`), "created_by_ref", "3.2"},
		{swap(`"name":"c"`, `"name":"c","created_by_ref":"me"`), "created_by_ref", "2.9"},
		{swap(`"name":"c"`, `"name":"c","object_marking_refs":["`+malA+`"]`), "object_marking_refs.[0]", "7.2.2"},
		{swap(`"name":"c"`, `"name":"c","object_marking_refs":"`+mark+`"`), "object_marking_refs", "2.12"},
		{swap(`"name":"c"`, `"name":"c","granular_markings":[{"selectors":["name"]}]`), "granular_markings.[0]", "7.2.3"},
		{swap(`"name":"c"`, `"name":"c","granular_markings":[{"lang":"fr","marking_ref":"`+mark+`","selectors":["name"]}]`), "granular_markings.[0]", "7.2.3"},
		{swap(`"name":"c"`, `"name":"c","granular_markings":[{"lang":"fr","selectors":["aliases.[0]"]}]`), "granular_markings.[0].selectors.[0]", "7.2.3"},
		{swap(`"name":"c"`, `"name":"c","first_seen":"2026-01-02T00:00:00Z","last_seen":"2026-01-01T00:00:00Z"`), "last_seen", "4.2.1"},
		{object("indicator", `,"pattern":"[a:b]","pattern_type":"stix","valid_from":"2026-01-02T03:04:05Z"`), "pattern", "9"},
		{object("indicator", `,"pattern":"[a:b=1]","pattern_type":"stix","valid_from":"2026-01-02T03:04:05Z","valid_until":"2026-01-02T03:04:05Z"`), "valid_until", "4.7.1"},
		{object("indicator", `,"pattern":"[a:b=1]","pattern_type":"stix"`), "valid_from", "4.7.1"},
		{object("malware", `,"name":"m"`), "is_family", "4.11.1"},
		{object("report", `,"name":"r","published":"2026-01-02T03:04:05Z","object_refs":["x"]`), "object_refs.[0]", "2.9"},
		{object("location", ``), "", "4.10.1"},
		{object("marking-definition", ``), "definition", "7.2.1"},
		{`{"type":"domain-name","id":"domain-name--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f"}`, "value", "6.4.1"},
		{`{"type":"bundle","id":"bundle--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f"}`, "type", "8"},
		{`[]`, "", "2.4"},
		{``, "", ""},
		{good + good, "", ""},
		{"\xef\xbb\xbf" + good, "", ""},
		{swap(`"name":"c"`, `"name":"c","Name":"d"`), "Name", "3.1"},
	} {
		_, err := Parse(Raw{Bytes: []byte(tt.in)}, accord.TLPAmber)
		var p *Problem
		if !errors.As(err, &p) || !errors.Is(err, accord.ErrInvalid) {
			t.Errorf("Parse(%s) = %v, want a Problem", tt.in, err)
			continue
		}
		if p.Path != tt.path || p.Section != tt.section {
			t.Errorf("Parse(%s): %v\n got path %q section %q, want %q %q", tt.in, err, p.Path, p.Section, tt.path, tt.section)
		}
	}
}

func TestAnObjectThatDoesNotSayItsVersion(t *testing.T) {
	old := strings.Replace(object("campaign", `,"name":"c"`), `"spec_version":"2.1",`, "", 1)
	for _, tt := range []struct{ bundle, spec string }{{"2.0", "2.0"}, {"", "2.0"}, {"2.1", ""}} {
		it, err := Parse(Raw{Bytes: []byte(old), Spec: tt.bundle}, accord.TLPAmber)
		if it.Spec != tt.spec || (err == nil) != (tt.spec != "") {
			t.Errorf("in a bundle of %q: %q, %v; want %q", tt.bundle, it.Spec, err, tt.spec)
		}
	}
}

func TestAnObjectOf20IsUpgradedAndTheRestIsUntouched(t *testing.T) {
	head := `{"created":"2026-01-02T03:04:05.000Z", "id":"%--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f","modified":"2026-01-02T03:04:05.000Z","x_odd":{"b":1,"a":[ 1.50 ]},`
	for _, tt := range []struct{ typ, in, out string }{
		{
			"indicator", `"labels":["malicious-activity"],"pattern":"[file:name = 'x'] START '2016-06-01T00:00:00Z' STOP '2016-07-01T00:00:00Z'","type":"indicator"` + "\n}",
			`"labels":["malicious-activity"],"pattern":"[file:name = 'x'] START '2016-06-01T00:00:00Z' STOP '2016-07-01T00:00:00Z'","type":"indicator","spec_version":"2.1","indicator_types":["malicious-activity"],"pattern_type":"stix","valid_from":"2026-01-02T03:04:05.000Z"` + "\n}",
		},
		{"malware", `"type":"malware","name":"m","labels":["worm"]}`, `"type":"malware","spec_version":"2.1","name":"m","labels":["worm"],"malware_types":["worm"],"is_family":true}`},
		{
			"report", `"type":"report","spec_version":"2.0","name":"r","labels":["malware"],"published":"2026-01-02T03:04:05Z","object_refs":["` + malA + `"]}`,
			`"type":"report","spec_version":"2.1","name":"r","labels":["malware"],"published":"2026-01-02T03:04:05Z","object_refs":["` + malA + `"],"report_types":["malware"]}`,
		},
		{"identity", `"type":"identity","name":"i"}`, `"type":"identity","spec_version":"2.1","name":"i"}`},
	} {
		h := strings.Replace(head, "%", tt.typ, 1)
		it, err := Parse(Raw{Bytes: []byte(h + tt.in), Spec: "2.0"}, accord.TLPAmber)
		if err != nil {
			t.Errorf("%s: %v", tt.typ, err)
			continue
		}
		if d := cmp.Diff(h+tt.out, string(it.Bytes)); d != "" || it.Spec != "2.0" {
			t.Errorf("%s: spec %q, -want +got:\n%s", tt.typ, it.Spec, d)
		}
		again := parse(t, string(it.Bytes))
		again.Spec = "2.0"
		if d := cmp.Diff(it, again); d != "" {
			t.Errorf("%s: the upgraded bytes read otherwise:\n%s", tt.typ, d)
		}
	}
}

func TestObservableIDsAreThoseOfTheStandard(t *testing.T) {
	for _, tt := range []struct {
		typ  string
		from map[string]any
		want string
	}{
		{"ipv4-addr", map[string]any{"value": "198.51.100.3"}, "ipv4-addr--28bb3599-77cd-5a82-a950-b5bc3caf07c4"},
		{"domain-name", map[string]any{"value": "example.com"}, "domain-name--bedb4899-d24b-5401-bc86-8f6b4cc18ec7"},
		{"ipv6-addr", map[string]any{"value": "2001:db8::1"}, "ipv6-addr--6469e3a9-b053-5e34-a025-9396ae051d26"},
		{"autonomous-system", map[string]any{"number": 15139}, "autonomous-system--3aa27478-50b5-5ab8-9da9-cdc12b657fff"},
	} {
		if got, err := ObservableID(tt.typ, tt.from); err != nil || got != tt.want {
			t.Errorf("ObservableID(%s, %v) = %s, %v; want %s", tt.typ, tt.from, got, err, tt.want)
		}
	}
	a, _ := ObservableID("file", map[string]any{"name": "x", "hashes": map[string]any{"MD5": "y"}})
	if b, _ := ObservableID("file", map[string]any{"name": "x"}); a == b || !validID(a) {
		t.Errorf("%s and %s", a, b)
	}
}

func TestMarkingDefinitionsReadAsTheirLabel(t *testing.T) {
	for l := accord.TLPClear; l <= accord.TLPRed; l++ {
		it := parse(t, string(MarkingDefinition(l)))
		if got, ok := MarkingTLP(it.ID); !ok || got != l {
			t.Errorf("%v: the definition %s stands for %v, %v", l, it.ID, got, ok)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		benchIndicator, object("campaign", `,"name":"c"`), object("identity", `,"name":"i","sectors":["energy"]`),
		object("report", `,"name":"r","published":"2026-01-02T03:04:05Z","object_refs":["`+malA+`","`+indA+`"]`),
		`{"type":"malware","id":"` + malA + `","created":"2026-01-02T03:04:05Z","modified":"2026-01-02T03:04:05Z","name":"m","labels":["x"]}`,
		string(MarkingDefinition(accord.TLPAmberStrict)), `{"type":"file","id":"file--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f","name":"x"}`,
		`{"a":1e400}`, `{"a":{"A":1,"a":2}}`, `[[[[`, "\xef\xbb\xbf{}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		for raw, err := range Read(strings.NewReader(string(in)), Limits{Object: 1 << 16}) {
			if err != nil && !errors.Is(err, accord.ErrInvalid) {
				t.Errorf("Read: %v is not ErrInvalid", err)
			}
			if err == nil {
				if d, err := index(raw.Bytes, 64); err != nil {
					t.Errorf("Read let through what index refuses: %v", err)
				} else {
					d.release()
				}
			}
		}
		it, err := Parse(Raw{Bytes: in}, accord.TLPAmber)
		if err != nil {
			if !errors.Is(err, accord.ErrInvalid) {
				t.Errorf("Parse: %v is not ErrInvalid", err)
			}
			return
		}
		again, err := Parse(Raw{Bytes: it.Bytes}, accord.TLPAmber)
		again.Spec = it.Spec
		if d := cmp.Diff(it, again); err != nil || d != "" {
			t.Errorf("the Item's bytes read otherwise: %v\n%s", err, d)
		}
	})
}
