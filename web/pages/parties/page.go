// SPDX-License-Identifier: Apache-2.0

// Package parties is the page of the authorities this node knows, with the keys
// pinned for each and what passed between them. Keys are shown so that they can
// be compared by voice with what the party itself publishes.
package parties

import (
	"context"
	"embed"

	"accord"
	"accord/web/page"
)

//go:embed page.tmpl page.css
var files embed.FS

// Source is the page's template and style.
var Source = &page.Source{Name: "parties", Files: files}

// Store is what the page reads.
type Store interface {
	Parties(ctx context.Context) ([]accord.Party, error)
	Counts(ctx context.Context) (accord.Counts, error)
}

// View is what the page shows.
type View struct{ Parties []Party }

// Party is one party, with what was given to it and got from it.
type Party struct {
	accord.Party
	Self                                             bool
	Given, Receipted, Withheld, Retracted, Confirmed int64
	Got                                              int64
}

// New returns the page's handler; self, this node, comes first.
func New(store Store, self accord.Party) page.Handler {
	return func(ctx context.Context, _ *page.Request) (*page.Answer, error) {
		list, err := store.Parties(ctx)
		if err != nil {
			return nil, err
		}
		c, err := store.Counts(ctx)
		if err != nil {
			return nil, err
		}
		v := &View{Parties: []Party{{Party: self, Self: true}}}
		for _, p := range list {
			if p.Name == self.Name {
				continue
			}
			v.Parties = append(v.Parties, Party{
				Party: p, Given: c.Disclosed[p.Name], Receipted: c.Receipted[p.Name], Withheld: c.Withheld[p.Name],
				Retracted: c.Retracted[p.Name], Confirmed: c.Confirmed[p.Name], Got: c.Received[p.Name],
			})
		}
		return &page.Answer{Source: Source, View: v}, nil
	}
}
