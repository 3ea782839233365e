// SPDX-License-Identifier: Apache-2.0

// Package storetest is the contract of package store as one test suite, run on
// every engine, and the means to open a store in tests of other rooms.
//
// [SQLite] and [Postgres] make an empty database for one test and return its
// URL; [Open] opens it. Postgres skips, saying so, when there is no server to
// ask. Failures end the test that called.
package storetest

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"accord"
	"accord/store"
)

// Opener opens a store on an empty database that lives as long as the test.
type Opener func(t *testing.T) *store.DB

// SQLite returns the URL of a SQLite database that is not there yet.
func SQLite(t testing.TB) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "accord.db")
}

// Open opens the store at url and closes it when the test ends.
func Open(t testing.TB, url string) *store.DB {
	t.Helper()
	d, err := store.Open(context.Background(), url, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// Run runs the suite.
func Run(t *testing.T, open Opener) {
	for _, group := range []map[string]func(*testing.T, *store.DB){
		feedTests, itemTests, searchTests, ledgerTests, disclosureTests, receivedTests, matchTests, protectTests, peopleTests,
		ownerTests, retainTests, sourceTests, entryTests, addingTests, knowTests, attackTests, boundsTests,
	} {
		for name, test := range group {
			t.Run(name, func(t *testing.T) { test(t, open(t)) })
		}
	}
}

// The parties and moments that the tests speak of.
const (
	here  = "cert.ma.example"
	there = "cert.il.example"
	third = "cert.fr.example"
	t0    = accord.Stamp(1_700_000_000_000_000)
	day   = accord.Stamp(24 * 3600 * 1_000_000)
)

// indicator makes version v of indicator n, atomic, with one domain.
func indicator(n int, v accord.Stamp) accord.Item {
	name := fmt.Sprintf("host%d.example", n)
	id := fmt.Sprintf("indicator--00000000-0000-4000-8000-%012d", n)
	return accord.Item{
		ItemKey: accord.ItemKey{ID: id, Version: v}, Type: "indicator", Spec: "2.1",
		Bytes: fmt.Appendf(nil, `{"type":"indicator","id":%q,"modified":"%v","name":%q}`, id, v, name),
		Name:  name, Created: t0, ValidFrom: t0, ValidUntil: t0 + 30*day, Confidence: 80, Atomic: true,
		TLP: accord.TLPGreen, PAP: accord.PAPAmber, Labels: []string{"malicious-activity"},
		Observables: []accord.Observable{{Kind: accord.KindDomain, Value: name}},
		Source:      "feed-a",
	}
}

// given is it as it came from party.
func given(it accord.Item, party string) accord.Item {
	it.Source = party
	it.Origin = accord.Origin{
		Party: party, Agreement: "accord-2021", Version: 1, Article: "3",
		Onward: accord.OnwardInstitutions, Actions: accord.ActInternal, Retain: t0 + 365*day,
	}
	return it
}

func ingest(t *testing.T, d *store.DB, at accord.Stamp, items ...accord.Item) accord.IngestResult {
	t.Helper()
	return must(d.Ingest(t.Context(), items, at))(t)
}

// must returns a function that fails the test when err is not nil, else returns v.
func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// feed lists the feed as "kind id version".
func feed(t *testing.T, d *store.DB) (out []string) {
	t.Helper()
	for _, c := range must(d.Changes(t.Context(), 0, 1000))(t) {
		out = append(out, fmt.Sprintf("%s %s %d", c.Kind, c.Key.ID, int64(c.Key.Version)))
	}
	return out
}

func line(kind accord.ChangeKind, it accord.Item) string {
	return fmt.Sprintf("%s %s %d", kind, it.ID, int64(it.Version))
}

func ids(items []accord.Item) (out []string) {
	for _, it := range items {
		out = append(out, it.ID)
	}
	return out
}
