// SPDX-License-Identifier: Apache-2.0

package feed_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/feed"
	"accord/format/list"
)

var update = flag.Bool("update", false, "write golden files")

func TestEveryEntryOfTheCatalogueCanBeRunAndIsOff(t *testing.T) {
	entries := feed.Catalogue()
	if len(entries) < 25 {
		t.Fatalf("%d entries", len(entries))
	}
	for _, e := range entries {
		f := e.Feed()
		if f.Enabled || f.PlainHTTP {
			t.Errorf("%s is on, or goes unprotected", e.Name)
		}
		if err := feed.Check(f); err != nil {
			t.Error(err)
		}
		if got, err := feed.FromCatalogue(e.Name); err != nil || got.URL != e.URL {
			t.Errorf("%s: %+v, %v", e.Name, got, err)
		}
	}
	if _, err := feed.FromCatalogue("none"); !errors.Is(err, accord.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

// Each list of the catalogue has a sample in the form that its publisher documents,
// with values of our own; what is read of it is golden.
func TestEveryListOfTheCatalogueReadsItsForm(t *testing.T) {
	var got strings.Builder
	for _, e := range feed.Catalogue() {
		if e.Kind != accord.FeedList {
			continue
		}
		f, err := os.Open(filepath.Join("testdata", "catalogue", e.Name+".txt"))
		if err != nil {
			t.Error(err)
			continue
		}
		n := 0
		for row, err := range list.ReadAs(f, list.Limits{}, e.List) {
			if err != nil {
				t.Errorf("%s: %v", e.Name, err)
				continue
			}
			n++
			fmt.Fprintf(&got, "%s\t%s\t%s\t%s\t%s\n", e.Name, row.Values[0].Kind, row.Values[0].Value, row.Category, row.Family)
		}
		if n == 0 {
			t.Errorf("%s: nothing is read of its sample", e.Name)
		}
		_ = f.Close()
	}
	golden := filepath.Join("testdata", "catalogue.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil { //nolint:gosec // a file of the repository
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("run with -update if this is meant (-want +got):\n%s", diff)
	}
}

const entry = `[[feed]]
name = "a"
title = "A"
publisher = "P"
url = "https://feeds.example/a"
docs = "https://feeds.example/"
kind = "list"
every = "1h"
tlp = "clear"
size = 1
key = "none"
terms = "free"
`

func TestACatalogueIsReadStrictly(t *testing.T) {
	if got, err := feed.ParseCatalogue(entry); err != nil || len(got) != 1 || got[0].Name != "a" {
		t.Fatalf("%+v, %v", got, err)
	}
	for name, text := range map[string]string{
		"twice":       entry + entry,
		"unknown key": entry + "colour = \"red\"\n",
		"no terms":    strings.Replace(entry, `terms = "free"`, "", 1),
		"plain http":  strings.Replace(entry, "https://feeds.example/a", "http://feeds.example/a", 1),
		"kind":        strings.Replace(entry, `kind = "list"`, `kind = "rss"`, 1),
		"key":         strings.Replace(entry, `key = "none"`, `key = "perhaps"`, 1),
		"often":       strings.Replace(entry, "1h", "1m", 1),
		"TLP":         strings.Replace(entry, "clear", "pink", 1),
		"no TOML":     "[[feed",
	} {
		if _, err := feed.ParseCatalogue(text); !errors.Is(err, accord.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseCatalogue(f *testing.F) {
	f.Add(entry)
	f.Add(entry + "[feed.list]\ncolumn = \"2\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		entries, err := feed.ParseCatalogue(text)
		if err != nil {
			if !errors.Is(err, accord.ErrInvalid) {
				t.Fatalf("%v is no refusal", err)
			}
			return
		}
		for _, e := range entries {
			if err := feed.Check(e.Feed()); err != nil {
				t.Fatalf("taken, and cannot be run: %v", err)
			}
		}
	})
}
