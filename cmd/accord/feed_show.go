// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/go-json-experiment/json"

	"accord"
	"accord/feed"
)

type feedListCmd struct {
	JSON bool `help:"Print one JSON object a feed, with what it is worth."`
}

// feedLine is a feed as printed with --json.
type feedLine struct {
	accord.Feed
	Quality accord.FeedQuality `json:"quality"`
	Runs    []accord.FeedRun   `json:"runs,omitempty"`
}

func (c *feedListCmd) Run(e *env) error {
	n, err := openNode(e)
	if err != nil {
		return err
	}
	defer n.close()
	feeds, err := n.db.Feeds(e.ctx)
	if err != nil {
		return err
	}
	names := make([]string, len(feeds))
	for i, f := range feeds {
		names[i] = f.Name
	}
	worth, err := n.db.FeedQualities(e.ctx, names)
	if err != nil {
		return err
	}
	lines := make([]feedLine, len(feeds))
	for i, f := range feeds {
		lines[i] = feedLine{Feed: f, Quality: worth[f.Name]}
	}
	if c.JSON {
		return printLines(e, lines)
	}
	return printTable(e, lines, "No feed yet: \"accord feed catalogue\" lists well-known ones.",
		[]string{"NAME", "KIND", "STATE", "ITEMS", "FIRST", "UNIQUE", "USEFUL", "LAST CHANGE", "NEXT RUN", "MESSAGE"}, func(x feedLine) []any {
			return []any{
				x.Name, x.Kind, standing(x.Feed), x.Quality.Items, share(x.Quality.First, x.Quality.Values), share(x.Quality.Unique, x.Quality.Values),
				share(x.Quality.Useful, x.Quality.Indicators), or(x.State.Changed, "-"), nextRun(x.Feed), x.State.Message,
			}
		})
}

// standing is how a feed stands, in a word.
func standing(f accord.Feed) string {
	switch {
	case f.State.Lease > accord.StampOf(now()):
		return "running"
	case !f.Enabled:
		return "off"
	case f.State.Outcome == "":
		return "new"
	}
	return string(f.State.Outcome)
}

func nextRun(f accord.Feed) string {
	switch {
	case !f.Enabled:
		return "-"
	case f.State.Due == 0:
		return "at once"
	}
	return f.State.Due.String()
}

func or(s accord.Stamp, none string) string { return cmp.Or(s.String(), none) }

// share is part of whole in percent.
func share(part, whole int64) string {
	if whole == 0 {
		return "-"
	}
	return fmt.Sprintf("%d%%", part*100/whole)
}

type feedShowCmd struct {
	Name string `arg:"" help:"Name of the feed."`
	JSON bool   `help:"Print it as one JSON object."`
}

func (c *feedShowCmd) Run(e *env) error {
	n, err := openNode(e)
	if err != nil {
		return err
	}
	defer n.close()
	f, err := n.db.Feed(e.ctx, c.Name)
	if err != nil {
		return noFeed(err, c.Name)
	}
	worth, err := n.db.FeedQualities(e.ctx, []string{c.Name})
	if err != nil {
		return err
	}
	runs, err := n.db.FeedRuns(e.ctx, c.Name, 10)
	if err != nil {
		return err
	}
	if c.JSON {
		b, err := json.Marshal(feedLine{f, worth[c.Name], runs}, json.Deterministic(true))
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(e.stdout, "%s\n", b)
		return err
	}
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	for _, row := range append(settings(feed.WithDefaults(f)), quality(worth[c.Name])...) {
		if err := printCells(w, []any{row[0], row[1]}); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(runs) == 0 {
		return nil
	}
	fmt.Fprintln(e.stdout)
	return printTable(e, runs, "", []string{"RUN", "BEGAN", "OUTCOME", "NEW", "UPDATED", "SAME", "WITHDRAWN", "REFUSED", "BYTES", "MESSAGE"}, func(r accord.FeedRun) []any {
		return []any{r.N, r.Started, r.Outcome, r.New, r.Updated, r.Same, r.Withdrawn, r.Refused, r.Bytes, r.Message}
	})
}

// settings are the lines on what a feed is and how it stands.
func settings(f accord.Feed) [][2]string {
	s := f.State
	out := [][2]string{
		{"name", f.Name},
		{"title", f.Title},
		{"kind", string(f.Kind)},
		{"url", f.URL},
		{"state", standing(f)},
		{"every", brief(f.Every)},
		{"next run", nextRun(f)},
		{"last run", or(s.Started, "never")},
		{"last good run", or(s.OK, "never")},
		{"last change", or(s.Changed, "never")},
		{"failures in a row", fmt.Sprint(s.Failures)},
		{"message", s.Message},
		{"credential", strings.TrimSpace(f.Auth.Kind + " " + f.Auth.Name + " " + f.Auth.File)},
		{"quotas", fmt.Sprintf("%d bytes, %d a run, %d items, %s", f.MaxBytes, f.MaxRun, f.MaxItems, brief(f.Timeout))},
	}
	if f.Mirror {
		out = append(out, [2]string{"mirror", fmt.Sprintf("withdraws what is gone, at most %d%% at a time", f.MaxDrop)})
	}
	if f.Context {
		out = append(out, [2]string{"context", "looked for, never blocked"})
	}
	if e, err := feed.FromCatalogue(f.Catalog); err == nil {
		out = append(out, [2]string{"terms", e.Terms}, [2]string{"publisher", e.Publisher + ", " + e.Docs})
	}
	return out
}

// quality are the lines on what a source is worth.
func quality(q accord.FeedQuality) [][2]string {
	of := func(part, whole int64) string {
		if whole == 0 {
			return fmt.Sprint(part)
		}
		return fmt.Sprintf("%d (%s)", part, share(part, whole))
	}
	fresh := "its items have no dates"
	if q.Dated > 0 {
		fresh = fmt.Sprintf("%s of %d versions at most 7 days old when stored; half under %s", of(q.Fresh, q.Dated), q.Dated, brief(q.MedianAge))
	}
	return [][2]string{
		{"items", fmt.Sprint(q.Items)},
		{"indicators", fmt.Sprint(q.Indicators)},
		{"values", fmt.Sprint(q.Values)},
		{"first", of(q.First, q.Values)},
		{"unique", of(q.Unique, q.Values)},
		{"fresh", fresh},
		{"useful", of(q.Useful, q.Indicators)},
		{"  matched", of(q.Matched, q.Indicators)},
		{"  protected", of(q.Protected, q.Indicators)},
		{"  disclosed", of(q.Disclosed, q.Indicators)},
		{"held by warning lists", fmt.Sprint(q.Held)},
		{"false positives", of(q.FalsePositive, q.Indicators)},
		{"runs", fmt.Sprintf("%d, %d failed", q.Runs, q.Failed)},
		{"refused, conflicts", fmt.Sprintf("%d, %d", q.Refused, q.Conflicts)},
		{"changes not yet counted", fmt.Sprint(q.Behind)},
	}
}
