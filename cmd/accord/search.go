// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"

	"accord"
	"accord/api"
)

type searchCmd struct {
	Query []string `arg:"" help:"What to search for: words, values, and conditions such as label:phishing or score:>50 (docs/reference/search.md)."`
	Limit int      `help:"How many, the newest first." default:"50" placeholder:"N"`
	JSON  bool     `help:"Print one JSON object an item."`
}

// Run prints the items that a query finds.
func (c *searchCmd) Run(e *env) error {
	if err := goodLimit(c.Limit); err != nil {
		return err
	}
	n, err := openNode(e)
	if err != nil {
		return err
	}
	defer n.close()
	at := accord.StampOf(now())
	q := accord.Query{Q: strings.Join(c.Query, " "), Now: at}
	var found []accord.Item
	for len(found) < c.Limit {
		q.Limit = min(500, c.Limit-len(found))
		page, next, err := n.db.Search(e.ctx, q)
		if err != nil {
			return err
		}
		if found = append(found, page...); next == "" {
			break
		}
		q.After = next
	}
	if c.JSON {
		for _, it := range found {
			b, err := json.Marshal(api.ItemLineOf(it, n.db.Score(it, at)), json.Deterministic(true))
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(e.stdout, "%s\n", b); err != nil {
				return err
			}
		}
		return nil
	}
	spread, err := n.db.SpreadOf(e.ctx, found)
	if err != nil {
		return err
	}
	return printTable(e, found, "Nothing was found.", []string{"TYPE", "NAME", "SCORE", "TLP", "SOURCE", "SOURCES", "ADDED", "ID"},
		func(it accord.Item) []any {
			points, sources := "", ""
			if it.Type == "indicator" {
				points = fmt.Sprintf("%.0f", n.db.Score(it, at).Now)
			}
			if s := spread[it.ID]; s.Items > 0 {
				sources = fmt.Sprint(s.Sources)
				if s.More {
					sources += "+"
				}
			}
			return []any{it.Type, it.Name, points, it.TLP, it.Source, sources, it.Added, it.ID}
		})
}
