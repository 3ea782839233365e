// SPDX-License-Identifier: Apache-2.0

package taxii

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"os"

	"accord"
)

// The parameters each endpoint's table lists (§5.3 to §5.8).
const (
	takesObjects  = paramPage | paramID | paramType | paramVersion | paramSpec
	takesObject   = paramPage | paramVersion | paramSpec
	takesVersions = paramPage | paramSpec
	takesDelete   = paramVersion | paramSpec
)

// objects answers GET {api-root}/collections/{id}/objects/ (§5.4).
func (s *Server) objects(q *request) error {
	page, err := s.page(q, takesObjects, func(*Query) {})
	if err != nil {
		return err
	}
	s.sendObjects(q, page)
	return nil
}

// object answers GET {api-root}/collections/{id}/objects/{object-id}/ (§5.6).
func (s *Server) object(q *request) error {
	page, err := s.page(q, takesObject, func(f *Query) { f.IDs = []string{q.args[1]} })
	if err != nil {
		return err
	}
	s.sendObjects(q, page)
	return nil
}

func (s *Server) sendObjects(q *request, p served) {
	size := int64(0)
	for i := range p.objects {
		size += p.objects[i].size()
	}
	// A slow reader may take as long as the answer's deadline: see ServeHTTP.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(q.r.Context()), 2*s.cfg.Timeout)
	defer cancel()
	s.stream(q, http.StatusOK, size, func(w io.Writer) error { return writeEnvelope(w, p.bytes(ctx), p.next) })
}

// manifest answers GET {api-root}/collections/{id}/manifest/ (§5.3). The
// resource has more but no next: clients page it by added_after.
func (s *Server) manifest(q *request) error {
	page, err := s.page(q, takesObjects, func(f *Query) { f.Bare = true })
	if err != nil {
		return err
	}
	m := manifest{More: page.next != ""}
	for _, o := range page.objects {
		m.Objects = append(m.Objects, ManifestRecord{
			ID: o.ID, DateAdded: o.Added, Version: o.versionText(), MediaType: o.mediaType(),
		})
	}
	s.send(q, http.StatusOK, m)
	return nil
}

// versions answers GET …/objects/{object-id}/versions/ (§5.8), paged as manifest.
func (s *Server) versions(q *request) error {
	page, err := s.page(q, takesVersions, func(f *Query) {
		f.IDs, f.Versions, f.Bare = []string{q.args[1]}, Versions{All: true}, true
	})
	if err != nil {
		return err
	}
	v := versions{More: page.next != ""}
	for _, o := range page.objects {
		v.Versions = append(v.Versions, o.versionText())
	}
	s.send(q, http.StatusOK, v)
	return nil
}

// served is a page as it will be sent: next is set when there is more.
type served struct {
	objects []Object
	next    string
	content func(context.Context, []Object) iter.Seq2[[]byte, error]
}

// bytes yields what the objects are made of.
func (p served) bytes(ctx context.Context) iter.Seq2[[]byte, error] {
	if p.content != nil && len(p.objects) > 0 {
		return p.content(ctx, p.objects)
	}
	return func(yield func([]byte, error) bool) {
		for i := range p.objects {
			if !yield(p.objects[i].Bytes, nil) {
				return
			}
		}
	}
}

// page reads the query, asks the Backend, and sets the two date headers.
func (s *Server) page(q *request, takes params, narrow func(*Query)) (served, error) {
	c, err := s.readable(q)
	if err != nil {
		return served{}, err
	}
	f, err := parseQuery(q.r.URL.RawQuery, takes)
	if err != nil {
		return served{}, err
	}
	narrow(&f)
	if len(f.IDs) == 1 && !idShape.MatchString(f.IDs[0]) {
		return served{}, refuse(http.StatusNotFound, "no such object: %q is no STIX identifier", plain(f.IDs[0]))
	}
	if f.Limit == 0 || f.Limit > s.cfg.MaxPage {
		f.Limit = s.cfg.MaxPage
	}
	asked := f
	if f.Next != "" {
		at, err := s.position(f.Next, q.caller, q.root.Name, c.ID, f)
		if err != nil {
			return served{}, err
		}
		f.AddedAfter, f.Next = max(f.AddedAfter, at), ""
	}
	p, err := s.cfg.Backend.Objects(q.r.Context(), q.caller, q.root.Name, c.ID, f)
	if err != nil {
		return served{}, fmt.Errorf("objects: %w", err)
	}
	if err := checkPage(p, f); err != nil {
		return served{}, err
	}
	if len(p.Objects) == 0 && takes&paramID == 0 {
		if err := s.exists(q, c, f); err != nil {
			return served{}, err
		}
	}
	cut, more := s.cut(p)
	first, last := f.AddedAfter, f.AddedAfter
	out := served{objects: cut, content: p.Content}
	if n := len(cut); n > 0 {
		first, last = cut[0].Added, cut[n-1].Added
		if more {
			out.next = s.cursor(last, q.caller, q.root.Name, c.ID, asked)
		}
	}
	// §3.2: every 200-series response here MUST have both, and each "MUST be a
	// timestamp". An empty answer has none of its own: it repeats where it began.
	q.w.Header().Set("X-TAXII-Date-Added-First", stampText(first))
	q.w.Header().Set("X-TAXII-Date-Added-Last", stampText(last))
	return out, nil
}

// checkPage holds the Backend to its contract: what breaks it would lose objects
// at a client, or send it in circles.
func checkPage(p Page, f Query) error {
	if len(p.Objects) > f.Limit || p.More && len(p.Objects) == 0 {
		return fmt.Errorf("backend gave %d objects (more: %t) for a limit of %d", len(p.Objects), p.More, f.Limit)
	}
	after := f.AddedAfter
	for _, o := range p.Objects {
		if o.Added <= after {
			return fmt.Errorf("backend gave %s added %s, not after %s", o.ID, o.Added, after)
		}
		after = o.Added
	}
	return nil
}

// exists tells an object that is not there (404: §5.6, and §5.7 for what was
// deleted) from one that has nothing newer, whose answer is an empty envelope.
func (s *Server) exists(q *request, c Collection, f Query) error {
	missing := refuse(http.StatusNotFound, "no such object or version in this collection")
	if f.AddedAfter == 0 {
		return missing
	}
	f.AddedAfter, f.Limit, f.Bare = 0, 1, true
	p, err := s.cfg.Backend.Objects(q.r.Context(), q.caller, q.root.Name, c.ID, f)
	if err != nil {
		return fmt.Errorf("objects: %w", err)
	}
	if len(p.Objects) == 0 {
		return missing
	}
	return nil
}

// cut ends a page at the object that reaches MaxPageBytes.
func (s *Server) cut(p Page) (objects []Object, more bool) {
	var size int64
	for i := range p.Objects {
		if size += p.Objects[i].size(); size >= s.cfg.MaxPageBytes {
			return p.Objects[:i+1], p.More || i+1 < len(p.Objects)
		}
	}
	return p.Objects, p.More
}

// add answers POST {api-root}/collections/{id}/objects/ (§5.5).
func (s *Server) add(q *request) error {
	c, err := s.writable(q)
	if err != nil {
		return err
	}
	if _, err := parseQuery(q.r.URL.RawQuery, 0); err != nil {
		return refuse(http.StatusBadRequest, "%v", err)
	}
	if !isTAXII(q.r.Header.Get("Content-Type")) {
		return refuse(http.StatusUnsupportedMediaType, "send %s", MediaType)
	}
	leave, err := s.adds.enter(q.r.Context(), q.caller.Name, s.cfg.MaxAdds)
	if err != nil {
		return fmt.Errorf("wait for a place: %w", err)
	}
	defer leave()
	body, err := s.readPost(q)
	if err != nil {
		return err
	}
	e, err := parseEnvelope(body, "objects", '{')
	if err != nil {
		return err
	}
	if len(e.items) == 0 {
		return refuse(http.StatusUnprocessableEntity, "the envelope has no objects; an empty list is forbidden (§2)")
	}
	st, err := s.cfg.Backend.Add(q.r.Context(), q.caller, q.root.Name, c.ID, e.items)
	if err != nil {
		return fmt.Errorf("add: %w", err)
	}
	s.send(q, http.StatusAccepted, st)
	return nil
}

func (s *Server) readPost(q *request) ([]byte, error) {
	most := q.root.MaxContentLength
	wire := http.MaxBytesReader(q.w, q.r.Body, most)
	body, err := readBody(wire, q.r.Header.Get("Content-Encoding"), q.r.ContentLength, most, s.cfg.MaxRatio)
	var over *http.MaxBytesError
	switch {
	case err == nil:
		return body, nil
	case errors.Is(err, errEncoding):
		q.w.Header().Set("Accept-Encoding", "gzip, identity")
		return nil, refuse(http.StatusUnsupportedMediaType, "the content encoding may be gzip or none")
	case errors.Is(err, errTooLarge), errors.As(err, &over):
		q.w.Header().Set("Connection", "close")
		return nil, refuse(http.StatusRequestEntityTooLarge,
			"a body may hold %d octets (max_content_length), before and after decompression", most)
	case errors.Is(err, errBomb):
		q.w.Header().Set("Connection", "close")
		return nil, refuse(http.StatusRequestEntityTooLarge, "a body may not expand more than %d times", s.cfg.MaxRatio)
	case q.r.Context().Err() != nil, errors.Is(err, os.ErrDeadlineExceeded):
		return nil, refuse(http.StatusRequestTimeout, "the body did not come in time")
	}
	return nil, fmt.Errorf("read body: %w: %s", accord.ErrInvalid, plain(err.Error()))
}

// deleteObject answers DELETE …/objects/{object-id}/ (§5.7). Without
// match[version] the object goes with all its versions.
func (s *Server) deleteObject(q *request) error {
	c, err := s.deletable(q)
	if err != nil {
		return err
	}
	f, err := parseQuery(q.r.URL.RawQuery, takesDelete)
	if err != nil {
		return err
	}
	id := q.args[1]
	if !idShape.MatchString(id) {
		return refuse(http.StatusNotFound, "no such object: %q is no STIX identifier", plain(id))
	}
	if f.Versions.text() == "" {
		f.Versions.All = true
	}
	if err := s.cfg.Backend.Delete(q.r.Context(), q.caller, q.root.Name, c.ID, id, f); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	q.w.Header().Set("Content-Type", MediaType)
	q.w.WriteHeader(http.StatusOK)
	return nil
}
