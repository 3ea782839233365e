// SPDX-License-Identifier: Apache-2.0

package stix

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"accord"
)

// readAll gives the objects and the errors of a stream, in order, an error as
// "! " and its text.
func readAll(r io.Reader, lim Limits) (out []string) {
	for raw, err := range Read(r, lim) {
		if err != nil {
			out = append(out, "! "+err.Error())
			continue
		}
		out = append(out, raw.Spec+string(raw.Bytes))
	}
	return out
}

func TestReadFindsTheObjectsOfEveryContainer(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     []string
	}{
		{"bundle 2.0", `{"type":"bundle","id":"bundle--x","spec_version":"2.0","objects":[{"a":1}, {"b":2}]}`, []string{`2.0{"a":1}`, `2.0{"b":2}`}},
		{"bundle 2.1", `{"type":"bundle","id":"bundle--x","objects":[{"a":1}]}`, []string{`{"a":1}`}},
		{"bundle, objects first", `{"objects":[{"a":1}],"type":"bundle"}`, []string{`{"a":1}`}},
		{"empty bundle", `{"type":"bundle","id":"bundle--x"}`, nil},
		{"envelope", `{"more":true,"next":"7","objects":[{"a":1},{"b":[{}]}]}`, []string{`{"a":1}`, `{"b":[{}]}`}},
		{"empty envelope", `{}`, nil},
		{"last envelope", `{"more":false}`, nil},
		{"list", ` [ {"a":1} , {"b":2} ] `, []string{`{"a":1}`, `{"b":2}`}},
		{"empty list", `[]`, nil},
		{"one object", " {\n \"type\":\"x\" ,\"z\" : [1] }\n", []string{"{\n \"type\":\"x\" ,\"z\" : [1] }"}},
		{"observed data", `{"type":"observed-data","objects":{"0":{}}}`, []string{`{"type":"observed-data","objects":{"0":{}}}`}},
		{"an object with a list of objects", `{"type":"x-thing","objects":[{}]}`, []string{`{"type":"x-thing","objects":[{}]}`}},
		{"lines", "{\"a\":1}\n{\"b\":2}\n{\"c\":3}", []string{`{"a":1}`, `{"b":2}`, `{"c":3}`}},
		{"bundles in a row", `{"type":"bundle","spec_version":"2.0","objects":[{"a":1}]}{"type":"bundle","objects":[{"b":2}]}`, []string{`2.0{"a":1}`, `{"b":2}`}},
		{"nothing", " \n ", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, readAll(strings.NewReader(tt.in), Limits{})); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
			if d := cmp.Diff(tt.want, readAll(iotest.OneByteReader(strings.NewReader(tt.in)), Limits{})); d != "" {
				t.Errorf("byte by byte, -want +got:\n%s", d)
			}
		})
	}
}

func TestABadObjectDoesNotEndTheStream(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 80) + "1" + strings.Repeat("}", 80)
	for name, tt := range map[string]struct{ bad, says string }{
		"a name twice":             {`{"tlp":"red","tlp":"clear"}`, "the same name twice"},
		"a name twice, escaped":    {`{"tlp":"red","t\u006cp":"clear"}`, "the same name twice"},
		"a nested name twice":      {`{"x":[{"a":1,"a":2}]}`, "the same name twice"},
		"names by case":            {`{"tlp":"red","TLP":"clear"}`, "differ only in case"},
		"names by case, escaped":   {`{"tlp":"red","\u0054lp":"clear"}`, "differ only in case"},
		"bad UTF-8":                {"{\"a\":\"\xff\"}", "UTF-8"},
		"half a surrogate":         {`{"a":"\ud800"}`, "surrogate"},
		"1e400":                    {`{"a":1e400}`, "does not fit a double"},
		"deep":                     {deep, "deeper than 64"},
		"no object":                {`7`, "want an object"},
		"a list instead of object": {`[{"a":1}]`, "want an object"},
		"too large":                {`{"a":"` + strings.Repeat("x", 2000) + `"}`, "at most 1500"},
	} {
		t.Run(name, func(t *testing.T) {
			in := `{"type":"bundle","objects":[{"one":1},` + tt.bad + `,{"two":2}]}`
			got := readAll(strings.NewReader(in), Limits{Object: 1500})
			if len(got) != 3 || got[0] != `{"one":1}` || got[2] != `{"two":2}` || !strings.Contains(got[1], tt.says) || !strings.Contains(got[1], "byte ") {
				t.Errorf("got %q, want the bad one refused for %q, with its place, and the rest read", got, tt.says)
			}
		})
	}
}

func TestWhatEndsTheStreamIsSaidOnce(t *testing.T) {
	for name, tt := range map[string]struct {
		in, says string
		lim      Limits
		first    bool // the first object is read
	}{
		"cut off":             {in: `[{"a":1},{"b":`, says: "ends in the middle", first: true},
		"cut off in a bundle": {in: `{"type":"bundle","objects":[{"a":1}`, says: "ends in the middle", first: true},
		"a syntax error":      {in: `[{"a":1},{"b":}]`, says: "byte 14", first: true},
		"text behind":         {in: `{"a":1} x`, says: "byte 8", first: true},
		"a byte order mark":   {in: "\xef\xbb\xbf[{\"a\":1}]", says: "byte order mark"},
		"UTF-16":              {in: "\xff\xfe[\x00", says: "byte order mark"},
		"a number":            {in: `7`, says: "want a JSON object"},
		"too many":            {in: `[{"a":1},{"a":2}]`, says: "more than 1 objects", lim: Limits{Objects: 1}, first: true},
		"too much":            {in: `[{"a":1},` + strings.Repeat(" ", 100) + `{"a":2}]`, says: "more than 50 bytes", lim: Limits{Total: 50}, first: true},
		"a giant object":      {in: `[{"a":1},{"b":"` + strings.Repeat("x", 1<<20), says: "larger than allowed", lim: Limits{Object: 1000}, first: true},
		"a giant single one":  {in: `{"b":"` + strings.Repeat("x", 1<<20), says: "larger than allowed", lim: Limits{Object: 1000}},
		"objects twice":       {in: `{"objects":[{"a":1}],"objects":[{"b":1}]}`, says: "second list", first: true},
		"a million deep":      {in: strings.Repeat("[", 1<<20), says: "depth"},
		"a list in no bundle": {in: `{"objects":[{"a":1}],"type":"malware"}`, says: "only a bundle", first: true},
	} {
		t.Run(name, func(t *testing.T) {
			got := readAll(strings.NewReader(tt.in), tt.lim)
			if tt.first {
				if len(got) == 0 || got[0] != `{"a":1}` {
					t.Fatalf("got %.200q, want the first object before the error", got)
				}
				got = got[1:]
			}
			// A million lists, one in the other: each level is first a wrong element.
			if len(got) == 0 || !strings.Contains(got[len(got)-1], tt.says) || len(got) > 1 && name != "a million deep" {
				t.Errorf("got %.300q, want one error: %s", got, tt.says)
			}
		})
	}
}

func TestAnErrorOfTheReaderComesThrough(t *testing.T) {
	broken := errors.New("the line is cut")
	r := io.MultiReader(strings.NewReader(`[{"a":1},`), iotest.ErrReader(broken))
	var last error
	for _, err := range Read(r, Limits{}) {
		last = err
	}
	if !errors.Is(last, broken) {
		t.Errorf("got %v, want the reader's error", last)
	}
	if errors.Is(last, accord.ErrInvalid) {
		t.Error("an error of the line is called invalid input")
	}
}

func TestReadStopsWhenTheConsumerDoes(t *testing.T) {
	n := 0
	for range Read(strings.NewReader(`[{"a":1},{"a":2},{"a":3}]`), Limits{}) {
		if n++; n == 2 {
			break
		}
	}
	if n != 2 {
		t.Errorf("read %d", n)
	}
}

func TestManyBundlesComeOutAsTheyWentIn(t *testing.T) {
	var b strings.Builder
	w, err := NewBundle(&b, "bundle--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for range 500 {
		want = append(want, benchIndicator)
		if err := w.Write([]byte(benchIndicator)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, readAll(strings.NewReader(b.String()), Limits{})); d != "" {
		t.Error(d)
	}
}

func TestAnEnvelopeSaysWhetherThereIsMore(t *testing.T) {
	write := func(next string, more bool, objects ...string) string {
		var b strings.Builder
		w := NewEnvelope(&b)
		for _, o := range objects {
			if err := w.Write([]byte(o)); err != nil {
				t.Fatal(err)
			}
		}
		if more {
			w.More(next)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(b.String(), "\n", "")
	}
	for got, want := range map[string]string{
		write("", false):                    `{}`,
		write("", false, `{"a":1}`):         `{"objects":[{"a":1}]}`,
		write("", true, `{"a":1}`):          `{"objects":[{"a":1}],"more":true}`,
		write(`"x"`, true, `{"a":1}`, `{}`): `{"objects":[{"a":1},{}],"more":true,"next":"\"x\""}`,
		write("7", true):                    `{"more":true,"next":"7"}`,
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if _, err := NewBundle(io.Discard, "nonsense"); !errors.Is(err, accord.ErrInvalid) {
		t.Errorf("a bundle without an id: %v", err)
	}
}
