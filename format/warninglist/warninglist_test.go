// SPDX-License-Identifier: Apache-2.0

package warninglist_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/format/warninglist"
)

const small = `{"description":"d","version":20240101,"extra":{"a":[1,{"b":null}]},"list":[".shared.example"," b.example ",""],
"matching_attributes":["domain","domain|ip"],"name":"Shared hosts","type":"hostname"}`

func packed(t testing.TB, s string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAListIsReadPlainAndPacked(t *testing.T) {
	want := warninglist.List{
		Name: "Shared hosts", Type: warninglist.Hostname,
		Matching: []string{"domain", "domain|ip"}, Entries: []string{".shared.example", "b.example"}, Skipped: 1,
	}
	for name, b := range map[string][]byte{"plain": []byte(small), "packed": packed(t, small)} {
		got, err := warninglist.Read(bytes.NewReader(b))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	if !want.Speaks("ip") || want.Speaks("md5") {
		t.Error("Speaks does not look at each part of domain|ip")
	}
}

func TestRegularExpressionsAreCountedAndNotRead(t *testing.T) {
	l, err := warninglist.Read(strings.NewReader(`{"name":"n","type":"regex","list":["/^a/","(a+)+$"]}`))
	if err != nil || len(l.Entries) != 0 || l.Skipped != 2 {
		t.Errorf("Read = %+v, %v", l, err)
	}
}

func TestWhatIsNotAListIsRefused(t *testing.T) {
	bomb := packed(t, `{"name":"n","type":"string","list":["`+strings.Repeat("a", warninglist.MaxBytes)+`"]}`)
	for name, s := range map[string]string{
		"empty":             "",
		"array":             "[]",
		"no list":           `{"name":"n","type":"string"}`,
		"no name":           `{"type":"string","list":[]}`,
		"unknown type":      `{"name":"n","type":"glob","list":[]}`,
		"number in list":    `{"name":"n","type":"string","list":[1]}`,
		"duplicate member":  `{"name":"n","type":"string","list":["a"],"list":[]}`,
		"invalid UTF-8":     "{\"name\":\"\xff\",\"type\":\"string\",\"list\":[]}",
		"truncated":         `{"name":"n","type":"string","list":["a"`,
		"two values":        `{"name":"n","type":"string","list":[]} {}`,
		"deep":              `{"x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`,
		"truncated packing": string(packed(t, small)[:30]),
		"bomb":              string(bomb),
	} {
		if l, err := warninglist.Read(strings.NewReader(s)); !errors.Is(err, accord.ErrInvalid) {
			t.Errorf("%s: Read = %d entries, %v; want ErrInvalid", name, len(l.Entries), err)
		}
	}
}

func TestThePublishedListsAreRead(t *testing.T) {
	dir := os.Getenv("ACCORD_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	files, _ := filepath.Glob(filepath.Join(dir, "warninglists", "*.json.gz"))
	if len(files) == 0 {
		t.Skip("SKIP: real data not here: set ACCORD_DATA")
	}
	for _, f := range files {
		r, err := os.Open(f)
		if err != nil {
			t.Fatal(err)
		}
		l, err := warninglist.Read(r)
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if err != nil || len(l.Entries) == 0 {
			t.Errorf("%s: %d entries, %v", filepath.Base(f), len(l.Entries), err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(small))
	f.Add(packed(f, small))
	f.Add([]byte(`{"name":"n","type":"cidr","list":["192.0.2.0/24"]}`))
	f.Add([]byte(`{"name":"n","name":"m"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := warninglist.Read(bytes.NewReader(b))
		if err != nil && !errors.Is(err, accord.ErrInvalid) {
			t.Fatalf("error of another kind: %v", err)
		}
		for _, e := range l.Entries {
			if e == "" || err != nil {
				t.Fatalf("entry %q with error %v", e, err)
			}
		}
	})
}
