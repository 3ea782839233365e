// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/go-json-experiment/json"

	"accord"
	"accord/api"
	"accord/match"
)

type matchCmd struct {
	Files  []string `arg:"" help:"Log files (Zeek TSV or JSON, plain text; gzip and zstd too); - is standard input."`
	Past   bool     `help:"Match what was seen before an indicator became valid, or after, too."`
	Report bool     `help:"Also store the matches in the node, as seen by the centre. A file that comes again within 30 days is counted once."`
}

// Run prints one JSON object a match and exits as grep does: 0 when something
// matched, 1 when nothing did.
func (c *matchCmd) Run(e *env) (err error) {
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
	defer func() { err = errors.Join(err, out.Flush()) }() // what was found before an error too
	found := 0
	for _, name := range c.Files {
		stats, err := c.scan(e, n, ix, name, out)
		found += int(stats.Matches)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		e.log.Info("scanned", "file", name, "lines", stats.Lines, "records", stats.Records, "bad_lines", stats.Bad, "seen", stats.Seen, "matches", stats.Matches)
	}
	if found == 0 {
		return errStatus{1, fmt.Errorf("nothing matched: %d values are sought", ix.Size())}
	}
	return nil
}

func (c *matchCmd) scan(e *env, n *node, ix *match.Index, name string, out io.Writer) (match.Stats, error) {
	f, err := openIn(e, name)
	if err != nil {
		return match.Stats{}, err
	}
	defer f.Close()
	report := report{sum: sha256.New(), found: map[sought][]accord.Match{}}
	in := io.TeeReader(f, report.sum)
	opts := match.ScanOptions{Name: name, Sensor: "centre", At: accord.StampOf(now()), AnyTime: c.Past}
	stats, err := match.Scan(e.ctx, ix, in, opts, func(m accord.Match) error {
		line, err := json.Marshal(api.LineOf(m))
		if err != nil {
			return err
		}
		if c.Report {
			report.add(m)
		}
		_, err = out.Write(append(line, '\n'))
		return err
	})
	if err != nil || !c.Report {
		return stats, err
	}
	if _, err := io.Copy(io.Discard, in); err != nil { // what follows the last record is of the file too
		return stats, err
	}
	added, err := report.store(e.ctx, n, c.Past)
	if err != nil {
		return stats, fmt.Errorf("store matches: %w", err)
	}
	fmt.Fprintf(e.stderr, "%s: %d matches, %d of them new to the node.\n", name, stats.Matches, added)
	return stats, nil
}

// sought is what one indicator looks for.
type sought struct {
	indicator string
	value     accord.Observable
}

// report gathers a file's matches until the file is read to its end: half a file
// is another file, and would be counted again when the whole one comes.
type report struct {
	sum   hash.Hash // of the file's bytes
	found map[sought][]accord.Match
	order []sought
}

func (r *report) add(m accord.Match) {
	k := sought{m.Indicator.ID, m.Value}
	if r.found[k] == nil {
		r.order = append(r.order, k)
	}
	r.found[k] = append(r.found[k], m)
}

// store adds one batch for each value of an indicator, under an id that is the same
// for the same file: a second run adds nothing, and after new indicators have come
// it adds what those match.
func (r *report) store(ctx context.Context, n *node, past bool) (added int, err error) {
	file := r.sum.Sum(nil)
	for _, k := range r.order {
		id := sha256.Sum256(fmt.Appendf(nil, "%x\n%s\n%s\n%s\n%t", file, k.indicator, k.value.Kind, k.value.Value, past))
		more, err := n.db.AddMatchBatch(ctx, fmt.Sprintf("file/%x", id), r.found[k], accord.StampOf(now()))
		if err != nil {
			return added, err
		}
		added += more
	}
	return added, nil
}
