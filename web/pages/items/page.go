// SPDX-License-Identifier: Apache-2.0

// Package items is the page that searches items: by words of the name, an exact
// STIX identifier or an exact value, narrowed by type, TLP 2.0 label, source,
// party and state. Lists are paged by the store's opaque cursor. A label that
// does not exist is accord.ErrInvalid.
package items

import (
	"context"
	"embed"
	"maps"
	"net/url"
	"slices"
	"strings"

	"accord"
	"accord/web/page"
)

//go:embed page.tmpl
var files embed.FS

// Source is the page's template.
var Source = &page.Source{Name: "items", Files: files}

// Store is what the page reads.
type Store interface {
	Search(ctx context.Context, q accord.Query) ([]accord.Item, string, error)
	Counts(ctx context.Context) (accord.Counts, error)
	Parties(ctx context.Context) ([]accord.Party, error)
}

// View is what the page shows.
type View struct {
	Text     string
	Types    []page.Option
	TLPs     []page.Option
	Sources  []page.Option
	Parties  []page.Option
	States   []page.Option
	Filtered bool
	Items    []accord.Item
	Now      accord.Stamp
	More     page.More
}

// New returns the page's handler; self is left out of the parties offered.
func New(store Store, self accord.Party) page.Handler {
	return func(ctx context.Context, r *page.Request) (*page.Answer, error) {
		form := r.URL.Query()
		q, err := query(form)
		if err != nil {
			return nil, err
		}
		v := &View{Text: q.Text, Now: r.Now}
		var next string
		if v.Items, next, err = store.Search(ctx, q); err != nil {
			return nil, err
		}
		v.More = page.MoreOf("/items", form, next)
		if err := v.filters(ctx, store, form, self); err != nil {
			return nil, err
		}
		return &page.Answer{Source: Source, View: v}, nil
	}
}

func query(form url.Values) (accord.Query, error) {
	q := accord.Query{
		Text: strings.TrimSpace(form.Get("q")), Type: form.Get("type"), Source: form.Get("source"),
		Party: form.Get("party"), State: form.Get("state"), After: form.Get("after"), Limit: 50,
	}
	if s := form.Get("tlp"); s != "" {
		tlp, err := accord.ParseTLP(s)
		if err != nil {
			return q, err
		}
		q.TLP = &tlp
	}
	return q, nil
}

func (v *View) filters(ctx context.Context, store Store, form url.Values, self accord.Party) error {
	c, err := store.Counts(ctx)
	if err != nil {
		return err
	}
	parties, err := store.Parties(ctx)
	if err != nil {
		return err
	}
	names := []string{"own"}
	for _, p := range parties {
		if p.Name != self.Name {
			names = append(names, p.Name)
		}
	}
	v.Types = page.OptionsOf(slices.Sorted(maps.Keys(c.ByType)), form.Get("type"))
	v.TLPs = page.OptionsOf([]string{"clear", "green", "amber", "amber+strict", "red"}, form.Get("tlp"))
	v.Sources = page.OptionsOf(slices.Sorted(maps.Keys(c.BySource)), form.Get("source"))
	v.Parties = page.OptionsOf(names, form.Get("party"))
	v.States = page.OptionsOf([]string{"live", "held", "withdrawn"}, form.Get("state"))
	for _, k := range []string{"q", "type", "tlp", "source", "party", "state"} {
		v.Filtered = v.Filtered || form.Get(k) != ""
	}
	return nil
}
