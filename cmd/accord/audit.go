// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"

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
	if len(entries) == 0 {
		fmt.Fprintln(e.stderr, "Nothing is recorded yet.")
		return nil
	}
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	if !c.JSON {
		fmt.Fprintln(w, "AT\tWHO\tWHAT\tOBJECT\tDETAIL")
	}
	for _, x := range entries {
		if c.JSON {
			b, err := json.Marshal(auditLine(x), json.Deterministic(true))
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(e.stdout, "%s\n", b); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", x.At, cell(x.Who), cell(x.What), cell(x.Object), cell(x.Detail))
	}
	return w.Flush()
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
	if len(refused) == 0 {
		fmt.Fprintln(e.stderr, "Nothing was refused.")
		return nil
	}
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "AT\tSOURCE\tWHAT\tWHY")
	for _, x := range refused {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", x.At, cell(x.Source), cell(x.What), cell(x.Why))
	}
	return w.Flush()
}

func goodLimit(n int) error {
	if n < 1 || n > mostListed {
		return fmt.Errorf("%w: --limit %d: want 1 to %d", accord.ErrInvalid, n, mostListed)
	}
	return nil
}

// cell is text from outside as one cell of a table: what would move the cursor,
// hide text or end the cell is written out.
func cell(s string) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(s, "\ufffd") {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}
