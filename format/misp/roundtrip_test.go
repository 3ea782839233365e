// SPDX-License-Identifier: Apache-2.0

package misp_test

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/format/misp"
)

// samples are values for types that a plain text would not do for.
var samples = map[string]string{
	"ip-src": "192.0.2.7", "ip-dst": "2001:db8::7", "ip-src|port": "192.0.2.7|8080", "ip-dst|port": "2001:db8::7|53",
	"domain": "Lamp.Example", "hostname": "www.lamp.example", "domain|ip": "lamp.example|192.0.2.7", "hostname|port": "www.lamp.example|443",
	"url": "http://lamp.example/a?b=c'd", "link": "https://lamp.example/report", "uri": "/gate.php", "AS": "AS64496", "port": "443",
	"mac-address": "00:00:5e:00:53:01", "regkey|value": `HKLM\Software\Lamp|C:\lamp|1.exe`, "regkey": `HKLM\Software\Lamp`,
	"vulnerability": "CVE-2026-0001", "cpe": "cpe:2.3:a:lamp:lamp:1.0:*:*:*:*:*:*:*", "size-in-bytes": "4096", "datetime": "2026-02-01T00:00:00.000000+00:00",
	"onion-address": "lampexamplelampexamplelampexamplelampexamplelampexamplela.onion", "stix2-pattern": "[domain-name:value = 'lamp.example']",
	"yara": "rule lamp { condition: true }", "malware-sample": "lamp|1.exe|d41d8cd98f00b204e9800998ecf8427e", "email": "Keeper@Lamp.Example",
}

var hexLengths = map[string]int{
	"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128, "sha512/224": 56, "sha512/256": 64,
	"sha3-224": 56, "sha3-256": 64, "sha3-384": 96, "sha3-512": 128, "x509-fingerprint-md5": 32, "x509-fingerprint-sha1": 40, "x509-fingerprint-sha256": 64,
}

func sample(typ string) string {
	if v := samples[typ]; v != "" {
		return v
	}
	name, hash, both := strings.Cut(typ, "|")
	if n := hexLengths[name]; n > 0 {
		return strings.Repeat("AB", n/2)
	}
	if both && name == "filename" {
		if n := hexLengths[hash]; n > 0 {
			return "lamp's|1.exe|" + strings.Repeat("ab", n/2)
		}
		return "lamp.exe|" + hash + " value"
	}
	if strings.Contains(typ, "email") && !strings.Contains(typ, "email-") || slices.Contains([]string{"email-src", "email-dst", "email-reply-to"}, typ) {
		return "keeper@lamp.example"
	}
	return `a "value" of '` + typ + `' \ é`
}

// plain is what the law keeps of an attribute.
type plain struct {
	UUID, Type, Category, Value, Timestamp, Comment string
	ToIDS, Deleted                                  bool
	Tags                                            []string
}

// back converts an event to items and writes it again.
func back(t *testing.T, text string) (misp.EventJSON, []misp.Loss) {
	t.Helper()
	items, losses := convert(t, text)
	e, more, err := written(items)
	if err != nil {
		t.Fatal(err)
	}
	return e, append(losses, more...)
}

// written writes the event of the report among items.
func written(items []accord.Item) (misp.EventJSON, []misp.Loss, error) {
	for i := range items {
		if items[i].Type == "report" {
			return misp.WriteEvent(&items[i], items, misp.WriteOptions{})
		}
	}
	return misp.WriteEvent(nil, items, misp.WriteOptions{})
}

// TestEveryTypeSurvivesTheRoundTrip is the law: from MISP to STIX and back, type,
// value, category, to_ids, tags, uuid, comment and timestamp are as they were.
func TestEveryTypeSurvivesTheRoundTrip(t *testing.T) {
	if n := len(misp.Types()); n != 194 {
		t.Fatalf("%d types, want the 194 of MISP 2.5", n)
	}
	if n := len(misp.Categories()); n != 16 {
		t.Fatalf("%d categories, want 16", n)
	}
	for i, typ := range misp.Types() {
		for _, ids := range []bool{true, false} {
			for _, deleted := range []bool{false, true} {
				want := plain{
					UUID: fmt.Sprintf("0b1c2d3e-0000-4000-9000-%012d", i), Type: typ.Name, Category: typ.Categories[len(typ.Categories)-1],
					Value: sample(typ.Name), Timestamp: fmt.Sprint(1770800000 + i), Comment: "a word", ToIDS: ids, Deleted: deleted, Tags: []string{`lamp:colour="Red"`, "tlp:red"},
				}
				b, err := json.Marshal(map[string]any{
					"uuid": want.UUID, "type": want.Type, "category": want.Category, "value": want.Value, "timestamp": want.Timestamp, "comment": want.Comment,
					"to_ids": ids, "deleted": deleted, "Tag": []map[string]string{{"name": want.Tags[0]}, {"name": want.Tags[1]}},
				})
				if err != nil {
					t.Fatal(err)
				}
				e, losses := back(t, event(`,"Tag":[{"name":"tlp:green"}]`, string(b)))
				var got []plain
				for a := range e.All {
					p := plain{a.UUID, a.Type, a.Category, a.Value, a.Timestamp, a.Comment, a.ToIDS, a.Deleted, nil}
					for _, tag := range a.Tags {
						p.Tags = append(p.Tags, tag.Name)
					}
					slices.Sort(p.Tags)
					got = append(got, p)
				}
				if diff := cmp.Diff([]plain{want}, got); diff != "" {
					t.Errorf("%s, to_ids %v: losses %v\n%s", typ.Name, ids, losses, diff)
				}
			}
		}
	}
}

// wire is an event as read for comparing.
type wire struct {
	UUID       string     `json:"uuid"`
	Info       string     `json:"info"`
	Date       string     `json:"date"`
	Timestamp  string     `json:"timestamp"`
	Attributes []wireAttr `json:"Attribute"`
	Objects    []struct {
		UUID       string     `json:"uuid"`
		Name       string     `json:"name"`
		Comment    string     `json:"comment"`
		Attributes []wireAttr `json:"Attribute"`
		References []struct {
			To   string `json:"referenced_uuid"`
			Kind string `json:"relationship_type"`
		} `json:"ObjectReference"`
	} `json:"Object"`
}

type wireAttr struct {
	UUID      string `json:"uuid"`
	Type      string `json:"type"`
	Category  string `json:"category"`
	Value     string `json:"value"`
	Timestamp string `json:"timestamp"`
	ToIDS     bool   `json:"to_ids"`
	Comment   string `json:"comment"`
	Relation  string `json:"object_relation"`
}

// lines says what an event holds, one line each.
func lines(e wire) []string {
	out := []string{fmt.Sprintf("event %s %q %s %s", e.UUID, e.Info, e.Date, e.Timestamp)}
	add := func(a wireAttr, in string) {
		a.UUID = strings.ToLower(a.UUID)
		out = append(out, fmt.Sprintf("attribute %s%+v", in, a))
	}
	for _, a := range e.Attributes {
		add(a, "")
	}
	for _, o := range e.Objects {
		out = append(out, fmt.Sprintf("object %s %s %q", o.UUID, o.Name, o.Comment))
		for _, a := range o.Attributes {
			add(a, o.UUID+" ")
		}
		for _, r := range o.References {
			out = append(out, fmt.Sprintf("reference %s %s %s", o.UUID, r.Kind, r.To))
		}
	}
	slices.Sort(out)
	return out
}

func TestRealEventsSurviveTheRoundTrip(t *testing.T) {
	events, same, all := 0, 0, 0
	realEvents(t, func(name string, r io.Reader) {
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		for e, err := range misp.Read(strings.NewReader(string(b)), misp.Limits{}) {
			if err != nil {
				continue
			}
			type document struct {
				Event wire `json:"Event"`
			}
			var before struct {
				document
				Response []document `json:"response"`
			}
			if err := json.Unmarshal(b, &before); err != nil {
				t.Logf("%s: not compared: %v", name, err)
				continue
			}
			for _, d := range before.Response {
				if d.Event.UUID == string(e.UUID) {
					before.Event = d.Event
				}
			}
			if before.Event.UUID == "" {
				t.Fatalf("%s: event %s not found again", name, e.UUID)
			}
			items, _, err := e.Items(misp.Options{TLP: accord.TLPAmber})
			if err != nil {
				t.Fatal(err)
			}
			ev, losses, err := written(items)
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(ev)
			if err != nil {
				t.Fatal(err)
			}
			var after wire
			unmarshal(t, text, &after)
			events++
			want, got := lines(before.Event), lines(after)
			all += len(want)
			for _, l := range want {
				if _, ok := slices.BinarySearch(got, l); ok {
					same++
				} else if testing.Verbose() {
					t.Logf("%s: lost or changed: %.300s", name, l)
				}
			}
			for _, l := range losses {
				t.Logf("%s: %+v", name, l)
			}
		}
	})
	t.Logf("%d events: %d of %d attributes, objects and references came back as they were", events, same, all)
	if same*1000 < all*998 {
		t.Error("less than 99.8 % came back")
	}
}
