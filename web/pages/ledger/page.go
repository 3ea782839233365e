// SPDX-License-Identifier: Apache-2.0

// Package ledger is the page of the ledger's logs: where each stands, the C2SP
// checkpoint that says so, how much of it the other party has cosigned, its last
// leaves, and on request a verification from leaves to signatures. The page only
// reads; a verification is posted because it costs time.
package ledger

import (
	"context"
	"embed"
	"slices"
	"strings"

	"accord"
	"accord/web/node"
	"accord/web/page"
)

//go:embed page.tmpl page.css
var files embed.FS

// Source is the page's template and style.
var Source = &page.Source{Name: "ledger", Files: files}

// lately is how many of a log's last leaves the page shows.
const lately = 8

// Store is what the page reads.
type Store interface {
	Heads(ctx context.Context) ([]accord.Head, error)
	Leaves(ctx context.Context, origin string, from int64, limit int) ([]accord.Leaf, error)
}

// Verifier verifies one log.
type Verifier interface {
	VerifyLedger(ctx context.Context, origin string) (node.LedgerReport, error)
}

// View is what the page shows.
type View struct{ Logs []Log }

// Log is one log.
type Log struct {
	Head     accord.Head
	From, To string
	Ours     bool // written by this node
	Cosigner string
	Behind   int64 // leaves not cosigned yet
	Leaves   []Leaf
	Report   *node.LedgerReport // nil when not asked for
}

// Leaf is one leaf, newest first.
type Leaf struct {
	Index  int64
	Kind   string
	Record string
}

// New answers with every log.
func New(store Store, self accord.Party) page.Handler {
	return func(ctx context.Context, _ *page.Request) (*page.Answer, error) {
		v, err := view(ctx, store, self)
		if err != nil {
			return nil, err
		}
		return &page.Answer{Source: Source, View: v}, nil
	}
}

// Verify verifies the log named by the form's origin and answers with every log.
func Verify(store Store, verifier Verifier, self accord.Party) page.Handler {
	return func(ctx context.Context, r *page.Request) (*page.Answer, error) {
		v, err := view(ctx, store, self)
		if err != nil {
			return nil, err
		}
		for i := range v.Logs {
			if v.Logs[i].Head.Origin != r.PostFormValue("origin") {
				continue
			}
			report, err := verifier.VerifyLedger(ctx, v.Logs[i].Head.Origin)
			if err != nil {
				return nil, err
			}
			v.Logs[i].Report = &report
			return &page.Answer{Source: Source, View: v}, nil
		}
		return nil, accord.ErrNotFound
	}
}

func view(ctx context.Context, store Store, self accord.Party) (*View, error) {
	heads, err := store.Heads(ctx)
	if err != nil {
		return nil, err
	}
	v := &View{}
	for _, h := range heads {
		l := Log{Head: h, Behind: max(0, h.Size-h.Cosigned)}
		l.From, l.To, _ = strings.Cut(h.Origin, "/to/")
		l.Ours, l.Cosigner = l.From == self.Name, l.To
		leaves, err := store.Leaves(ctx, h.Origin, max(0, h.Size-lately), lately)
		if err != nil {
			return nil, err
		}
		for _, leaf := range slices.Backward(leaves) {
			l.Leaves = append(l.Leaves, Leaf{
				leaf.Index, string(leaf.Kind),
				strings.ToValidUTF8(string(leaf.Record), "�"),
			})
		}
		v.Logs = append(v.Logs, l)
	}
	return v, nil
}
