// SPDX-License-Identifier: Apache-2.0

package pattern_test

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"accord/format/stix"
	"accord/format/stix/pattern"
)

// realPatterns returns the patterns of all real indicators, or skips.
func realPatterns(tb testing.TB) (out []string) {
	tb.Helper()
	dir := os.Getenv("ACCORD_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	if _, err := os.Stat(filepath.Join(dir, "stix")); errors.Is(err, fs.ErrNotExist) {
		tb.Skip("SKIP: real data not here: set ACCORD_DATA")
	}
	names, err := filepath.Glob(filepath.Join(dir, "stix", "*.gz"))
	if err != nil || len(names) == 0 {
		tb.Fatal("no files", err)
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			tb.Fatal(err)
		}
		z, err := gzip.NewReader(f)
		if err != nil {
			tb.Fatal(err)
		}
		if !strings.HasSuffix(name, ".tar.gz") {
			out = append(out, patternsIn(tb, z)...)
		}
		for archive := tar.NewReader(z); strings.HasSuffix(name, ".tar.gz"); {
			h, err := archive.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				tb.Fatal(err)
			}
			if strings.HasSuffix(h.Name, ".json") {
				out = append(out, patternsIn(tb, archive)...)
			}
		}
		if err := f.Close(); err != nil {
			tb.Fatal(err)
		}
	}
	return out
}

func patternsIn(tb testing.TB, r io.Reader) (out []string) {
	tb.Helper()
	for raw, err := range stix.Read(r, stix.Limits{}) {
		if err != nil {
			tb.Logf("not read: %v", err)
			continue
		}
		var o struct {
			Type    string `json:"type"`
			Kind    string `json:"pattern_type"`
			Pattern string `json:"pattern"`
		}
		if err := json.Unmarshal(raw.Bytes, &o); err == nil && o.Type == "indicator" && (o.Kind == "" || o.Kind == "stix") {
			out = append(out, o.Pattern)
		}
	}
	return out
}

func TestEveryRealPatternIsReadAndPrintedAndMatchesNothing(t *testing.T) {
	all := realPatterns(t)
	obs := collect(t, at(1, 1, "a"))
	refused := map[string]int{}
	for _, text := range all {
		p, err := pattern.Parse(text)
		if err != nil {
			refused[err.Error()]++
			t.Logf("%s: %v", text, err)
			continue
		}
		roundTrip(t, p)
		if _, err := p.Match(obs, pattern.Limits{}); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	t.Logf("%d real patterns, %d refused", len(all), len(refused))
	if len(all) < 1000 || len(refused) > len(all)/100 {
		t.Errorf("%d real patterns, refused %v", len(all), refused)
	}
}
