// SPDX-License-Identifier: Apache-2.0

package feed

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/BurntSushi/toml"

	"accord"
)

//go:embed catalogue.toml
var catalogueText string

// Entry is a feed of the built-in catalogue.
type Entry struct {
	Name      string              `toml:"name" json:"name"`
	Title     string              `toml:"title" json:"title"`
	Publisher string              `toml:"publisher" json:"publisher"`
	URL       string              `toml:"url" json:"url"`
	Docs      string              `toml:"docs" json:"docs"` // the publisher's own page on it
	Kind      accord.FeedKind     `toml:"kind" json:"kind"`
	Every     accord.FeedDuration `toml:"every" json:"every"`
	TLP       accord.TLP          `toml:"tlp" json:"tlp"`     // of what says none
	Size      int64               `toml:"size" json:"size"`   // rows or objects to expect
	Key       string              `toml:"key" json:"key"`     // "none", "optional", "required"
	Terms     string              `toml:"terms" json:"terms"` // licence, and what to mind
	Labels    []string            `toml:"labels" json:"labels,omitempty"`
	Context   bool                `toml:"context" json:"context,omitempty"`
	Mirror    bool                `toml:"mirror" json:"mirror,omitempty"`
	List      accord.ListForm     `toml:"list" json:"list,omitzero"`
}

// Feed returns the feed that the entry describes, switched off.
func (e Entry) Feed() accord.Feed {
	tlp := e.TLP
	return accord.Feed{
		Name: e.Name, Title: e.Title, Kind: e.Kind, URL: e.URL, Every: e.Every, Catalog: e.Name, List: e.List,
		Unmarked: &tlp, Labels: slices.Clone(e.Labels), Context: e.Context, Mirror: e.Mirror,
	}
}

// Catalogue returns the built-in catalogue, in its order.
func Catalogue() []Entry { return slices.Clone(catalogue()) }

var catalogue = sync.OnceValue(func() []Entry {
	entries, err := ParseCatalogue(catalogueText)
	if err != nil {
		panic(err) // it is part of the program, and a test reads it
	}
	return entries
})

// FromCatalogue returns an entry by its name, or accord.ErrNotFound.
func FromCatalogue(name string) (Entry, error) {
	for _, e := range catalogue() {
		if e.Name == name {
			return e, nil
		}
	}
	return Entry{}, fmt.Errorf("%w: no feed %.100q in the catalogue: \"accord feed catalogue\" lists them", accord.ErrNotFound, name)
}

// ParseCatalogue reads a catalogue strictly: an unknown key, a name given twice, an
// entry that could not be run are refused.
func ParseCatalogue(text string) ([]Entry, error) {
	var doc struct {
		Feed []Entry `toml:"feed"`
	}
	md, err := toml.Decode(text, &doc)
	if err != nil {
		return nil, fmt.Errorf("catalogue: %w: %w", accord.ErrInvalid, err)
	}
	if extra := md.Undecoded(); len(extra) > 0 {
		return nil, fmt.Errorf("catalogue: %w: unknown key %q", accord.ErrInvalid, extra[0].String())
	}
	names := map[string]bool{}
	for _, e := range doc.Feed {
		switch {
		case names[e.Name]:
			return nil, fmt.Errorf("catalogue: %w: %q stands there twice", accord.ErrInvalid, e.Name)
		case e.Title == "" || e.Publisher == "" || e.Terms == "" || !strings.HasPrefix(e.Docs, "https://") || e.Size <= 0:
			return nil, fmt.Errorf("catalogue: %w: %q lacks its title, publisher, terms, page or size", accord.ErrInvalid, e.Name)
		case !slices.Contains([]string{"none", "optional", "required"}, e.Key):
			return nil, fmt.Errorf("catalogue: %w: %q: key %q: want none, optional or required", accord.ErrInvalid, e.Name, e.Key)
		case time.Duration(e.Every) < 10*time.Minute:
			return nil, fmt.Errorf("catalogue: %w: %q: every %s: a guest does not ask more often than every 10 minutes", accord.ErrInvalid, e.Name, time.Duration(e.Every))
		}
		names[e.Name] = true
		if err := Check(e.Feed()); err != nil {
			return nil, fmt.Errorf("catalogue: %w", err)
		}
	}
	return doc.Feed, nil
}
