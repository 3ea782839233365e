// SPDX-License-Identifier: Apache-2.0

package zeek_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"accord"
	"accord/format/zeek"
)

var update = flag.Bool("update", false, "write what is read into testdata")

// read returns what a reader gives, as text: a line for a record, an indented
// one for each value, "! …" for a bad line.
func read(t testing.TB, z *zeek.Reader) (string, error) {
	t.Helper()
	var b strings.Builder
	for {
		rec, err := z.Next()
		var bad *zeek.LineError
		switch {
		case errors.As(err, &bad):
			fmt.Fprintf(&b, "! %d: %s\n", bad.Line, bad.Why)
			continue
		case errors.Is(err, io.EOF):
			return b.String(), z.Close()
		case err != nil:
			return b.String(), err
		}
		fmt.Fprintf(&b, "%s %s uid=%s from=%s\n", rec.Path, rec.At, rec.UID, rec.OrigH)
		for i := range rec.Values {
			v := &rec.Values[i]
			fmt.Fprintf(&b, "\t%s %s %s\n", v.Field, v.Kind, v)
		}
	}
}

func TestEachLogOfTestdataReadsAsItsGoldenFileSays(t *testing.T) {
	files, err := filepath.Glob("testdata/*.log")
	if err != nil || len(files) == 0 {
		t.Fatalf("no testdata: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			in, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, err := read(t, zeek.NewReader(bytes.NewReader(in), file))
			if err != nil {
				t.Fatal(err)
			}
			golden := file + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, in := range [][]byte{pack(t, in), packZstd(t, in)} {
				z := zeek.NewReader(iotest(in), file)
				if packed, err := read(t, z); err != nil || packed != got {
					t.Errorf("packed, a byte at a time: %v\n%s", err, cmp.Diff(got, packed))
				}
			}
		})
	}
}

// iotest gives one byte at a time.
func iotest(b []byte) io.Reader { return &byBytes{b} }

type byBytes struct{ b []byte }

func (r *byBytes) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	p[0], r.b = r.b[0], r.b[1:]
	return 1, nil
}

func pack(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func packZstd(t testing.TB, b []byte) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return z.EncodeAll(b, nil)
}

func TestBombIsRefused(t *testing.T) {
	var text bytes.Buffer
	line := strings.Repeat("x", 100) + "\n"
	for range 400_000 {
		text.WriteString(line)
	}
	for name, b := range map[string][]byte{"gzip": pack(t, text.Bytes()), "zstd": packZstd(t, text.Bytes())} {
		z := zeek.NewReader(bytes.NewReader(b), name)
		if _, err := read(t, z); !errors.Is(err, accord.ErrInvalid) || z.Offset() > 20<<20 {
			t.Errorf("%s: %v after %d bytes", name, err, z.Offset())
		}
	}
}

func TestTornPackedLogGivesItsLinesAndThenTheError(t *testing.T) {
	b := pack(t, []byte(strings.Repeat("seen at bad.example\n", 50_000)))
	z := zeek.NewReader(bytes.NewReader(b[:len(b)-20]), "x.log.gz")
	got, err := read(t, z)
	if err == nil || strings.Count(got, "bad.example") < 1000 {
		t.Errorf("%v after %d values", err, strings.Count(got, "bad.example"))
	}
}

func TestLineTooLongIsSkippedAloneAndTheRestIsRead(t *testing.T) {
	long := strings.Repeat("a", zeek.MaxLine+1)
	for _, text := range []string{
		"one.example\n" + long + "\ntwo.example\n",
		"one.example\n" + long + long + long + "\ntwo.example",
	} {
		z := zeek.NewReader(strings.NewReader(text), "x")
		got, err := read(t, z)
		want := fmt.Sprintf("  uid= from=\n\ttext domain one.example\n! 2: line longer than %d bytes\n  uid= from=\n\ttext domain two.example\n", zeek.MaxLine)
		if err != nil || got != want || z.Offset() != int64(len(text)) || z.Lines() != 3 {
			t.Errorf("%v, %d of %d bytes, %d lines:\n%s", err, z.Offset(), len(text), z.Lines(), got)
		}
	}
	exact := "b.example " + strings.Repeat("a", zeek.MaxLine-10)
	if got, err := read(t, zeek.NewReader(strings.NewReader(exact+"\n"), "x")); err != nil || !strings.Contains(got, "b.example") {
		t.Errorf("line of %d bytes: %v %.100s", len(exact), err, got)
	}
}

func TestDeepJSONIsRefused(t *testing.T) {
	for _, text := range []string{
		strings.Repeat(`{"a":`, 100_000), strings.Repeat(`{"a":`, 70) + "1" + strings.Repeat("}", 70),
		`{"a":` + strings.Repeat("[", 100_000), `{"a":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + "}",
	} {
		got, err := read(t, zeek.NewReader(strings.NewReader(text+"\nok.example\n"), "x"))
		if err != nil || !strings.Contains(got, "nested too deep") || !strings.Contains(got, "ok.example") {
			t.Errorf("%.20s…: %v\n%.200s", text, err, got)
		}
	}
}

func TestReadingIsResumedWithTheHeader(t *testing.T) {
	in, err := os.ReadFile("testdata/dns.log")
	if err != nil {
		t.Fatal(err)
	}
	want, err := read(t, zeek.NewReader(bytes.NewReader(in), "dns.log"))
	if err != nil {
		t.Fatal(err)
	}
	for at := range in {
		if at == 0 || in[at-1] != '\n' {
			continue
		}
		first := zeek.NewReader(bytes.NewReader(in[:at]), "dns.log")
		got, err := read(t, first)
		if err != nil {
			t.Fatal(err)
		}
		rest := io.MultiReader(bytes.NewReader(first.Header()), bytes.NewReader(in[at:]))
		more, err := read(t, zeek.NewReader(rest, "dns.log"))
		if err != nil || strip(got+more) != strip(want) {
			t.Errorf("resumed at %d: %v\n%s", at, err, cmp.Diff(strip(want), strip(got+more)))
		}
	}
}

// strip leaves line numbers out.
func strip(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		if strings.HasPrefix(line, "! ") {
			_, line, _ = strings.Cut(line, ":")
		}
		b.WriteString(line)
	}
	return b.String()
}

func TestReadingAllocatesNothingForARecord(t *testing.T) {
	in, err := os.ReadFile("testdata/dns.log")
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(in), "\n1")
	line := "1767323045.500000\tC1\t192.0.2.7\t5000\t198.51.100.53\t53\tudp\twww.bad.example\t192.0.2.1,x.bad.example\tF\n"
	text := head + "\n" + strings.Repeat(line, 5000)
	js := strings.Repeat(`{"_path":"dns","ts":1767323045.5,"uid":"C1","id.orig_h":"192.0.2.7","id.resp_h":"198.51.100.53","id.resp_p":53,"query":"www.bad.example","answers":["192.0.2.1"],"rejected":false}`+"\n", 5000)
	for name, text := range map[string]string{"tsv": text, "json": js} {
		per := testing.AllocsPerRun(3, func() {
			z := zeek.NewReader(strings.NewReader(text), "dns.log")
			n := 0
			for {
				if _, err := z.Next(); err != nil {
					break
				}
				n++
			}
			if n != 5000 {
				t.Errorf("%s: %d records", name, n)
			}
		})
		if per > 200 {
			t.Errorf("%s: %.0f allocations for 5,000 records", name, per)
		}
	}
}

// FuzzReader reads anything without panic, in bounded values, and says of JSON
// what an independent decoder says.
func FuzzReader(f *testing.F) {
	files, err := filepath.Glob("testdata/*.log")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		for line := range bytes.Lines(b) {
			f.Add(line)
		}
	}
	f.Add([]byte("\x1f\x8b\x08\x00"))
	f.Add([]byte("\x28\xb5\x2f\xfd\x00"))
	f.Add([]byte("#separator \\x09\n#fields\tts\n#types\ttime\tx\n1\n"))
	f.Add([]byte(`{"query":"a\u002eexample","answers":["\ud800.example",{"query":"b.example"}]}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		z := zeek.NewReader(bytes.NewReader(in), "dns.log")
		for {
			rec, err := z.Next()
			if err != nil {
				if _, ok := errors.AsType[*zeek.LineError](err); ok {
					continue
				}
				break
			}
			for i := range rec.Values {
				if v := &rec.Values[i]; len(v.Text) == 0 || v.Kind == "" || v.Field == "" {
					t.Fatalf("value %+v", v)
				}
			}
		}
		if !bytes.HasPrefix(in, []byte{0x1f, 0x8b}) && !bytes.HasPrefix(in, []byte{0x28, 0xb5}) && z.Offset() != int64(len(in)) {
			t.Fatalf("read %d of %d bytes", z.Offset(), len(in))
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		compareJSON(t, in)
	})
}

// compareJSON checks one object on one line against encoding/json.
func compareJSON(t *testing.T, in []byte) {
	if len(in) == 0 || in[0] != '{' || bytes.ContainsAny(in, "\n\r") || len(in) > 4096 {
		return
	}
	strict := jsontext.NewDecoder(bytes.NewReader(in), jsontext.AllowDuplicateNames(false))
	if _, err := strict.ReadValue(); err != nil {
		return // what is not JSON may be refused or read in part
	}
	if _, err := strict.ReadToken(); !errors.Is(err, io.EOF) {
		return
	}
	var m map[string]any
	if json.Unmarshal(in, &m) != nil {
		return
	}
	z := zeek.NewReader(bytes.NewReader(in), "x")
	rec, err := z.Next()
	if err != nil {
		if !strings.Contains(err.Error(), "too deep") {
			t.Fatalf("valid JSON %q: %v", in, err)
		}
		return
	}
	got := map[string]bool{}
	for i := range rec.Values {
		got[rec.Values[i].Field+" "+rec.Values[i].String()] = true
	}
	for _, name := range []string{"query", "server_name"} {
		if v, ok := m[name].(string); ok && isPlainName(v) && !got[name+" "+v] {
			t.Fatalf("%q: no %s %q in %v", in, name, v, got)
		}
	}
}

func isPlainName(s string) bool {
	if !strings.Contains(s, ".") || len(s) > 200 {
		return false
	}
	for _, c := range s {
		if c < 'g' || c > 'z' {
			if c != '.' {
				return false
			}
		}
	}
	return true
}
