// SPDX-License-Identifier: Apache-2.0

package page

import (
	"net/url"

	"accord"
)

// ItemLink is an item as a link: by its name, or by its id when it has none.
type ItemLink struct {
	ID   string
	Name string
}

// LinkTo returns the link to an item.
func LinkTo(i accord.Item) ItemLink { return ItemLink{ID: i.ID, Name: i.Name} }

// ItemPath is the path of an item's page.
func ItemPath(id string) string { return "/items/" + url.PathEscape(id) }

// StateOf is the code under [state] that an item is in.
func StateOf(i accord.Item, now accord.Stamp) string {
	switch {
	case i.Withdrawn != 0:
		return "withdrawn"
	case i.Revoked:
		return "revoked"
	case i.False != "":
		return "false"
	case i.Held != "":
		return "held"
	case i.ValidUntil != 0 && i.ValidUntil <= now:
		return "expired"
	default:
		return "live"
	}
}

// More leads to the other pages of a list.
type More struct {
	First string // URL of the first page; empty on it
	Next  string // URL of the next page; empty on the last
}

// MoreOf returns the links around one page of a list at path: query is what the
// page was asked with, next the store's cursor, empty at the end.
func MoreOf(path string, query url.Values, next string) More {
	var m More
	q := url.Values{}
	for k, v := range query {
		if k != "after" && k != "lang" && len(v) > 0 && v[0] != "" {
			q.Set(k, v[0])
		}
	}
	if query.Get("after") != "" {
		m.First = withQuery(path, q)
	}
	if next != "" {
		q.Set("after", next)
		m.Next = withQuery(path, q)
	}
	return m
}

func withQuery(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// Option is one choice of a filter.
type Option struct {
	Value    string
	Selected bool
}

// OptionsOf returns values as choices with the one now chosen marked; a chosen
// value that is not among them is added, so that a filter never lies.
func OptionsOf(values []string, chosen string) []Option {
	var out []Option
	found := chosen == ""
	for _, v := range values {
		out = append(out, Option{v, v == chosen})
		found = found || v == chosen
	}
	if !found {
		out = append(out, Option{chosen, true})
	}
	return out
}
