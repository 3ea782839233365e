// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"

	"accord"
	"accord/format/stix"
	"accord/store"
)

type fsckCmd struct {
	Deep   bool `help:"Read every page of the file, every item and the hash of everything sent; else one item in 64 is read against its bytes."`
	Repair bool `help:"Make anew what follows from other tables: search indexes and totals. Stop the node first."`
	JSON   bool `help:"Print one JSON object a problem, then one that sums up."`
}

// fsckLine is the last line printed with --json.
type fsckLine struct {
	OK       bool  `json:"ok"`
	Checks   int   `json:"checks"`
	Items    int64 `json:"items"`
	Logs     int   `json:"logs"`
	Problems int64 `json:"problems"`
	Repaired bool  `json:"repaired"`
}

func (c *fsckCmd) Run(e *env) error {
	n, err := openNode(e)
	if err != nil {
		return err
	}
	defer n.close()
	return c.check(n)
}

// check looks at the store and every log, repairs when asked to, and looks again.
func (c *fsckCmd) check(n *node) error {
	line, derived, err := c.look(n)
	if err != nil {
		return err
	}
	if c.Repair && derived {
		if err := n.db.Repair(n.env.ctx); err != nil {
			return err
		}
		if err := n.audit(n.env.ctx, "store.repair", "indexes and totals", fmt.Sprintf("%d problems", line.Problems)); err != nil {
			return err
		}
		if !c.JSON {
			fmt.Fprintln(n.env.stdout, "Made the search indexes and totals anew. Looking again.")
		}
		if line, _, err = c.look(n); err != nil {
			return err
		}
		line.Repaired = true
	}
	if c.JSON {
		b, err := json.Marshal(line)
		if err != nil {
			return err
		}
		fmt.Fprintf(n.env.stdout, "%s\n", b)
	} else {
		fmt.Fprintf(n.env.stdout, "%d checks, %d item versions, %d logs: %d problems.\n", line.Checks, line.Items, line.Logs, line.Problems)
	}
	if !line.OK {
		return fmt.Errorf("%w: the store is not sound: %d problems", accord.ErrConflict, line.Problems)
	}
	return nil
}

func (c *fsckCmd) look(n *node) (line fsckLine, derived bool, err error) {
	ck := &store.Checking{Self: n.self.Name, Deep: c.Deep, Read: rereadItem, Report: func(p store.Problem) { c.print(n.env, p) }}
	if err := n.db.Check(n.env.ctx, ck); err != nil {
		return line, false, err
	}
	heads, err := n.db.Heads(n.env.ctx)
	if err != nil {
		return line, false, err
	}
	for _, h := range heads {
		r, err := n.verifyLog(n.env.ctx, h.Origin)
		if err != nil && !errors.Is(err, accord.ErrConflict) && !errors.Is(err, accord.ErrNotFound) {
			return line, false, err
		}
		if err != nil {
			what := err.Error()
			if len(r.Problems) > 0 {
				what = r.Problems[0]
			}
			ck.Problems++
			c.print(n.env, store.Problem{
				Check: "ledger", Where: h.Origin, What: what,
				Do: "sign nothing more: keep the store as it is and compare with the partner's copy (\"accord ledger verify\" says all)",
			})
		}
	}
	return fsckLine{OK: ck.Problems == 0, Checks: ck.Checks + 1, Items: ck.Items, Logs: len(heads), Problems: ck.Problems}, ck.Derived, nil
}

func (c *fsckCmd) print(e *env, p store.Problem) {
	if c.JSON {
		if b, err := json.Marshal(p); err == nil {
			fmt.Fprintf(e.stdout, "%s\n", b)
		}
		return
	}
	fmt.Fprintf(e.stdout, "%s: %s %s\n  %s\n", p.Check, visible(p.Where), visible(p.What), p.Do)
}

// rereadItem reads an item's bytes as ingesting does today.
func rereadItem(it accord.Item) (accord.Item, error) {
	return stix.Parse(stix.Raw{Bytes: it.Bytes, Spec: it.Spec}, it.TLP)
}
