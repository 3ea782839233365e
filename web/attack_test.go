// SPDX-License-Identifier: Apache-2.0

package web

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"accord"
	"accord/demodata"
	"accord/format/stix"
	"accord/knowledge"
)

// fakeAttack is a base that does not change.
type fakeAttack struct{ base *knowledge.Base }

func (f fakeAttack) Base() *knowledge.Base {
	if f.base == nil {
		return &knowledge.Base{}
	}
	return f.base
}

// attackMore is what the sample has not: a group, software and a detection under
// identifiers, hostile text, and what refers to them.
const attackMore = `{"type":"bundle","id":"bundle--00000000-0000-4000-8000-000000000000","objects":[
{"type":"intrusion-set","spec_version":"2.1","id":"intrusion-set--00000000-0000-4000-8000-000000000009","created":"2026-01-01T00:00:00Z","modified":"2026-01-01T00:00:00Z","name":"Grey Heron","aliases":["Grey Heron","GH-7","مالك الحزين"],"description":"[Grey Heron](https://attack.mitre.org/groups/G9001) <script>alert(1)</script> uses [TideHook](https://attack.mitre.org/software/S9001).(Citation: Harbour Desk)\n\n- [elsewhere](javascript:alert(1))","external_references":[{"source_name":"mitre-attack","external_id":"G9001"},{"source_name":"Harbour Desk","description":"Harbour Research Desk. (2026). Herons.","url":"https://harbour-research.example/herons?\"><script>"}]},
{"type":"malware","is_family":true,"spec_version":"2.1","id":"malware--00000000-0000-4000-8000-000000000010","created":"2026-01-01T00:00:00Z","modified":"2026-01-01T00:00:00Z","name":"TideHook","external_references":[{"source_name":"mitre-attack","external_id":"S9001"}]},
{"type":"x-mitre-detection-strategy","spec_version":"2.1","id":"x-mitre-detection-strategy--00000000-0000-4000-8000-000000000011","created":"2026-01-01T00:00:00Z","modified":"2026-01-01T00:00:00Z","name":"False messages at the gate","x_mitre_analytic_refs":["x-mitre-analytic--00000000-0000-4000-8000-000000000012"],"external_references":[{"source_name":"mitre-attack","external_id":"DET9001"}]},
{"type":"x-mitre-analytic","spec_version":"2.1","id":"x-mitre-analytic--00000000-0000-4000-8000-000000000012","created":"2026-01-01T00:00:00Z","modified":"2026-01-01T00:00:00Z","name":"Analytic 9001","description":"Look for young names.","x_mitre_log_source_references":[{"x_mitre_data_component_ref":"x-mitre-data-component--00000000-0000-4000-8000-000000000099","name":"mail:gateway","channel":"delivered"}],"external_references":[{"source_name":"mitre-attack","external_id":"AN9001"}]},
{"type":"relationship","spec_version":"2.1","id":"relationship--00000000-0000-4000-8000-000000000013","created":"2026-01-01T00:00:00Z","modified":"2026-01-01T00:00:00Z","relationship_type":"uses","source_ref":"intrusion-set--00000000-0000-4000-8000-000000000009","target_ref":"{phishing}","description":"[Grey Heron](https://attack.mitre.org/groups/G9001) writes as a registry of ships.(Citation: Harbour Desk)","external_references":[{"source_name":"Harbour Desk","description":"x"}]},
{"type":"relationship","spec_version":"2.1","id":"relationship--00000000-0000-4000-8000-000000000014","created":"2026-01-01T00:00:00Z","modified":"2026-01-01T00:00:00Z","relationship_type":"detects","source_ref":"x-mitre-detection-strategy--00000000-0000-4000-8000-000000000011","target_ref":"{phishing}"},
{"type":"relationship","spec_version":"2.1","id":"relationship--00000000-0000-4000-8000-000000000015","created":"2026-01-01T00:00:00Z","modified":"2026-01-01T00:00:00Z","relationship_type":"uses","source_ref":"intrusion-set--00000000-0000-4000-8000-000000000009","target_ref":"malware--00000000-0000-4000-8000-000000000010"},
{"type":"relationship","spec_version":"2.1","id":"relationship--00000000-0000-4000-8000-000000000016","created":"2026-01-01T00:00:00Z","modified":"2026-01-01T00:00:00Z","relationship_type":"indicates","source_ref":"` + botnet + `","target_ref":"{phishing}"},
{"type":"relationship","spec_version":"2.1","id":"relationship--00000000-0000-4000-8000-000000000017","created":"2026-01-01T00:00:00Z","modified":"2026-01-01T00:00:00Z","relationship_type":"indicates","source_ref":"` + foreign + `","target_ref":"malware--00000000-0000-4000-8000-000000000010"}
]}`

// addAttack puts the sample's ATT&CK and more into the world.
func addAttack(f *fakeStore) {
	text, err := demodata.FS.ReadFile(demodata.Techniques)
	if err != nil {
		panic(err)
	}
	items := parsed(text)
	phishing := items[slices.IndexFunc(items, func(i accord.Item) bool { return i.Name == "Phishing" })].ID
	items = append(items, parsed([]byte(strings.ReplaceAll(attackMore, "{phishing}", phishing)))...)
	for i := range items {
		items[i].Source, items[i].Added = "sample", ago(1000)
	}
	f.attack = fakeAttack{knowledge.Build(append(slices.Clone(f.items), items...))}
	f.items = append(f.items, items...)
}

func parsed(text []byte) (out []accord.Item) {
	for raw, err := range stix.Read(bytes.NewReader(text), stix.Limits{}) {
		if err != nil {
			panic(err)
		}
		it, err := stix.Parse(raw, accord.TLPClear)
		if err != nil {
			panic(fmt.Sprintf("%s: %v", raw.Bytes, err))
		}
		out = append(out, it)
	}
	return out
}

func wants(t *testing.T, where, body string, want ...string) {
	t.Helper()
	for _, s := range want {
		if !strings.Contains(body, s) {
			t.Errorf("%s does not say %q", where, s)
		}
	}
}

func TestTheMatrixCountsWhatRefersAndIsNarrowed(t *testing.T) {
	w := start(t)
	s := w.session(t, "reader")
	_, body := w.ask(t, "GET", "/attack", s, nil)
	wants(t, "the matrix", body, "Initial Access", `href="/attack/T1566"`, `href="/attack/TA0043"`, "Spearphishing Attachment", `<option value="Grey Heron">`,
		`Live items that refer to it: </span>1</span>`)
	_, body = w.ask(t, "GET", "/attack?by=gh-7", s, nil)
	wants(t, "narrowed by an alias", body, `href="/attack/G9001"`, `href="/attack/T1566"`, "Techniques shown: <bdi>1</bdi>")
	if strings.Contains(body, `href="/attack/T1190"`) {
		t.Error("a technique that the group does not use is shown")
	}
	_, body = w.ask(t, "GET", "/attack?by=Nobody%3Cb%3E", s, nil)
	wants(t, "a name that is none", body, "called <bdi>Nobody&lt;b&gt;</bdi>", `aria-invalid="true"`)
	_, body = w.ask(t, "GET", "/attack?platform=Network+Devices", s, nil)
	if !strings.Contains(body, "T1190") || strings.Contains(body, "T1486") {
		t.Error("a platform does not narrow the matrix")
	}
	_, body = w.ask(t, "GET", "/attack?kind=group", s, nil)
	wants(t, "the groups", body, "G9001", "مالك الحزين", `href="/attack?kind=mitigation"`)
}

func TestATechniqueIsNavigableBothWaysAndShowsWhatRefersToIt(t *testing.T) {
	w := start(t)
	s := w.session(t, "reader")
	_, body := w.ask(t, "GET", "/attack/t1566", s, nil)
	wants(t, "T1566", body, `href="/attack/TA0001"`, `href="/attack/T1566.001"`, `href="/attack/G9001"`, "writes as a registry of ships", "M1017", "Practised twice a year",
		"False messages at the gate", "Look for young names.", "mail:gateway", "Loader beacon, second stage", "indicates it", "national-feed")
	_, body = w.ask(t, "GET", "/attack/G9001", s, nil)
	wants(t, "G9001", body, `href="/attack/T1566"`, `href="/attack/S9001"`, "GH-7", "&lt;script&gt;alert(1)&lt;/script&gt;", `href="#ref-1"`, `id="ref-1"`, "/attack?by=G9001")
	if strings.Contains(body, "javascript:") || strings.Contains(body, `href="https:`) {
		t.Error("a link of the text leads out")
	}
	_, body = w.ask(t, "GET", "/attack/S9001", s, nil)
	wants(t, "S9001", body, "cert.xb.example", "صفحة تصيّد")
	_, body = w.ask(t, "GET", "/attack/TA0001", s, nil)
	wants(t, "TA0001", body, `href="/attack/T1190"`)
	for path, want := range map[string]int{"/attack/T9999": 404, "/attack/..%2Fx": 404, "/attack/T1566?after=-1": 400, "/attack/T1566?after=x": 400, "/attack/T1566?after=999": 200} {
		if res, _ := w.ask(t, "GET", path, s, nil); res.StatusCode != want {
			t.Errorf("%s: %s", path, res.Status)
		}
	}
}

func TestAnEmptyBaseSaysHowToLoadIt(t *testing.T) {
	w := start(t)
	w.store.attack = fakeAttack{}
	h, err := New(Config{Store: w.store, Node: w.node, Now: w.clock, Self: self})
	if err != nil {
		t.Fatal(err)
	}
	w.handler = h
	front := serveFor(t, h)
	w.url = front
	res, body := w.ask(t, "GET", "/attack", w.session(t, "reader"), nil)
	if res.StatusCode != http.StatusOK {
		t.Fatal(res.Status)
	}
	wants(t, "an empty base", body, "accord ingest", `href="/feeds"`)
}

// TestTheNodesOwnIdentityIsNotOfferedForRetraction: everything it authored
// refers to it.
func TestTheNodesOwnIdentityIsNotOfferedForRetraction(t *testing.T) {
	w := start(t)
	s := w.session(t, "analyst")
	_, body := w.ask(t, "GET", "/items/"+self.Identity, s, nil)
	if strings.Contains(body, "/retract") {
		t.Error("it is offered")
	}
	if res, _ := w.ask(t, "GET", "/items/"+self.Identity+"/retract", s, nil); res.StatusCode != http.StatusForbidden {
		t.Errorf("asked for: %s", res.Status)
	}
}

func TestWhatTheAllowZoneServesIsCounted(t *testing.T) {
	w := start(t)
	s := w.session(t, "reader")
	for _, path := range []string{"/", "/protections"} {
		if _, body := w.ask(t, "GET", path, s, nil); !strings.Contains(body, "318") {
			t.Errorf("%s does not count the allow zone", path)
		}
	}
}
