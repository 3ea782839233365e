// SPDX-License-Identifier: Apache-2.0

package taxii

import (
	"context"
	"crypto/sha256"
	"fmt"
	"iter"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"accord"
)

// maxIdle is how many pages in a row may bring nothing new while the server says
// there is more. §3.5 allows one, after a deletion.
const maxIdle = 3

// Envelope is one page of objects as a client got it (§3.7).
type Envelope struct {
	// Objects are the JSON objects' own bytes. What the page before already had
	// is left out. They share a buffer.
	Objects [][]byte
	More    bool
	// Next is the cursor of the page after this one, or empty. With the same
	// filters in a Query it resumes here.
	Next string
	// First and Last are the two date headers, 0 when missing or unreadable. Last
	// is a bookmark: AddedAfter of the next poll.
	First, Last accord.Stamp
}

// ManifestPage is one page of a manifest (§5.3.1).
type ManifestPage struct {
	Records     []ManifestRecord
	More        bool
	First, Last accord.Stamp
}

// Objects yields the pages of a collection that q selects (§5.4), following next,
// or added_after where the server gives none (§3.5). It ends after the last page
// or the first error; [ErrPaging] says that the server leads in circles. q.Limit
// is the size of a page, not of the answer.
func (c *Client) Objects(ctx context.Context, root, collection string, q Query) iter.Seq2[Envelope, error] {
	return c.walk(ctx, root, []string{"collections", collection, "objects"}, q, "objects", '{')
}

// Object yields the versions of one object that q.Versions selects (§5.6).
func (c *Client) Object(ctx context.Context, root, collection, id string, q Query) iter.Seq2[Envelope, error] {
	q.IDs, q.Types = nil, nil
	return c.walk(ctx, root, []string{"collections", collection, "objects", id}, q, "objects", '{')
}

// Manifest yields which object versions a collection has (§5.3).
func (c *Client) Manifest(ctx context.Context, root, collection string, q Query) iter.Seq2[ManifestPage, error] {
	return func(yield func(ManifestPage, error) bool) {
		parts := []string{"collections", collection, "manifest"}
		for e, err := range c.walk(ctx, root, parts, q, "objects", '{') {
			page := ManifestPage{More: e.More, First: e.First, Last: e.Last}
			for _, raw := range e.Objects {
				var r ManifestRecord
				if err = decode(raw, &r); err != nil {
					break
				}
				page.Records = append(page.Records, r)
			}
			if !yield(page, err) || err != nil {
				return
			}
		}
	}
}

// Versions returns the versions of one object, as their texts (§5.8).
func (c *Client) Versions(ctx context.Context, root, collection, id string) ([]string, error) {
	var list []string
	parts := []string{"collections", collection, "objects", id, "versions"}
	for e, err := range c.walk(ctx, root, parts, Query{}, "versions", '"') {
		if err != nil {
			return nil, err
		}
		for _, raw := range e.Objects {
			text, err := jsontext.AppendUnquote(nil, raw)
			if err != nil {
				return nil, fmt.Errorf("%w: version: %w", accord.ErrInvalid, err)
			}
			list = append(list, string(text))
		}
	}
	return list, nil
}

func (c *Client) walk(ctx context.Context, root string, parts []string, q Query, list string, kind jsontext.Kind) iter.Seq2[Envelope, error] {
	return func(yield func(Envelope, error) bool) {
		target, err := c.resolve(root, parts...)
		if err != nil {
			yield(Envelope{}, err)
			return
		}
		if q.Limit <= 0 {
			q.Limit = c.PageLimit
		}
		g := guard{maxPage: max(c.MaxPage, q.Limit), maxPages: c.MaxPages, cursors: map[[32]byte]bool{}}
		for {
			e, err := c.page(ctx, target+"?"+q.encode(), list, kind)
			if err == nil {
				err = g.step(&e, &q)
			}
			if err != nil {
				yield(Envelope{}, err)
				return
			}
			if !yield(e, nil) || !e.More {
				return
			}
		}
	}
}

func (c *Client) page(ctx context.Context, target, list string, kind jsontext.Kind) (Envelope, error) {
	answer, err := c.do(ctx, http.MethodGet, target, nil, false)
	if err != nil {
		return Envelope{}, err
	}
	in, err := parseEnvelope(answer.body, list, kind)
	if err != nil {
		return Envelope{}, err
	}
	e := Envelope{Objects: in.items, More: in.more, Next: in.next}
	// Servers are known to send other formats here; a date that can not be read
	// counts as missing, which matters only if paging needs it.
	e.First, _ = parseStamp(answer.header.Get("X-TAXII-Date-Added-First"))
	e.Last, _ = parseStamp(answer.header.Get("X-TAXII-Date-Added-Last"))
	return e, nil
}

// guard follows a server's pages and refuses to be led in circles.
type guard struct {
	maxPage, maxPages int
	pages, idle       int
	last              accord.Stamp          // of the page before
	before            map[[32]byte]struct{} // its objects
	cursors           map[[32]byte]bool     // every cursor followed, with the page it came with
	page              [32]byte              // what this page holds
}

// step checks a page, leaves out of it what the page before had, and moves q on
// to the page after.
func (g *guard) step(e *Envelope, q *Query) error {
	if g.pages++; g.pages > g.maxPages {
		return fmt.Errorf("%w: more than %d pages", ErrPaging, g.maxPages)
	}
	if len(e.Objects) > g.maxPage {
		return fmt.Errorf("%w: a page of %d objects where %d were asked for", ErrPaging, len(e.Objects), q.Limit)
	}
	if n := len(e.Objects); n > 0 && e.Last != 0 {
		if e.Last < g.last || e.First > e.Last {
			return fmt.Errorf("%w: date added goes back, from %s to %s (§3.3)", ErrPaging, max(g.last, e.First), e.Last)
		}
		g.last = e.Last
	}
	g.drop(e)
	if !e.More {
		return nil
	}
	if g.idle++; len(e.Objects) > 0 {
		g.idle = 0
	}
	if g.idle > maxIdle {
		return fmt.Errorf("%w: always more, and %d pages without anything new", ErrPaging, g.idle)
	}
	if e.Next != "" {
		return g.follow(e, q)
	}
	return g.advance(e, q)
}

// drop leaves out of a page what the page before had.
func (g *guard) drop(e *Envelope) {
	now := make(map[[32]byte]struct{}, len(e.Objects))
	fresh := e.Objects[:0]
	whole := sha256.New()
	defer func() { whole.Sum(g.page[:0]) }()
	for _, o := range e.Objects {
		sum := sha256.Sum256(o)
		whole.Write(sum[:])
		_, here := now[sum]
		_, had := g.before[sum]
		now[sum] = struct{}{}
		if !here && !had {
			fresh = append(fresh, o)
		}
	}
	e.Objects, g.before = fresh, now
}

// follow goes on by next. A server may keep one cursor for all pages of a query, as
// medallion does; but one that came with the same page before leads in a circle.
func (g *guard) follow(e *Envelope, q *Query) error {
	if len(e.Next) > maxCursor {
		return fmt.Errorf("%w: a cursor of %d octets", ErrPaging, len(e.Next))
	}
	key := sha256.Sum256(append(g.page[:], e.Next...))
	if g.cursors[key] {
		return fmt.Errorf("%w: the cursor %q came before, with the same page", ErrPaging, plain(e.Next))
	}
	g.cursors[key] = true
	q.Next = e.Next
	return nil
}

// advance pages by added_after, for a server that gives no next (§3.5). Objects
// that share the last stamp would be lost by asking for what is later than it;
// so the question begins one microsecond before, and if then nothing new comes,
// the page is too small for what shares a stamp and is made larger.
func (g *guard) advance(e *Envelope, q *Query) error {
	q.Next = ""
	after := e.Last - 1
	switch {
	case e.Last == 0:
		return fmt.Errorf("%w: more, but neither next nor a readable X-TAXII-Date-Added-Last (§3.5)", ErrPaging)
	case after > q.AddedAfter:
		q.AddedAfter = after
	case q.Limit < g.maxPage:
		q.Limit = min(4*q.Limit, g.maxPage)
	default:
		return fmt.Errorf("%w: more objects were added at %s than a page holds", ErrPaging, e.Last)
	}
	return nil
}
