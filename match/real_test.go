// SPDX-License-Identifier: Apache-2.0

package match_test

import (
	"bufio"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"accord"
	"accord/match"
)

// realData returns the directory of real data, and skips the test without it.
func realData(t testing.TB) string {
	t.Helper()
	for _, dir := range []string{os.Getenv("ACCORD_DATA"), "../../shared/data"} {
		if _, err := os.Stat(filepath.Join(dir, "zeek")); dir != "" && err == nil {
			return dir
		}
	}
	t.Skip("SKIP: real data not here: set ACCORD_DATA")
	return ""
}

// unpacked returns the whole of a gzip file.
func unpacked(t testing.TB, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if _, err := bufio.NewReader(z).WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var maltrailKinds = map[string]accord.Kind{
	"domain": accord.KindDomain, "cidr": accord.KindCIDR, "url": accord.KindURL, "ipv4": accord.KindIPv4, "ipv4:port": accord.KindAddrPort,
}

// maltrail returns up to limit real indicators, one change each.
func maltrail(t testing.TB, limit int) []accord.SoughtChange {
	t.Helper()
	text := unpacked(t, filepath.Join(realData(t), "indicators/maltrail.tsv.gz"))
	var out []accord.SoughtChange
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 4 || maltrailKinds[f[0]] == "" || len(out) == limit {
			continue
		}
		o := accord.Observable{Kind: maltrailKinds[f[0]], Value: f[1]}
		id := numberedID(len(out))
		out = append(out, accord.SoughtChange{Seq: int64(len(out) + 1), ID: id, Sought: []accord.Sought{{
			Observable: o, Indicator: accord.ItemKey{ID: id, Version: 1700000000e6}, Name: f[3] + " " + f[1], TLP: accord.TLPClear, ValidFrom: 1500000000e6,
		}}})
	}
	return out
}

func TestRealIndicatorsFillLittleMemory(t *testing.T) {
	all := maltrail(t, 1<<30)
	b := match.NewBuilder(match.NewSalt())
	b.Add(all)
	ix := b.Index(int64(len(all)))
	per := float64(ix.Bytes()) / float64(ix.Size())
	t.Logf("%d values (%d skipped), %d bytes, %.1f each", ix.Size(), ix.Skipped(), ix.Bytes(), per)
	if per > 60 {
		t.Errorf("%.1f bytes an indicator, want at most 60", per)
	}
}
