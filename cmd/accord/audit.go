// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/go-json-experiment/json"

	"accord"
)

// mostListed bounds what the lists print at once.
const mostListed = 100_000

type auditCmd struct {
	Limit int  `help:"How many, the newest first." default:"100" placeholder:"N"`
	JSON  bool `help:"Print one JSON object an entry."`
}

// auditLine is an entry of the audit record as printed with --json.
type auditLine struct {
	At     accord.Stamp `json:"at"`
	Who    string       `json:"who"`
	What   string       `json:"what"`
	Object string       `json:"object"`
	Detail string       `json:"detail"`
}

func (c *auditCmd) Run(e *env) error {
	if err := goodLimit(c.Limit); err != nil {
		return err
	}
	n, err := openNode(e)
	if err != nil {
		return err
	}
	defer n.close()
	entries, err := n.db.AuditEntries(e.ctx, c.Limit)
	if err != nil {
		return err
	}
	if !c.JSON || len(entries) == 0 {
		return printTable(e, entries, "Nothing is recorded yet.", []string{"AT", "WHO", "WHAT", "OBJECT", "DETAIL"},
			func(x accord.AuditEntry) []any { return []any{x.At, x.Who, x.What, x.Object, x.Detail} })
	}
	for _, x := range entries {
		b, err := json.Marshal(auditLine(x), json.Deterministic(true))
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(e.stdout, "%s\n", b); err != nil {
			return err
		}
	}
	return nil
}

type refusalsCmd struct {
	Limit int `help:"How many, the newest first." default:"100" placeholder:"N"`
}

func (c *refusalsCmd) Run(e *env) error {
	if err := goodLimit(c.Limit); err != nil {
		return err
	}
	n, err := openNode(e)
	if err != nil {
		return err
	}
	defer n.close()
	refused, err := n.db.Refusals(e.ctx, c.Limit)
	if err != nil {
		return err
	}
	return printTable(e, refused, "Nothing was refused.", []string{"AT", "SOURCE", "WHAT", "WHY"},
		func(x accord.Refusal) []any { return []any{x.At, x.Source, x.What, x.Why} })
}

func goodLimit(n int) error {
	if n < 1 || n > mostListed {
		return fmt.Errorf("%w: --limit %d: want 1 to %d", accord.ErrInvalid, n, mostListed)
	}
	return nil
}
