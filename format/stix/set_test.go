// SPDX-License-Identifier: Apache-2.0

package stix_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord/format/stix"
)

// judge reads inputs as one set and returns the findings of level MUST as "code path".
func judge(t *testing.T, inputs ...string) ([]string, stix.Report) {
	t.Helper()
	v := stix.NewValidator(stix.DefaultLimits)
	var found []stix.Finding
	for _, in := range inputs {
		if err := v.Read(strings.NewReader(in), func(f stix.Finding) error { found = append(found, f); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	return marks(found, stix.Must), v.Report()
}

func bundleOf(objects ...string) string {
	return `{"type":"bundle","id":"bundle--` + someUUID + `","objects":[` + strings.Join(objects, ",") + `]}`
}

func TestVersionsOfAnObjectAreCompared(t *testing.T) {
	first := domainObject("identity", `,"name":"n"`)
	at := func(o, modified string) string {
		return strings.Replace(o, `"modified":"2026-01-02T03:04:05.000Z"`, `"modified":"`+modified+`"`, 1)
	}
	second := at(first, "2026-01-03T00:00:00.000Z")
	revoked := at(domainObject("identity", `,"name":"n","revoked":true`), "2026-01-03T00:00:00.000Z")
	by := `,"created_by_ref":"identity--` + otherUUID + `"`
	for _, tt := range []struct {
		name    string
		objects []string
		want    []string
	}{
		{"a later version", []string{first, second}, nil},
		{"the same again, written otherwise", []string{first, strings.Replace(at(first, "2026-01-02T03:04:05.000000Z"), `"name":"n"`, `"revoked": false, "name":"\u006e"`, 1)}, nil},
		{"another created", []string{first, strings.Replace(second, `"created":"2026-01-02T03`, `"created":"2026-01-02T04`, 1)}, []string{"version-created objects[1].created"}},
		{"another creator", []string{first, strings.Replace(second, `,"name"`, by+`,"name"`, 1)}, []string{"version-creator objects[1].created_by_ref"}},
		{"no creator any more", []string{strings.Replace(first, `,"name"`, by+`,"name"`, 1), second}, []string{"version-creator objects[1]"}},
		{"other content in one version", []string{first, strings.Replace(first, `"n"`, `"m"`, 1)}, []string{"version-content objects[1].modified"}},
		{"after a revocation", []string{revoked, at(first, "2026-01-04T00:00:00.000Z")}, []string{"version-revoked objects[1].modified"}},
		{"revoked before what is known", []string{at(first, "2026-01-04T00:00:00.000Z"), revoked}, []string{"version-revoked objects[1].revoked"}},
		{"revoked at last", []string{first, revoked}, nil},
		{"one UUID for two types of one producer", []string{
			strings.Replace(first, `,"name"`, by+`,"name"`, 1), domainObject("campaign", by+`,"name":"n"`),
		}, []string{"id-reused objects[1].id"}},
		{"one UUID for two types of two producers", []string{first, domainObject("campaign", by+`,"name":"n"`)}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, _ := judge(t, bundleOf(tt.objects...))
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func TestBundlesAndStreamsAreChecked(t *testing.T) {
	good := domainObject("identity", `,"name":"n"`)
	bad := domainObject("tool", ``)
	for _, tt := range []struct {
		name, in string
		want     []string
		objects  int
	}{
		{"a bundle", bundleOf(good), nil, 1},
		{"a bundle with something wrong", bundleOf(good, bad), []string{"required objects[1]"}, 2},
		{"a bundle without id", `{"type":"bundle","objects":[` + good + `]}`, []string{"required "}, 1},
		{"a bundle of nobody", `{"type":"bundle","id":"bundle--1","objects":[` + good + `]}`, []string{"bundle id"}, 1},
		{"an empty list", `{"type":"bundle","id":"bundle--` + someUUID + `","objects":[]}`, []string{"empty-list objects"}, 0},
		{"no list", `{"type":"bundle","id":"bundle--` + someUUID + `","objects":{}}`, []string{"type objects"}, 0},
		{"no objects", `{"type":"bundle","id":"bundle--` + someUUID + `"}`, nil, 0},
		{"a name twice", `{"type":"bundle","id":"bundle--` + someUUID + `","id":"bundle--` + someUUID + `"}`, []string{"json id"}, 0},
		{"something that is no object", bundleOf(good, `7`, bad), []string{"json objects[1]", "required objects[2]"}, 3},
		{"an envelope", `{"more":false,"objects":[` + bad + `]}`, []string{"required objects[0]"}, 1},
		{"a list", `[` + good + `,` + bad + `]`, []string{"required [1]"}, 2},
		{"one a line", good + "\n" + bad + "\n" + bundleOf(bad), []string{"required [1]", "required [2].objects[0]"}, 3},
		{"cut short", bundleOf(good, bad)[:400], []string{"truncated "}, 1},
		{"no JSON", `nothing`, []string{"truncated "}, 0},
		{"nothing", ``, nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, r := judge(t, tt.in)
			if d := cmp.Diff(tt.want, got); d != "" || r.Objects != tt.objects || r.Must != len(tt.want) {
				t.Errorf("%+v, want %d objects; -want +got:\n%s", r, tt.objects, d)
			}
			if partial := slices.Contains(got, "truncated "); r.Partial != partial || r.Valid() != (len(got) == 0) {
				t.Errorf("%+v: partial and valid do not fit what was found", r)
			}
		})
	}
}

func TestFilesAreOneSet(t *testing.T) {
	got, r := judge(t, domainObject("identity", `,"name":"n"`), domainObject("identity", `,"name":"m"`))
	if d := cmp.Diff([]string{"version-content modified"}, got); d != "" || r.Invalid != 1 {
		t.Errorf("%+v: -want +got:\n%s", r, d)
	}
}

func TestReadingEndsWhenNobodyWantsMore(t *testing.T) {
	enough := errors.New("enough")
	v := stix.NewValidator(stix.DefaultLimits)
	calls := 0
	err := v.Read(strings.NewReader(bundleOf(domainObject("identity", ``), domainObject("identity", ``))), func(stix.Finding) error { calls++; return enough })
	if !errors.Is(err, enough) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
}
