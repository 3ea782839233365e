// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/go-json-experiment/json"

	"accord"
	"accord/taxii"
)

// place is where the next page of a collection begins. It is kept as JSON.
type place struct {
	After accord.Stamp `json:"after,omitzero"`
	Next  string       `json:"next,omitempty"`
}

// collectionOf takes the URL of a collection (TAXII 2.1 §5.2) apart.
func collectionOf(u *url.URL) (server, root, id string, err error) {
	p := strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), "/objects")
	root, id, ok := strings.Cut(p, "/collections/")
	if !ok || root == "" || id == "" || strings.Contains(id, "/") || u.RawQuery != "" {
		return "", "", "", fmt.Errorf("want the URL of a TAXII collection: https://host/api-root/collections/id/")
	}
	return u.Scheme + "://" + u.Host, root + "/", id, nil
}

// taxii reads what was added to a collection since the last run, a page at a time.
// The place of each page is kept once the page is stored.
func (r *run) taxii(ctx context.Context, u *url.URL) error {
	client, err := r.client(r.feed)
	if err != nil {
		return err
	}
	server, root, id, err := collectionOf(u)
	if err != nil {
		return fmt.Errorf("%w: %w", accord.ErrInvalid, err)
	}
	var from place
	if r.cursor != "" && !r.accept {
		if err := json.Unmarshal([]byte(r.cursor), &from); err != nil {
			from = place{} // all again is harmless
		}
	}
	c := &taxii.Client{HTTP: client, URL: server, MaxResponse: r.feed.MaxBytes, Attempts: 2, UserAgent: r.Config.withDefaults().UserAgent}
	err = r.pages(ctx, c, root, id, from)
	if from.Next != "" && r.sum.Objects == 0 && (errors.Is(err, accord.ErrInvalid) || errors.Is(err, accord.ErrNotFound)) {
		err = r.pages(ctx, c, root, id, place{After: from.After}) // the server forgot its cursor
	}
	return err
}

func (r *run) pages(ctx context.Context, c *taxii.Client, root, id string, at place) error {
	q := taxii.Query{AddedAfter: at.After, Next: at.Next}
	last, began := at.After, accord.StampOf(r.Now())
	for e, err := range c.Objects(ctx, root, id, q) {
		if err != nil {
			return err
		}
		if err := r.page(ctx, e.Objects); err != nil {
			return err
		}
		last = max(last, e.Last)
		switch {
		case !e.More:
			// A server whose clock is ahead would be asked for nothing until that time
			// comes: what it stamped since this run began comes again instead.
			at = place{After: min(last, began)}
		case e.Next != "":
			at.Next = e.Next
		case e.Last > 0:
			at = place{After: max(at.After, e.Last-1)} // objects may share a stamp
		}
		b, err := json.Marshal(at)
		if err != nil {
			return fmt.Errorf("cursor: %w", err)
		}
		if err := r.reach(ctx, string(b)); err != nil {
			return err
		}
		if r.sum.Objects >= r.feed.MaxRun && e.More {
			r.notes = "there is more than one run takes: the next goes on"
			return nil
		}
	}
	return nil
}

// page hands the objects of a page to ingest, as a bundle.
func (r *run) page(ctx context.Context, objects [][]byte) error {
	if len(objects) == 0 {
		return nil
	}
	f, err := os.CreateTemp(r.Config.Spool, "feed-*")
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	defer os.Remove(f.Name()) //nolint:errcheck // a temporary file
	w := bufio.NewWriter(f)
	n := 0
	write := func(b []byte) {
		m, _ := w.Write(b) // the error comes with Flush
		n += m
	}
	write([]byte(`{"type":"bundle","id":"bundle--00000000-0000-4000-8000-000000000000","objects":[`))
	for i, o := range objects {
		if i > 0 {
			write([]byte{','})
		}
		write(o)
	}
	write([]byte("]}"))
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	r.sum.Bytes += int64(n)
	return r.intake(ctx, Input{Path: f.Name(), Name: "page"})
}
