// SPDX-License-Identifier: Apache-2.0

// Package situation is the first page of the console: what the node holds, what
// it gave and got, what was matched and what changed last. Its body refreshes
// itself while it is looked at. Counts are totals since the node began; times
// are UTC. It fails when the store or the node does.
package situation

import (
	"context"
	"embed"
	"maps"
	"slices"

	"accord"
	"accord/web/node"
	"accord/web/page"
)

//go:embed page.tmpl page.css
var files embed.FS

// Source is the page's template and style.
var Source = &page.Source{Name: "situation", Files: files}

// lately is how many matches and changes the page shows.
const lately = 10

// Store is what the page reads.
type Store interface {
	Counts(ctx context.Context) (accord.Counts, error)
	Matches(ctx context.Context, q accord.MatchQuery) ([]accord.Match, string, error)
	LastSeq(ctx context.Context) (int64, error)
	Changes(ctx context.Context, after int64, limit int) ([]accord.Change, error)
	Items(ctx context.Context, keys []accord.ItemKey) ([]accord.Item, error)
	Parties(ctx context.Context) ([]accord.Party, error)
}

// Health tells how the node is.
type Health interface {
	Allowed() int64
	Health(ctx context.Context) ([]node.Health, error)
}

// View is what the page shows.
type View struct {
	State   string // the worst of Health
	Health  []node.Health
	Totals  []Total
	Parties []Party
	Zones   []Zone
	Types   []Zone
	Matches []accord.Match
	Changes []Change
}

// Total is one number with the list it counts.
type Total struct {
	Label string // key under [total]
	N     int64
	Path  string // empty when no list shows them
	Alert bool   // worth looking at when not zero
}

// Party is what was given to a partner and got from it.
type Party struct {
	Name   string
	Title  string
	Nation accord.Nation
	Given, Receipted, Withheld,
	Retracted, Confirmed, Got int64
}

// Zone is a count under a name.
type Zone struct {
	Name string
	N    int64
}

// Change is one entry of the change feed with the item it concerns.
type Change struct {
	Kind string
	At   accord.Stamp
	Item page.ItemLink // ID is empty when no item is concerned
	Type string
	TLP  accord.TLP
	Held bool // an item was found, so that TLP is known
}

// Whole answers with the page, Live with its refreshed body.
func Whole(store Store, health Health, self accord.Party) page.Handler {
	return handler(store, health, self, "")
}

// Live answers with the part of the page that changes.
func Live(store Store, health Health, self accord.Party) page.Handler {
	return handler(store, health, self, "live")
}

func handler(store Store, health Health, self accord.Party, fragment string) page.Handler {
	return func(ctx context.Context, _ *page.Request) (*page.Answer, error) {
		v, err := view(ctx, store, health, self)
		if err != nil {
			return nil, err
		}
		return &page.Answer{Source: Source, View: v, Fragment: fragment}, nil
	}
}

func view(ctx context.Context, store Store, health Health, self accord.Party) (*View, error) {
	c, err := store.Counts(ctx)
	if err != nil {
		return nil, err
	}
	parties, err := store.Parties(ctx)
	if err != nil {
		return nil, err
	}
	if n := health.Allowed(); n > 0 { // served from the node's own lists, not from the store
		zones := maps.Clone(c.Protections)
		if zones == nil {
			zones = map[string]int64{}
		}
		zones["allow"] += n
		c.Protections = zones
	}
	v := &View{Totals: totals(c), Parties: partners(c, parties, self), Zones: zones(c.Protections), Types: types(c.ByType)}
	if v.Matches, _, err = store.Matches(ctx, accord.MatchQuery{Limit: lately}); err != nil {
		return nil, err
	}
	if v.Changes, err = changes(ctx, store); err != nil {
		return nil, err
	}
	if v.Health, err = health.Health(ctx); err != nil {
		return nil, err
	}
	v.State = "ok"
	for _, h := range v.Health {
		if h.State == "failed" || h.State == "late" && v.State == "ok" {
			v.State = h.State
		}
	}
	return v, nil
}

func totals(c accord.Counts) []Total {
	var protections int64
	for zone, n := range c.Protections {
		if zone != "allow" { // what is never blocked protects by being left alone
			protections += n
		}
	}
	return []Total{
		{Label: "items", N: c.Items, Path: "/items"},
		{Label: "indicators", N: c.Indicators, Path: "/items?type=indicator"},
		{Label: "matches", N: c.Matches, Path: "/matches"},
		{Label: "seen", N: c.MatchCount},
		{Label: "protections", N: protections, Path: "/protections"},
		{Label: "held", N: c.Held, Path: "/items?state=held"},
		{Label: "withdrawn", N: c.Withdrawn, Path: "/items?state=withdrawn"},
	}
}

// partners is a row for every party but this node, those counted but no longer
// known as parties included.
func partners(c accord.Counts, parties []accord.Party, self accord.Party) []Party {
	known := map[string]accord.Party{}
	for _, p := range parties {
		known[p.Name] = p
	}
	for _, m := range []map[string]int64{c.Disclosed, c.Withheld, c.Received} {
		for name := range m {
			if _, ok := known[name]; !ok {
				known[name] = accord.Party{Name: name}
			}
		}
	}
	delete(known, self.Name)
	var out []Party
	for _, name := range slices.Sorted(maps.Keys(known)) {
		out = append(out, Party{
			Name: name, Title: known[name].Title, Nation: known[name].Nation,
			Given: c.Disclosed[name], Receipted: c.Receipted[name], Withheld: c.Withheld[name],
			Retracted: c.Retracted[name], Confirmed: c.Confirmed[name], Got: c.Received[name],
		})
	}
	return out
}

// zones lists the three zones in the order resolvers ask them, then any other.
func zones(n map[string]int64) []Zone {
	names := []string{"allow", "hot", "base"}
	for _, name := range slices.Sorted(maps.Keys(n)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	var out []Zone
	for _, name := range names {
		out = append(out, Zone{name, n[name]})
	}
	return out
}

// types lists the most frequent types of item, largest first.
func types(n map[string]int64) []Zone {
	var out []Zone
	for name, count := range n {
		out = append(out, Zone{name, count})
	}
	slices.SortFunc(out, func(a, b Zone) int {
		if a.N != b.N {
			return int(min(max(b.N-a.N, -1), 1))
		}
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return out[:min(len(out), 8)]
}

func changes(ctx context.Context, store Store) ([]Change, error) {
	last, err := store.LastSeq(ctx)
	if err != nil {
		return nil, err
	}
	list, err := store.Changes(ctx, max(0, last-lately), lately)
	if err != nil {
		return nil, err
	}
	var keys []accord.ItemKey
	for _, c := range list {
		if c.Key.ID != "" {
			keys = append(keys, c.Key)
		}
	}
	items, err := store.Items(ctx, keys)
	if err != nil {
		return nil, err
	}
	found := map[accord.ItemKey]accord.Item{}
	for _, i := range items {
		found[i.ItemKey] = i
	}
	var out []Change
	for _, c := range slices.Backward(list) {
		i, ok := found[c.Key]
		out = append(out, Change{
			Kind: string(c.Kind), At: c.At, Item: page.ItemLink{ID: c.Key.ID, Name: i.Name},
			Type: i.Type, TLP: i.TLP, Held: ok,
		})
	}
	return out, nil
}
