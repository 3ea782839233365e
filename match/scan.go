// SPDX-License-Identifier: Apache-2.0

package match

import (
	"context"
	"errors"
	"fmt"
	"io"

	"accord"
	"accord/format/zeek"
)

// ScanOptions say how telemetry is read. The zero value reads anything.
type ScanOptions struct {
	Name   string      // of the input: "dns.log.gz"; its base tells the log's kind
	Format zeek.Format // zeek.Auto decides line by line
	// Unpacked says that the input is not gzip or zstd, whatever it begins with.
	Unpacked bool
	Sensor   string       // who looks, "centre" when empty
	At       accord.Stamp // when a record that has no time of its own was seen
	// AnyTime matches what was seen outside an indicator's validity too: to look
	// in old telemetry for what is only now known.
	AnyTime bool
	// Live gives matches each time all input at hand is scanned, not only at its
	// end: for streams.
	Live bool
	Fold int // most different matches held at once; 0 = DefaultFold
	// Bad, when set, is told of each line that was skipped.
	Bad func(*zeek.LineError)
	// Index, when set, is asked for the index before each stretch of records, for
	// input that outlives one; Scan's argument is then used until the first.
	Index func() *Index
}

// Stats count what a scan went through.
type Stats struct {
	Lines   int64 // headers and bad lines included
	Bytes   int64 // unpacked
	Records int64
	Bad     int64 // lines skipped
	Seen    int64 // values looked up
	Hits    int64 // meetings, repeats included
	Matches int64 // given to emit
	// Header is the log's header at the end, to resume with; nil without one.
	Header []byte
}

// Scan reads telemetry from r and calls emit with what ix finds in it, repeats
// folded, in the order of first meeting. A line that cannot be read is counted
// and skipped. It stops early when ctx ends, when emit fails, or when r does;
// what was found by then has been emitted, except when emit failed.
func Scan(ctx context.Context, ix *Index, r io.Reader, opts ScanOptions, emit func(accord.Match) error) (Stats, error) {
	s := scanner{finder: finder{ix: ix}, opts: opts, emit: emit}
	if s.opts.Sensor == "" {
		s.opts.Sensor = "centre"
	}
	s.fold = NewFold(s.opts.Sensor, opts.Fold)
	zr := zeek.NewReader(r, opts.Name)
	zr.Format, zr.Unpacked = opts.Format, opts.Unpacked
	if opts.Live {
		zr.BeforeRead = func() { s.err = errors.Join(s.err, s.flush()) }
	}
	err := s.run(ctx, zr)
	err = errors.Join(err, zr.Close())
	if s.err == nil {
		s.err = s.flush()
	}
	s.stats.Lines, s.stats.Bytes, s.stats.Header = zr.Lines(), zr.Offset(), zr.Header()
	if err = errors.Join(err, s.err); err != nil {
		return s.stats, fmt.Errorf("scan %s: %w", opts.Name, err)
	}
	return s.stats, nil
}

type scanner struct {
	finder
	opts  ScanOptions
	emit  func(accord.Match) error
	fold  *Fold
	stats Stats
	err   error // of emit
}

// stretch is how many records are scanned between looks at ctx and the index.
const stretch = 1024

func (s *scanner) run(ctx context.Context, zr *zeek.Reader) error {
	for n := 0; ; n++ {
		if n%stretch == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			if s.opts.Index != nil {
				s.ix = s.opts.Index()
			}
		}
		rec, err := zr.Next()
		if s.err != nil {
			return nil //nolint:nilerr // s.err is what the caller returns
		}
		var bad *zeek.LineError
		switch {
		case errors.As(err, &bad):
			s.stats.Bad++
			if s.opts.Bad != nil {
				s.opts.Bad(bad)
			}
			continue
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		s.stats.Records++
		s.record(rec)
		if s.err != nil {
			return nil //nolint:nilerr // s.err is what the caller returns
		}
	}
}

// record looks up every value of one record.
func (s *scanner) record(rec *zeek.Record) {
	if rec.At == 0 {
		rec.At = s.opts.At
	}
	for i := range rec.Values {
		v := &rec.Values[i]
		s.stats.Seen++
		for _, h := range s.find(v) {
			if s.opts.AnyTime || h.seg.spanOf(h.e).holds(rec.At) {
				s.stats.Hits++
				s.met(rec, v, &h)
			}
		}
	}
}

func (s *scanner) met(rec *zeek.Record, v *zeek.Value, h *hit) {
	seen := rec.Seen(v)
	if o, ok := ValueOf(seen.Observable); ok {
		seen.Observable = o
	}
	if s.fold.Add(h.seg.sought(h.e, h.k, h.key), seen) && s.err == nil {
		s.err = s.flush()
	}
}

func (s *scanner) flush() error {
	for _, m := range s.fold.Take() {
		if err := s.emit(m); err != nil {
			return err
		}
		s.stats.Matches++
	}
	return nil
}
