// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	"accord"
	view "accord/web/node"
)

// Catalogue implements node.Node.
func (c console) Catalogue() []view.CatalogueFeed { return nil }

// AddFeed implements node.Node.
func (c console) AddFeed(_ context.Context, entry, _ string) error {
	return fmt.Errorf("%w: no feed %.100q in the catalogue", accord.ErrNotFound, entry)
}
