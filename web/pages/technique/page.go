// SPDX-License-Identifier: Apache-2.0

// Package technique is the page of one ATT&CK object, a technique or any other
// kind: what it is, what it is linked to, both ways and with the words of each
// relationship, and which items of this node refer to it and where those came
// from. The base is in memory; texts are read from the store. An identifier the
// base does not hold is accord.ErrNotFound.
package technique

import (
	"context"
	"embed"
	"fmt"
	"net/url"
	"slices"
	"strconv"

	"accord"
	"accord/knowledge"
	"accord/web/page"
)

//go:embed page.tmpl page.css
var files embed.FS

// Source is the page's template and style.
var Source = &page.Source{Name: "technique", Files: files}

const (
	ownRows     = 25  // items a page lists
	sectionRows = 40  // links a section lists
	wholeRows   = 400 // links a section lists when it is asked for
)

// Base gives the present base.
type Base interface {
	Base() *knowledge.Base
}

// Store is what the page reads.
type Store interface {
	Latest(ctx context.Context, ids []string) (map[string]accord.Item, error)
}

// View is what the page shows.
type View struct {
	Kind      string
	ID, Name  string
	STIX      string
	Source    string
	Aliases   []string
	Platforms []string
	Domains   []string
	Sectors   []string
	Tactics   []Ref
	Parent    Ref
	Successor Ref
	Revoked   bool
	Old       bool // deprecated
	First     string
	Last      string
	Version   string
	Text      knowledge.Text
	Detection knowledge.Text
	Logs      []knowledge.LogSource
	Works     []knowledge.Reference
	NoText    bool
	Count     knowledge.Count
	Items     []Item
	ItemsLeft bool
	More      page.More
	Subs      []Ref
	Sections  []Section
}

// Ref is a link to another object.
type Ref struct {
	ID, Name       string
	Items, Matches int64
}

// Item is one item that refers to the object.
type Item struct {
	Link    page.ItemLink
	Type    string
	TLP     accord.TLP
	Known   bool
	State   string // of [state]
	Source  string
	Party   string // empty: our own
	Verb    string
	Added   accord.Stamp
	Matches int64
}

// Section is the links of one sort.
type Section struct {
	Code string // of [attacklink]
	N    int64
	Rows []Row
	All  string // where all are shown, when they are not
}

// Row is one link, with what is said of it.
type Row struct {
	Ref
	Told
	Source string // where the relationship came from, when not from where the object did
	Parts  []Part // analytics of a detection
}

// Part is one analytic of a detection.
type Part struct {
	Ref
	Told
}

// Told is what is said of a link.
type Told struct {
	Text knowledge.Text
	Logs []knowledge.LogSource
}

// New returns the page's handler.
func New(store Store, base Base) page.Handler {
	return func(ctx context.Context, r *page.Request) (*page.Answer, error) {
		b := base.Base()
		o, ok := b.Object(r.PathValue("id"))
		if !ok {
			return nil, fmt.Errorf("%w: ATT&CK %q", accord.ErrNotFound, r.PathValue("id"))
		}
		form := r.URL.Query()
		v := viewOf(o)
		if o.Kind == knowledge.Tactic {
			v.techniques(b, o)
		} else {
			v.tactics(b, o)
		}
		if err := v.detail(ctx, store, o); err != nil {
			return nil, err
		}
		if err := v.items(ctx, store, o, form, r.Now); err != nil {
			return nil, err
		}
		if err := v.links(ctx, store, o, form.Get("show")); err != nil {
			return nil, err
		}
		return &page.Answer{Source: Source, View: v}, nil
	}
}

func viewOf(o *knowledge.Object) *View {
	v := &View{
		Kind: string(o.Kind), ID: o.ID, Name: o.Name, STIX: o.STIX, Source: o.Source, Aliases: o.Aliases, Platforms: o.Platforms,
		Domains: o.Domains, Revoked: o.Revoked, Old: o.Deprecated, Count: o.Count,
	}
	if o.Parent != nil {
		v.Parent = refTo(o.Parent)
	}
	if o.Successor != nil {
		v.Successor = refTo(o.Successor)
	}
	for _, s := range o.Subs {
		v.Subs = append(v.Subs, refTo(s))
	}
	return v
}

func refTo(o *knowledge.Object) Ref {
	return Ref{ID: o.ID, Name: o.Name, Items: o.Count.Items(), Matches: o.Count.Matches}
}

func (v *View) tactics(b *knowledge.Base, o *knowledge.Object) {
	for _, d := range b.Domains() {
		for _, c := range b.Matrix(d) {
			if slices.Contains(o.Tactics, c.Phase) && !slices.ContainsFunc(v.Tactics, func(r Ref) bool { return r.Name == c.Name && r.ID == c.ID }) {
				v.Tactics = append(v.Tactics, Ref{ID: c.ID, Name: c.Name})
			}
		}
	}
}

// techniques lists what stands under a tactic.
func (v *View) techniques(b *knowledge.Base, o *knowledge.Object) {
	for _, d := range b.Domains() {
		for _, c := range b.Matrix(d) {
			if c.ID == o.ID {
				for _, t := range c.Techniques {
					v.Subs = append(v.Subs, refTo(t))
				}
			}
		}
	}
}

func (v *View) detail(ctx context.Context, store Store, o *knowledge.Object) error {
	held, err := store.Latest(ctx, []string{o.STIX})
	if err != nil {
		return err
	}
	d, err := knowledge.ReadDetail(held[o.STIX].Bytes)
	if err != nil {
		v.NoText = true // it was erased since
		return nil      //nolint:nilerr // the page says it
	}
	v.Text, v.Detection, v.Logs, v.Works = d.Description, d.Detection, d.LogSources, d.References
	v.Version, v.Sectors, v.First, v.Last = d.Version, d.Sectors, d.FirstSeen, d.LastSeen
	return nil
}

// items lists a page of what refers to o, newest first.
func (v *View) items(ctx context.Context, store Store, o *knowledge.Object, form url.Values, now accord.Stamp) error {
	from, err := strconv.Atoi(form.Get("after"))
	if form.Get("after") != "" && (err != nil || from < 0) {
		return fmt.Errorf("%w: place %q in the list", accord.ErrInvalid, form.Get("after"))
	}
	from = min(from, len(o.Refs))
	refs := o.Refs[from:min(from+ownRows, len(o.Refs))]
	next := ""
	if from+len(refs) < len(o.Refs) {
		next = strconv.Itoa(from + len(refs))
	}
	v.More = page.MoreOf("/attack/"+url.PathEscape(o.ID), form, next)
	ids := make([]string, len(refs))
	for i, r := range refs {
		ids[i] = r.Item
	}
	held, err := store.Latest(ctx, ids)
	if err != nil {
		return err
	}
	for _, r := range refs {
		it, ok := held[r.Item]
		v.Items = append(v.Items, Item{
			Link: page.ItemLink{ID: r.Item, Name: it.Name}, Type: it.Type, TLP: it.TLP, Known: ok, State: page.StateOf(it, now),
			Source: it.Source, Party: it.Origin.Party, Verb: r.Verb, Added: it.Added, Matches: r.Matches,
		})
	}
	return nil
}

// order is the order of sections; what is not among them comes last.
var order = []string{
	"uses-technique", "uses-software", "attributed-to-group", "uses-by-group", "uses-by-software", "uses-by-campaign",
	"attributed-to-by-campaign", "mitigates-by-mitigation", "mitigates-technique", "detects-by-detection", "detects-by-data-component",
	"detects-technique", "has-analytic", "has-by-detection", "has-data-component", "has-by-analytic", "targets-asset", "targets-by-technique",
}

func (v *View) links(ctx context.Context, store Store, o *knowledge.Object, show string) error {
	byCode := map[string][]knowledge.Link{}
	for _, l := range o.Links {
		code := l.Verb + "-by-" + string(l.To.Kind)
		if l.Out {
			code = l.Verb + "-" + string(l.To.Kind)
		}
		if !slices.Contains(order, code) {
			code = "other"
		}
		byCode[code] = append(byCode[code], l)
	}
	var ids []string
	shown := map[string][]knowledge.Link{}
	for code, links := range byCode {
		most := sectionRows
		if show == code {
			most = wholeRows
		}
		shown[code] = links[:min(len(links), most)]
		for _, l := range shown[code] {
			ids = append(ids, wanted(l)...)
		}
	}
	texts, err := store.Latest(ctx, ids)
	if err != nil {
		return err
	}
	for _, code := range append(slices.Clone(order), "other") {
		if len(byCode[code]) == 0 {
			continue
		}
		s := Section{Code: code, N: int64(len(byCode[code]))}
		for _, l := range shown[code] {
			s.Rows = append(s.Rows, rowOf(o, l, texts))
		}
		if len(shown[code]) < len(byCode[code]) && show != code {
			s.All = "/attack/" + url.PathEscape(o.ID) + "?show=" + code + "#" + code
		}
		v.Sections = append(v.Sections, s)
	}
	return nil
}

// wanted are the objects whose texts a link's row shows.
func wanted(l knowledge.Link) (ids []string) {
	if l.Rel != "" {
		ids = append(ids, l.Rel)
	}
	if l.To.Kind == knowledge.Analytic {
		ids = append(ids, l.To.STIX)
	}
	if l.Verb == "detects" && l.To.Kind == knowledge.Detection {
		for _, a := range analytics(l.To) {
			ids = append(ids, a.STIX)
		}
	}
	return ids
}

// analytics are what a detection is made of.
func analytics(o *knowledge.Object) (out []*knowledge.Object) {
	for _, l := range o.Links {
		if l.Out && l.To.Kind == knowledge.Analytic && len(out) < 20 {
			out = append(out, l.To)
		}
	}
	return out
}

func rowOf(o *knowledge.Object, l knowledge.Link, texts map[string]accord.Item) Row {
	row := Row{Ref: refTo(l.To)}
	if d, err := knowledge.ReadDetail(texts[l.Rel].Bytes); err == nil {
		row.Text = d.Description
	}
	if l.Source != o.Source {
		row.Source = l.Source
	}
	if l.To.Kind == knowledge.Analytic {
		row.tell(texts[l.To.STIX].Bytes)
	}
	if l.Verb == "detects" && l.To.Kind == knowledge.Detection {
		for _, a := range analytics(l.To) {
			part := Part{Ref: refTo(a)}
			part.tell(texts[a.STIX].Bytes)
			row.Parts = append(row.Parts, part)
		}
	}
	return row
}

// tell adds what an analytic says of itself.
func (r *Told) tell(b []byte) {
	if d, err := knowledge.ReadDetail(b); err == nil {
		r.Text, r.Logs = d.Description, d.LogSources
	}
}
