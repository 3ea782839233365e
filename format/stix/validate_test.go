// SPDX-License-Identifier: Apache-2.0

package stix_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord/format/stix"
)

const (
	someUUID  = "8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f"
	otherUUID = "1f0c5d7a-22f1-4c4e-9a53-0d5d1b8f7b11"
)

// domainObject and observable write an object with some members.
func domainObject(typ, members string) string {
	return `{"type":"` + typ + `","spec_version":"2.1","id":"` + typ + `--` + someUUID +
		`","created":"2026-01-02T03:04:05.000Z","modified":"2026-01-02T03:04:05.000Z"` + members + `}`
}

func observable(typ, members string) string {
	bare := `{"type":"` + typ + `","spec_version":"2.1"` + members + `}`
	id, err := stix.DeterministicID([]byte(bare))
	if err != nil {
		id = typ + "--" + someUUID
	}
	return strings.Replace(bare, `"spec_version"`, `"id":"`+id+`","spec_version"`, 1)
}

// marks are the findings as "code path", those of one level.
func marks(found []stix.Finding, level stix.Level) (out []string) {
	for _, f := range found {
		if f.Level == level {
			out = append(out, f.Code+" "+f.Path)
		}
	}
	return out
}

func check(object string) []stix.Finding { return stix.Validate(stix.Raw{Bytes: []byte(object)}) }

func TestObjectsOfEveryTypeAreValid(t *testing.T) {
	for _, o := range validObjects(t) {
		if must := marks(stix.Validate(stix.Raw{Bytes: o}), stix.Must); must != nil {
			t.Errorf("%s: %q", o, must)
		}
	}
}

// wrong are objects with one thing wrong each, and how that is found.
var wrong = []struct{ object, want string }{
	{`{"type":"identity"`, "json "},
	{domainObject("identity", `,"name":"n","name":"m"`), "json "},
	{domainObject("identity", `,"name":"n","NAME":"m"`), "json "},
	{domainObject("identity", `,"name":7`), "type name"},
	{domainObject("identity", `,"name":null`), "type name"},
	{domainObject("identity", `,"name":"n","roles":"r"`), "type roles"},
	{domainObject("identity", `,"name":"n","roles":["r",1]`), "type roles[1]"},
	{domainObject("identity", `,"name":"n","x_example":{"a":[null]}`), "type x_example.a[0]"},
	{domainObject("identity", `,"name":"n","confidence":1.5`), "integer confidence"},
	{observable("autonomous-system", `,"number":9007199254740992`), "integer number"},
	{domainObject("identity", `,"name":"n","confidence":101`), "range confidence"},
	{domainObject("location", `,"latitude":91,"longitude":0`), "range latitude"},
	{observable("file", `,"name":"n","size":-1`), "range size"},
	{observable("network-traffic", `,"protocols":["tcp"],"src_port":65536,"dst_port":1,"src_ref":"ipv4-addr--`+someUUID+`"`), "range src_port"},
	{domainObject("identity", `,"name":"n","labels":[]`), "empty-list labels"},
	{domainObject("identity", `,"name":"n","x_example":[]`), "empty-list x_example"},
	{domainObject("identity", `,"name":"n","extensions":{}`), "empty-dictionary extensions"},
	{observable("process", `,"environment_variables":{"A B":"c"}`), "dictionary-key environment_variables[\"A B\"]"},
	{domainObject("report", `,"name":"n","published":"2026-02-30T00:00:00Z","object_refs":["identity--`+someUUID+`"]`), "timestamp published"},
	{domainObject("report", `,"name":"n","published":"2026-01-01T00:00:00+00:00","object_refs":["identity--`+someUUID+`"]`), "timestamp published"},
	{strings.Replace(domainObject("identity", `,"name":"n"`), `"modified":"2026-01-02T03:04:05.000Z"`, `"modified":"2026-01-02T03:04:05Z"`, 1), "precision modified"},
	{observable("file", `,"name":"n","magic_number_hex":"504B"`), "hex magic_number_hex"},
	{observable("file", `,"name":"n","magic_number_hex":"504"`), "hex magic_number_hex"},
	{observable("artifact", `,"payload_bin":"a"`), "binary payload_bin"},
	{domainObject("opinion", `,"opinion":"maybe","object_refs":["identity--`+someUUID+`"]`), "enum opinion"},
	{observable("file", `,"hashes":{"ab":"c"}`), "hash-name hashes.ab"},
	{observable("file", `,"hashes":{"MD5":"abc"}`), "hash-value hashes.MD5"},
	{observable("file", `,"hashes":{"SHA-256":"`+strings.Repeat("g", 64)+`"}`), "hash-value hashes.SHA-256"},
	{domainObject("attack-pattern", `,"name":"n","external_references":[{"source_name":"capec","external_id":"163"}]`), "external-id external_references[0].external_id"},
	{domainObject("vulnerability", `,"name":"n","external_references":[{"source_name":"CVE","external_id":"CVE-2026-0001"}]`), "external-id external_references[0].source_name"},
	{domainObject("identity", ``), "required "},
	{domainObject("malware", `,"is_family":false,"kill_chain_phases":[{"kill_chain_name":"a"}]`), "required kill_chain_phases[0]"},
	{strings.Replace(domainObject("identity", `,"name":"n"`), `"created":"2026-01-02T03:04:05.000Z",`, ``, 1), "required "},
	{domainObject("location", `,"name":"n"`), "one-of "},
	{domainObject("identity", `,"name":"n","external_references":[{"source_name":"s"}]`), "one-of external_references[0]"},
	{observable("user-account", ``), "one-of "},
	{observable("file", `,"name":"n","extensions":{"ntfs-ext":{}}`), "one-of extensions.ntfs-ext"},
	{observable("artifact", `,"payload_bin":"AAAA","url":"https://www.example.com/","hashes":{"MD5":"3773a88f65a5e780c8dff9cdc3a056f3"}`), "exclusive url"},
	{domainObject("observed-data", `,"first_observed":"2026-01-01T00:00:00Z","last_observed":"2026-01-01T00:00:00Z","number_observed":1,"object_refs":["ipv4-addr--`+someUUID+`"],"objects":{"0":{"type":"ipv4-addr","value":"192.0.2.1"}}`), "exclusive objects"},
	{domainObject("location", `,"region":"africa","precision":5,"latitude":1,"longitude":1,"precision_":1`), ""},
	{domainObject("location", `,"region":"africa","longitude":1`), "depends longitude"},
	{observable("artifact", `,"url":"https://www.example.com/"`), "depends url"},
	{observable("file", `,"hashes":{"MD5":"3773a88f65a5e780c8dff9cdc3a056f3"},"name_enc":"utf-8"`), "depends name_enc"},
	{strings.Replace(domainObject("identity", `,"name":"n"`), `"created":"2026-01-02T03:04:05.000Z"`, `"created":"2026-01-02T03:04:05.0000001Z"`, 1), "order modified"},
	{domainObject("relationship", `,"relationship_type":"related-to","source_ref":"malware--`+someUUID+`","target_ref":"tool--`+someUUID+`","start_time":"2026-01-01T00:00:00Z","stop_time":"2026-01-01T00:00:00.0Z"`), "order stop_time"},
	{domainObject("identity", `,"name":"n","severity":1`), "reserved severity"},
	{domainObject("identity", `,"name":"n","defanged":true`), "forbidden defanged"},
	{`{"type":"x--example","spec_version":"2.1","id":"x-example--` + someUUID + `","created":"2026-01-02T03:04:05.000Z","modified":"2026-01-02T03:04:05.000Z"}`, "type-name type, id-type id"},
	{strings.Replace(domainObject("identity", `,"name":"n"`), `"spec_version":"2.1"`, `"spec_version":"2.2"`, 1), "spec-version spec_version"},
	{strings.Replace(domainObject("identity", `,"name":"n"`), someUUID, "8e2e2d2b-17d4-4cbf-038f-98ee46b3cd3f", 1), "identifier id"},
	{domainObject("identity", `,"name":"n","created_by_ref":"identity-1"`), "identifier created_by_ref"},
	{strings.Replace(domainObject("identity", `,"name":"n"`), `"identity--`, `"malware--`, 1), "id-type id"},
	{strings.Replace(observable("user-account", `,"display_name":"n"`), someUUID, "8e2e2d2b-17d4-5cbf-938f-98ee46b3cd3f", 1), "id-random id"},
	{observable("url", `,"value":"https://www.example.com/","created":"2026-01-02T03:04:05.000Z","modified":"2026-01-02T03:04:05.000Z"`), "id-namespace id"},
	{domainObject("identity", `,"name":"n","created_by_ref":"malware--`+someUUID+`"`), "reference-type created_by_ref"},
	{domainObject("sighting", `,"sighting_of_ref":"relationship--`+someUUID+`"`), "reference-type sighting_of_ref"},
	{domainObject("relationship", `,"relationship_type":"related-to","source_ref":"bundle--`+someUUID+`","target_ref":"tool--`+someUUID+`"`), "reference-type source_ref"},
	{observable("domain-name", `,"value":"a b.example"`), "domain value"},
	{observable("ipv4-addr", `,"value":"192.0.2.256"`), "ip-address value"},
	{observable("ipv6-addr", `,"value":"192.0.2.1"`), "ip-address value"},
	{observable("mac-addr", `,"value":"00:00:5E:00:53:01"`), "mac value"},
	{observable("url", `,"value":"www.example.com"`), "url value"},
	{observable("email-addr", `,"value":"Jane <jane@example.com>"`), "email value"},
	{observable("software", `,"name":"n","cpe":"cpe:/a:vendor"`), "cpe cpe"},
	{observable("directory", `,"path":"p","path_enc":"no such"`), "charset path_enc"},
	{observable("windows-registry-key", `,"key":"HKLM\\System"`), "registry-hive key"},
	{domainObject("identity", `,"name":"n","lang":"fr_MA"`), "language lang"},
	{observable("file", `,"name":"n","extensions":{"windows-pebinary-ext":{"pe_type":"exe","time_date_stamp":"2016-01-22T12:31:12.5Z"}}`), "second extensions.windows-pebinary-ext.time_date_stamp"},
	{domainObject("indicator", `,"name":"n","description":"d","pattern":"[a:b = ]","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z"`), "pattern pattern"},
	{domainObject("malware", `,"is_family":true`), "malware-name "},
	{domainObject("observed-data", `,"first_observed":"2026-01-01T00:00:00Z","last_observed":"2026-01-01T00:00:00Z","number_observed":1,"object_refs":["relationship--`+someUUID+`"]`), "observable-refs object_refs"},
	{domainObject("observed-data", `,"first_observed":"2026-01-01T00:00:00Z","last_observed":"2026-01-01T00:00:00Z","number_observed":1,"objects":{"0":{"type":"network-traffic","src_ref":"1","protocols":["tcp"]}}`), "container-ref objects.0.src_ref"},
	{observable("email-message", `,"is_multipart":true,"body":"b"`), "multipart body"},
	{observable("network-traffic", `,"protocols":["tcp"],"src_port":1,"dst_port":1,"src_ref":"ipv4-addr--`+someUUID+`","is_active":true,"end":"2026-01-01T00:00:00Z"`), "active end"},
	{domainObject("relationship", `,"relationship_type":"Uses","source_ref":"malware--`+someUUID+`","target_ref":"tool--`+someUUID+`"`), "relationship-name relationship_type"},
	{`{"type":"marking-definition","spec_version":"2.1","id":"marking-definition--` + someUUID + `","created":"2017-01-20T00:00:00.000Z","definition_type":"tlp","name":"TLP:RED","definition":{"tlp":"red"}}`, "tlp definition.tlp"},
	{`{"type":"marking-definition","spec_version":"2.1","id":"marking-definition--` + someUUID + `","created":"2017-01-20T00:00:00.000Z","extensions":{"extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d":{"extension_type":"property-extension","tlp_2_0":"red"}}}`, "tlp-2 extensions.extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"},
	{`{"type":"marking-definition","spec_version":"2.1","id":"marking-definition--` + someUUID + `","created":"2017-01-20T00:00:00.000Z","definition_type":"statement","definition":{"text":"t"}}`, "marking definition"},
	{`{"type":"marking-definition","spec_version":"2.1","id":"marking-definition--` + someUUID + `","created":"2017-01-20T00:00:00.000Z","definition_type":"statement","definition":{"statement":"t"},"object_marking_refs":["marking-definition--` + someUUID + `"]}`, "marking-self object_marking_refs[0]"},
	{domainObject("identity", `,"name":"n","granular_markings":[{"lang":"fr","selectors":["roles.[0]"]}]`), "selector granular_markings[0].selectors[0]"},
	{domainObject("language-content", `,"object_ref":"campaign--`+someUUID+`","contents":{"de":"x"}`), "translation contents.de"},
	{domainObject("identity", `,"name":"n","extensions":{"x-example-ext":{"a_b":1}}`), "extension-key extensions.x-example-ext"},
	{observable("url", `,"value":"https://www.example.com/","extensions":{"ntfs-ext":{"sid":"1"}}`), "extension-key extensions.ntfs-ext"},
	{domainObject("identity", `,"name":"n","extensions":{"extension-definition--`+someUUID+`":{"rank":1}}`), "extension-type extensions.extension-definition--" + someUUID},
	{domainObject("identity", `,"name":"n","extensions":{"extension-definition--`+someUUID+`":{"extension_type":"new-sdo"}}`), "extension-redefine extensions.extension-definition--" + someUUID + ".extension_type"},
	{domainObject("extension-definition", `,"created_by_ref":"identity--`+someUUID+`","name":"n","description":"d","schema":"s","version":"1","extension_types":["new-sdo"],"extension_properties":["rank"]`), "extension-properties extension_properties"},
	{domainObject("identity", `,"name":"n","X_Example":1`), "custom-name X_Example"},
	{observable("file", `,"name":"n","extensions":{"x_example":{"a_b":1}}`), "custom-extension-name extensions.x_example"},
	{`{"type":"bundle","id":"bundle--` + someUUID + `"}`, "bundle "},
}

func TestEachThingWrongIsFoundWhereItIs(t *testing.T) {
	for _, tt := range wrong {
		if got := strings.Join(marks(check(tt.object), stix.Must), ", "); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.object, got, tt.want)
		}
	}
}

// advised are objects that are valid and could be better.
var advised = []struct{ object, want string }{
	{domainObject("identity", `,"name":"n","identity_class":"organisation"`), "vocabulary identity_class"},
	{domainObject("identity", `,"name":"n","sectors":["Big Banks"]`), "vocabulary sectors[0], vocabulary-form sectors[0]"},
	{observable("file", `,"hashes":{"MD4":"abc"}`), "hash-vocabulary hashes.MD4"},
	{domainObject("identity", `,"name":"n","external_references":[{"source_name":"s","url":"https://www.example.com/"}]`), "external-hashes external_references[0].url"},
	{domainObject("tool", `,"name":"n","kill_chain_phases":[{"kill_chain_name":"a","phase_name":"Phase 1"}]`), "kill-chain-name kill_chain_phases[0].phase_name"},
	{domainObject("indicator", `,"name":"n","pattern":"[url:value = 'https://www.example.com/']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z"`), "recommended "},
	{domainObject("observed-data", `,"first_observed":"2026-01-01T00:00:00Z","last_observed":"2026-01-01T00:00:00Z","number_observed":1,"objects":{"0":{"type":"ipv4-addr","value":"192.0.2.1"}}`), "deprecated objects"},
	{observable("url", `,"value":"https://www.example.com/","labels":["a"]`), "not-applicable labels"},
	{strings.Replace(domainObject("identity", `,"name":"n"`), "-4cbf-", "-5cbf-", 1), "id-version id"},
	{strings.Replace(observable("url", `,"value":"https://www.example.com/"`), "example.com", "example.org", 1), "id-value id"},
	{observable("file", `,"name":"n","mime_type":"word"`), "media-type mime_type"},
	{domainObject("location", `,"country":"Morocco"`), "country country"},
	{observable("network-traffic", `,"protocols":["udp"],"src_port":1,"dst_port":1,"src_ref":"ipv4-addr--`+someUUID+`","extensions":{"tcp-ext":{"src_flags_hex":"00"}}`), "protocol extensions.tcp-ext"},
	{domainObject("malware-analysis", `,"product":"Example AV","result":"benign"`), "product product"},
	{observable("process", `,"extensions":{"windows-process-ext":{"priority":"HIGH"}}`), "priority extensions.windows-process-ext.priority"},
	{domainObject("relationship", `,"relationship_type":"uses","source_ref":"tool--`+someUUID+`","target_ref":"malware--`+someUUID+`"`), "relationship relationship_type"},
	{domainObject("relationship", `,"relationship_type":"duplicate-of","source_ref":"tool--`+someUUID+`","target_ref":"malware--`+someUUID+`"`), "relationship relationship_type"},
	{`{"type":"marking-definition","spec_version":"2.1","id":"marking-definition--` + someUUID + `","created":"2017-01-20T00:00:00.000Z","definition_type":"iep","definition":{"a":"t"}}`, "vocabulary definition_type, marking-type definition_type"},
	{domainObject("extension-definition", `,"created_by_ref":"identity--`+someUUID+`","name":"n","description":"d","schema":"s","version":"1","extension_types":["toplevel-property-extension"]`), "extension-listed "},
	{domainObject("identity", `,"name":"n","x_example":1`), "custom-property x_example"},
	{domainObject("identity", `,"name":"n","example":1`), "custom-prefix example"},
	{domainObject("x-example", ``), "custom-object type"},
	{domainObject("example", ``), "custom-object-prefix type"},
	{observable("file", `,"name":"n","extensions":{"x-example-ext":{"a_b":1}}`), "custom-extension extensions.x-example-ext"},
}

func TestWhatCouldBeBetterIsSaid(t *testing.T) {
	for _, tt := range advised {
		found := check(tt.object)
		if got := strings.Join(marks(found, stix.Should), ", "); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.object, got, tt.want)
		}
		if must := marks(found, stix.Must); must != nil {
			t.Errorf("%s: %q", tt.object, must)
		}
	}
}

// Every check of the table has an object here that fails it.
func TestEveryCheckIsTested(t *testing.T) {
	tested := map[string]bool{}
	for _, tt := range wrong {
		code, _, _ := strings.Cut(tt.want, " ")
		tested[code] = true
	}
	for _, tt := range advised {
		for one := range strings.SplitSeq(tt.want, ", ") {
			code, _, _ := strings.Cut(one, " ")
			tested[code] = true
		}
	}
	sets := strings.Fields("truncated version-created version-creator version-revoked version-content id-reused") // see set_test.go
	seen := map[string]bool{}
	for _, c := range stix.Checks {
		if !tested[c.Code] && !slices.Contains(sets, c.Code) {
			t.Errorf("no test fails the check %s", c.Code)
		}
		if seen[c.Code] {
			t.Errorf("two checks are called %s", c.Code)
		}
		seen[c.Code] = true
	}
}

func TestAnObjectOf20IsCheckedInIts21Form(t *testing.T) {
	old := strings.Replace(domainObject("indicator", `,"labels":["malicious-activity"],"pattern":"[a:b = ]"`), `"spec_version":"2.1",`, "", 1)
	found := stix.Validate(stix.Raw{Bytes: []byte(old), Spec: "2.0"})
	if d := cmp.Diff([]string{"pattern pattern"}, marks(found, stix.Must)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	for _, f := range found {
		if !strings.HasSuffix(f.Message, "(read as 2.1)") {
			t.Errorf("%v does not say that it is of the 2.1 form", f)
		}
	}
	if must := marks(stix.Validate(stix.Raw{Bytes: []byte(old)}), stix.Must); len(must) != 2 || must[0] != "required " {
		t.Errorf("outside a bundle of 2.0: %q, want a missing spec_version", must)
	}
}

func TestFindingsOfOneObjectAreBounded(t *testing.T) {
	found := check(domainObject("identity", `,"name":"n","labels":[`+strings.Repeat("1,", 5000)+`1]`))
	if len(found) != 1000 {
		t.Errorf("%d findings, want 1000", len(found))
	}
}

func TestAFindingIsOneLineWhateverTheObjectHolds(t *testing.T) {
	nasty := "\\u001b[2J\\n\\u202e\\u0007"
	for _, object := range []string{
		domainObject("identity", `,"name":"n","lang":"`+nasty+`","`+nasty+`":1,"identity_class":"`+nasty+`"`),
		strings.ReplaceAll(domainObject("identity", `,"name":"n"`), "identity", nasty),
		domainObject("indicator", `,"name":"n","pattern":"[`+nasty+`]","pattern_type":"stix","valid_from":"`+nasty+`"`),
		observable("file", `,"hashes":{"`+nasty+`":"a"},"extensions":{"`+nasty+`":{"`+nasty+`":[]}}`),
	} {
		for _, f := range check(object) {
			if strings.ContainsAny(fmt.Sprint(f.Message, f.Path, f.Object), "\x1b\n\x07\u202e") {
				t.Errorf("%q", f.String())
			}
		}
	}
}
