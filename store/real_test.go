// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"compress/gzip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/format/stix"
	"accord/search"
	"accord/store/storetest"
)

// In ATT&CK for industrial control systems, words find exactly what reading every
// object finds, and techniques and software are found by number and alias.
func TestWordsOfATTACKFindWhatReadingItFinds(t *testing.T) {
	dir := os.Getenv("ACCORD_DATA")
	if dir == "" {
		dir = "../../shared/data"
	}
	f, err := os.Open(filepath.Join(dir, "stix", "attack-ics.stix21.json.gz"))
	if err != nil {
		t.Skip("SKIP: real data not here: set ACCORD_DATA")
	}
	defer f.Close()
	z := value(gzip.NewReader(f))(t)
	byID := map[string]accord.Item{}
	for raw, err := range stix.Read(z, stix.DefaultLimits) {
		if err != nil {
			continue
		}
		if it, err := stix.Parse(raw, accord.TLPClear); err == nil && it.Version >= byID[it.ID].Version {
			it.Source = "attack"
			byID[it.ID] = it
		}
	}
	var items []accord.Item
	for _, it := range byID {
		items = append(items, it)
	}
	d := storetest.Open(t, storetest.SQLite(t))
	for part := range slices.Chunk(items, 1000) {
		if _, err := d.Ingest(t.Context(), part, 1); err != nil {
			t.Fatal(err)
		}
	}
	all := func(q string) (out []string) {
		t.Helper()
		for after := ""; ; {
			page, next, err := d.Search(t.Context(), accord.Query{Q: q, After: after, Limit: 500})
			if err != nil {
				t.Fatal(err)
			}
			for _, it := range page {
				out = append(out, it.ID)
			}
			if after = next; next == "" {
				slices.Sort(out)
				return out
			}
		}
	}
	for _, q := range []string{"firmware", "Stuxnet", `"safety instrumented"`, "engineering workstation", "T0800", "plc -firmware", "modbu"} {
		parsed := value(search.Parse(q))(t)
		var want []string
		for i := range items {
			words := search.TextOf(&items[i]).Words()
			if !slices.ContainsFunc(parsed.Terms, func(x search.Term) bool { return search.Follow(words, x.Words, x.Prefix) == x.Not }) {
				want = append(want, items[i].ID)
			}
		}
		slices.Sort(want)
		if diff := cmp.Diff(want, all(q)); diff != "" || len(want) == 0 {
			t.Errorf("%s: %d items (-read +found):\n%s", q, len(want), diff)
		}
	}
	for q, least := range map[string]int{"technique:T0800 type:malware": 1, "family:stuxnet type:attack-pattern": 10, "family:stuxnet type:malware": 1} {
		if got := all(q); len(got) < least {
			t.Errorf("%s: %d items, want %d at least", q, len(got), least)
		}
	}
}
