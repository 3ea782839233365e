// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"accord"
	"accord/format/misp"
	"accord/ingest"
	"accord/protect"
)

type ingestCmd struct {
	Files    []string    `arg:"" help:"Files, folders or archives; - is standard input. The format is found from the content."`
	Source   string      `help:"Name of the feed; default: each file's own name." placeholder:"NAME"`
	Unmarked *accord.TLP `help:"What an object without a TLP marking counts as; default: ingest.default_tlp of the configuration." placeholder:"TLP"`
	AtLeast  accord.TLP  `help:"Raise more open markings to this." default:"clear" placeholder:"TLP"`
	Label    []string    `help:"Add a label to every item; may be repeated." placeholder:"LABEL"`
	Format   string      `help:"stix, misp or list, when the content does not tell." enum:",stix,misp,list" default:"" placeholder:"FORMAT"`
	Limit    int64       `help:"Take at most so many rows or objects of each file." placeholder:"N"`
	Losses   bool        `help:"Print what each conversion lost."`
	JSON     bool        `help:"Print the report as one JSON object."`
}

func (c *ingestCmd) Run(e *env) error {
	n, err := openNode(e)
	if err != nil {
		return err
	}
	defer n.close()
	never, err := n.neverBlock()
	if err != nil {
		return err
	}
	in := &ingest.Ingester{
		Store: n.db, Never: never, Now: now, Log: e.log, Identity: n.self.Identity,
		DefaultTLP: n.config.Ingest.DefaultTLP,
	}
	var all ingest.Report
	for _, name := range c.Files {
		bar := newProgress(e.stderr, name)
		opts := ingest.Options{
			Source: c.Source, Unmarked: c.Unmarked, AtLeast: c.AtLeast, Labels: c.Label,
			Format: ingest.Format(c.Format), Limit: c.Limit,
			Progress: func(done, size int64, r ingest.Report) { bar.show(done, size, r.Objects) },
		}
		if c.Losses {
			opts.Lost = func(file string, l misp.Loss) {
				fmt.Fprintf(e.stderr, "%s: %s %s: %s\n", cell(file), cell(l.Type), cell(l.UUID), cell(l.Why))
			}
		}
		r, err := c.one(e, in, name, opts)
		bar.end(r.String())
		if err != nil {
			return err
		}
		for _, f := range r.Refusals {
			fmt.Fprintf(e.stderr, "  refused: %s: %s\n", cell(f.What), cell(f.Why))
		}
		all.Add(r, 1000)
	}
	if c.JSON {
		b, err := json.Marshal(all, json.Deterministic(true))
		if err != nil {
			return err
		}
		fmt.Fprintf(e.stdout, "%s\n", b)
	} else {
		fmt.Fprintln(e.stdout, all)
	}
	if err := n.audit(e.ctx, "ingest", strings.Join(c.Files, " "), all.String()); err != nil {
		return err
	}
	if all.Objects == 0 && all.Refused > 0 {
		return fmt.Errorf("%w: nothing was taken: see what was refused, above", accord.ErrInvalid)
	}
	if all.Broken > 0 {
		return fmt.Errorf("%w: %d input(s) could not be read to the end: what came before was taken; see what was refused, above", accord.ErrInvalid, all.Broken)
	}
	return nil
}

func (c *ingestCmd) one(e *env, in *ingest.Ingester, name string, opts ingest.Options) (ingest.Report, error) {
	if name != "-" {
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			return in.Dir(e.ctx, name, opts)
		}
	}
	return in.File(e.ctx, name, opts)
}

// neverBlock loads the never-block list that the configuration names.
func (n *node) neverBlock() (*protect.NeverBlock, error) {
	c := protect.NeverConfig{WarningLists: n.config.path(n.config.Protect.WarningLists)}
	if critical := n.config.path(n.config.Protect.Critical); critical != "" {
		c.Critical = []string{critical}
	}
	return protect.LoadNever(c)
}

// progress is a one-line bar on a terminal, and silence elsewhere.
type progress struct {
	w     io.Writer
	name  string
	live  bool
	last  time.Time
	begun time.Time
}

func newProgress(w io.Writer, name string) *progress {
	return &progress{w: w, name: name, live: isTerminal(w), begun: now()}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (p *progress) show(done, size, objects int64) {
	if !p.live || now().Sub(p.last) < 100*time.Millisecond {
		return
	}
	p.last = now()
	const width = 24
	bar := strings.Repeat("·", width)
	if size > 0 {
		full := int(min(done*width/size, width))
		bar = strings.Repeat("█", full) + strings.Repeat("·", width-full)
	}
	rate := float64(objects) / max(now().Sub(p.begun).Seconds(), 0.001)
	fmt.Fprintf(p.w, "\r\x1b[K  %s %9d objects %7.0f/s  %s", bar, objects, rate, shorten(p.name, 36))
}

func (p *progress) end(summary string) {
	if p.live {
		fmt.Fprintf(p.w, "\r\x1b[K  %s: %s\n", shorten(p.name, 36), summary)
	}
}

func shorten(s string, most int) string {
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return "…" + string(r[len(r)-most+1:])
}
