// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"accord"
	"accord/store"
)

func tags(t *testing.T, d *store.DB) {
	it := indicator(1, t0)
	ingest(t, d, t0, it, indicator(2, t0))
	before := len(feed(t, d))
	check(t, d.Tag(t.Context(), it.ID, []string{"watch", "tlp:amber", "pap:red", "tlp:clear"}, "amina", t0))
	got := must(d.Item(t.Context(), it.ID))(t)
	if got.TLP != accord.TLPAmber || got.PAP != accord.PAPRed || len(got.Tags) != 4 || string(got.Bytes) != string(it.Bytes) || len(got.Labels) != 1 {
		t.Errorf("tagged: %+v", got)
	}
	finds(t, d, "tag:watch tlp:amber", it)
	if n := len(feed(t, d)); n != before+1 {
		t.Errorf("the feed grew by %d, want 1: every stage decides anew", n-before)
	}
	check(t, d.Tag(t.Context(), it.ID, []string{"watch"}, "amina", t0))
	if n := len(feed(t, d)); n != before+1 {
		t.Error("a tag that was there is a change")
	}
	check(t, d.Untag(t.Context(), it.ID, []string{"tlp:amber", "pap:red", "none"}, "amina", t0))
	got = must(d.Item(t.Context(), it.ID))(t)
	if got.TLP != it.TLP || got.PAP != it.PAP {
		t.Errorf("untagged, it is not what it was: %v %v", got.TLP, got.PAP)
	}
	for _, bad := range []string{"", "Watch", "tlp:purple", "a\nb", "-x", strings.Repeat("x", 201)} {
		if err := d.Tag(t.Context(), it.ID, []string{bad}, "amina", t0); !errors.Is(err, accord.ErrInvalid) {
			t.Errorf("tag %q: %v", bad, err)
		}
	}
	if err := d.Tag(t.Context(), "indicator--none", []string{"x"}, "amina", t0); !errors.Is(err, accord.ErrNotFound) {
		t.Errorf("no such item: %v", err)
	}
	entries := must(d.AuditEntries(t.Context(), 10))(t)
	if len(entries) != 2 || entries[0].What != "item.untag" || entries[0].Who != "amina" {
		t.Errorf("audit: %+v", entries)
	}
}

func retagged(t *testing.T, d *store.DB) {
	it := indicator(1, t0)
	ingest(t, d, t0, it)
	check(t, d.Tag(t.Context(), it.ID, []string{"new", "watch"}, "amina", t0))
	before := len(feed(t, d))
	if err := d.Retag(t.Context(), it.ID, []string{"Bad"}, []string{"new"}, "amina", t0); !errors.Is(err, accord.ErrInvalid) {
		t.Errorf("a tag in capitals: %v", err)
	}
	many := make([]string, 100)
	for i := range many {
		many[i] = fmt.Sprintf("tag%d", i)
	}
	if err := d.Retag(t.Context(), it.ID, many, []string{"new"}, "amina", t0); !errors.Is(err, accord.ErrInvalid) {
		t.Errorf("101 tags: %v", err)
	}
	if got := must(d.Item(t.Context(), it.ID))(t); len(got.Tags) != 2 || len(feed(t, d)) != before {
		t.Errorf("what was refused was done in part: %v", got.Tags)
	}
	check(t, d.Retag(t.Context(), it.ID, []string{"done", "both"}, []string{"new", "both", "none"}, "amina", t0))
	if got := must(d.Item(t.Context(), it.ID))(t); !slices.Equal(got.Tags, []string{"done", "watch"}) {
		t.Errorf("retagged: %v", got.Tags)
	}
	entries := must(d.AuditEntries(t.Context(), 10))(t)
	if n := len(feed(t, d)); n != before+1 || len(entries) != 2 || entries[0].What != "item.retag" || entries[0].Detail != "done both in place of new both none" {
		t.Errorf("the feed grew by %d, want 1; audit: %+v", n-before, entries)
	}
}

func tagsStay(t *testing.T, d *store.DB) {
	old := given(indicator(1, t0), there)
	ingest(t, d, t0, old)
	check(t, d.Tag(t.Context(), old.ID, []string{"tlp:red"}, "amina", t0))
	again := old
	again.Origin.Article = "4" // newer terms for the same bytes
	again.TLP = accord.TLPClear
	ingest(t, d, t0, again)
	if got := must(d.Item(t.Context(), old.ID))(t); got.TLP != accord.TLPRed || len(got.Tags) != 1 {
		t.Errorf("after newer terms: %+v", got)
	}
	next := given(indicator(1, t0+1), there)
	next.TLP = accord.TLPClear
	ingest(t, d, t0, next)
	if got := must(d.Item(t.Context(), old.ID))(t); got.Version != t0+1 || got.TLP != accord.TLPRed || len(got.Tags) != 1 {
		t.Errorf("after a newer version: %+v", got)
	}
	check(t, d.Untag(t.Context(), old.ID, []string{"tlp:red"}, "amina", t0))
	for _, v := range must(d.Versions(t.Context(), old.ID))(t) {
		if v.TLP != accord.TLPClear || v.Tags != nil {
			t.Errorf("untagged: %+v", v)
		}
	}
}

func falsePositive(t *testing.T, d *store.DB) {
	it := indicator(1, t0)
	ingest(t, d, t0, it)
	sought := func() int {
		t.Helper()
		n := 0
		for _, c := range must(d.SoughtSince(t.Context(), 0, 10))(t) {
			n += len(c.Sought)
		}
		return n
	}
	if sought() != 1 {
		t.Fatal("not looked for")
	}
	if err := d.MarkFalse(t.Context(), it.ID, " ", "amina", t0); !errors.Is(err, accord.ErrInvalid) {
		t.Errorf("without a reason: %v", err)
	}
	check(t, d.MarkFalse(t.Context(), it.ID, "our scanner", "amina", t0))
	got := must(d.Item(t.Context(), it.ID))(t)
	if sought() != 0 || got.False != "our scanner" || d.Score(got, t0).Now != 0 {
		t.Errorf("looked for as %d, %+v", sought(), got)
	}
	finds(t, d, "state:false", it)
	finds(t, d, "valid:now")
	check(t, d.MarkTrue(t.Context(), it.ID, "amina", t0))
	if sought() != 1 {
		t.Error("taken back, it is not looked for")
	}
	finds(t, d, "state:false")
}
