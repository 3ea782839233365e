// SPDX-License-Identifier: Apache-2.0

// Package agreement is the page of one agreement: its signed text verbatim, who
// signed and who has not, every article said in sentences with what was given,
// got and withheld under it. The text is what binds; the sentences are an aid,
// and the page says so. It prints as a document. An unknown agreement or version
// is accord.ErrNotFound.
package agreement

import (
	"context"
	"embed"
	"fmt"
	"strconv"

	"accord"
	"accord/agreement"
	"accord/web/node"
	"accord/web/page"
)

//go:embed page.tmpl page.css
var files embed.FS

// Source is the page's template and style.
var Source = &page.Source{Name: "agreement", Files: files}

// Reader reads agreements.
type Reader interface {
	Agreement(ctx context.Context, id string, version int) (node.Agreement, error)
}

// View is what the page shows.
type View struct {
	Agreement node.Agreement
	Missing   int64
	Standing  []accord.Suspension // not lifted
	Lifted    []accord.Suspension
	Articles  []Article
}

// Article is an article with its sentences.
type Article struct {
	node.Article
	Effect string
	When   []page.Clause // what it applies to
	Duties []page.Clause // what is done to the copy, and what the receiver is bound to
}

// New returns the page's handler.
func New(reader Reader) page.Handler {
	return func(ctx context.Context, r *page.Request) (*page.Answer, error) {
		version := 0
		if s := r.URL.Query().Get("version"); s != "" {
			n, err := strconv.Atoi(s)
			if err != nil || n < 1 {
				return nil, fmt.Errorf("%w: version %q", accord.ErrInvalid, s)
			}
			version = n
		}
		a, err := reader.Agreement(ctx, r.PathValue("id"), version)
		if err != nil {
			return nil, err
		}
		v := &View{Agreement: a}
		for _, s := range a.Signatures {
			if !s.Signed {
				v.Missing++
			}
		}
		for _, s := range a.Suspensions {
			if s.Lifted == 0 || r.Now < s.Lifted {
				v.Standing = append(v.Standing, s)
			} else {
				v.Lifted = append(v.Lifted, s)
			}
		}
		for _, x := range a.Articles {
			v.Articles = append(v.Articles, Article{x, x.Effect.String(), when(x.Article), duties(x.Article)})
		}
		return &page.Answer{Source: Source, View: v}, nil
	}
}

// clauses collects what an article says, leaving out what it does not.
type clauses []page.Clause

func (c *clauses) add(code, of string, words ...string) {
	if len(words) > 0 && words[0] != "" {
		*c = append(*c, page.Clause{Code: code, Of: of, Words: words})
	}
}

// when is what an article applies to: everything it says must hold.
func when(a agreement.Article) []page.Clause {
	var c clauses
	c.add("from", "anyone", a.From...)
	c.add("to", "anyone", a.To...)
	c.add("types", "type", a.Types...)
	kinds := "observables"
	if a.Effect == agreement.Withhold {
		kinds = "observables-any"
	}
	for i, k := range a.Observables {
		if i == 0 {
			c.add(kinds, "kind", string(k))
			continue
		}
		c[len(c)-1].Words = append(c[len(c)-1].Words, string(k))
	}
	c.add("labels", "", a.Labels...)
	c.add("without-labels", "", a.WithoutLabels...)
	c.add("sectors", "", a.Sectors...)
	c.add("sources", "", a.Sources...)
	if a.MaxTLP != nil {
		c.add("max-tlp", "tlp", a.MaxTLP.String())
	}
	if a.MaxPAP != nil {
		c.add("max-pap", "pap", a.MaxPAP.String())
	}
	if a.MinConfidence != nil {
		c.add("min-confidence", "", strconv.Itoa(*a.MinConfidence))
	}
	c.add("max-age", "period", a.MaxAge.String())
	if a.AboveTLP != nil {
		c.add("above-tlp", "tlp", a.AboveTLP.String())
	}
	if a.AbovePAP != nil {
		c.add("above-pap", "pap", a.AbovePAP.String())
	}
	if a.BelowConfidence != nil {
		c.add("below-confidence", "", strconv.Itoa(*a.BelowConfidence))
	}
	c.add("older-than", "period", a.OlderThan.String())
	return c
}

// duties is what a grant changes in the copy and binds the receiver to; an
// exclusion has none.
func duties(a agreement.Article) []page.Clause {
	if a.Effect == agreement.Withhold {
		return nil
	}
	var c clauses
	if a.Pseudonymise {
		c = append(c, page.Clause{Code: "pseudonymise"})
	}
	c.add("redact", "", a.Redact...)
	c.add("actions", "actions", a.Actions.String())
	c.add("onward", "onward", a.Onward.String())
	c.add("attribution", "attribution", a.Attribution.String())
	c.add("retain", "period", a.Retain.String())
	c.add("acknowledge", "period", a.AcknowledgeWithin.String())
	c.add("confirm", "period", a.ConfirmRetractionWithin.String())
	return c
}
