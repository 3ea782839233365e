// SPDX-License-Identifier: Apache-2.0

// Package retract is the page that takes an item back: it says who will be told,
// asks for a reason, and retracts when the form is posted. Only the node's own
// item can be retracted, once (accord.ErrConflict otherwise); a missing or
// overlong reason brings the form back: the receivers read it, so none is cut.
package retract

import (
	"context"
	"embed"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"accord"
	"accord/ledger"
	"accord/web/page"
)

//go:embed page.tmpl
var files embed.FS

// Source is the page's template.
var Source = &page.Source{Name: "retract", Files: files}

// Store is what the page reads.
type Store interface {
	Item(ctx context.Context, id string) (accord.Item, error)
	DisclosuresOf(ctx context.Context, itemID string) ([]accord.Disclosure, error)
}

// Retracter takes an item back from everyone who has it.
type Retracter interface {
	Retract(ctx context.Context, id, reason, who string) error
}

// View is what the page shows.
type View struct {
	Item    accord.Item
	Parties []string // who will be told
	Reason  string
	Max     int
	Problem string // key under [retract]; empty the first time
}

// Ask answers with the form.
func Ask(store Store, self accord.Party) page.Handler {
	return func(ctx context.Context, r *page.Request) (*page.Answer, error) {
		v, err := view(ctx, store, r.PathValue("id"), self)
		if err != nil {
			return nil, err
		}
		return &page.Answer{Source: Source, View: v}, nil
	}
}

// Do retracts, and goes back to the item.
func Do(store Store, node Retracter, self accord.Party) page.Handler {
	return func(ctx context.Context, r *page.Request) (*page.Answer, error) {
		v, err := view(ctx, store, r.PathValue("id"), self)
		if err != nil {
			return nil, err
		}
		line, err := ledger.ReasonLine(r.PostFormValue("reason"))
		v.Reason = line
		switch {
		case line == "":
			v.Problem = "needreason"
		case len(line) > ledger.MaxReason:
			v.Problem = "longreason"
		case err != nil:
			v.Problem = "badreason"
		case r.PostFormValue("sure") != "yes":
			v.Problem = "needsure"
		}
		if v.Problem != "" {
			return &page.Answer{Status: http.StatusUnprocessableEntity, Source: Source, View: v}, nil
		}
		if err := node.Retract(ctx, v.Item.ID, v.Reason, r.Account.Name); err != nil {
			return nil, fmt.Errorf("retract %s: %w", v.Item.ID, err)
		}
		return &page.Answer{To: "/items/" + url.PathEscape(v.Item.ID)}, nil
	}
}

func view(ctx context.Context, store Store, id string, self accord.Party) (*View, error) {
	i, err := store.Item(ctx, id)
	if err != nil {
		return nil, err
	}
	if !i.Origin.Own() {
		return nil, fmt.Errorf("%w: %s is %s's to retract", accord.ErrForbidden, id, i.Origin.Party)
	}
	if id == self.Identity {
		return nil, fmt.Errorf("%w: %s is this node's own identity, which all that it authored refers to", accord.ErrForbidden, id)
	}
	if i.Withdrawn != 0 {
		return nil, fmt.Errorf("%w: %s is already withdrawn", accord.ErrConflict, id)
	}
	given, err := store.DisclosuresOf(ctx, id)
	if err != nil {
		return nil, err
	}
	v := &View{Item: i, Max: ledger.MaxReason}
	for _, d := range given {
		if d.Retracted == 0 && !slices.Contains(v.Parties, d.Party) {
			v.Parties = append(v.Parties, d.Party)
		}
	}
	return v, nil
}
