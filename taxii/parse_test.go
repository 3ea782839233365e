// SPDX-License-Identifier: Apache-2.0

package taxii

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"accord"
)

// FuzzQuery: what is read is written back as the same question, and what is
// refused is refused as invalid.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{
		"", "limit=5&added_after=2026-01-02T03:04:05.678901Z", "match[version]=first,last,2026-01-01T00:00:00.000Z",
		"match%5Btype%5D=indicator,malware&match[spec_version]=2.1,2.0", "match[version]=all&next=abc",
		"match[id]=indicator--00000000-0000-4000-8000-000000000001", "limit=0", "a;b", "match[x]=1", "limit=%31&limit=1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := parseQuery(raw, ^params(0))
		if err != nil {
			if !errors.Is(err, accord.ErrInvalid) {
				t.Fatalf("%q: %v is not ErrInvalid", raw, err)
			}
			return
		}
		again, err := parseQuery(q.encode(), ^params(0))
		if err != nil {
			t.Fatalf("%q became %q: %v", raw, q.encode(), err)
		}
		if diff := cmp.Diff(q, again); diff != "" {
			t.Fatalf("%q became %q: %s", raw, q.encode(), diff)
		}
	})
}

// FuzzEnvelope: objects that are read are each one valid JSON object, cut from the
// body itself, and an envelope built of them reads as the same objects.
func FuzzEnvelope(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"objects":[{}]}`, ` {"more":true,"next":"x","objects":[{"a":"}]"},{ }] } `, `{"objects":[{"a":1},{"a":1}],"x_b":[[]]}`,
		`{"objects":[{"a":{"a":"\""}}]}`, `{"Objects":[]}`, `{"objects":[{"a":1,"a":2}]}`, "\xef\xbb\xbf{}", `{"objects":[{}]}{}`, `[`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := parseEnvelope(body, "objects", '{')
		if err != nil {
			if !errors.Is(err, accord.ErrInvalid) {
				t.Fatalf("%q: %v is not ErrInvalid", body, err)
			}
			return
		}
		for _, o := range e.items {
			v := jsontext.Value(o)
			if !v.IsValid() || v.Kind() != '{' || o[0] != '{' || o[len(o)-1] != '}' {
				t.Fatalf("%q gave the object %q", body, o)
			}
		}
		if len(e.items) == 0 {
			return
		}
		again, err := parseEnvelope(buildEnvelope(nil, e.items), "objects", '{')
		if err != nil || cmp.Diff(e.items, again.items) != "" {
			t.Fatalf("%q: %v, built again: %q", body, err, again.items)
		}
	})
}

// FuzzAccept must not panic, and takes what it takes also with more after it.
func FuzzAccept(f *testing.F) {
	for _, s := range []string{"", "*/*", MediaType, "a/b;q=0.5, application/taxii+json", `x/y;v=",", */*`, `"`, "application/taxii+json;q=0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		acceptable(http.Header{"Accept": {s}})
		if !strings.Contains(s, `"`) && !strings.Contains(s, "2.1") && !acceptable(http.Header{"Accept": {MediaType + "," + s}}) {
			t.Fatalf("%q hides %s", s, MediaType)
		}
		takesGzip(http.Header{"Accept-Encoding": {s}})
		isTAXII(s)
	})
}

// FuzzBody: no compressed body yields more than it may.
func FuzzBody(f *testing.F) {
	z, _ := squeeze(bytes.Repeat([]byte("a"), 5000))
	f.Add(z, int64(100))
	f.Add([]byte("abc"), int64(2))
	f.Fuzz(func(t *testing.T, wire []byte, most int64) {
		most &= 1<<16 - 1
		for _, encoding := range []string{"", "gzip"} {
			if b, err := readBody(bytes.NewReader(wire), encoding, -1, most, 10); err == nil && int64(len(b)) > most {
				t.Fatalf("%d octets of at most %d", len(b), most)
			}
		}
	})
}

func TestTextFromAPeerIsFitForALog(t *testing.T) {
	got := plain("a\nb\x1b[31m\u202ec\xff" + strings.Repeat("é", 600))
	if strings.ContainsAny(got, "\n\x1b\u202e") || !utf8.ValidString(got) || len([]rune(got)) != 501 {
		t.Errorf("%q", got)
	}
}
