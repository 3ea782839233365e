// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"accord"
	"accord/format/misp"
)

// Stream ingests what r gives until its end; name stands for it in reports. A
// zip archive cannot be read from a stream.
func (in *Ingester) Stream(ctx context.Context, r io.Reader, name string, o Options) (Report, error) {
	o.Source = cmp.Or(o.Source, filepath.Base(name))
	return in.run(ctx, input{r: r, name: name}, o)
}

// batch is what the parser hands to the writer: at most one write's worth.
type batch struct {
	items    []accord.Item
	size     int // bytes of items
	refusals []accord.Refusal
	broken   int64 // texts not read to their end
	losses   []lost
	files    int
	done     int64 // bytes of the input read so far
	out      int64 // bytes of text so far
}

type lost struct {
	file string
	misp.Loss
}

// run parses in one goroutine and writes in the calling one.
func (in *Ingester) run(ctx context.Context, src input, o Options) (Report, error) {
	parseCtx, stop := context.WithCancel(ctx)
	defer stop()
	lim := in.Limits.orDefault()
	p := &parsing{
		Ingester: in, o: o, lim: lim, ctx: parseCtx, out: make(chan *batch, 2), next: &batch{},
		// Others keep no more of created and modified than milliseconds.
		at: accord.StampOf(in.Now().Truncate(time.Millisecond)),
	}
	var parseErr error
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(p.out)
		parseErr = p.parse(src)
	})
	w := &writing{Ingester: in, o: o, lim: lim, total: src.size}
	var err error
	for b := range p.out {
		if err != nil {
			continue // drain, so that the parser can end
		}
		if err = ctx.Err(); err == nil {
			err = w.write(ctx, b)
		}
		if err != nil {
			stop()
		}
	}
	wg.Wait()
	err = cmp.Or(err, ctx.Err(), parseErr)
	if err != nil {
		err = fmt.Errorf("ingest %s: %w", src.name, err)
	}
	if in.Log != nil {
		r := w.report
		in.Log.LogAttrs(ctx, slog.LevelInfo, "ingested", slog.String("source", o.Source), slog.String("file", src.name),
			slog.Int64("objects", r.Objects), slog.Int64("new", r.New), slog.Int64("refused", r.Refused), slog.Int64("held", r.Held))
	}
	return w.report, err
}

// writing is the side that writes batches and keeps the report.
type writing struct {
	*Ingester
	o        Options
	lim      Limits
	total    int64
	report   Report
	recorded int // refusals told to the store
}

// write stores one batch. A write begun is finished even when ctx ends in it.
func (w *writing) write(ctx context.Context, b *batch) error {
	ctx = context.WithoutCancel(ctx)
	at := accord.StampOf(w.Now())
	r := Report{Files: b.files, Objects: int64(len(b.items)), Refused: int64(len(b.refusals)), Broken: b.broken, ByType: map[string]int64{}, LossWhy: map[string]int64{}}
	if len(b.items) > 0 {
		res, err := w.Store.Ingest(ctx, b.items, at)
		if err != nil {
			return err
		}
		r.New, r.Updated, r.Same, r.Conflicts = int64(res.New), int64(res.Updated), int64(res.Same), int64(res.Conflicts)
		r.Conflicting = res.Conflict
	}
	for _, it := range b.items {
		r.ByType[it.Type]++
		if it.Held != "" {
			r.Held++
		}
	}
	for i := range b.refusals {
		b.refusals[i].At = at
	}
	for _, ref := range b.refusals[:min(len(b.refusals), w.lim.Refusals-w.recorded)] {
		if err := w.Store.RecordRefusal(ctx, ref.Source, ref.What, ref.Why, at); err != nil {
			return err
		}
		w.recorded++
	}
	r.Refusals = b.refusals
	for _, l := range b.losses {
		r.Losses++
		r.LossWhy[l.Why]++
		if w.o.Lost != nil {
			w.o.Lost(l.file, l.Loss)
		}
	}
	w.report.Add(r, w.lim.Refusals)
	w.report.Bytes = b.out
	if w.o.Progress != nil {
		w.o.Progress(b.done, w.total, w.report.clone())
	}
	return nil
}

// parsing is the side that turns text into batches.
type parsing struct {
	*Ingester
	o    Options
	lim  Limits
	ctx  context.Context // of this run: parsing lives no longer than it
	at   accord.Stamp    // the instant of the run
	out  chan *batch
	next *batch
	open opener
	rows int64 // list rows and STIX objects taken
	file string
}

// withLabels adds more to labels, which stay lower case, sorted and without
// duplicates.
func withLabels(labels, more []string) []string {
	if len(more) == 0 {
		return labels
	}
	all := slices.Clone(labels)
	for _, l := range more {
		all = append(all, strings.ToLower(l))
	}
	slices.Sort(all)
	return slices.Compact(all)
}
