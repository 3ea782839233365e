// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/go-json-experiment/json"

	"accord"
	"accord/format/stix"
)

// stixCmd are the commands on STIX itself: they need no node.
type stixCmd struct {
	Validate stixValidateCmd `cmd:"" help:"Check STIX against the standard; each finding names its place and section. Exits 0 when all is valid, 1 when not, 2 when an input cannot be read."`
	Match    stixMatchCmd    `cmd:"" help:"Hold observations against a STIX pattern. As grep, exits 0 when they match, 1 when not, 2 when that cannot be told."`
}

type stixValidateCmd struct {
	Files  []string `arg:"" help:"Files of STIX 2.1 or 2.0, plain or gzip: bundles, TAXII envelopes, lists, single objects; - is standard input. All are one set: versions of an object are compared."`
	Strict bool     `help:"What the standard only advises (SHOULD) counts as not valid too."`
	Must   bool     `help:"Leave out what the standard only advises."`
	Max    int      `help:"Print at most so many findings, as text so many of each level; 0: each. The others are counted." default:"1000" placeholder:"N"`
	All    bool     `help:"Print each finding, as --max 0 does. As text, without it, what is advised is folded: after three of one code, the others are one line at the end."`
	JSON   bool     `help:"Print one JSON object: findings, report, valid."`
}

// Run prints findings as they are found, and what was counted.
func (c *stixValidateCmd) Run(e *env) error {
	if c.Max < 0 {
		return errStatus{2, fmt.Errorf("--max %d: want 0 or more", c.Max)}
	}
	if c.All {
		c.Max = 0
	}
	out := findings{w: bufio.NewWriter(e.stdout), json: c.JSON, most: c.Max, must: c.Must && !c.Strict, advised: map[string]int{}, more: map[string]int{}}
	out.begin()
	v := stix.NewValidator(stix.DefaultLimits)
	var unread error
	for _, name := range c.Files {
		out.file = name
		if err := c.read(e, v, name, &out); err != nil {
			unread = errors.Join(unread, fmt.Errorf("%s: %w", cell(name), err))
		}
	}
	r := v.Report()
	valid := r.Valid() && unread == nil && (!c.Strict || r.Should == 0)
	if err := out.end(r, valid); err != nil {
		return errStatus{2, err}
	}
	switch {
	case unread != nil:
		return errStatus{2, unread}
	case r.Partial:
		return errStatus{2, errors.New("an input could not be read to its end: see \"truncated\", above")}
	case !valid:
		return errStatus{1, errors.New("not valid: see the findings, above")}
	}
	return nil
}

// read checks one file.
func (c *stixValidateCmd) read(e *env, v *stix.Validator, name string, out *findings) error {
	f, err := openIn(e, name)
	if err != nil {
		return err
	}
	defer f.Close()
	in, err := unzipped(f)
	if err != nil {
		return err
	}
	return v.Read(until(e, in), func(f stix.Finding) error { return out.add(f) })
}

// unzipped reads in, or what is in it when it is gzip. Nothing at all is refused: a
// pipe whose writer failed must not pass for valid.
func unzipped(in io.Reader) (io.Reader, error) {
	buffered := bufio.NewReaderSize(in, 64<<10)
	head, err := buffered.Peek(2)
	if len(head) == 2 && head[0] == 0x1f && head[1] == 0x8b {
		z, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, fmt.Errorf("read gzip: %w", err)
		}
		buffered = bufio.NewReaderSize(z, 64<<10)
		head, err = buffered.Peek(1)
		if len(head) == 0 && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read gzip: %w", err)
		}
	}
	if len(head) == 0 && (err == nil || errors.Is(err, io.EOF)) {
		return nil, fmt.Errorf("%w: it is empty: there is nothing to read", accord.ErrInvalid)
	}
	return buffered, nil
}

// until reads in until the command is interrupted.
func until(e *env, in io.Reader) io.Reader {
	return readerFunc(func(b []byte) (int, error) {
		if err := e.ctx.Err(); err != nil {
			return 0, err
		}
		return in.Read(b)
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// advisedShown is how many findings of one advised code text shows: a few that are
// against a MUST must not drown.
const advisedShown = 3

// findings prints findings as text or as JSON, without holding them.
type findings struct {
	w       *bufio.Writer
	file    string
	json    bool
	must    bool           // leave out what is advised
	most    int            // of all, as text of each level; 0: each
	shown   [2]int         // by level
	advised map[string]int // shown of each code of level SHOULD
	more    map[string]int // and not shown
	hidden  int
}

// named is a finding and the file it was found in, as --json prints it.
type named struct {
	File string `json:"file"`
	stix.Finding
}

func (p *findings) begin() {
	if p.json {
		_, _ = p.w.WriteString(`{"findings":[`) // end reports what failed
	}
}

func (p *findings) add(f stix.Finding) error {
	if p.must && f.Level == stix.Should {
		return nil
	}
	if !p.room(f) {
		p.hidden++
		return nil
	}
	p.shown[f.Level]++
	if !p.json {
		object := ""
		if f.Object != "" {
			object = " [" + f.Object + "]"
		}
		_, err := fmt.Fprintf(p.w, "%s: %s\n", cell(p.file), cell(f.String()+object))
		return err
	}
	line, err := json.Marshal(named{p.file, f})
	if err != nil {
		return fmt.Errorf("write finding: %w", err)
	}
	if p.shown[stix.Must]+p.shown[stix.Should] > 1 {
		_ = p.w.WriteByte(',')
	}
	_, err = p.w.Write(append([]byte{'\n'}, line...))
	return err
}

// room reports whether f is to be printed.
func (p *findings) room(f stix.Finding) bool {
	if p.most == 0 {
		return true
	}
	if p.json {
		return p.shown[stix.Must]+p.shown[stix.Should] < p.most
	}
	if f.Level == stix.Must {
		return p.shown[stix.Must] < p.most
	}
	if p.advised[f.Code] == advisedShown || p.shown[stix.Should] == p.most {
		p.more[f.Code]++
		return false
	}
	p.advised[f.Code]++
	return true
}

// folded prints how many of each advised code are not shown, the most first.
func (p *findings) folded() {
	codes := slices.SortedFunc(maps.Keys(p.more), func(a, b string) int {
		return cmp.Or(cmp.Compare(p.more[b], p.more[a]), cmp.Compare(a, b))
	})
	for _, code := range codes {
		fmt.Fprintf(p.w, "… and %d more of %s\n", p.more[code], code)
	}
}

// end prints the counts and flushes.
func (p *findings) end(r stix.Report, valid bool) error {
	if p.json {
		line, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("write report: %w", err)
		}
		fmt.Fprintf(p.w, "\n],\"omitted\":%d,\"report\":%s,\"valid\":%t}\n", p.hidden, line, valid)
		return p.w.Flush()
	}
	p.folded()
	if p.hidden > 0 {
		fmt.Fprintf(p.w, "%d findings are not shown: --all prints each.\n", p.hidden)
	}
	fmt.Fprintf(p.w, "%d objects, %d not valid; findings: %d MUST, %d SHOULD", r.Objects, r.Invalid, r.Must, r.Should)
	if r.Upgraded > 0 {
		fmt.Fprintf(p.w, "; %d of STIX 2.0, checked as 2.1", r.Upgraded)
	}
	if r.Forgotten > 0 {
		fmt.Fprintf(p.w, "; versions of %d were not compared: too many ids", r.Forgotten)
	}
	fmt.Fprintln(p.w)
	return p.w.Flush()
}
