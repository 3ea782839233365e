// SPDX-License-Identifier: Apache-2.0

package stixbench_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"accord/format/stix"
)

// realFile opens a file of the real data, unpacked; nil when it is not here.
func realFile(b *testing.B, name string) io.Reader {
	b.Helper()
	dir := os.Getenv("ACCORD_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	f, err := os.Open(filepath.Join(dir, "stix", name))
	if err != nil {
		return nil
	}
	b.Cleanup(func() { f.Close() })
	z, err := gzip.NewReader(f)
	if err != nil {
		b.Fatal(err)
	}
	return z
}

// objects returns at most n objects, each on one line, and their size.
func objects(b *testing.B, n int) (out [][]byte, size int) {
	b.Helper()
	in := realFile(b, "attack-mobile.stix21.json.gz")
	if in == nil {
		b.Log("ATT&CK is not here: the corpus of format/stix is measured instead; set ACCORD_DATA")
		f, err := os.Open("../../format/stix/testdata/valid.jsonl")
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { f.Close() })
		in = f
	}
	for raw, err := range stix.Read(bufio.NewReader(in), stix.DefaultLimits) {
		if err != nil {
			b.Fatal(err)
		}
		v := jsontext.Value(raw.Bytes)
		if err := v.Compact(); err != nil {
			b.Fatal(err)
		}
		out, size = append(out, v), size+len(v)
		if len(out) == n {
			break
		}
	}
	return out, size
}

// BenchmarkValidate measures single objects, against the peers.
func BenchmarkValidate(b *testing.B) {
	list, size := objects(b, 500)
	theirs := peers(b, list)
	b.SetBytes(int64(size))
	for b.Loop() {
		for _, o := range list {
			_ = stix.Validate(stix.Raw{Bytes: o})
		}
	}
	ours := float64(b.N*len(list)) / b.Elapsed().Seconds()
	b.ReportMetric(ours, "objects/s")
	for name, seconds := range theirs {
		rate := float64(len(list)) / seconds
		b.ReportMetric(rate, name+"-objects/s")
		b.ReportMetric(ours/rate, "x-"+name)
	}
}

// BenchmarkRead measures a whole bundle of ATT&CK Enterprise, read, upgraded from
// 2.0, checked and compared as one set.
func BenchmarkRead(b *testing.B) {
	in := realFile(b, "attack-enterprise.stix20.json.gz")
	if in == nil {
		b.Skip("SKIP: real data not here: set ACCORD_DATA")
	}
	text, err := io.ReadAll(in)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	count := 0
	for b.Loop() {
		v := stix.NewValidator(stix.DefaultLimits)
		if err := v.Read(bytes.NewReader(text), func(stix.Finding) error { return nil }); err != nil {
			b.Fatal(err)
		}
		count += v.Report().Objects
	}
	b.ReportMetric(float64(count)/b.Elapsed().Seconds(), "objects/s")
}

// peers returns the seconds that the reference implementations take over the
// objects; none when they are not installed.
func peers(b *testing.B, list [][]byte) map[string]float64 {
	b.Helper()
	python := filepath.Join(os.Getenv("ACCORD_PYPEERS"), "bin", "python")
	cmd := exec.CommandContext(b.Context(), python, "testdata/time.py")
	cmd.Stdin = bytes.NewReader(bytes.Join(list, []byte("\n")))
	out, err := cmd.Output()
	if err != nil {
		b.Logf("stix2-validator not installed, so nothing is compared: run make tools (%v)", err)
		return nil
	}
	var seconds map[string]float64
	if err := json.Unmarshal(out, &seconds); err != nil {
		b.Fatal(err)
	}
	return seconds
}
