// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"io"
	"os"

	"github.com/go-json-experiment/json"

	"accord"
	"accord/api"
	"accord/match"
)

type matchCmd struct {
	Files  []string `arg:"" help:"Log files (Zeek TSV or JSON, plain text; gzip and zstd too); - is standard input."`
	Past   bool     `help:"Match what was seen before an indicator became valid, or after, too."`
	Report bool     `help:"Also store the matches in the node, as seen by the centre."`
}

// Run prints one JSON object a match and exits as grep does: 0 when something
// matched, 1 when nothing did.
func (c *matchCmd) Run(e *env) error {
	n, err := openNode(e)
	if err != nil {
		return err
	}
	defer n.close()
	ix, err := match.Load(e.ctx, n.db, match.NewSalt())
	if err != nil {
		return err
	}
	out := bufio.NewWriter(e.stdout)
	found := 0
	for _, name := range c.Files {
		stats, err := c.scan(e, n, ix, name, out, &found)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		e.log.Info("scanned", "file", name, "lines", stats.Lines, "records", stats.Records, "bad_lines", stats.Bad, "seen", stats.Seen, "matches", stats.Matches)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if found == 0 {
		return errStatus{1, fmt.Errorf("nothing matched: %d values are sought", ix.Size())}
	}
	return nil
}

func (c *matchCmd) scan(e *env, n *node, ix *match.Index, name string, out io.Writer, found *int) (match.Stats, error) {
	in := e.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return match.Stats{}, err
		}
		defer f.Close() //nolint:errcheck // only read
		in = f
	}
	return match.Scan(e.ctx, ix, in, match.ScanOptions{Name: name, Sensor: "centre", At: accord.StampOf(now()), AnyTime: c.Past}, func(m accord.Match) error {
		*found++
		line, err := json.Marshal(api.LineOf(m))
		if err != nil {
			return err
		}
		if _, err := out.Write(append(line, '\n')); err != nil {
			return err
		}
		if !c.Report {
			return nil
		}
		_, err = n.db.AddMatches(e.ctx, []accord.Match{m}, accord.StampOf(now()))
		return err
	})
}
