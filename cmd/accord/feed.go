// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"accord"
	"accord/feed"
)

// feedCmd groups the commands on feeds.
type feedCmd struct {
	Catalogue feedCatalogueCmd `cmd:"" help:"List well-known public feeds, with their terms: none is on by itself."`
	Add       feedAddCmd       `cmd:"" help:"Add a feed, from the catalogue or by its address."`
	List      feedListCmd      `cmd:"" help:"List the feeds and how they stand."`
	Show      feedShowCmd      `cmd:"" help:"Show a feed: settings, state, what it is worth, its last runs."`
	Enable    feedEnableCmd    `cmd:"" help:"Switch a feed on: it runs at once, then on its schedule, while the node serves."`
	Disable   feedDisableCmd   `cmd:"" help:"Switch a feed off; what it brought stays."`
	Remove    feedRemoveCmd    `cmd:"" help:"Forget a feed and its runs; what it brought stays."`
	Run       feedRunCmd       `cmd:"" help:"Run a feed now, on or off, and print what became of it."`
	Recheck   feedRecheckCmd   `cmd:"" help:"Hold and release what is stored as the warning lists say now. The node does so at its start."`
}

type feedCatalogueCmd struct {
	JSON bool `help:"Print one JSON object an entry, with everything."`
}

func (c *feedCatalogueCmd) Run(e *env) error {
	entries := feed.Catalogue()
	if c.JSON {
		return printLines(e, entries)
	}
	return printTable(e, entries, "The catalogue is empty.", []string{"NAME", "KIND", "EVERY", "SIZE", "KEY", "TITLE", "TERMS"}, func(x feed.Entry) []any {
		return []any{x.Name, x.Kind, brief(x.Every), x.Size, x.Key, x.Title + " (" + x.Publisher + ")", x.Terms}
	})
}

// printLines writes one JSON object a line.
func printLines[T any](e *env, all []T) error {
	for _, x := range all {
		b, err := json.Marshal(x, json.Deterministic(true))
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(e.stdout, "%s\n", b); err != nil {
			return err
		}
	}
	return nil
}

// brief is a duration without the units that are zero: 1h rather than 1h0m0s.
func brief(d accord.FeedDuration) string {
	s := time.Duration(d).Round(time.Second).String()
	s = strings.TrimSuffix(s, "0s")
	if s == "" {
		return "0s"
	}
	if trimmed, ok := strings.CutSuffix(s, "h0m"); ok {
		s = trimmed + "h"
	}
	if strings.HasSuffix(s, "m") || strings.HasSuffix(s, "h") {
		return s
	}
	return time.Duration(d).Round(time.Second).String()
}

type feedAddCmd struct {
	Name          string        `arg:"" help:"Name of the feed, and the source of what it brings: lower case, DNS-like."`
	FromCatalogue string        `help:"Take the settings of this entry of the catalogue; other flags change them." placeholder:"ENTRY"`
	URL           string        `name:"url" help:"https://…; of a TAXII collection https://host/root/collections/id/; a file or folder by its path." placeholder:"URL"`
	Kind          string        `help:"stix, list, misp or taxii." enum:",stix,list,misp,taxii" default:"" placeholder:"KIND"`
	Title         string        `help:"What people read." placeholder:"TEXT"`
	Every         time.Duration `help:"Between two runs; default 1h." placeholder:"DURATION"`
	Column        string        `help:"Of a list: name or number (from 1) of the column with the value." placeholder:"COLUMN"`
	ValueKind     string        `help:"Of a list: kind of every value, such as domain or ipv4." placeholder:"KIND"`
	Delimiter     string        `help:"Of a list: what separates columns; tab is the tab." placeholder:"CHAR"`
	Comment       string        `help:"Of a list: what begins a comment, beside # // and ;." placeholder:"SIGN"`
	Unmarked      *accord.TLP   `help:"What an object without a TLP marking counts as; default: ingest.default_tlp of the configuration." placeholder:"TLP"`
	AtLeast       accord.TLP    `help:"Raise more open markings to this." default:"clear" placeholder:"TLP"`
	Label         []string      `help:"Add a label to every item; may be repeated." placeholder:"LABEL"`
	Context       bool          `help:"It is context, such as exits of Tor: looked for, never blocked."`
	Mirror        bool          `help:"Of a list: withdraw rows that it no longer has."`
	MaxDrop       int           `help:"With --mirror: percent of its items that one run may withdraw; default 25." placeholder:"PERCENT"`
	MaxBytes      int64         `help:"Most bytes of an answer; default 256 MiB." placeholder:"BYTES"`
	MaxRun        int64         `help:"Most rows or objects of a run; default 2000000." placeholder:"N"`
	MaxItems      int64         `help:"Most items in all; default 5000000." placeholder:"N"`
	Timeout       time.Duration `help:"Longest a run may take; default 30m." placeholder:"DURATION"`
	PlainHTTP     bool          `name:"plain-http" help:"Allow http://: anyone on the way can change what the feed says."`
	Auth          string        `help:"How the node makes itself known: basic, bearer, header:NAME or query:NAME." placeholder:"HOW"`
	AuthFile      string        `help:"File with the secret (mode 600): user:password for basic, else the secret alone." placeholder:"FILE"`
	Enable        bool          `help:"Switch it on at once."`
}

func (c *feedAddCmd) Run(e *env) error {
	f, err := c.feed()
	if err != nil {
		return err
	}
	if err := feed.Check(f); err != nil {
		return err
	}
	n, err := openNode(e)
	if err != nil {
		return err
	}
	defer n.close()
	f.Added, f.Enabled = accord.StampOf(now()), c.Enable
	if err := n.db.AddFeed(e.ctx, f); err != nil {
		return err
	}
	if err := n.audit(e.ctx, "feed.add", f.Name, string(f.Kind)+" "+f.URL); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "Added the feed %s.\n", f.Name)
	if !c.Enable {
		fmt.Fprintf(e.stdout, "  Next: accord feed run %s      try it\n        accord feed enable %s   run it on its schedule\n", f.Name, f.Name)
	}
	return nil
}

// feed is what the command line describes.
func (c *feedAddCmd) feed() (f accord.Feed, err error) {
	if c.FromCatalogue != "" {
		entry, err := feed.FromCatalogue(c.FromCatalogue)
		if err != nil {
			return f, err
		}
		if entry.Key == "required" && c.Auth == "" {
			return f, fmt.Errorf("%w: %s wants a key: get one at %s, and give --auth and --auth-file", accord.ErrInvalid, entry.Name, entry.Docs)
		}
		f = entry.Feed()
	} else if c.URL == "" || c.Kind == "" {
		return f, fmt.Errorf("%w: want --from-catalogue, or --url and --kind", accord.ErrInvalid)
	}
	f.Name, f.AtLeast = c.Name, c.AtLeast
	if c.Kind != "" {
		f.Kind = accord.FeedKind(c.Kind)
	}
	say(&f.Title, c.Title)
	say(&f.Every, accord.FeedDuration(c.Every))
	say(&f.List.Column, c.Column)
	say(&f.List.Kind, accord.Kind(c.ValueKind))
	say(&f.List.Delimiter, c.Delimiter)
	say(&f.List.Comment, c.Comment)
	say(&f.MaxDrop, c.MaxDrop)
	say(&f.MaxBytes, c.MaxBytes)
	say(&f.MaxRun, c.MaxRun)
	say(&f.MaxItems, c.MaxItems)
	say(&f.Timeout, accord.FeedDuration(c.Timeout))
	say(&f.Context, c.Context)
	say(&f.Mirror, c.Mirror)
	say(&f.PlainHTTP, c.PlainHTTP)
	if c.Unmarked != nil {
		f.Unmarked = c.Unmarked
	}
	f.Labels = append(f.Labels, c.Label...)
	kind, name, _ := strings.Cut(c.Auth, ":")
	f.Auth = accord.FeedAuth{Kind: kind, Name: name, File: c.AuthFile}
	if visible(f.Title) != f.Title {
		return f, fmt.Errorf("%w: title %+q: %s", accord.ErrInvalid, f.Title, unseenRefused)
	}
	if c.URL != "" {
		f.URL, err = address(c.URL)
	}
	return f, err
}

// say sets what the command line says.
func say[T comparable](field *T, v T) {
	var none T
	if v != none {
		*field = v
	}
}

// address is a URL, or that of a path.
func address(s string) (string, error) {
	if strings.Contains(s, "://") {
		return s, nil
	}
	path, err := filepath.Abs(s)
	if err != nil {
		return "", err
	}
	return "file://" + filepath.ToSlash(path), nil
}

type feedEnableCmd struct {
	Name string `arg:"" help:"Name of the feed."`
}

func (c *feedEnableCmd) Run(e *env) error { return switchFeed(e, c.Name, true) }

type feedDisableCmd struct {
	Name string `arg:"" help:"Name of the feed."`
}

func (c *feedDisableCmd) Run(e *env) error { return switchFeed(e, c.Name, false) }

func switchFeed(e *env, name string, on bool) error {
	n, err := openNode(e)
	if err != nil {
		return err
	}
	defer n.close()
	if err := n.db.EnableFeed(e.ctx, name, on); err != nil {
		return noFeed(err, name)
	}
	what := "feed.disable"
	if on {
		what = "feed.enable"
	}
	return n.audit(e.ctx, what, name, "")
}

func noFeed(err error, name string) error {
	return missing(err, "feed %s: \"accord feed list\" lists the feeds", name)
}

type feedRemoveCmd struct {
	Name string `arg:"" help:"Name of the feed."`
}

func (c *feedRemoveCmd) Run(e *env) error {
	n, err := openNode(e)
	if err != nil {
		return err
	}
	defer n.close()
	if err := n.db.RemoveFeed(e.ctx, c.Name); err != nil {
		return noFeed(err, c.Name)
	}
	return n.audit(e.ctx, "feed.remove", c.Name, "")
}

type feedRunCmd struct {
	Name   string `arg:"" help:"Name of the feed."`
	Accept bool   `help:"Take also what would be held because it shrank or changed too much."`
	JSON   bool   `help:"Print the run as one JSON object."`
}

func (c *feedRunCmd) Run(e *env) error {
	n, err := openNode(e)
	if err != nil {
		return err
	}
	defer n.close()
	never, err := n.neverBlock()
	if err != nil {
		return err
	}
	w, err := n.feedWorker(never)
	if err != nil {
		return err
	}
	run, err := w.RunFeed(e.ctx, c.Name, c.Accept)
	if err != nil {
		return noFeed(err, c.Name)
	}
	n.appraise(e)
	if c.JSON {
		err = printLines(e, []accord.FeedRun{run})
	} else {
		_, err = fmt.Fprintf(e.stdout, "%s: %s\n", c.Name, runLine(run))
	}
	if err != nil {
		return err
	}
	for _, r := range run.Refusals {
		fmt.Fprintf(e.stderr, "  refused: %s: %s\n", cell(r.What), cell(r.Why))
	}
	detail := "run"
	if c.Accept {
		detail = "run, accepting"
	}
	if err := n.audit(e.ctx, "feed.run", c.Name, detail+": "+runLine(run)); err != nil {
		return err
	}
	switch run.Outcome {
	case accord.RunFailed:
		return fmt.Errorf("feed %s failed: %s", c.Name, cell(run.Message))
	case accord.RunHeld:
		return fmt.Errorf("%w: feed %s is held: %s", accord.ErrConflict, c.Name, cell(run.Message))
	case accord.RunTaken, accord.RunUnchanged:
	}
	return nil
}

// appraise counts what sources are worth, some way: where the node serves, it does.
func (n *node) appraise(e *env) {
	for range 100 {
		if busy, err := n.db.Appraise(e.ctx, n.self.Identity); err != nil || !busy {
			return
		}
	}
}

// runLine is a run on one line.
func runLine(r accord.FeedRun) string {
	s := fmt.Sprintf("%s, %d objects: %d new, %d updated, %d same, %d withdrawn, %d conflicts, %d held, %d refused, %d losses; %d bytes",
		r.Outcome, r.Objects, r.New, r.Updated, r.Same, r.Withdrawn, r.Conflicts, r.Held, r.Refused, r.Losses, r.Bytes)
	if r.Message != "" {
		s += "; " + cell(r.Message)
	}
	return s
}

type feedRecheckCmd struct{}

func (c *feedRecheckCmd) Run(e *env) error {
	n, err := openNode(e)
	if err != nil {
		return err
	}
	defer n.close()
	never, err := n.neverBlock()
	if err != nil {
		return err
	}
	re, err := n.recheck(never)
	if err != nil {
		return err
	}
	sum, err := re.Run(e.ctx)
	if err != nil {
		return err
	}
	if sum.Looked == 0 {
		_, err = fmt.Fprintln(e.stdout, "Everything is in keeping with the warning lists.")
	} else {
		_, err = fmt.Fprintf(e.stdout, "%d indicators: %d are held now, %d released.\n", sum.Looked, sum.Held, sum.Released)
	}
	if err != nil || sum.Held+sum.Released == 0 {
		return err
	}
	return n.audit(e.ctx, "feed.recheck", "warning lists", fmt.Sprintf("%d held, %d released", sum.Held, sum.Released))
}
