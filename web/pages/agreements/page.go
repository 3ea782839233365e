// SPDX-License-Identifier: Apache-2.0

// Package agreements is the page that lists the agreements this node is a party
// of, with where each stands and whose signature is missing.
package agreements

import (
	"context"
	"embed"

	"accord"
	"accord/web/node"
	"accord/web/page"
)

//go:embed page.tmpl
var files embed.FS

// Source is the page's template.
var Source = &page.Source{Name: "agreements", Files: files}

// Reader reads agreements.
type Reader interface {
	Agreements(ctx context.Context) ([]node.Agreement, error)
}

// View is what the page shows.
type View struct{ Agreements []Agreement }

// Agreement is one row.
type Agreement struct {
	ID, Title, Status string
	Version           int
	From, Until       accord.Stamp
	Parties           []string
	Missing           []string
	Articles          int64
	Given, Got        int64 // -1 = not counted
}

// New returns the page's handler.
func New(reader Reader) page.Handler {
	return func(ctx context.Context, _ *page.Request) (*page.Answer, error) {
		list, err := reader.Agreements(ctx)
		if err != nil {
			return nil, err
		}
		v := &View{}
		for _, a := range list {
			v.Agreements = append(v.Agreements, row(a))
		}
		return &page.Answer{Source: Source, View: v}, nil
	}
}

func row(a node.Agreement) Agreement {
	r := Agreement{
		ID: a.ID, Title: a.Title, Status: a.Status, Version: a.Version,
		From: a.From, Until: a.Until, Articles: int64(len(a.Articles)),
	}
	for _, s := range a.Signatures {
		r.Parties = append(r.Parties, s.Party)
		if !s.Signed {
			r.Missing = append(r.Missing, s.Party)
		}
	}
	for _, x := range a.Articles {
		r.Given, r.Got = add(r.Given, x.Given), add(r.Got, x.Got)
	}
	return r
}

// add sums counts, of which one unknown makes the sum unknown.
func add(sum, n int64) int64 {
	if sum < 0 || n < 0 {
		return -1
	}
	return sum + n
}
