// SPDX-License-Identifier: Apache-2.0

package taxii

import (
	"fmt"
	"net/http"
	"strings"
)

// discovery answers GET /taxii2/ (§4.1).
func (s *Server) discovery(q *request) error {
	d := Discovery{Title: s.cfg.Title, Description: s.cfg.Description, Contact: s.cfg.Contact}
	for i := range s.cfg.Roots {
		// §4.1.1: "This list MAY be filtered on a per-client basis."
		if r := &s.cfg.Roots[i]; s.allowed(q.caller, r) {
			d.APIRoots = append(d.APIRoots, s.cfg.URL+"/"+r.Name+"/")
		}
	}
	more, err := s.derived(q)
	if err != nil {
		return err
	}
	for _, r := range more {
		d.APIRoots = append(d.APIRoots, s.cfg.URL+"/"+r.Name+"/")
	}
	if len(d.APIRoots) > 0 {
		d.Default = d.APIRoots[0]
	}
	s.send(q, http.StatusOK, d)
	return nil
}

// apiRoot answers GET {api-root}/ (§4.2). Accept-Encoding in the answer says
// that a POST may be compressed (RFC 9110 §12.5.3).
func (s *Server) apiRoot(q *request) error {
	if _, err := s.cfg.Backend.Collections(q.r.Context(), q.caller, q.root.Name); err != nil {
		return fmt.Errorf("collections: %w", err)
	}
	q.w.Header().Set("Accept-Encoding", "gzip")
	s.send(q, http.StatusOK, APIRoot{
		Title: q.root.Title, Description: q.root.Description,
		Versions: []string{MediaType}, MaxContentLength: q.root.MaxContentLength,
	})
	return nil
}

// status answers GET {api-root}/status/{status-id}/ (§4.3).
func (s *Server) status(q *request) error {
	id := q.args[0]
	if !uuidShape.MatchString(id) {
		return refuse(http.StatusNotFound, "a status id is a UUID")
	}
	st, err := s.cfg.Backend.Status(q.r.Context(), q.caller, q.root.Name, strings.ToLower(id))
	if err != nil {
		return fmt.Errorf("status: %w", err)
	}
	s.send(q, http.StatusOK, st)
	return nil
}

// listCollections answers GET {api-root}/collections/ (§5.1). Without any, "this key
// MUST be omitted, and the response is an empty object".
func (s *Server) listCollections(q *request) error {
	list, err := s.cfg.Backend.Collections(q.r.Context(), q.caller, q.root.Name)
	if err != nil {
		return fmt.Errorf("collections: %w", err)
	}
	s.send(q, http.StatusOK, collections{Collections: list})
	return nil
}

// getCollection answers GET {api-root}/collections/{id}/ (§5.2).
func (s *Server) getCollection(q *request) error {
	c, err := s.collection(q)
	if err != nil {
		return err
	}
	s.send(q, http.StatusOK, c)
	return nil
}

// collection finds the collection that the path names by id or alias (§5.2.1).
func (s *Server) collection(q *request) (Collection, error) {
	list, err := s.cfg.Backend.Collections(q.r.Context(), q.caller, q.root.Name)
	if err != nil {
		return Collection{}, fmt.Errorf("collections: %w", err)
	}
	name := q.args[0]
	for _, c := range list {
		if strings.EqualFold(c.ID, name) || c.Alias != "" && c.Alias == name {
			return c, nil
		}
	}
	return Collection{}, refuse(http.StatusNotFound, "no such collection, or not for you to see")
}

// readable is collection for endpoints that read: without can_read they "MUST
// return an HTTP 403 (Forbidden) or HTTP 404 (Not Found)" (§5.3, §5.4, §5.6, §5.8).
func (s *Server) readable(q *request) (Collection, error) {
	return s.having(q, "read", func(c Collection) bool { return c.CanRead })
}

// writable is collection for Add Objects (§5.5).
func (s *Server) writable(q *request) (Collection, error) {
	return s.having(q, "write", func(c Collection) bool { return c.CanWrite })
}

// deletable: §5.7's table: neither permission is 404, one of them 403.
func (s *Server) deletable(q *request) (Collection, error) {
	return s.having(q, "delete", func(c Collection) bool { return c.CanRead && c.CanWrite })
}

func (s *Server) having(q *request, what string, may func(Collection) bool) (Collection, error) {
	c, err := s.collection(q)
	switch {
	case err != nil:
		return c, err
	case !c.CanRead && !c.CanWrite:
		return c, refuse(http.StatusNotFound, "no such collection, or not for you to see")
	case !may(c):
		return c, refuse(http.StatusForbidden, "you may not %s in this collection", what)
	}
	return c, nil
}
