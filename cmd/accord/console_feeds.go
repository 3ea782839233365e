// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	"accord"
	"accord/feed"
	view "accord/web/node"
)

// Catalogue implements node.Node.
func (c console) Catalogue() (out []view.CatalogueFeed) {
	for _, e := range feed.Catalogue() {
		out = append(out, view.CatalogueFeed{
			Name: e.Name, Title: e.Title, Publisher: e.Publisher, Docs: e.Docs, Kind: string(e.Kind), Size: e.Size, Key: e.Key, Terms: e.Terms,
		})
	}
	return out
}

// AddFeed implements node.Node.
func (c console) AddFeed(ctx context.Context, entry, who string) error {
	e, err := feed.FromCatalogue(entry)
	if err != nil {
		return err
	}
	at := accord.StampOf(now())
	if e.Key == "required" {
		return fmt.Errorf("%w: %s wants a key: add it with accord feed add, --auth and --auth-file", accord.ErrInvalid, e.Name)
	}
	f := e.Feed()
	f.Enabled, f.Added = true, at
	if err := c.db.AddFeed(ctx, f); err != nil {
		return err
	}
	return c.db.Audit(ctx, accord.AuditEntry{At: at, Who: who, What: "feed.add", Object: f.Name, Detail: string(f.Kind) + " " + f.URL})
}
