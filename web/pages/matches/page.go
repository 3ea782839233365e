// SPDX-License-Identifier: Apache-2.0

// Package matches is the page of matches, newest first: which value was seen
// where, and for which indicator it was looked for. Repeats within a day (UTC)
// are folded into one match with a count. Lists are paged by the store's cursor.
package matches

import (
	"context"
	"embed"
	"strings"

	"accord"
	"accord/web/page"
)

//go:embed page.tmpl
var files embed.FS

// Source is the page's template.
var Source = &page.Source{Name: "matches", Files: files}

// Store is what the page reads.
type Store interface {
	Matches(ctx context.Context, q accord.MatchQuery) ([]accord.Match, string, error)
}

// View is what the page shows.
type View struct {
	Text    string
	Matches []accord.Match
	More    page.More
}

// New returns the page's handler.
func New(store Store) page.Handler {
	return func(ctx context.Context, r *page.Request) (*page.Answer, error) {
		form := r.URL.Query()
		v := &View{Text: strings.TrimSpace(form.Get("q"))}
		list, next, err := store.Matches(ctx, accord.MatchQuery{Text: v.Text, After: form.Get("after"), Limit: 50})
		if err != nil {
			return nil, err
		}
		v.Matches, v.More = list, page.MoreOf("/matches", form, next)
		return &page.Answer{Source: Source, View: v}, nil
	}
}
