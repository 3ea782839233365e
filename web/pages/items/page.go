// SPDX-License-Identifier: Apache-2.0

// Package items is the page that searches items: one box with the query language
// of docs/reference/search.md, and form controls that write the query. Lists are
// paged by the store's opaque cursor, newest first. What is wrong with a query is
// said beside the box.
package items

import (
	"context"
	"embed"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"accord"
	"accord/web/page"
)

//go:embed page.tmpl page.css
var files embed.FS

// Source is the page's template and style.
var Source = &page.Source{Name: "items", Files: files}

// Store is what the page reads.
type Store interface {
	Search(ctx context.Context, q accord.Query) ([]accord.Item, string, error)
	Counts(ctx context.Context) (accord.Counts, error)
	Parties(ctx context.Context) ([]accord.Party, error)
	Score(it accord.Item, now accord.Stamp) accord.Score
	SpreadOf(ctx context.Context, items []accord.Item) (map[string]accord.Spread, error)
}

// View is what the page shows.
type View struct {
	Q        string
	Wrong    string // what is wrong with Q
	Types    []page.Option
	TLPs     []page.Option
	Sources  []page.Option
	Parties  []page.Option
	States   []page.Option
	Kinds    []page.Option
	Filtered bool
	Rows     []Row
	Short    bool // the page ended before it was full: there may be more
	More     page.More
	CSV      string // where the result is downloaded; empty when there is none
	Lines    string
	Examples []string
}

// Row is one item found.
type Row struct {
	Item    accord.Item
	State   string // of [state]
	Score   page.Gauge
	Sources int64
	Many    bool // there are more sources than were counted
	Tags    []string
	Left    int64 // tags not shown
}

const (
	perPage = 50
	maxTags = 4 // shown with an item
)

// New returns the page's handler; self is left out of the parties offered.
func New(store Store, self accord.Party) page.Handler {
	return func(ctx context.Context, r *page.Request) (*page.Answer, error) {
		form := r.URL.Query()
		v := &View{Q: Compose(form), Examples: examples}
		v.Filtered = v.Q != ""
		if err := v.controls(ctx, store, form, self); err != nil {
			return nil, err
		}
		list, next, err := store.Search(ctx, accord.Query{Q: orAll(v.Q), Now: r.Now, After: form.Get("after"), Limit: perPage})
		if errors.Is(err, accord.ErrInvalid) && form.Get("after") == "" {
			v.Wrong = wrongOf(err)
			return &page.Answer{Source: Source, View: v, Status: http.StatusUnprocessableEntity}, nil
		} else if err != nil {
			return nil, err
		}
		spread, err := store.SpreadOf(ctx, list)
		if err != nil {
			return nil, err
		}
		for _, it := range list {
			v.Rows = append(v.Rows, rowOf(it, store.Score(it, r.Now), spread[it.ID], r.Now))
		}
		v.Short = next != "" && len(list) < perPage
		v.More = page.MoreOf("/items", url.Values{"q": {v.Q}, "after": form["after"]}, next)
		if len(list) > 0 && r.May(accord.RoleAnalyst) {
			v.CSV = "/items/export?" + url.Values{"format": {"csv"}, "q": {v.Q}}.Encode()
			v.Lines = "/items/export?" + url.Values{"format": {"jsonl"}, "q": {v.Q}}.Encode()
		}
		return &page.Answer{Source: Source, View: v}, nil
	}
}

// orAll is q, or what finds everything that lives.
func orAll(q string) string {
	if q == "" {
		return "state:live"
	}
	return q
}

// wrongOf is the part of an error that a person can act on.
func wrongOf(err error) string {
	_, what, found := strings.Cut(err.Error(), "query: ")
	if !found {
		return err.Error()
	}
	return what
}

var examples = []string{
	"type:indicator label:phishing score:>50", `family:emotet added:>2026-11-01`, "value:198.51.100.0/24", `"spear phishing" -tlp:red`, "technique:T1566.002",
}

func rowOf(it accord.Item, s accord.Score, sp accord.Spread, now accord.Stamp) Row {
	tags := slices.Concat(it.Tags, it.Labels)
	row := Row{Item: it, State: page.StateOf(it, now), Sources: int64(max(1, sp.Sources)), Many: sp.More, Tags: tags[:min(len(tags), maxTags)]}
	row.Left = int64(len(tags) - len(row.Tags))
	if it.Type == "indicator" {
		row.Score = page.GaugeOf(s, now)
	}
	return row
}

// terms are the controls of the form, each a field of the query language.
var terms = []string{"type", "tlp", "source", "party", "state", "kind", "label"}

// Compose writes the query that a form asks for: what stands in its box, with the
// terms that its controls choose in place of those of the same field. A control
// that stands as the query "was" when the form was shown chooses nothing. It is
// never cut: the store refuses what is too long, as its end may be what matters.
func Compose(form url.Values) string {
	tokens := split(form.Get("q"))
	for _, field := range terms {
		value, before := strings.TrimSpace(form.Get(field)), chosen(form.Get("was"), field)
		if value == before {
			continue // as it was shown: the box has the word
		}
		tokens = slices.DeleteFunc(tokens, func(t string) bool { return strings.HasPrefix(strings.ToLower(t), field+":") })
		if value != "" {
			tokens = append(tokens, field+":"+quote(value))
		}
	}
	return strings.Join(tokens, " ")
}

// split cuts a query at spaces outside quotes.
func split(q string) (out []string) {
	quoted, begin := false, -1
	for i := 0; i < len(q); i++ {
		switch c := q[i]; {
		case quoted && c == '\\' && i+1 < len(q):
			i++
		case c == '"':
			quoted = !quoted
			if begin < 0 {
				begin = i
			}
		case !quoted && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			if begin >= 0 {
				out, begin = append(out, q[begin:i]), -1
			}
		case begin < 0:
			begin = i
		}
	}
	if begin >= 0 {
		out = append(out, q[begin:])
	}
	return out
}

// quote writes a value so that it is one.
func quote(v string) string {
	if !strings.ContainsAny(v, " ,\"\t\r\n") {
		return v
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"`
}

// chosen is what the query says of a field, when it says one thing.
func chosen(q, field string) string {
	for _, t := range split(q) {
		if v, ok := strings.CutPrefix(t, field+":"); ok {
			return strings.NewReplacer(`\\`, `\`, `\"`, `"`, `"`, "").Replace(v)
		}
	}
	return ""
}

func (v *View) controls(ctx context.Context, store Store, _ url.Values, self accord.Party) error {
	c, err := store.Counts(ctx)
	if err != nil {
		return err
	}
	parties, err := store.Parties(ctx)
	if err != nil {
		return err
	}
	names := []string{"own"}
	for _, p := range parties {
		if p.Name != self.Name {
			names = append(names, p.Name)
		}
	}
	v.Types = page.OptionsOf(slices.Sorted(maps.Keys(c.ByType)), chosen(v.Q, "type"))
	v.TLPs = page.OptionsOf([]string{"clear", "green", "amber", "amber+strict", "red"}, chosen(v.Q, "tlp"))
	v.Sources = page.OptionsOf(slices.Sorted(maps.Keys(c.BySource)), chosen(v.Q, "source"))
	v.Parties = page.OptionsOf(names, chosen(v.Q, "party"))
	v.States = page.OptionsOf([]string{"live", "held", "false", "withdrawn", "any"}, chosen(v.Q, "state"))
	v.Kinds = page.OptionsOf([]string{"domain", "ipv4", "ipv6", "cidr", "addrport", "url", "email", "md5", "sha1", "sha256", "sha512"}, chosen(v.Q, "kind"))
	return nil
}
