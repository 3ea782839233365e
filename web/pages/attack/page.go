// SPDX-License-Identifier: Apache-2.0

// Package attack is the page of MITRE ATT&CK as a matrix: tactics by techniques,
// each with how many live items refer to it and what they matched, narrowed by
// group, software, campaign, platform; and, instead of the matrix, lists of
// groups, software, campaigns and mitigations. What a filter names and the base
// does not hold is said beside the field. It reads the base in memory alone.
package attack

import (
	"context"
	"embed"
	"slices"
	"strings"

	"accord/knowledge"
	"accord/web/page"
)

//go:embed page.tmpl page.css
var files embed.FS

// Source is the page's template and style.
var Source = &page.Source{Name: "attack", Files: files}

// Base gives the present base.
type Base interface {
	Base() *knowledge.Base
}

// View is what the page shows.
type View struct {
	Empty     bool
	Loading   bool
	Cut       bool
	Tabs      []Tab
	Kind      string // of the list; empty for a matrix
	Domain    string
	By        string // who is looked at: group, software, campaign
	Of        string // its identifier, when found
	OfName    string
	ByWrong   bool
	Names     []string // offered for By
	Platforms []page.Option
	Used      bool // only techniques that items refer to
	Filtered  bool
	Columns   []Column
	Shown     int64
	Rows      []Row
}

// Tab is a matrix or a list to choose.
type Tab struct {
	Of      string // vocabulary of Name
	Name    string
	N       int64
	Path    string
	Current bool
}

// Column is one tactic.
type Column struct {
	Anchor string
	ID     string
	Name   string
	Cells  []Cell
}

// Cell is one technique, with its sub-techniques.
type Cell struct {
	Sub
	Subs     []Sub
	SubItems int64
}

// Sub is one technique by itself.
type Sub struct {
	ID, Name       string
	Items, Matches int64
	Heat           int // 0 to 3
}

// Row is one entry of a list.
type Row struct {
	ID, Name       string
	Aliases        []string
	Techniques     int64
	Items, Matches int64
}

// lists are the kinds that have a list of their own.
var lists = []knowledge.Kind{knowledge.Group, knowledge.Software, knowledge.Campaign, knowledge.Mitigation}

// New returns the page's handler.
func New(base Base) page.Handler {
	return func(_ context.Context, r *page.Request) (*page.Answer, error) {
		b := base.Base()
		form := r.URL.Query()
		v := &View{Empty: b.Empty(), Loading: b.Loading, Cut: b.Cut, Kind: form.Get("kind"), By: strings.TrimSpace(form.Get("by")), Used: form.Get("used") == "1"}
		if !slices.Contains(lists, knowledge.Kind(v.Kind)) {
			v.Kind = ""
		}
		v.tabs(b, form.Get("domain"))
		if v.Kind != "" {
			v.list(b)
		} else {
			v.matrix(b, form.Get("platform"))
		}
		return &page.Answer{Source: Source, View: v}, nil
	}
}

func (v *View) tabs(b *knowledge.Base, domain string) {
	domains := b.Domains()
	if slices.Contains(domains, domain) {
		v.Domain = domain
	} else if len(domains) > 0 {
		v.Domain = domains[0]
	}
	for _, d := range domains {
		n := map[*knowledge.Object]bool{}
		for _, c := range b.Matrix(d) {
			for _, t := range c.Techniques {
				n[t] = true
			}
		}
		v.Tabs = append(v.Tabs, Tab{"attackdomain", d, int64(len(n)), "/attack?domain=" + d, v.Kind == "" && d == v.Domain})
	}
	for _, k := range lists {
		if n := b.Len(k); n > 0 {
			v.Tabs = append(v.Tabs, Tab{"attacklist", string(k), int64(n), "/attack?kind=" + string(k), v.Kind == string(k)})
		}
	}
}

func (v *View) list(b *knowledge.Base) {
	for _, o := range b.All(knowledge.Kind(v.Kind)) {
		row := Row{ID: o.ID, Name: o.Name, Aliases: o.Aliases[:min(len(o.Aliases), 6)], Items: o.Count.Items(), Matches: o.Count.Matches}
		for _, l := range o.Links {
			if l.Out && l.To.Kind == knowledge.Technique {
				row.Techniques++
			}
		}
		v.Rows = append(v.Rows, row)
	}
}

// filter is what a technique must be to be shown.
type filter struct {
	used     map[*knowledge.Object]bool // nil: whoever uses it
	platform string
	referred bool
}

func (f filter) passes(o *knowledge.Object) bool {
	if f.used != nil && !f.used[o] || f.referred && o.Count.Items() == 0 {
		return false
	}
	return f.platform == "" || slices.Contains(o.Platforms, f.platform)
}

func (v *View) matrix(b *knowledge.Base, platform string) {
	f := filter{platform: platform, referred: v.Used}
	if v.By != "" {
		o, ok := b.Find(v.By, knowledge.Group, knowledge.Software, knowledge.Campaign)
		if ok {
			f.used = b.Used(o)
			v.Of, v.OfName = o.ID, o.Name
		}
		v.ByWrong = !ok
	}
	v.Filtered = v.By != "" || platform != "" || v.Used
	var platforms []string
	shown := map[string]bool{}
	for i, c := range b.Matrix(v.Domain) {
		col := Column{Anchor: anchor(i), ID: c.ID, Name: c.Name}
		for _, o := range c.Techniques {
			for _, p := range o.Platforms {
				if !slices.Contains(platforms, p) {
					platforms = append(platforms, p)
				}
			}
			cell := Cell{Sub: subOf(o)}
			for _, s := range o.Subs {
				if f.passes(s) {
					sub := subOf(s)
					cell.Subs, cell.SubItems = append(cell.Subs, sub), cell.SubItems+sub.Items
				}
			}
			if f.passes(o) || len(cell.Subs) > 0 {
				col.Cells = append(col.Cells, cell)
				shown[o.ID] = true
			}
		}
		if len(col.Cells) > 0 || !v.Filtered {
			v.Columns = append(v.Columns, col)
		}
	}
	v.Shown = int64(len(shown))
	slices.Sort(platforms)
	v.Platforms = page.OptionsOf(platforms, platform)
	for _, k := range []knowledge.Kind{knowledge.Group, knowledge.Software, knowledge.Campaign} {
		for _, o := range b.All(k) {
			if slices.Contains(o.Domains, v.Domain) {
				v.Names = append(v.Names, o.Name)
			}
		}
	}
}

func anchor(i int) string { return "tactic-" + string(rune('a'+i%26)) }

func subOf(o *knowledge.Object) Sub {
	c := Sub{ID: o.ID, Name: o.Name, Items: o.Count.Items(), Matches: o.Count.Matches}
	switch {
	case c.Items >= 100:
		c.Heat = 3
	case c.Items >= 10:
		c.Heat = 2
	case c.Items > 0:
		c.Heat = 1
	}
	return c
}
