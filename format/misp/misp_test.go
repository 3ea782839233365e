// SPDX-License-Identifier: Apache-2.0

package misp_test

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/demodata"
	"accord/format/misp"
	"accord/format/stix"
)

const eventID = "0b1c2d3e-0000-4000-8000-000000000001"

// attr writes an attribute; n makes its uuid.
func attr(n int, typ, value, more string) string {
	return fmt.Sprintf(`{"uuid":"0b1c2d3e-0000-4000-9000-%012d","type":%q,"value":%q,"to_ids":true,"timestamp":"1770800000","category":"Network activity"%s}`, n, typ, value, more)
}

// event writes an event.
func event(more string, attrs ...string) string {
	return `{"uuid":"` + eventID + `","info":"Lamp","date":"2026-02-01","timestamp":"1770900000","distribution":"3",` +
		`"Orgc":{"uuid":"0b1c2d3e-0000-4000-a000-000000000001","name":"Quay"}` + more + `,"Attribute":[` + strings.Join(attrs, ",") + `]}`
}

// convert reads text and converts its events.
func convert(t *testing.T, text string) ([]accord.Item, []misp.Loss) {
	t.Helper()
	var items []accord.Item
	var losses []misp.Loss
	for e, err := range misp.Read(strings.NewReader(text), misp.Limits{}) {
		if err != nil {
			t.Fatal(err)
		}
		i, l, err := e.Items(misp.Options{TLP: accord.TLPGreen})
		if err != nil {
			t.Fatal(err)
		}
		items, losses = append(items, i...), append(losses, l...)
	}
	return items, losses
}

func ofType(items []accord.Item, typ string) []accord.Item {
	return slices.DeleteFunc(slices.Clone(items), func(it accord.Item) bool { return it.Type != typ })
}

func TestEachTypeBecomesThePatternThatMeansIt(t *testing.T) {
	for _, tt := range []struct{ typ, value, pattern, seen string }{
		{"domain", "Bad.Example.", "[domain-name:value = 'bad.example']", "domain bad.example"},
		{"hostname", "www.bad.example", "[domain-name:value = 'www.bad.example']", "domain www.bad.example"},
		{"ip-dst", "192.0.2.1", "[ipv4-addr:value = '192.0.2.1']", "ipv4 192.0.2.1"},
		{"ip-src", "2001:DB8::1", "[ipv6-addr:value = '2001:db8::1']", "ipv6 2001:db8::1"},
		{"ip-dst", "192.0.2.0/24", "[ipv4-addr:value ISSUBSET '192.0.2.0/24']", "cidr 192.0.2.0/24"},
		{"ip-dst|port", "192.0.2.1|443", "[network-traffic:dst_ref.value = '192.0.2.1' AND network-traffic:dst_port = 443]", "addrport 192.0.2.1:443"},
		{"domain|ip", "bad.example|192.0.2.1", "[domain-name:value = 'bad.example']", "domain bad.example"},
		{"url", "http://bad.example/a'b", `[url:value = 'http://bad.example/a\'b']`, "url http://bad.example/a'b"},
		{"uri", "/gate.php", "[url:value LIKE '%/gate.php']", ""},
		{"md5", "D41D8CD98F00B204E9800998ECF8427E", "[file:hashes.MD5 = 'd41d8cd98f00b204e9800998ecf8427e']", "md5 d41d8cd98f00b204e9800998ecf8427e"},
		{"filename|sha1", `a|b.exe|da39a3ee5e6b4b0d3255bfef95601890afd80709`, "[file:hashes.'SHA-1' = 'da39a3ee5e6b4b0d3255bfef95601890afd80709']", "sha1 da39a3ee5e6b4b0d3255bfef95601890afd80709"},
		{"email-src", "A@Bad.Example", "[email-addr:value = 'a@bad.example']", "email a@bad.example"},
		{"filename", "bad.exe", "[file:name = 'bad.exe']", ""},
		{"regkey|value", `HKCU\a|b`, `[windows-registry-key:key = 'HKCU\\a' AND windows-registry-key:values[*].data = 'b']`, ""},
		{"AS", "AS64496", "[autonomous-system:number = 64496]", ""},
		{"yara", "rule a {condition: true}", "rule a {condition: true}", ""},
	} {
		t.Run(tt.typ+" "+tt.value, func(t *testing.T) {
			items, losses := convert(t, event("", attr(1, tt.typ, tt.value, "")))
			got := ofType(items, "indicator")
			if len(got) != 1 {
				t.Fatalf("%d indicators, losses %v", len(got), losses)
			}
			var o struct {
				Pattern string `json:"pattern"`
			}
			unmarshal(t, got[0].Bytes, &o)
			if o.Pattern != tt.pattern {
				t.Errorf("pattern %s\nwant    %s", o.Pattern, tt.pattern)
			}
			seen := ""
			for _, ob := range got[0].Observables {
				seen += string(ob.Kind) + " " + ob.Value
			}
			if seen != tt.seen || got[0].Atomic != (tt.seen != "") {
				t.Errorf("looks for %q (atomic %v), want %q", seen, got[0].Atomic, tt.seen)
			}
		})
	}
}

func TestEveryLossIsReported(t *testing.T) {
	text := event(`,"EventReport":[{}],"Tag":[{"name":"tlp:ex:chr"}]`,
		strings.Replace(attr(1, "domain", "a.example", ""), `"to_ids":true`, `"to_ids":false`, 1),
		attr(2, "domain", "not a name", ""),
		attr(3, "target-org", "Somebody", ""),
		attr(4, "domain|ip", "b.example|192.0.2.1", `,"last_seen":"2026-02-01T00:00:00Z","Sighting":[{}]`),
		`{"uuid":"none","type":"domain","value":"c.example","to_ids":true,"timestamp":"1"}`,
		`["not an object"]`,
		`{"uuid":"0b1c2d3e-0000-4000-9000-000000000009","type":"md5","value":"d41d8cd98f00b204e9800998ecf8427e","to_ids":{},"timestamp":"1"}`,
	)
	_, losses := convert(t, text)
	var got []string
	for _, l := range losses {
		id := l.UUID
		if len(id) == 36 {
			id = id[35:]
		}
		got = append(got, id+" "+l.Type+": "+l.Why)
	}
	want := []string{
		"1 tag: the TLP tag tlp:ex:chr: it counts as RED",
		`2 domain: no indicator: its value is not of its type: invalid: domain "not a name": only letters, digits, '-' and '_' stand in a name`,
		"3 target-org: no indicator: a type that says nothing to look for: it is kept as what it is",
		"4 domain|ip: a sighting: invalid: its date is none",
		"none domain: its uuid is none",
		" attribute: not readable: ",
		" attribute: not readable: ",
		" event report: its uuid is none",
	}
	if len(got) != len(want) {
		t.Fatalf("losses:\n%s\nwant %d", strings.Join(got, "\n"), len(want))
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("loss %d: %s\nwant: %s", i, got[i], want[i])
		}
	}
}

func TestMarkingsAreTheStrictestThatApply(t *testing.T) {
	for _, tt := range []struct {
		name, event, attr string
		want              accord.TLP
		pap               accord.PAP
	}{
		{"no tag: the default", "", "", accord.TLPGreen, 0},
		{"a tag opens below the default", `,"Tag":[{"name":"tlp:clear"}]`, "", accord.TLPClear, 0},
		{"two tags", `,"Tag":[{"name":"TLP:AMBER+STRICT"},{"name":"tlp:white"},{"name":"PAP:AMBER"}]`, "", accord.TLPAmberStrict, accord.PAPAmber},
		{"attribute stricter", `,"Tag":[{"name":"tlp:green"}]`, `,"Tag":[{"name":"tlp:red"},{"name":"pap:red"}]`, accord.TLPRed, accord.PAPRed},
		{"attribute more open", `,"Tag":[{"name":"tlp:amber"}]`, `,"Tag":[{"name":"tlp:clear"}]`, accord.TLPAmber, 0},
		{"unknown TLP", `,"Tag":[{"name":"tlp:unclear"}]`, "", accord.TLPRed, 0},
		{"organisation only", `,"distribution":"0"`, "", accord.TLPAmberStrict, 0},
		{"attribute for the organisation only", "", `,"distribution":"0"`, accord.TLPAmberStrict, 0},
		{"tag beats distribution", `,"distribution":0,"Tag":[{"name":"tlp:clear"}]`, "", accord.TLPClear, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := event(tt.event, attr(1, "domain", "a.example", tt.attr))
			text = dedupe(text)
			items, _ := convert(t, text)
			got := ofType(items, "indicator")[0]
			if got.TLP != tt.want || got.PAP != tt.pap {
				t.Errorf("TLP %v PAP %v, want %v %v", got.TLP, got.PAP, tt.want, tt.pap)
			}
		})
	}
}

// dedupe drops the default distribution when the test gives one.
func dedupe(s string) string {
	if strings.Count(s[:strings.Index(s, `"Attribute"`)], `"distribution"`) > 1 {
		return strings.Replace(s, `"distribution":"3",`, "", 1)
	}
	return s
}

func TestTheEventBecomesAReportThatRefersToItsItems(t *testing.T) {
	items, _ := convert(t, event(`,"Tag":[{"name":"rsit:malicious-code=\"c2-server\""}],"threat_level_id":1`, attr(1, "domain", "a.example", ""), attr(2, "domain", "b.example", `,"deleted":true`)))
	var types []string
	for _, it := range items {
		types = append(types, it.Type)
	}
	if diff := cmp.Diff([]string{"identity", "indicator", "indicator", "report"}, types); diff != "" {
		t.Fatal(diff)
	}
	r := items[3]
	if r.ID != "report--"+eventID || r.Name != "Lamp" || r.CreatedBy != items[0].ID || len(r.Refs) != 4 {
		t.Errorf("report %+v", r)
	}
	if diff := cmp.Diff([]string{`misp:threat-level="high-risk"`, `rsit:malicious-code="c2-server"`, "threat-report"}, r.Labels); diff != "" {
		t.Error(diff)
	}
	if items[1].Revoked || !items[2].Revoked {
		t.Error("a deleted attribute is a revoked indicator, and no other is")
	}
	if items[1].Created != accord.StampOf(mustTime("2026-02-01T00:00:00Z")) || items[1].Version != accord.Stamp(1770800000_000000) {
		t.Errorf("created %v, version %v", items[1].Created, items[1].Version)
	}
}

func TestConvertingAgainGivesTheSameBytes(t *testing.T) {
	b, err := demodata.FS.ReadFile(demodata.Event)
	if err != nil {
		t.Fatal(err)
	}
	first, losses := convert(t, string(b))
	second, _ := convert(t, string(b))
	if diff := cmp.Diff(first, second); diff != "" {
		t.Error(diff)
	}
	t.Logf("%d items, %d losses", len(first), len(losses))
	for _, it := range first {
		again, err := stix.Parse(stix.Raw{Bytes: it.Bytes, Spec: "2.1"}, accord.TLPGreen)
		if err != nil || again.TLP != it.TLP {
			t.Errorf("%s read back: %v, TLP %v", it.ID, err, again.TLP)
		}
	}
}

func TestEveryShapeOfInputIsRead(t *testing.T) {
	e := event("", attr(1, "domain", "a.example", ""))
	for name, text := range map[string]string{
		"wrapped":          `{"Event":` + e + `}`,
		"bare":             e,
		"response":         `{"response":[{"Event":` + e + `},{"Event":` + e + `}]}`,
		"response, object": `{"response":{"Event":` + e + `}}`,
		"array":            `[{"Event":` + e + `},` + e + `]`,
		"spaces":           " \n" + `{"Event":` + e + "}\n\n",
	} {
		items, _ := convert(t, text)
		if want := 1 + strings.Count(text, "a.example"); len(ofType(items, "indicator")) != want-1 {
			t.Errorf("%s: %d indicators, want %d", name, len(ofType(items, "indicator")), want-1)
		}
	}
}

func TestHostileInputIsRefused(t *testing.T) {
	e := event("", attr(1, "domain", "a.example", ""))
	deep := strings.Repeat(`{"a":`, 70) + "1" + strings.Repeat("}", 70)
	for _, tt := range []struct{ name, text, want string }{
		{"cut off", e[:len(e)-20], "the text ends too early"},
		{"broken", `{"response":[` + e + `,{"Event":}]}`, "broken JSON at byte"},
		{"duplicate name", `{"Event":` + strings.Replace(e, `"info"`, `"info":"x","info"`, 1) + `}`, "duplicate"},
		{"names that differ in case", `{"Event":` + strings.Replace(e, `"info"`, `"Info":"x","info"`, 1) + `}`, "stands twice"},
		{"invalid UTF-8", strings.Replace(e, "Lamp", "\xff", 1), "UTF-8"},
		{"too deep", `{"Event":` + strings.Replace(e, `"info"`, `"x":`+deep+`,"info"`, 1) + `}`, "nested deeper than 64"},
		{"a million deep", strings.Repeat(`[`, 1_000_000), "event"},
		{"too big", `{"Event":` + strings.Replace(e, "Lamp", strings.Repeat("x", 5000), 1) + `}`, "over 4096 bytes"},
		{"too many", `[` + strings.Repeat(e+",", 5) + e + `]`, "over 3 events"},
		{"trailing text", e + "{}", "more text"},
		{"no event", `{"a":1}`, "no MISP event"},
		{"no object", `"x"`, "neither an object nor an array"},
		{"uuid", strings.Replace(e, eventID, "../../etc", 1), "uuid"},
		{"byte order mark", "\ufeff" + e, "broken JSON at byte 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var last error
			for _, err := range misp.Read(strings.NewReader(tt.text), misp.Limits{Event: 4096, Events: 3}) {
				if err != nil {
					last = err
				}
			}
			if !errors.Is(last, accord.ErrInvalid) || !strings.Contains(last.Error(), tt.want) {
				t.Errorf("error %v, want one that says %q", last, tt.want)
			}
		})
	}
}

func TestAnEventThatIsNoneDoesNotEndTheReading(t *testing.T) {
	e := event("", attr(1, "domain", "a.example", ""))
	good, bad := 0, 0
	for _, err := range misp.Read(strings.NewReader(`[{"Event":`+e+`},{"a":1},`+e+`]`), misp.Limits{}) {
		if err != nil {
			bad++
		} else {
			good++
		}
	}
	if good != 2 || bad != 1 {
		t.Errorf("%d good, %d bad; want 2 and 1", good, bad)
	}
}

func TestAReaderErrorIsNotTheInputsFault(t *testing.T) {
	var last error
	for _, err := range misp.Read(io.MultiReader(strings.NewReader(`{"Event":{`), iotest.ErrReader(io.ErrClosedPipe)), misp.Limits{}) {
		last = err
	}
	if !errors.Is(last, io.ErrClosedPipe) || errors.Is(last, accord.ErrInvalid) {
		t.Errorf("error %v, want the reader's own", last)
	}
}

// realEvents calls f with each file of real events, or skips.
func realEvents(t testing.TB, f func(name string, r io.Reader)) {
	t.Helper()
	dir := os.Getenv("ACCORD_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	file, err := os.Open(filepath.Join(dir, "misp", "eset-events.tar.gz"))
	if err != nil {
		t.Skip("SKIP: real data not here: set ACCORD_DATA")
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	for a := tar.NewReader(z); ; {
		h, err := a.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			f(h.Name, a)
		}
	}
}

func TestRealEventsConvert(t *testing.T) {
	files, items, refused := 0, map[string]int{}, 0
	losses := map[string]int{}
	realEvents(t, func(name string, r io.Reader) {
		files++
		for e, err := range misp.Read(r, misp.Limits{}) {
			if err != nil {
				refused++
				t.Logf("%s: %v", name, err)
				continue
			}
			made, lost, err := e.Items(misp.Options{TLP: accord.TLPAmber})
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			for _, it := range made {
				items[it.Type]++
				if it.Atomic {
					items["atomic"]++
				}
			}
			for _, l := range lost {
				losses[l.Why]++
			}
		}
	})
	t.Logf("%d files, %d refused, items %v", files, refused, items)
	for why, n := range losses {
		t.Logf("%5d × %s", n, why)
	}
	if refused != 2 || items["report"] < 40 || items["indicator"] < 1000 {
		t.Errorf("refused %d, items %v", refused, items)
	}
}

func FuzzRead(f *testing.F) {
	e := event(`,"Tag":[{"name":"tlp:red"}],"Galaxy":[{"GalaxyCluster":[{"value":"x"}]}]`, attr(1, "domain|ip", "a.example|192.0.2.1", ""), attr(2, "ip-dst|port", "192.0.2.1|80", ""))
	f.Add([]byte(e))
	f.Add([]byte(`{"response":[{"Event":` + e + `}]}`))
	f.Add([]byte(`[1,{"Event":null}]`))
	f.Add([]byte(event(`,"Object":[{"uuid":"0b1c2d3e-0000-4000-b000-000000000001","name":"file","timestamp":"1770800000","comment":"x","Attribute":[`+
		attr(3, "sha1", "da39a3ee5e6b4b0d3255bfef95601890afd80709", `,"object_relation":"sha1"`)+`],"ObjectReference":[{"uuid":"0b1c2d3e-0000-4000-b000-000000000002","referenced_uuid":"0b1c2d3e-0000-4000-9000-000000000001","relationship_type":"x"}]}],`+
		`"EventReport":[{"uuid":"0b1c2d3e-0000-4000-b000-000000000003","content":"x"}],"extends_uuid":"`+eventID+`"`, attr(1, "email-subject", "a", `,"Sighting":[{"type":"1","date_sighting":"1"}],"data":"eA=="`))))
	b, err := demodata.FS.ReadFile(demodata.Event)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		for e, err := range misp.Read(strings.NewReader(string(b)), misp.Limits{Event: 1 << 20}) {
			if err != nil {
				continue
			}
			items, losses, err := e.Items(misp.Options{TLP: accord.TLPAmber})
			if err != nil {
				continue
			}
			if _, _, err := written(items); err != nil {
				t.Fatalf("what was read cannot be written: %v", err)
			}
			if want := len(e.Attributes); len(items)+len(losses) < want {
				t.Fatalf("%d attributes, but %d items and %d losses: one vanished", want, len(items), len(losses))
			}
			for _, it := range items {
				if it.Version == 0 && it.Created != 0 || it.ID == "" || it.Type == "indicator" && it.Atomic && len(it.Observables) == 0 {
					t.Fatalf("item %+v", it)
				}
			}
		}
	})
}
