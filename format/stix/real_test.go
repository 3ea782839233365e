// SPDX-License-Identifier: Apache-2.0

package stix

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord"
)

// realData opens a file of the real STIX data, unpacked from gzip, or skips.
func realData(tb testing.TB, name string) io.Reader {
	tb.Helper()
	dir := os.Getenv("ACCORD_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	f, err := os.Open(filepath.Join(dir, "stix", name))
	if err != nil {
		tb.Skip("SKIP: real data not here: set ACCORD_DATA")
	}
	tb.Cleanup(func() { f.Close() })
	z, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	return z
}

// tally reads every object and counts items, items with values, and refusals.
func tally(t *testing.T, r io.Reader, why map[string]int) (items, valued int) {
	t.Helper()
	for raw, err := range Read(r, Limits{}) {
		if err != nil {
			t.Errorf("Read: %v", err)
			continue
		}
		it, err := Parse(raw, accord.TLPAmber)
		if err != nil {
			var p *Problem
			if !errors.As(err, &p) {
				t.Errorf("Parse: %v is not a Problem", err)
			}
			why[p.Path+": "+p.Message]++
			continue
		}
		items++
		if it.Type == "indicator" && len(it.Observables) > 0 {
			valued++
		}
		again, err := Parse(Raw{Bytes: it.Bytes}, accord.TLPAmber)
		if err != nil || again.Spec != "2.1" || again.Version != it.Version || again.Name != it.Name {
			t.Errorf("%s: reading the Item's bytes again gives %+v, %v", it.ID, again.ItemKey, err)
		}
	}
	return items, valued
}

func TestEveryObjectOfATTACKIsRead(t *testing.T) {
	for name, want := range map[string]int{
		"attack-enterprise.stix20.json.gz": 24771,
		"attack-ics.stix21.json.gz":        0,
		"attack-mobile.stix21.json.gz":     0,
	} {
		t.Run(name, func(t *testing.T) {
			why := map[string]int{}
			n, _ := tally(t, realData(t, name), why)
			t.Logf("%d objects", n)
			if len(why) > 0 {
				t.Errorf("refused: %v", why)
			}
			if want > 0 && n != want || n < 1000 {
				t.Errorf("read %d objects, want %d", n, want)
			}
		})
	}
}

func TestReportsOfUnit42AreRead(t *testing.T) {
	tr := tar.NewReader(realData(t, "unit42-reports.tar.gz"))
	why := map[string]int{}
	items, valued, files := 0, 0, 0
	for {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(h.Name, ".json") {
			continue
		}
		files++
		i, v := tally(t, tr, why)
		items, valued = items+i, valued+v
	}
	t.Logf("%d files, %d objects, %d indicators with values; refused: %v", files, items, valued, why)
	// The refusals are right: these identities give a list as their class, and
	// these campaigns were last seen before they were first seen.
	want := map[string]int{"identity_class: want a string": 13, "last_seen: last_seen is before first_seen": 3}
	if d := cmp.Diff(want, why); d != "" || files < 80 || valued < 2700 {
		t.Errorf("refused, -want +got:\n%s", d)
	}
}
