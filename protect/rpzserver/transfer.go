// SPDX-License-Identifier: Apache-2.0

package rpzserver

import (
	"context"
	"errors"
	"fmt"

	"github.com/miekg/dns"

	"accord"
)

// transfer answers AXFR and IXFR.
func (s *Server) transfer(ctx context.Context, w dns.ResponseWriter, r *dns.Msg, z *zone, isTCP bool) {
	if isTCP && !s.transfers.allow(remote(w)) {
		s.fail(w, r, dns.RcodeRefused, 0)
		return
	}
	serial, err := s.serialOf(ctx, z)
	if err != nil {
		s.log.Error("rpz server could not read a zone", "zone", z.name, "error", err)
		s.fail(w, r, dns.RcodeServerFailure, 0)
		return
	}
	if r.Question[0].Qtype == dns.TypeAXFR && !isTCP {
		s.fail(w, r, dns.RcodeFormatError, 0) // RFC 5936 §4.2: AXFR is for TCP
		return
	}
	out := &stream{w: w, r: r, s: s}
	var kind string
	if r.Question[0].Qtype == dns.TypeIXFR {
		have, ok := clientSerial(r, z.origin)
		if !ok { // RFC 1995 §3
			s.log.Debug("a question for a difference says not from where", "zone", z.name, "from", remote(w))
			s.fail(w, r, dns.RcodeFormatError, 0)
			return
		}
		kind, err = s.ixfr(ctx, out, z, have, serial, isTCP)
	} else {
		kind, err = "axfr", s.axfr(ctx, out, z, serial)
	}
	if err != nil {
		if out.messages == 0 && !errors.Is(err, errWrite) {
			s.fail(w, r, dns.RcodeServerFailure, 0)
		} else {
			closeQuietly(w) // a cut stream is the only way to say that it is not whole
		}
		if ctx.Err() == nil {
			s.log.Warn("a zone transfer was broken off", "zone", z.name, "to", remote(w), "kind", kind, "error", err)
		}
		return
	}
	s.status.transferred(remote(w), z.name, kind, serial, out.records, s.now())
	s.log.Debug("zone transferred", "zone", z.name, "to", remote(w), "kind", kind, "serial", serial, "records", out.records)
}

var (
	errWrite = errors.New("client")
	errBusy  = errors.New("too many transfers at once")
	errStale = errors.New("the zone changed more than its journal holds while it was sent")
)

// axfr sends the whole zone as it was at serial (RFC 5936 §2.2).
func (s *Server) axfr(ctx context.Context, out *stream, z *zone, serial uint32) error {
	select {
	case s.sending <- struct{}{}:
		defer func() { <-s.sending }()
	default:
		return errBusy
	}
	soa := z.soa(serial, s.cfg.NS)
	if err := out.add(soa, z.nameServer(s.cfg.NS)); err != nil {
		return err
	}
	if z.static {
		if err := out.add(z.records...); err != nil {
			return err
		}
	} else if err := s.sendSnapshot(ctx, out, z, serial); err != nil {
		return err
	}
	if err := out.add(soa); err != nil {
		return err
	}
	return out.flush()
}

func (s *Server) sendSnapshot(ctx context.Context, out *stream, z *zone, serial uint32) error {
	snap := newSnapshot(s.store, z.name, serial)
	var rrs []dns.RR
	for {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		values, done, err := snap.next(ctx)
		if err != nil {
			return err
		}
		for _, o := range values {
			if s.guarded(o) {
				continue
			}
			rrs = s.records(rrs[:0], z, o)
			if err := out.add(rrs...); err != nil {
				return err
			}
		}
		if done {
			return nil
		}
	}
}

// ixfr sends the difference from have, the client's serial (RFC 1995), condensed into
// one; the whole zone when the journal does not reach back, or when the
// difference is no smaller.
func (s *Server) ixfr(ctx context.Context, out *stream, z *zone, have, serial uint32, isTCP bool) (kind string, err error) {
	soa := z.soa(serial, s.cfg.NS)
	// Over UDP, or when there is nothing new: our SOA alone (RFC 1995 §2, §4).
	if !isTCP || !newer(serial, have) {
		if err := out.add(soa); err != nil {
			return "current", err
		}
		return "current", out.flush()
	}
	if z.static {
		return "axfr", s.axfr(ctx, out, z, serial)
	}
	remove, add, ok, err := s.difference(ctx, z, have, serial)
	if err != nil {
		return "ixfr", err
	}
	if !ok {
		return "axfr", s.axfr(ctx, out, z, serial)
	}
	if err := out.add(soa, z.soa(have, s.cfg.NS)); err != nil {
		return "ixfr", err
	}
	for _, o := range remove {
		if err := out.add(s.records(nil, z, o)...); err != nil {
			return "ixfr", err
		}
	}
	if err := out.add(soa); err != nil {
		return "ixfr", err
	}
	for _, o := range add {
		if s.guarded(o) {
			continue
		}
		if err := out.add(s.records(nil, z, o)...); err != nil {
			return "ixfr", err
		}
	}
	if err := out.add(soa); err != nil {
		return "ixfr", err
	}
	return "ixfr", out.flush()
}

// Bounds of a difference in journal lines: what is held in memory for one answer.
const (
	maxDifference = 200_000
	journalPage   = 5000
)

// difference returns the net change between two serials. ok is false when the
// journal cannot say, or when the whole zone is the shorter answer.
func (s *Server) difference(ctx context.Context, z *zone, from, to uint32) (remove, add []accord.Observable, ok bool, err error) {
	_, values, err := s.store.Zone(ctx, z.name)
	if err != nil {
		return nil, nil, false, err
	}
	type fate struct{ first, last bool }
	fates := map[accord.Observable]fate{}
	lines := int64(0)
	for at := from; newer(to, at); {
		changes, complete, err := s.store.ZoneJournal(ctx, z.name, at, journalPage)
		if err != nil || !complete || len(changes) == 0 {
			return nil, nil, false, err
		}
		for _, c := range changes {
			at = c.Serial
			if newer(c.Serial, to) {
				break
			}
			f, seen := fates[c.Observable]
			if !seen {
				f.first = c.Add
			}
			f.last = c.Add
			fates[c.Observable] = f
			lines++
		}
		if lines > maxDifference || lines > values+1000 {
			return nil, nil, false, nil
		}
	}
	for o, f := range fates {
		switch {
		case f.first && f.last:
			add = append(add, o)
		case !f.first && !f.last:
			remove = append(remove, o)
		}
	}
	return remove, add, true, nil
}

// clientSerial returns the serial in the authority section of an IXFR question.
func clientSerial(r *dns.Msg, origin string) (uint32, bool) {
	for _, rr := range r.Ns {
		if soa, ok := rr.(*dns.SOA); ok && dns.CanonicalName(soa.Hdr.Name) == origin {
			return soa.Serial, true
		}
	}
	return 0, false
}

// newer reports whether serial a comes after b (RFC 1982 §3.2).
func newer(a, b uint32) bool { return a != b && a-b < 1<<31 }

// stream sends records in as few messages as names compress well in: pointers
// reach 16 KB (RFC 1035 §4.1.4).
type stream struct {
	w        dns.ResponseWriter
	r        *dns.Msg
	s        *Server
	pending  []dns.RR
	size     int // of pending, before compression
	messages int
	records  int
}

// fullMessage is the size before compression at which a message is sent; about
// half of it remains on the wire.
const fullMessage = 30_000

func (o *stream) add(rrs ...dns.RR) error {
	for _, rr := range rrs {
		o.pending = append(o.pending, rr)
		o.size += dns.Len(rr)
		o.records++
		if o.size >= fullMessage {
			if err := o.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *stream) flush() error {
	if len(o.pending) == 0 {
		return nil
	}
	m := new(dns.Msg)
	m.SetReply(o.r)
	m.Authoritative, m.Compress = true, true
	if o.messages > 0 {
		m.Question = nil // RFC 5936 §2.2.1
	}
	m.Answer = o.pending
	o.s.sign(o.w, o.r, m)
	o.w.TsigTimersOnly(o.messages > 0) // RFC 8945 §5.3.1
	if err := o.w.WriteMsg(m); err != nil {
		return fmt.Errorf("%w: %w", errWrite, err)
	}
	o.messages++
	o.pending, o.size = o.pending[:0], 0
	return nil
}
