// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"accord"
	"accord/taxii"
)

type taxiiGetCmd struct {
	taxiiServer
	Collection string   `required:"" help:"Id, alias or title of the collection." placeholder:"NAME"`
	AddedAfter string   `help:"Only what was added to the collection after this instant." placeholder:"INSTANT"`
	Type       []string `help:"Only objects of these STIX types." placeholder:"TYPE,…"`
	ID         []string `name:"id" help:"Only these objects." placeholder:"ID,…"`
	Versions   string   `help:"Which versions: last, first, all, or instants with commas between." default:"last" placeholder:"WHICH"`
	Page       int      `help:"Objects asked for at a time." default:"1000" placeholder:"N"`
	Cursor     string   `help:"File that remembers where reading ended: the next run with the same query goes on there." type:"path" placeholder:"FILE"`
	Bundle     bool     `help:"Print one STIX bundle instead of JSON lines."`
	Manifest   bool     `help:"Print which versions of which objects there are, and not the objects."`
}

// taxiiCursor is where reading of one query ended.
type taxiiCursor struct {
	Query      string       `json:"query"`                // server, collection and filters
	AddedAfter accord.Stamp `json:"added_after,omitzero"` // everything up to it was read
	Next       string       `json:"next,omitempty"`       // of the page after the last one read, when there was more
}

// Run reads to the end of the collection.
func (t *taxiiGetCmd) Run(e *env) error {
	q, err := t.query()
	if err != nil {
		return err
	}
	c, root, col, err := t.collection(e, t.Collection, func(c *taxii.Client) { c.PageLimit = t.Page })
	if err != nil {
		return err
	}
	if !col.CanRead {
		return fmt.Errorf("%w: you may not read collection %q", accord.ErrForbidden, t.Collection)
	}
	if t.Manifest {
		return t.manifest(e, c, root, col, q)
	}
	g := getting{cmd: t, e: e, out: bufio.NewWriterSize(e.stdout, 64<<10), began: accord.StampOf(now())}
	g.cursor.Query = strings.Join([]string{c.URL, root, col.ID, strings.Join(t.Type, ","), strings.Join(t.ID, ","), t.Versions}, " ")
	if err := g.load(&q); err != nil {
		return err
	}
	return g.run(c, root, col, q)
}

func (t *taxiiGetCmd) query() (q taxii.Query, err error) {
	if t.Page < 1 || t.Page > 10_000 {
		return q, fmt.Errorf("%w: --page %d: want 1 to 10000", accord.ErrInvalid, t.Page)
	}
	if t.Cursor != "" && (t.Manifest || t.Bundle) {
		return q, fmt.Errorf("%w: --cursor goes with JSON lines: a bundle or a manifest is made anew each time", accord.ErrInvalid)
	}
	q.Types, q.IDs = t.Type, t.ID
	if err := q.AddedAfter.UnmarshalText([]byte(t.AddedAfter)); err != nil {
		return q, fmt.Errorf("--added-after: %w", err)
	}
	for word := range strings.SplitSeq(t.Versions, ",") {
		switch word {
		case "all":
			q.Versions.All = true
		case "first":
			q.Versions.First = true
		case "last":
			q.Versions.Last = true
		default:
			var at accord.Stamp
			if err := at.UnmarshalText([]byte(word)); err != nil || at == 0 {
				return q, fmt.Errorf("%w: --versions %q: want last, first, all, or instants", accord.ErrInvalid, t.Versions)
			}
			q.Versions.Exact = append(q.Versions.Exact, at)
		}
	}
	return q, nil
}

func (t *taxiiGetCmd) manifest(e *env, c *taxii.Client, root string, col taxii.Collection, q taxii.Query) error {
	for page, err := range c.Manifest(e.ctx, root, col.ID, q) {
		if err != nil {
			return explainTAXII(err)
		}
		for _, r := range page.Records {
			b, err := json.Marshal(r)
			if err != nil {
				return err
			}
			fmt.Fprintf(e.stdout, "%s\n", b)
		}
	}
	return nil
}

// getting is one run of get.
type getting struct {
	cmd    *taxiiGetCmd
	e      *env
	out    *bufio.Writer
	cursor taxiiCursor
	began  accord.Stamp
	n      int
}

// load begins where the cursor file says.
func (g *getting) load(q *taxii.Query) error {
	if g.cmd.Cursor == "" {
		return nil
	}
	b, err := os.ReadFile(g.cmd.Cursor)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var was taxiiCursor
	if err := json.Unmarshal(b, &was); err != nil {
		return fmt.Errorf("%w: %s is no cursor file: remove it to begin anew", accord.ErrInvalid, g.cmd.Cursor)
	}
	if was.Query != g.cursor.Query {
		return fmt.Errorf("%w: %s belongs to another query (%s): name another file, or remove it", accord.ErrConflict, g.cmd.Cursor, visible(was.Query))
	}
	if was.AddedAfter > q.AddedAfter {
		g.cursor.AddedAfter, g.cursor.Next = was.AddedAfter, was.Next
	}
	return nil
}

func (g *getting) run(c *taxii.Client, root string, col taxii.Collection, q taxii.Query) error {
	begin := q.AddedAfter
	if g.cursor.AddedAfter > 0 {
		q.AddedAfter, q.Next = g.cursor.AddedAfter, g.cursor.Next
	}
	if q.Next != "" {
		q.AddedAfter = begin // next goes with the query that it came from (§3.5)
	}
	err := g.pages(c, root, col, q)
	var refused *taxii.Error
	if q.Next != "" && g.n == 0 && errors.As(err, &refused) && refused.Status == http.StatusBadRequest {
		// The server has forgotten its cursor. What shares the last stamp comes again.
		q.Next, q.AddedAfter = "", g.cursor.AddedAfter-1
		err = g.pages(c, root, col, q)
	}
	if err != nil {
		return explainTAXII(err)
	}
	fmt.Fprintf(g.e.stderr, "%d objects; added up to %s\n", g.n, g.cursor.AddedAfter)
	return nil
}

func (g *getting) pages(c *taxii.Client, root string, col taxii.Collection, q taxii.Query) error {
	if g.cmd.Bundle {
		fmt.Fprintf(g.out, `{"type":"bundle","id":"bundle--%s"`, uuid.NewString())
	}
	for page, err := range c.Objects(g.e.ctx, root, col.ID, q) {
		if err != nil {
			return errors.Join(err, g.out.Flush())
		}
		if err := g.write(page); err != nil {
			return err
		}
	}
	if g.cmd.Bundle {
		end := "}\n"
		if g.n > 0 {
			end = "]" + end
		}
		if _, err := g.out.WriteString(end); err != nil {
			return err
		}
	}
	return g.out.Flush()
}

// write prints a page, and only then says in the cursor file that it was read.
func (g *getting) write(page taxii.Envelope) error {
	for _, o := range page.Objects {
		g.n++
		before := ""
		switch {
		case !g.cmd.Bundle:
			v := jsontext.Value(o).Clone()
			if err := v.Compact(); err != nil {
				return err
			}
			o = append(v, '\n')
		case g.n == 1:
			before = `,"objects":[`
		default:
			before = ",\n"
		}
		if _, err := g.out.WriteString(before); err != nil {
			return err
		}
		if _, err := g.out.Write(o); err != nil {
			return err
		}
	}
	last := page.Last
	if g.cursor.Next = ""; page.More {
		if g.cursor.Next = page.Next; page.Next == "" {
			last-- // what shares the last stamp may be on the next page
		}
	}
	if g.cursor.AddedAfter = max(g.cursor.AddedAfter, last); !page.More {
		// A server whose clock is ahead would give nothing until that time comes.
		g.cursor.AddedAfter = min(g.cursor.AddedAfter, g.began)
	}
	if g.cmd.Cursor == "" {
		return nil
	}
	if err := g.out.Flush(); err != nil {
		return err
	}
	return g.cursor.save(g.cmd.Cursor)
}

// save replaces the file as a whole.
func (c taxiiCursor) save(path string) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // it was renamed, or is not wanted
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
