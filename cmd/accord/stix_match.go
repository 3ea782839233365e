// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json"

	"accord"
	"accord/format/stix"
	"accord/format/stix/pattern"
)

// maxObserved bounds the bytes of all observations together.
const maxObserved = 512 << 20

type stixMatchCmd struct {
	Pattern string   `arg:"" help:"The pattern, such as \"[domain-name:value = 'bad.example']\"."`
	Files   []string `arg:"" optional:"" help:"Files of STIX 2.1 or 2.0, plain or gzip, taken together: observed-data with the observables they refer to; an observable that none refers to is an observation by itself. - is standard input."`
	All     bool     `help:"Print every match; no two share an observation."`
	Quiet   bool     `short:"q" help:"Print nothing; the exit status tells."`
	JSON    bool     `help:"Print one JSON object."`
	Explain bool     `help:"Say first how the pattern is read, and what is looked for. Files may then be left out."`
	Steps   int64    `help:"Give up after so many steps." default:"134217728" placeholder:"N"`
}

// matchReport is what --json prints.
type matchReport struct {
	Pattern      string          `json:"pattern"`
	Tests        []string        `json:"tests"`
	Explained    *explanation    `json:"explained,omitzero"`
	Observations int             `json:"observations"`
	Matched      bool            `json:"matched"`
	Matches      [][]boundReport `json:"matches"`
}

type boundReport struct {
	Test        int    `json:"test"`
	Observation int    `json:"observation"`
	ID          string `json:"id"`
	Count       int64  `json:"count"`
}

// explanation is what a pattern is looked for by.
type explanation struct {
	Values []accord.Observable `json:"values"`
	Atomic bool                `json:"atomic"`
	Cover  []accord.Observable `json:"cover"`
	Needed bool                `json:"needed"` // one of the cover is seen in whatever matches
}

// Run matches, as grep does.
func (c *stixMatchCmd) Run(e *env) error {
	matched, err := c.match(e)
	switch {
	case err != nil:
		return errStatus{2, err}
	case !matched && len(c.Files) > 0:
		return errStatus{1, errors.New("no match")}
	}
	return nil
}

func (c *stixMatchCmd) match(e *env) (bool, error) {
	if len(c.Files) == 0 && !c.Explain {
		return false, errors.New("name a file of observations, or - for standard input")
	}
	p, err := pattern.Parse(c.Pattern)
	if err != nil {
		return false, err
	}
	obs, err := c.observations(e)
	if err != nil {
		return false, err
	}
	results, err := c.results(p, obs)
	if err != nil {
		return false, err
	}
	r := matchReport{Pattern: p.String(), Tests: p.Tests(), Observations: len(obs), Matched: len(results) > 0, Matches: [][]boundReport{}}
	if c.Explain {
		x := explanation{Values: []accord.Observable{}, Cover: []accord.Observable{}}
		x.Values, x.Atomic = p.Observables()
		x.Cover, x.Needed = p.Cover()
		r.Explained = &x
	}
	for _, one := range results {
		var bound []boundReport
		for _, b := range one.Bound {
			bound = append(bound, boundReport{b.Test, b.Observation, obs[b.Observation].ID, b.Count})
		}
		r.Matches = append(r.Matches, bound)
	}
	if c.Quiet {
		return r.Matched, nil
	}
	return r.Matched, c.print(e.stdout, r)
}

func (c *stixMatchCmd) results(p *pattern.Pattern, obs []pattern.Observation) ([]pattern.Result, error) {
	lim := pattern.Limits{Steps: c.Steps}
	if c.All {
		return p.MatchAll(obs, lim)
	}
	r, err := p.Match(obs, lim)
	if err != nil || !r.Matched {
		return nil, err
	}
	return []pattern.Result{r}, nil
}

// observations reads all files as one set.
func (c *stixMatchCmd) observations(e *env) ([]pattern.Observation, error) {
	var all pattern.Collection
	left := int64(maxObserved)
	for _, name := range c.Files {
		if err := observationsOf(e, name, &all, &left); err != nil {
			return nil, fmt.Errorf("%s: %w", cell(name), err)
		}
	}
	return all.Observations(), nil
}

func observationsOf(e *env, name string, to *pattern.Collection, left *int64) error {
	f, err := openIn(e, name)
	if err != nil {
		return err
	}
	defer f.Close()
	in, err := unzipped(until(e, f))
	if err != nil {
		return err
	}
	lim := stix.DefaultLimits
	lim.Total = *left
	for raw, err := range stix.Read(in, lim) {
		if err == nil {
			*left -= int64(len(raw.Bytes))
			err = to.Add(raw.Bytes)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *stixMatchCmd) print(out io.Writer, r matchReport) error {
	w := bufio.NewWriter(out)
	if c.JSON {
		line, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("write the match: %w", err)
		}
		_, _ = w.Write(append(line, '\n'))
		return w.Flush()
	}
	if x := r.Explained; x != nil {
		fmt.Fprintf(w, "pattern: %s\n", cell(r.Pattern))
		for i, t := range r.Tests {
			fmt.Fprintf(w, "test %d: %s\n", i, cell(t))
		}
		fmt.Fprintf(w, "values: %s\natomic: %t\ncover: %s\n", listed(x.Values, true), x.Atomic, listed(x.Cover, x.Needed))
	}
	for i, bound := range r.Matches {
		for _, b := range bound {
			id := b.ID
			if id == "" {
				id = fmt.Sprintf("observation %d", b.Observation)
			}
			fmt.Fprintf(w, "match %d: %s %s", i+1, cell(id), cell(r.Tests[b.Test]))
			if b.Count > 1 {
				fmt.Fprintf(w, ", %d times", b.Count)
			}
			fmt.Fprintln(w)
		}
	}
	return w.Flush()
}

// listed is a list of values for people.
func listed(values []accord.Observable, ok bool) string {
	if !ok || len(values) == 0 {
		return "none"
	}
	text := make([]string, len(values))
	for i, v := range values {
		text[i] = string(v.Kind) + " " + cell(v.Value)
	}
	return strings.Join(text, ", ")
}
