// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"context"
	"fmt"

	"accord"
	"accord/taxii"
)

// OwnRoot is the API root of the node's own store.
const OwnRoot = "own"

// OwnStore is what [Own] reads; package store satisfies it.
type OwnStore interface {
	Collection(ctx context.Context, after accord.Stamp, limit int, f accord.EntryFilter) ([]accord.Entry, error)
	CollectionBytes(ctx context.Context, rows []int64) (map[int64][]byte, error)
}

// Own is the TAXII backend of a node for the authority's own tools: everything that
// the node holds and that lives, its own and what it was given, to read. It gives
// nothing to a party, and a party sees none of it: it is for who may read the same by
// the HTTP interface, accord.RoleReader and above. It belongs on a listener of the
// authority's own.
//
// An item's date added is when it was last written here: what changes, in content
// or in terms, moves to the end.
type Own struct {
	Self  string // the node's name
	Store OwnStore
}

var _ taxii.Backend = (*Own)(nil)

// ownBoxes are the collections, by alias.
var ownBoxes = []struct {
	alias, title, description string
	types                     []string
}{
	{"all", "All that %s holds", "Every object that lives: the authority's own and what it was given.", nil},
	{"indicators", "Indicators of %s", "What to look for: patterns with their names, times and markings.", []string{"indicator"}},
	{
		"observables", "Observables of %s", "STIX Cyber-observable Objects.",
		[]string{
			"artifact", "autonomous-system", "directory", "domain-name", "email-addr", "email-message", "file", "ipv4-addr", "ipv6-addr",
			"mac-addr", "mutex", "network-traffic", "process", "software", "url", "user-account", "windows-registry-key", "x509-certificate",
		},
	},
}

// OwnID returns the id of one of self's own collections.
func OwnID(self, alias string) string {
	return boxID(self + "/own/" + alias)
}

// Collections implements [taxii.Backend].
func (o *Own) Collections(_ context.Context, who taxii.Caller, root string) ([]taxii.Collection, error) {
	if root != OwnRoot || who.Party != "" || !who.Role.Includes(accord.RoleReader) {
		return nil, fmt.Errorf("%w: this API root is for the authority's own tools", accord.ErrNotFound)
	}
	var out []taxii.Collection
	for _, b := range ownBoxes {
		out = append(out, taxii.Collection{
			ID: OwnID(o.Self, b.alias), Alias: b.alias, Title: fmt.Sprintf(b.title, o.Self), Description: b.description, CanRead: true,
		})
	}
	return out, nil
}

// Objects implements [taxii.Backend].
func (o *Own) Objects(ctx context.Context, who taxii.Caller, root, collection string, q taxii.Query) (taxii.Page, error) {
	if _, err := o.Collections(ctx, who, root); err != nil {
		return taxii.Page{}, err
	}
	for _, b := range ownBoxes {
		if collection == OwnID(o.Self, b.alias) {
			r := entries{list: o.Store.Collection, bytes: o.Store.CollectionBytes, filter: accord.EntryFilter{Types: b.types}}
			return r.page(ctx, q)
		}
	}
	return taxii.Page{}, fmt.Errorf("%w: no such collection", accord.ErrNotFound)
}

// Add implements [taxii.Backend]: nothing is written here.
func (o *Own) Add(context.Context, taxii.Caller, string, string, [][]byte) (taxii.Status, error) {
	return taxii.Status{}, fmt.Errorf("%w: these collections are read; \"accord ingest\" adds to them", accord.ErrForbidden)
}

// Status implements [taxii.Backend]: there is none.
func (o *Own) Status(context.Context, taxii.Caller, string, string) (taxii.Status, error) {
	return taxii.Status{}, fmt.Errorf("%w: no such status", accord.ErrNotFound)
}

// Delete implements [taxii.Backend]: nothing is deleted here.
func (o *Own) Delete(context.Context, taxii.Caller, string, string, string, taxii.Query) error {
	return fmt.Errorf("%w: \"accord retract\" takes an item back", accord.ErrForbidden)
}
