// SPDX-License-Identifier: Apache-2.0

// Package item is the page of one item: what it says, who has it and under which
// article, who may not and why, where it came from, what it matched and what it
// protects. Decisions are made when the page is asked for; disclosures are what
// the ledger recorded. An unknown identifier is accord.ErrNotFound; when only
// the decisions cannot be made, the page says so and shows the rest.
package item

import (
	"context"
	"embed"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"accord"
	"accord/web/node"
	"accord/web/page"
)

//go:embed page.tmpl page.css
var files embed.FS

// Source is the page's template and style.
var Source = &page.Source{Name: "item", Files: files}

const (
	maxRows = 100     // of values, references, matches, protections shown
	maxJSON = 200_000 // bytes of the object shown
)

// Store is what the page reads.
type Store interface {
	Item(ctx context.Context, id string) (accord.Item, error)
	Versions(ctx context.Context, id string) ([]accord.Item, error)
	Items(ctx context.Context, keys []accord.ItemKey) ([]accord.Item, error)
	Latest(ctx context.Context, ids []string) (map[string]accord.Item, error)
	Referrers(ctx context.Context, ids []string, limit int) ([]accord.ItemKey, error)
	DisclosuresOf(ctx context.Context, itemID string) ([]accord.Disclosure, error)
	WithheldOf(ctx context.Context, itemID string) ([]accord.Withheld, error)
	ReceivedOf(ctx context.Context, itemID string) ([]accord.Received, error)
	Matches(ctx context.Context, q accord.MatchQuery) ([]accord.Match, string, error)
	Protections(ctx context.Context, q accord.ProtectionQuery) ([]accord.Protection, string, error)
	Knowledge
}

// Explainer decides now who may have an item.
type Explainer interface {
	Explain(ctx context.Context, item accord.Item) ([]node.Explanation, error)
}

// View is what the page shows.
type View struct {
	Item        accord.Item
	State       string // of [state]
	Own         bool
	CreatedBy   page.ItemLink
	Versions    []Version
	Values      []accord.Observable
	ValuesLeft  int64
	Refs        []Ref
	RefsLeft    int64
	ReferredBy  []page.ItemLink
	JSON        string
	JSONCut     bool
	Disclosures []accord.Disclosure
	Explained   bool
	Decisions   []node.Explanation
	Withheld    []accord.Withheld // as recorded; shown when not Explained
	Received    []accord.Received
	Matches     []accord.Match
	Protections []accord.Protection
	MayRetract  bool
	MayKnow     bool   // may tag, and say what is a false positive
	Wrong       string // key under [itemwrong]; what was wrong with a form
	Indicator   bool
	Score       Score
	Links       []Link
	Sightings   accord.Sightings
	Sources     []accord.SourceOf
	Relations   []Relation
	Techniques  []Technique
}

// Version is one version of the item, and whether it is the one shown.
type Version struct {
	Stamp   accord.Stamp
	Path    string
	Current bool
	Added   accord.Stamp
	Source  string
}

// Ref is a reference to another item, which may not be held here.
type Ref struct {
	Property string
	To       page.ItemLink
	Held     bool
}

// New returns the page's handler; self's identity is not offered for retraction.
func New(store Store, explain Explainer, attack Attack, self accord.Party) page.Handler {
	return func(ctx context.Context, r *page.Request) (*page.Answer, error) {
		versions, shown, err := versions(ctx, store, r.PathValue("id"), r.URL.Query().Get("version"))
		if err != nil {
			return nil, err
		}
		v := &View{Item: shown, State: page.StateOf(shown, r.Now), Own: shown.Origin.Own(), Versions: versions}
		v.MayRetract = v.Own && shown.Withdrawn == 0 && shown.ID != self.Identity && r.May(accord.RoleAnalyst)
		v.Indicator, v.MayKnow = shown.Type == "indicator", r.May(accord.RoleAnalyst) && shown.Withdrawn == 0
		if w := r.URL.Query().Get("wrong"); slices.Contains(wrongs, w) {
			v.Wrong = w
		}
		v.JSON, v.JSONCut = pretty(shown.Bytes)
		v.Values = shown.Observables[:min(len(shown.Observables), maxRows)]
		v.ValuesLeft = int64(len(shown.Observables) - len(v.Values))
		if err := v.references(ctx, store); err != nil {
			return nil, err
		}
		if err := v.known(ctx, store, attack, r.Now); err != nil {
			return nil, err
		}
		if err := v.records(ctx, store); err != nil {
			return nil, err
		}
		if v.Decisions, err = explain.Explain(ctx, shown); err == nil {
			v.Explained = true
		} else if ctx.Err() != nil {
			return nil, err
		}
		return &page.Answer{Source: Source, View: v}, nil
	}
}

// versions returns the versions held and the one asked for: the newest when
// version is empty.
func versions(ctx context.Context, store Store, id, version string) ([]Version, accord.Item, error) {
	newest, err := store.Item(ctx, id)
	if err != nil {
		return nil, accord.Item{}, err
	}
	all, err := store.Versions(ctx, id)
	if err != nil {
		return nil, accord.Item{}, err
	}
	shown := newest
	if version != "" {
		n, err := strconv.ParseInt(version, 10, 64)
		if err != nil {
			return nil, accord.Item{}, fmt.Errorf("%w: version %q", accord.ErrInvalid, version)
		}
		key := accord.ItemKey{ID: newest.ID, Version: accord.Stamp(n)}
		found, err := store.Items(ctx, []accord.ItemKey{key})
		if err != nil {
			return nil, accord.Item{}, err
		}
		if len(found) == 0 {
			return nil, accord.Item{}, fmt.Errorf("%w: version %q of %s", accord.ErrNotFound, version, id)
		}
		shown = found[0]
	}
	var out []Version
	for _, i := range all {
		out = append(out, Version{
			Stamp: i.Version, Path: "?version=" + strconv.FormatInt(int64(i.Version), 10),
			Current: i.ItemKey == shown.ItemKey, Added: i.Added, Source: i.Source,
		})
	}
	return out, shown, nil
}

// references names what the item refers to and what refers to it.
func (v *View) references(ctx context.Context, store Store) error {
	refs := v.Item.Refs[:min(len(v.Item.Refs), maxRows)]
	v.RefsLeft = int64(len(v.Item.Refs) - len(refs))
	ids := []string{}
	for _, r := range refs {
		ids = append(ids, r.To)
	}
	if v.Item.CreatedBy != "" {
		ids = append(ids, v.Item.CreatedBy)
	}
	held, err := store.Latest(ctx, ids)
	if err != nil {
		return err
	}
	for _, r := range refs {
		if r.Property == "created_by_ref" {
			continue
		}
		i, ok := held[r.To]
		v.Refs = append(v.Refs, Ref{r.Property, page.ItemLink{ID: r.To, Name: i.Name}, ok})
	}
	v.CreatedBy = page.ItemLink{ID: v.Item.CreatedBy, Name: held[v.Item.CreatedBy].Name}
	keys, err := store.Referrers(ctx, []string{v.Item.ID}, maxRows)
	if err != nil {
		return err
	}
	by, err := store.Items(ctx, keys)
	if err != nil {
		return err
	}
	for _, i := range by {
		if i.Type != "relationship" {
			v.ReferredBy = append(v.ReferredBy, page.LinkTo(i))
		}
	}
	return v.relations(ctx, store, by)
}

// records reads what became of the item here.
func (v *View) records(ctx context.Context, store Store) (err error) {
	id := v.Item.ID
	if v.Disclosures, err = store.DisclosuresOf(ctx, id); err != nil {
		return err
	}
	if v.Withheld, err = store.WithheldOf(ctx, id); err != nil {
		return err
	}
	if v.Received, err = store.ReceivedOf(ctx, id); err != nil {
		return err
	}
	if v.Matches, _, err = store.Matches(ctx, accord.MatchQuery{Indicator: id, Limit: maxRows}); err != nil {
		return err
	}
	v.Protections, _, err = store.Protections(ctx, accord.ProtectionQuery{Item: id, Limit: maxRows})
	return err
}

// pretty indents an object for reading; bytes that are not JSON come as they are.
func pretty(b []byte) (text string, cut bool) {
	if len(b) > maxJSON {
		return strings.ToValidUTF8(string(b[:maxJSON]), "�"), true
	}
	v := jsontext.Value(append([]byte(nil), b...))
	if err := v.Indent(jsontext.WithIndent("  ")); err != nil {
		return strings.ToValidUTF8(string(b), "�"), false
	}
	return string(v), false
}
