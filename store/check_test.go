// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"accord"
	"accord/store"
	"accord/store/storetest"
)

// problems checks a store and returns what is wrong, as "check: where".
func problems(t *testing.T, d *store.DB) (out []string) {
	t.Helper()
	c := &store.Checking{Self: "cert.ma.example", Deep: true, Report: func(p store.Problem) {
		if p.What == "" || p.Do == "" {
			t.Errorf("%+v does not say what to do", p)
		}
		out = append(out, fmt.Sprintf("%s: %s: %s", p.Check, p.Where, p.What))
	}}
	if err := d.Check(context.WithoutCancel(t.Context()), c); err != nil { // of a test that has ended, too
		t.Fatal(err)
	}
	if c.Problems < int64(len(out)) || c.Checks < 20 {
		t.Errorf("%d problems, %d checks", c.Problems, c.Checks)
	}
	return out
}

func TestASoundStoreHasNoProblems(t *testing.T) {
	for name, engine := range engines {
		t.Run(name, func(t *testing.T) {
			if got := problems(t, storetest.Open(t, filled(t, engine))); len(got) > 0 {
				t.Errorf("%s", strings.Join(got, "\n"))
			}
		})
	}
}

// A name that is an alias too, written otherwise, is one term and one entry.
func TestAnItemWithOneNameTwiceIsSound(t *testing.T) {
	d := storetest.Open(t, filled(t, engines["sqlite"]))
	b := `{"type":"malware","spec_version":"2.1","id":"malware--10000000-0000-4000-8000-00000000abcd","created":"2026-01-02T03:04:05.000Z",` +
		`"modified":"2026-01-02T03:04:05.000Z","is_family":true,"name":"Lamp Black","aliases":["LAMP-BLACK","lampblack","Lamp Black"]}`
	it := accord.Item{
		ItemKey: accord.ItemKey{ID: "malware--10000000-0000-4000-8000-00000000abcd", Version: 1_700_000_000_000_000}, Type: "malware", Created: 1, Name: "Lamp Black",
		Source: "desk", Labels: []string{"twice", "twice"}, Bytes: []byte(b),
	}
	if _, err := d.Ingest(t.Context(), []accord.Item{it}, 1_800_000_000_000_000); err != nil {
		t.Fatal(err)
	}
	if got := problems(t, d); len(got) > 0 {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
}

// Each thing that can be wrong, made wrong.
var damages = []struct{ check, query string }{
	{"feed", "DELETE FROM change WHERE seq = 5"},
	{"feed", "UPDATE counter SET n = n - 1 WHERE name = 'seq'"},
	{"cursor", "UPDATE stage SET seq = 1000000 WHERE name LIKE 'decide:%'"},
	{"counter", "UPDATE counter SET n = 0 WHERE name = 'audit'"},
	{"item-latest", "UPDATE item SET latest = 0 WHERE name = 'host1.example'"},
	{"item-latest", "UPDATE item SET latest = 1 WHERE name = 'host2.example'"},
	{"item-seq", "UPDATE item SET seq = 1000000 WHERE name = 'host1.example'"},
	{"index", "DELETE FROM observable WHERE value = 'host1.example'"},
	{"index", "INSERT INTO observable (value, item) VALUES ('stray.example', 3)"},
	{"index", "UPDATE observable SET value = 'other.example' WHERE value = 'host1.example'"},
	{"index", "DELETE FROM ref"},
	{"index", "DELETE FROM posting WHERE term LIKE 't:report%'"},
	{"author", "UPDATE author SET n = n + 1"},
	{"author", "DELETE FROM author"},
	{"tally", "UPDATE tally SET n = n + 1 WHERE kind = 'items'"},
	{"tally", "DELETE FROM tally WHERE kind = 'disclosed'"},
	{"tally", "UPDATE tally SET n = 99 WHERE kind = 'matched'"},
	{"disclosure-item", "UPDATE disclosure SET item_version = 7 WHERE idx = 0"},
	{"disclosure-stamp", "UPDATE disclosure SET stamp = 1"},
	{"disclosure-state", "UPDATE disclosure SET confirmed = 5 WHERE idx = 0"},
	{"disclosure-sum", "UPDATE disclosure SET bytes = sum WHERE idx = 0"},
	{"disclosure-leaf", "DELETE FROM leaf WHERE idx = 0 AND origin = 'cert.ma.example/to/cert.il.example'"},
	{"leaf-disclosure", "DELETE FROM disclosure WHERE idx = 1"},
	{"leaf-received", "DELETE FROM received WHERE idx = 2"},
	{"received-leaf", "UPDATE received SET idx = 500 WHERE idx = 2"},
	{"received-state", "UPDATE received SET confirmed = 5 WHERE idx = 1"},
	{"log", "UPDATE head SET size = size + 1"},
	{"log", "DELETE FROM leaf WHERE idx = 1"},
	{"log", "DELETE FROM head"},
	{"withheld-item", "UPDATE withheld SET item_id = 'indicator--none'"},
	{"protection-item", "UPDATE protection SET item = 'indicator--none' WHERE value = 'a.example'"},
	{"protection-zone", "INSERT INTO protection SELECT 'hot', kind, value, item, version, long, source, added, expires, n FROM protection WHERE value = 'b.example'"},
	{"zone-entries", "UPDATE zone SET entries = entries + 1"},
	{"journal", "UPDATE journal SET serial = serial + 900"},
	{"journal", "DELETE FROM protection WHERE value = 'b.example'"},
	{"suspension", "DELETE FROM agreement"},
}

// repairable are the checks whose problems Repair mends.
var repairable = []string{"index", "author", "tally", "zone-entries"}

func TestWhateverIsWrongIsFoundAndWhatIsDerivedIsRepaired(t *testing.T) {
	for name, engine := range engines {
		t.Run(name, func(t *testing.T) {
			for i, x := range damages {
				if name == "postgres" && i%6 != 0 { // the same rules: TestASoundStore runs them all
					continue
				}
				d := storetest.Open(t, filled(t, engine))
				if err := d.Alter(t.Context(), x.query); err != nil {
					t.Fatalf("%s: %v", x.query, err)
				}
				is := func(p string) bool { return strings.HasPrefix(p, x.check+": ") }
				if got := problems(t, d); !slices.ContainsFunc(got, is) {
					t.Errorf("%s\nnot found as %s: %q", x.query, x.check, got)
				}
				if !slices.Contains(repairable, x.check) {
					continue
				}
				if err := d.Repair(t.Context()); err != nil {
					t.Error(err)
				}
				if left := problems(t, d); len(left) > 0 {
					t.Errorf("%s\nleft after a repair: %q", x.query, left)
				}
			}
		})
	}
}

func TestBytesAreHeldAgainstTheColumns(t *testing.T) {
	d := storetest.Open(t, filled(t, storetest.SQLite))
	other := accord.Observable{Kind: accord.KindDomain, Value: "other.example"}
	var told []store.Problem
	c := &store.Checking{Deep: true, Report: func(p store.Problem) { told = append(told, p) }, Read: func(it accord.Item) (accord.Item, error) {
		if it.Name == "host1.example" {
			it.Observables = []accord.Observable{other}
		}
		if it.Name == "host5.example" {
			return it, accord.ErrInvalid
		}
		return it, nil
	}}
	if err := d.Check(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if len(told) != 2 || c.Problems != 2 || !strings.HasSuffix(told[0].Where, "0001") || !strings.HasSuffix(told[1].Where, "0005") {
		t.Errorf("%+v", told)
	}
}
