// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"

	"accord"
	"accord/ledger"
)

// ledgerCmd groups the commands on the ledger.
type ledgerCmd struct {
	Verify ledgerVerifyCmd `cmd:"" help:"Recompute every log from its leaves and check signatures and cosignatures; the node need not run."`
}

type ledgerVerifyCmd struct {
	Origin []string `arg:"" optional:"" help:"Logs to verify, as FROM/to/TO; default: all."`
	JSON   bool     `help:"Print one JSON object a log."`
}

// logLine is one verified log as printed with --json.
type logLine struct {
	Origin   string           `json:"origin"`
	OK       bool             `json:"ok"`
	Size     int64            `json:"size"`
	Root     string           `json:"root"` // hex
	Cosigned int64            `json:"cosigned"`
	Kinds    map[string]int64 `json:"kinds"`
	Problems []string         `json:"problems,omitempty"`
}

func (c *ledgerVerifyCmd) Run(e *env) error {
	n, err := openNode(e)
	if err != nil {
		return err
	}
	defer n.close()
	if len(c.Origin) == 0 {
		heads, err := n.db.Heads(e.ctx)
		if err != nil {
			return err
		}
		for _, h := range heads {
			c.Origin = append(c.Origin, h.Origin)
		}
	}
	if len(c.Origin) == 0 {
		fmt.Fprintln(e.stderr, "No log yet: nothing was disclosed to or received from a partner.")
		return nil
	}
	bad := 0
	for _, origin := range c.Origin {
		r, err := n.verifyLog(e.ctx, origin)
		if err != nil && !errors.Is(err, accord.ErrConflict) {
			return err
		}
		if err != nil {
			bad++
		}
		if err := c.print(e, r, err == nil); err != nil {
			return err
		}
	}
	if bad > 0 {
		return fmt.Errorf("%w: %d of %d logs do not verify: keep the store as it is and compare with the partner's copy", accord.ErrConflict, bad, len(c.Origin))
	}
	return nil
}

func (c *ledgerVerifyCmd) print(e *env, r ledger.Report, ok bool) error {
	l := logLine{Origin: r.Origin, OK: ok, Size: r.Size, Root: fmt.Sprintf("%x", r.Root), Cosigned: r.Cosigned, Kinds: map[string]int64{}, Problems: r.Problems}
	for k, n := range r.Kinds {
		l.Kinds[string(k)] = n
	}
	if c.JSON {
		b, err := json.Marshal(l, json.Deterministic(true))
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(e.stdout, "%s\n", b)
		return err
	}
	word := "verified"
	if !ok {
		word = "DOES NOT VERIFY"
	}
	fmt.Fprintf(e.stdout, "%s  %s\n  size %d, root %s\n  cosigned up to %d\n", r.Origin, word, r.Size, l.Root, r.Cosigned)
	if len(l.Kinds) > 0 {
		fmt.Fprintf(e.stdout, "  %s\n", countKinds(l.Kinds))
	}
	for _, p := range r.Problems {
		fmt.Fprintf(e.stdout, "  problem: %s\n", p)
	}
	return nil
}

// countKinds says how many leaves of each kind there are.
func countKinds(kinds map[string]int64) string {
	var out []string
	for _, k := range sortedKeys(kinds) {
		word := k + "s"
		if kinds[k] == 1 {
			word = k
		}
		out = append(out, fmt.Sprintf("%d %s", kinds[k], word))
	}
	return strings.Join(out, ", ")
}

// verifyLog recomputes one log, this node's or the mirror of a partner's.
func (n *node) verifyLog(ctx context.Context, origin string) (ledger.Report, error) {
	from, to, err := ledger.ParseOrigin(origin)
	if err != nil {
		return ledger.Report{}, err
	}
	parties, err := n.parties(ctx)
	if err != nil {
		return ledger.Report{}, err
	}
	byName := map[string]accord.Party{}
	for _, p := range parties {
		byName[p.Name] = p
	}
	for _, name := range []string{from, to} {
		if byName[name].Name == "" {
			return ledger.Report{}, fmt.Errorf("%w: %s is not a party here: \"accord partner list\" shows those that are", accord.ErrNotFound, name)
		}
	}
	return ledger.Verify(ctx, n.db, byName[from], byName[to])
}
