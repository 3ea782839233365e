// SPDX-License-Identifier: Apache-2.0

// Package protections is the page of what institutions are asked to enforce, by
// zone (allow, hot, base), newest first, each with the item behind it and when
// it ends. Lists are paged by the store's cursor.
package protections

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
var Source = &page.Source{Name: "protections", Files: files}

// Store is what the page reads.
type Store interface {
	Protections(ctx context.Context, q accord.ProtectionQuery) ([]accord.Protection, string, error)
	Zone(ctx context.Context, zone string) (serial uint32, values int64, err error)
	Latest(ctx context.Context, ids []string) (map[string]accord.Item, error)
}

// Node tells what is served and not in the store.
type Node interface {
	Allowed() int64
}

// View is what the page shows.
type View struct {
	Text        string
	Options     []page.Option
	Zones       []Zone
	Protections []Protection
	Filtered    bool
	Allow       bool // the allow zone alone is asked for
	More        page.More
}

// Zone is one zone as it is served now.
type Zone struct {
	Name   string
	Serial uint32
	Values int64
}

// Protection is one protection with the item behind it.
type Protection struct {
	accord.Protection
	By page.ItemLink
}

// New returns the page's handler.
func New(store Store, node Node) page.Handler {
	return func(ctx context.Context, r *page.Request) (*page.Answer, error) {
		form := r.URL.Query()
		zone := form.Get("zone")
		v := &View{Text: strings.TrimSpace(form.Get("q")), Options: page.OptionsOf([]string{"allow", "hot", "base"}, zone)}
		v.Allow = zone == "allow"
		v.Filtered = v.Text != "" || zone != ""
		for _, name := range []string{"allow", "hot", "base"} {
			serial, values, err := store.Zone(ctx, name)
			if err != nil {
				return nil, err
			}
			if name == "allow" {
				values += node.Allowed()
			}
			v.Zones = append(v.Zones, Zone{name, serial, values})
		}
		list, next, err := store.Protections(ctx, accord.ProtectionQuery{Text: v.Text, Zone: zone, After: form.Get("after"), Limit: 50})
		if err != nil {
			return nil, err
		}
		v.More = page.MoreOf("/protections", form, next)
		ids := []string{}
		for _, p := range list {
			ids = append(ids, p.Item.ID)
		}
		behind, err := store.Latest(ctx, ids)
		if err != nil {
			return nil, err
		}
		for _, p := range list {
			v.Protections = append(v.Protections, Protection{p, page.ItemLink{ID: p.Item.ID, Name: behind[p.Item.ID].Name}})
		}
		return &page.Answer{Source: Source, View: v}, nil
	}
}
