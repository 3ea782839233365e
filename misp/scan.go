// SPDX-License-Identifier: Apache-2.0

package misp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"accord"
	"accord/format/misp"
)

// mostScanned is how many attributes a search reads without sending one: the work of
// half a minute.
const mostScanned = 500_000

// heldBack is how many bytes of a search's answer wait: until then, what fails is
// told as an error and the answer is not cut.
const heldBack = 256 << 10

// narrow says what makes a search less work.
const narrow = "narrow the search by eventid, org, eventinfo, from and to, or last; a value without % that was not found in time is found sooner when asked for again"

// gone reports whether an event went between the list and the reading of it.
func gone(err error) bool { return errors.Is(err, accord.ErrNotFound) }

// needed returns the values of which an event must hold one for q to let anything of
// it through; none when there are no such.
func (q *query) needed() []string {
	if v := &q.values.or; len(v.exact) > 0 && len(v.wild) == 0 {
		return slices.Collect(maps.Keys(v.exact))
	}
	for v := range q.values.and.exact {
		return []string{v}
	}
	return nil
}

// lacking returns what tells that q need not read an event.
func (s *Server) lacking(r *http.Request, c Caller, q *query) (func(uuid string) bool, error) {
	n, ok := s.cfg.Backend.(Narrower)
	if values := q.needed(); ok && len(values) > 0 {
		return n.Lacking(r.Context(), c, values)
	}
	return func(string) bool { return false }, nil
}

// read counts an event against what a search may read in vain.
func (q *query) read(e *misp.EventJSON) error {
	q.scanned++
	for range e.All {
		q.scanned++
	}
	if q.scanned > q.mostScanned {
		return fmt.Errorf("%w: over %d attributes read and none found: %s", accord.ErrInvalid, q.mostScanned, narrow)
	}
	return nil
}

// found calls f with each event that q lets through, in order of uuid, its
// attributes filtered, until f wants no more.
func (s *Server) found(r *http.Request, c Caller, q *query, f func(*misp.EventJSON) (more bool, err error)) error {
	heads, err := s.cfg.Backend.Heads(r.Context(), c, "")
	if err != nil {
		return err
	}
	lacks, err := s.lacking(r, c, q)
	if err != nil {
		return err
	}
	for _, h := range heads {
		if !q.head(&h) || lacks(h.UUID) {
			continue
		}
		e, err := s.cfg.Backend.Event(r.Context(), c, "", h.UUID)
		if gone(err) {
			continue
		}
		if errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("%w: %s", err, narrow)
		}
		if err != nil {
			return err
		}
		if err := q.read(e); err != nil {
			return err
		}
		if more, err := f(e); err != nil || !more {
			return err
		}
	}
	return nil
}

// begun is a ResponseWriter that knows whether its answer has begun.
type begun struct {
	http.ResponseWriter
	yes bool
}

func (b *begun) WriteHeader(status int) {
	b.yes = true
	b.ResponseWriter.WriteHeader(status)
}

func (b *begun) Write(p []byte) (int, error) {
	b.yes = true
	return b.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (b *begun) Unwrap() http.ResponseWriter { return b.ResponseWriter }
