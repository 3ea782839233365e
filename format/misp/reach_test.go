// SPDX-License-Identifier: Apache-2.0

package misp_test

import (
	"fmt"
	"testing"

	"accord"
	"accord/format/misp"
	"accord/format/stix"
)

func TestWhatIsStricterThanItsEventReachesNoFurtherThanItMay(t *testing.T) {
	made := `"spec_version":"2.1","created":"2026-01-02T03:04:05.000Z","modified":"2026-01-02T03:04:05.000Z"`
	parse := func(text string, tlp accord.TLP) accord.Item {
		it, err := stix.Parse(stix.Raw{Bytes: []byte(text), Spec: "2.1"}, tlp)
		if err != nil {
			t.Fatal(err)
		}
		return it
	}
	want := map[string]string{}
	var members []accord.Item
	refs := ""
	for i, m := range []struct {
		tlp   accord.TLP
		reach string
	}{{accord.TLPClear, "5"}, {accord.TLPGreen, "5"}, {accord.TLPAmber, "1"}, {accord.TLPAmberStrict, "0"}, {accord.TLPRed, "0"}} {
		id := fmt.Sprintf("indicator--00000000-0000-4000-8000-%012d", i)
		value := fmt.Sprintf("h%d.example", i)
		members = append(members, parse(fmt.Sprintf(
			`{"type":"indicator","id":%q,%s,"pattern":"[domain-name:value = '%s']","pattern_type":"stix","valid_from":"2026-01-02T03:04:05Z"}`, id, made, value), m.tlp))
		refs += fmt.Sprintf("%q,", id)
		want[value] = m.reach
	}
	head := parse(fmt.Sprintf(`{"type":"report","id":"report--00000000-0000-4000-8000-000000000009",%s,"name":"r","published":"2026-01-02T03:04:05Z","object_refs":[%s]}`,
		made, refs[:len(refs)-1]), accord.TLPGreen)
	e, _, err := misp.WriteEvent(&head, members, misp.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for a := range e.All {
		n++
		if a.Distribution != want[a.Value] {
			t.Errorf("%s has distribution %s, want %s", a.Value, a.Distribution, want[a.Value])
		}
	}
	if e.Distribution != "3" || n != len(want) {
		t.Errorf("an event of distribution %s with %d attributes", e.Distribution, n)
	}
}
