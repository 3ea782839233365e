// SPDX-License-Identifier: Apache-2.0

package knowledge_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/demodata"
	"accord/format/stix"
	"accord/knowledge"
)

// made is a small ATT&CK of our own: two tactics in a matrix that turns their
// usual order round, techniques, a group, a tool, and two reports from elsewhere.
const made = `{"type":"bundle","id":"bundle--00000000-0000-4000-8000-000000000000","objects":[
{"type":"x-mitre-matrix","spec_version":"2.1","id":"x-mitre-matrix--00000000-0000-4000-8000-000000000001","created":"2026-01-01T00:00:00Z","modified":"2026-01-01T00:00:00Z","name":"Made","external_references":[{"source_name":"mitre-attack","external_id":"enterprise-attack"}],"tactic_refs":["x-mitre-tactic--00000000-0000-4000-8000-000000000003","x-mitre-tactic--00000000-0000-4000-8000-000000000002"]},
{"type":"x-mitre-tactic","spec_version":"2.1","id":"x-mitre-tactic--00000000-0000-4000-8000-000000000002","created":"2026-01-01T00:00:00Z","modified":"2026-01-01T00:00:00Z","name":"Execution","x_mitre_shortname":"execution","x_mitre_domains":["enterprise-attack"],"external_references":[{"source_name":"mitre-attack","external_id":"TA0002"}]},
{"type":"x-mitre-tactic","spec_version":"2.1","id":"x-mitre-tactic--00000000-0000-4000-8000-000000000003","created":"2026-01-01T00:00:00Z","modified":"2026-01-01T00:00:00Z","name":"Impact","x_mitre_shortname":"impact","x_mitre_domains":["enterprise-attack"],"external_references":[{"source_name":"mitre-attack","external_id":"TA0040"}]},
{"type":"attack-pattern","spec_version":"2.1","id":"attack-pattern--00000000-0000-4000-8000-000000000004","created":"2026-01-01T00:00:00Z","modified":"2026-01-01T00:00:00Z","name":"Interpreter","description":"One [Tool](https://attack.mitre.org/software/S9001).","x_mitre_version":"1.0","x_mitre_platforms":["Linux"],"kill_chain_phases":[{"kill_chain_name":"mitre-attack","phase_name":"execution"},{"kill_chain_name":"mitre-attack","phase_name":"impact"}],"external_references":[{"source_name":"mitre-attack","external_id":"T9001"}]},
{"type":"attack-pattern","spec_version":"2.1","id":"attack-pattern--00000000-0000-4000-8000-000000000005","created":"2026-01-01T00:00:00Z","modified":"2026-01-01T00:00:00Z","name":"Shell","kill_chain_phases":[{"kill_chain_name":"mitre-attack","phase_name":"execution"}],"external_references":[{"source_name":"mitre-attack","external_id":"T9001.001"}]},
{"type":"attack-pattern","spec_version":"2.1","id":"attack-pattern--00000000-0000-4000-8000-000000000006","created":"2026-01-01T00:00:00Z","modified":"2026-01-01T00:00:00Z","name":"Old","revoked":true,"external_references":[{"source_name":"mitre-attack","external_id":"T9002"}]},
{"type":"attack-pattern","spec_version":"2.1","id":"attack-pattern--00000000-0000-4000-8000-000000000007","created":"2026-02-01T00:00:00Z","modified":"2026-02-01T00:00:00Z","name":"Another's words","external_references":[{"source_name":"mitre-attack","external_id":"T9001"}]},
{"type":"attack-pattern","spec_version":"2.1","id":"attack-pattern--00000000-0000-4000-8000-000000000008","created":"2026-02-01T00:00:00Z","modified":"2026-02-01T00:00:00Z","name":"Not of ATT&CK","external_references":[{"source_name":"capec","external_id":"CAPEC-1"}]},
{"type":"intrusion-set","spec_version":"2.1","id":"intrusion-set--00000000-0000-4000-8000-000000000009","created":"2026-01-01T00:00:00Z","modified":"2026-01-01T00:00:00Z","name":"Grey Heron","aliases":["Grey Heron","GH-7"],"external_references":[{"source_name":"mitre-attack","external_id":"G9001"}]},
{"type":"tool","spec_version":"2.1","id":"tool--00000000-0000-4000-8000-000000000010","created":"2026-01-01T00:00:00Z","modified":"2026-01-01T00:00:00Z","name":"QuietPipe","external_references":[{"source_name":"mitre-attack","external_id":"S9001"}]},
{"type":"relationship","spec_version":"2.1","id":"relationship--00000000-0000-4000-8000-000000000011","created":"2026-01-01T00:00:00Z","modified":"2026-01-01T00:00:00Z","relationship_type":"uses","source_ref":"intrusion-set--00000000-0000-4000-8000-000000000009","target_ref":"attack-pattern--00000000-0000-4000-8000-000000000005","description":"How."},
{"type":"relationship","spec_version":"2.1","id":"relationship--00000000-0000-4000-8000-000000000012","created":"2026-01-01T00:00:00Z","modified":"2026-01-01T00:00:00Z","relationship_type":"subtechnique-of","source_ref":"attack-pattern--00000000-0000-4000-8000-000000000005","target_ref":"attack-pattern--00000000-0000-4000-8000-000000000004"},
{"type":"relationship","spec_version":"2.1","id":"relationship--00000000-0000-4000-8000-000000000013","created":"2026-01-01T00:00:00Z","modified":"2026-01-01T00:00:00Z","relationship_type":"revoked-by","source_ref":"attack-pattern--00000000-0000-4000-8000-000000000006","target_ref":"attack-pattern--00000000-0000-4000-8000-000000000004"},
{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-000000000014","created":"2026-01-01T00:00:00Z","modified":"2026-01-01T00:00:00Z","pattern":"[domain-name:value = 'a.example']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z"},
{"type":"relationship","spec_version":"2.1","id":"relationship--00000000-0000-4000-8000-000000000015","created":"2026-01-01T00:00:00Z","modified":"2026-01-01T00:00:00Z","relationship_type":"indicates","source_ref":"indicator--00000000-0000-4000-8000-000000000014","target_ref":"attack-pattern--00000000-0000-4000-8000-000000000007"},
{"type":"report","spec_version":"2.1","id":"report--00000000-0000-4000-8000-000000000016","created":"2026-01-01T00:00:00Z","modified":"2026-01-01T00:00:00Z","name":"What happened","published":"2026-01-01T00:00:00Z","object_refs":["attack-pattern--00000000-0000-4000-8000-000000000004"]}
]}`

func parse(t testing.TB, text string) []accord.Item {
	t.Helper()
	var out []accord.Item
	for raw, err := range stix.Read(strings.NewReader(text), stix.Limits{}) {
		if err != nil {
			t.Fatal(err)
		}
		it, err := stix.Parse(raw, accord.TLPClear)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, it)
	}
	return out
}

func object(t testing.TB, b *knowledge.Base, id string) *knowledge.Object {
	t.Helper()
	o, ok := b.Object(id)
	if !ok {
		t.Fatalf("%s is not in the base", id)
	}
	return o
}

// said lists an object's links as "verb > id" or "verb < id".
func said(o *knowledge.Object) (out []string) {
	for _, l := range o.Links {
		arrow := " < "
		if l.Out {
			arrow = " > "
		}
		out = append(out, l.Verb+arrow+l.To.ID)
	}
	return out
}

func TestObjectsAreLinkedBothWaysAndWhatRefersToThemIsCounted(t *testing.T) {
	b := knowledge.Build(parse(t, made))
	o := object(t, b, "t9001")
	if o.Name != "Interpreter" || o.STIX != "attack-pattern--00000000-0000-4000-8000-000000000004" {
		t.Errorf("the text shown is of %s, %s", o.Name, o.STIX)
	}
	if diff := cmp.Diff([]string{"attack-pattern--00000000-0000-4000-8000-000000000007"}, o.Also); diff != "" {
		t.Error(diff)
	}
	if want := (knowledge.Count{Indicators: 1, Reports: 1}); o.Count != want {
		t.Errorf("count %+v, want %+v", o.Count, want)
	}
	sub, group := object(t, b, "T9001.001"), object(t, b, "G9001")
	if len(o.Subs) != 1 || o.Subs[0] != sub || sub.Parent != o {
		t.Error("the sub-technique is not under its technique")
	}
	if diff := cmp.Diff([][]string{{"uses < G9001"}, {"uses > T9001.001"}}, [][]string{said(sub), said(group)}); diff != "" {
		t.Error(diff)
	}
	old := object(t, b, "T9002")
	if !old.Revoked || old.Successor != o {
		t.Error("what was revoked does not lead on")
	}
	if used := b.Used(group); !used[sub] || used[o] || len(used) != 2 {
		t.Errorf("the group uses %v", used)
	}
	if found, _ := b.Find("gh-7", knowledge.Software, knowledge.Group); found != group {
		t.Error("a group is not found by its alias")
	}
	if _, ok := b.Of("attack-pattern--00000000-0000-4000-8000-000000000008"); ok {
		t.Error("an attack pattern without an ATT&CK identifier is in the base")
	}
}

func TestAMatrixOrdersItsTacticsAndWithoutOneTheUsualOrderHolds(t *testing.T) {
	order := func(items []accord.Item) (out []string) {
		for _, c := range knowledge.Build(items).Matrix("enterprise-attack") {
			line := c.ID + " " + c.Name
			for _, o := range c.Techniques {
				line += " " + o.ID
			}
			out = append(out, line)
		}
		return out
	}
	items := parse(t, made)
	if diff := cmp.Diff([]string{"TA0040 Impact T9001", "TA0002 Execution T9001"}, order(items)); diff != "" {
		t.Errorf("with a matrix:\n%s", diff)
	}
	without := func(types ...string) []accord.Item {
		return slices.DeleteFunc(slices.Clone(items), func(i accord.Item) bool { return slices.Contains(types, i.Type) })
	}
	if diff := cmp.Diff([]string{"TA0002 Execution T9001", "TA0040 Impact T9001"}, order(without("x-mitre-matrix"))); diff != "" {
		t.Errorf("without a matrix:\n%s", diff)
	}
	if diff := cmp.Diff([]string{" Execution T9001", " Impact T9001"}, order(without("x-mitre-matrix", "x-mitre-tactic"))); diff != "" {
		t.Errorf("with techniques alone:\n%s", diff)
	}
}

func TestTextsBecomeSpansWithoutMarkup(t *testing.T) {
	refs := []knowledge.Reference{{N: 1, Name: "A Report (2020)"}}
	got := knowledge.ReadText("One `a<b` and [T](https://attack.mitre.org/techniques/T1055/011) or [x](javascript:alert(1)).(Citation: A Report (2020))(Citation: Unknown)\nGoes on<br>here.\n\n- <code>dir</code> **now** <script>\n\n```\nx  y\n```", refs)
	want := knowledge.Text{
		{Kind: knowledge.Paragraph, Spans: []knowledge.Span{
			{Text: "One "},
			{Text: "a<b", Code: true},
			{Text: " and "},
			{Text: "T", ID: "T1055.011"},
			{Text: " or "},
			{Text: "x"},
			{Text: "."},
			{Text: "A Report (2020)", Cite: 1},
			{Text: " "},
			{Text: "Goes on here."},
		}},
		{Kind: knowledge.Entry, Spans: []knowledge.Span{{Text: "dir", Code: true}, {Text: " now <script>"}}},
		{Kind: knowledge.Code, Spans: []knowledge.Span{{Text: "x  y", Code: true}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzReadText(f *testing.F) {
	f.Add("One `a` [b](https://attack.mitre.org/groups/G0001) (Citation: x)\n\n- y\n```\nz")
	f.Fuzz(func(t *testing.T, s string) {
		n := 0
		for _, b := range knowledge.ReadText(s, []knowledge.Reference{{N: 1, Name: "x"}}) {
			for _, span := range b.Spans {
				n += len(span.Text)
				if span.ID != "" && strings.ContainsAny(span.ID, "/:<>\"' ") {
					t.Errorf("identifier %q", span.ID)
				}
			}
		}
		if n > 2*len(s)+200 {
			t.Errorf("%d bytes became %d", len(s), n)
		}
	})
}

// shelf is a store that holds items in memory, in the order they came.
type shelf struct {
	items   []accord.Item // newest versions
	changes []accord.Change
	matches map[string]int64
	read    int
}

func (s *shelf) put(items ...accord.Item) {
	for _, it := range items {
		s.items = slices.DeleteFunc(s.items, func(x accord.Item) bool { return x.ID == it.ID })
		it.Seq = int64(len(s.changes) + 1)
		it.Added = accord.Stamp(it.Seq)
		s.items = append(s.items, it)
		s.changes = append(s.changes, accord.Change{Seq: it.Seq, Kind: accord.ChangeItem, Key: it.ItemKey})
	}
}

func (s *shelf) LastSeq(context.Context) (int64, error) { return int64(len(s.changes)), nil }

func (s *shelf) Changes(_ context.Context, after int64, limit int) ([]accord.Change, error) {
	return s.changes[after:min(int(after)+limit, len(s.changes))], nil
}

func (s *shelf) Latest(_ context.Context, ids []string) (map[string]accord.Item, error) {
	out := map[string]accord.Item{}
	for _, it := range s.items {
		if slices.Contains(ids, it.ID) {
			out[it.ID] = it
		}
	}
	s.read += len(out)
	return out, nil
}

func (s *shelf) ItemsOfType(_ context.Context, typ string, after int64, limit int) (out []accord.Item, _ error) {
	for _, it := range s.items {
		if it.Type == typ && it.Seq > after && len(out) < limit {
			out = append(out, it)
		}
	}
	return out, nil
}

func (s *shelf) Referring(_ context.Context, ids []string, fn func(accord.Item) error) error {
	for _, it := range s.items {
		if slices.ContainsFunc(it.Refs, func(r accord.Ref) bool { return slices.Contains(ids, r.To) }) {
			if err := fn(it); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *shelf) MatchesOf(_ context.Context, ids []string) (map[string]int64, error) {
	return s.matches, nil
}

func TestAKeeperFollowsWhatChanges(t *testing.T) {
	items := parse(t, made)
	s := &shelf{matches: map[string]int64{}}
	k := knowledge.NewKeeper(s, time.Hour, nil)
	step := func(what string, want knowledge.Count) {
		t.Helper()
		if err := k.Update(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got knowledge.Count
		if o, ok := k.Base().Object("T9001"); ok {
			got = o.Count
		}
		if got != want {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
	step("empty", knowledge.Count{})
	s.put(slices.DeleteFunc(slices.Clone(items), func(i accord.Item) bool { return i.Type == "attack-pattern" })...)
	step("what refers comes first", knowledge.Count{})
	s.put(items...)
	step("all", knowledge.Count{Indicators: 1, Reports: 1})
	indicator, report := items[slices.IndexFunc(items, func(i accord.Item) bool { return i.Type == "indicator" })], items[len(items)-1]
	s.matches[indicator.ID] = 7
	s.changes = append(s.changes, accord.Change{Seq: int64(len(s.changes) + 1), Kind: accord.ChangeMatch, Key: indicator.ItemKey})
	step("matched", knowledge.Count{Indicators: 1, Reports: 1, Matches: 7})
	indicator.Withdrawn, report.Withdrawn = 1, 1
	s.put(indicator, report)
	step("withdrawn", knowledge.Count{})
	before := s.read
	for i := range 1000 {
		x := indicator
		x.ID = fmt.Sprintf("indicator--00000000-0000-4000-8000-%012d", 1000+i)
		s.put(x)
	}
	step("others come", knowledge.Count{})
	if s.read != before {
		t.Errorf("%d items were read that ATT&CK has nothing to do with", s.read-before)
	}
	fresh := knowledge.NewKeeper(s, time.Hour, nil)
	if err := fresh.Update(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(object(t, fresh.Base(), "T9001").Refs, object(t, k.Base(), "T9001").Refs); diff != "" {
		t.Errorf("what was followed differs from what is loaded:\n%s", diff)
	}
}

func TestARunningKeeperEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := &shelf{}
	s.put(parse(t, made)...)
	k := knowledge.NewKeeper(s, time.Millisecond, nil)
	done := make(chan error)
	go func() { done <- k.Run(ctx) }()
	for k.Base().Empty() {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestTheSampleIsAPartialBase(t *testing.T) {
	text, err := demodata.FS.ReadFile(demodata.Techniques)
	if err != nil {
		t.Fatal(err)
	}
	b := knowledge.Build(parse(t, string(text)))
	if b.Empty() || len(b.Matrix("enterprise-attack")) < 3 {
		t.Errorf("%d techniques in %d tactics", b.Len(knowledge.Technique), len(b.Matrix("enterprise-attack")))
	}
}

// TestRealATTACK reads all three domains where they are, and says what it costs.
func TestRealATTACK(t *testing.T) {
	items := realATTACK(t)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	begun := time.Now()
	b := knowledge.Build(items)
	took := time.Since(begun)
	runtime.GC()
	runtime.ReadMemStats(&after)
	t.Logf("%d items: built in %v, %.1f MB", len(items), took.Round(time.Millisecond), float64(after.HeapAlloc-before.HeapAlloc)/1e6)
	if diff := cmp.Diff([]string{"enterprise-attack", "mobile-attack", "ics-attack"}, b.Domains()); diff != "" {
		t.Error(diff)
	}
	m := b.Matrix("enterprise-attack")
	if len(m) != 14 || m[0].Name != "Reconnaissance" || m[13].Name != "Impact" {
		t.Errorf("%d tactics", len(m))
	}
	o := object(t, b, "T1059.001")
	if o.Name != "PowerShell" || o.Parent == nil || o.Parent.ID != "T1059" || len(o.Links) < 200 {
		t.Errorf("%+v", o.Name)
	}
	for _, kind := range knowledge.Kinds {
		if b.Len(kind) == 0 && kind != knowledge.DataSource {
			t.Errorf("no %s", kind)
		}
	}
	for _, it := range items {
		if o, ok := b.Of(it.ID); ok && o.STIX == it.ID {
			d, err := knowledge.ReadDetail(it.Bytes)
			if err != nil {
				t.Error(err)
			}
			if p := d.Description.Plain(); strings.Contains(p, "(Citation:") || strings.Contains(p, "](http") || strings.Contains(p, "<code>") {
				t.Logf("%s keeps markup: %.200s", o.ID, p)
			}
		}
	}
	runtime.KeepAlive(b)
}

func realATTACK(t testing.TB) (items []accord.Item) {
	t.Helper()
	root := os.Getenv("ACCORD_DATA")
	if root == "" {
		root = filepath.Join("..", "..", "shared", "data")
	}
	for _, name := range []string{"attack-enterprise.stix20.json.gz", "attack-mobile.stix21.json.gz", "attack-ics.stix21.json.gz"} {
		f, err := os.Open(filepath.Join(root, "stix", name))
		if err != nil {
			t.Skipf("SKIP: real data not there (set ACCORD_DATA): %v", err)
		}
		defer f.Close()
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		for raw, err := range stix.Read(z, stix.Limits{}) {
			if err != nil {
				t.Fatal(err)
			}
			it, err := stix.Parse(raw, accord.TLPClear)
			if err != nil {
				t.Fatal(err)
			}
			it.Bytes = slices.Clone(it.Bytes)
			items = append(items, it)
		}
	}
	return items
}
