// SPDX-License-Identifier: Apache-2.0

package stix

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"accord"
	"accord/format/stix/pattern"
)

// values are one observable of each kind, and some that need escaping.
var values = []accord.Observable{
	{Kind: accord.KindDomain, Value: "login.example"},
	{Kind: accord.KindIPv4, Value: "192.0.2.1"},
	{Kind: accord.KindIPv6, Value: "2001:db8::1"},
	{Kind: accord.KindCIDR, Value: "192.0.2.0/24"},
	{Kind: accord.KindCIDR, Value: "2001:db8::/32"},
	{Kind: accord.KindAddrPort, Value: "192.0.2.1:443"},
	{Kind: accord.KindAddrPort, Value: "[2001:db8::1]:443"},
	{Kind: accord.KindURL, Value: "http://login.example/a?b='c'\\\"d\"é"},
	{Kind: accord.KindEmail, Value: "eve'o@login.example"},
	{Kind: accord.KindMD5, Value: strings.Repeat("ab", 16)},
	{Kind: accord.KindSHA1, Value: strings.Repeat("ab", 20)},
	{Kind: accord.KindSHA256, Value: strings.Repeat("ab", 32)},
	{Kind: accord.KindSHA512, Value: strings.Repeat("ab", 64)},
}

func TestANewIndicatorIsWhatParseReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stamp := rapid.Int64Range(1, 4e15)
		f := IndicatorFields{
			Source: rapid.String().Draw(t, "source"), Name: rapid.String().Draw(t, "name"),
			Description: rapid.String().Draw(t, "description"),
			Labels:      rapid.SliceOfN(rapid.String(), 0, 4).Draw(t, "labels"),
			Family:      rapid.SampledFrom([]string{"", "Emotet", "x y\n"}).Draw(t, "family"),
			Created:     accord.Stamp(stamp.Draw(t, "created")),
			TLP:         accord.TLP(rapid.IntRange(0, 4).Draw(t, "tlp")), PAP: accord.PAP(rapid.IntRange(0, 3).Draw(t, "pap")),
			Confidence: rapid.IntRange(-1, 100).Draw(t, "confidence"),
			CreatedBy:  rapid.SampledFrom([]string{"", idA}).Draw(t, "by"),
		}
		f.ValidUntil = rapid.SampledFrom([]accord.Stamp{0, f.Created + 1}).Draw(t, "until")
		f.Modified = rapid.SampledFrom([]accord.Stamp{0, f.Created + 7}).Draw(t, "modified")
		o := rapid.SampledFrom(values).Draw(t, "value")
		got, err := NewIndicator(o, f)
		if err != nil {
			t.Fatalf("NewIndicator(%v): %v", o, err)
		}
		want, err := Parse(Raw{Bytes: bytes.Clone(got.Bytes)}, accord.TLPRed)
		if err != nil {
			t.Fatalf("%s: %v", got.Bytes, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("-Parse +NewIndicator:\n%s", d)
		}
	})
}

func TestEveryKindOfValueMakesAnAtomicPattern(t *testing.T) {
	for _, o := range values {
		text := string(AppendPattern(nil, o))
		p, err := pattern.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got, atomic := p.Observables()
		if d := cmp.Diff([]accord.Observable{o}, got); d != "" || !atomic || p.String() != text {
			t.Errorf("%s: atomic %v, printed %s\n%s", text, atomic, p, d)
		}
	}
}

func TestAnIndicatorsIDIsOfItsSourceAndValue(t *testing.T) {
	make := func(source, value string) string {
		it, err := NewIndicator(accord.Observable{Kind: accord.KindDomain, Value: value}, IndicatorFields{Source: source, Created: 1})
		if err != nil {
			t.Fatal(err)
		}
		return it.ID
	}
	a := make("list", "a.example")
	if a != make("list", "A.example.") || a == make("list", "b.example") || a == make("other", "a.example") {
		t.Error("ids do not follow source and value")
	}
	if want := "indicator--"; !strings.HasPrefix(a, want) || !validID(a) {
		t.Error(a)
	}
}

func TestANewIndicatorRefusesWhatParseWould(t *testing.T) {
	o := values[0]
	for name, tt := range map[string]struct {
		o accord.Observable
		f IndicatorFields
	}{
		"no value":               {accord.Observable{Kind: accord.KindIPv4, Value: "x"}, IndicatorFields{Created: 1}},
		"no time":                {o, IndicatorFields{}},
		"modified before":        {o, IndicatorFields{Created: 5, Modified: 4}},
		"valid for no time":      {o, IndicatorFields{Created: 5, ValidUntil: 5}},
		"too sure":               {o, IndicatorFields{Created: 5, Confidence: 101}},
		"a creator that is none": {o, IndicatorFields{Created: 5, CreatedBy: indA}},
		"a stricter label":       {o, IndicatorFields{Created: 5, Labels: []string{"tlp:red"}}},
	} {
		if _, err := NewIndicator(tt.o, tt.f); !errors.Is(err, accord.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
}

func TestAMatchBecomesASighting(t *testing.T) {
	m := accord.Match{
		ID: "5b2ce2c1-6d0c-5f3c-8d5c-2b6e0c9e5b11", Indicator: accord.ItemKey{ID: indA, Version: 1}, Value: values[0],
		Seen:  accord.Seen{Observable: accord.Observable{Kind: accord.KindDomain, Value: "www.login.example"}, Log: "dns", Field: "query", From: "192.0.2.99"},
		First: stampAt("2026-01-02T03:00:00Z"), Last: stampAt("2026-01-02T04:00:00Z"), Count: 12, Reported: stampAt("2026-01-02T04:00:01Z"),
	}
	now := stampAt("2026-01-02T05:00:00Z")
	b, err := Sighting(m, idA, now)
	if err != nil {
		t.Fatal(err)
	}
	it := parse(t, string(b))
	want := []accord.Ref{{Property: "created_by_ref", To: idA}, {Property: "sighting_of_ref", To: indA}, {Property: "where_sighted_refs", To: idA}}
	if d := cmp.Diff(want, it.Refs); d != "" || it.ID != SightingID(m.ID) || it.Version != now || it.Created != m.Reported {
		t.Errorf("%s\n%s", b, d)
	}
	for _, s := range []string{`"count":12`, `"first_seen":"2026-01-02T03:00:00.000000Z"`, `"last_seen":"2026-01-02T04:00:00.000000Z"`, "domain login.example, seen as www.login.example, log dns, field query"} {
		if !bytes.Contains(b, []byte(s)) {
			t.Errorf("%s is not in %s", s, b)
		}
	}
	if bytes.Contains(b, []byte("192.0.2.99")) {
		t.Error("who was seen leaves the node")
	}
	m.ID, m.Reported, m.Count = "not a uuid", 0, 5e9
	if b, err = Sighting(m, idA, now); err != nil || !validID(parse(t, string(b)).ID) {
		t.Errorf("%s, %v", b, err)
	}
	for _, bad := range []func(*accord.Match){
		func(m *accord.Match) { m.Indicator.ID = "x" },
		func(m *accord.Match) { m.First = 0 },
		func(m *accord.Match) { m.Last = m.First - 1 },
	} {
		x := m
		bad(&x)
		if _, err := Sighting(x, idA, now); !errors.Is(err, accord.ErrInvalid) {
			t.Errorf("Sighting(%+v): %v", x, err)
		}
	}
	if _, err := Sighting(m, "me", now); !errors.Is(err, accord.ErrInvalid) {
		t.Errorf("an author that is none: %v", err)
	}
}
