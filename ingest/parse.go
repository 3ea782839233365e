// SPDX-License-Identifier: Apache-2.0

package ingest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"

	"accord"
	"accord/format/list"
	"accord/format/misp"
	"accord/format/stix"
)

// errEnough: Options.Limit is reached.
var errEnough = errors.New("enough")

// parse walks the texts of src and parses each.
func (p *parsing) parse(src input) error {
	p.file = src.name
	p.open = opener{
		lim: p.lim,
		visit: func(e entry) error {
			err := p.text(e)
			if err == nil || !p.refusable(err) {
				return err
			}
			return p.refuse(p.place(e.name, ""), err)
		},
		refuse: func(name string, why error) error { return p.refuse(p.place(name, ""), why) },
	}
	err := p.open.open(p.ctx, src)
	switch {
	case p.ctx.Err() != nil:
		return p.ctx.Err()
	case p.open.fault != nil:
		return p.open.fault
	case errors.Is(err, errEnough):
		err = nil
	case err == nil:
	case p.refusable(err):
		p.next.broken++
		err = p.refuse(src.name, err)
	}
	return cmp.Or(err, p.flush())
}

// storeError is an error of the store.
type storeError struct{ error }

func (e storeError) Unwrap() error { return e.error }

// refusable reports whether err is the fault of what the input says, so that it
// is recorded and the rest goes on: it is not the reading of the input that
// failed, nor the store, nor is the run over.
func (p *parsing) refusable(err error) bool {
	var store storeError
	return p.open.fault == nil && p.ctx.Err() == nil && !errors.Is(err, errEnough) && !errors.As(err, &store)
}

// place names something in the file at hand: the entry of an archive, and what in it.
func (p *parsing) place(name, what string) string {
	s := p.file
	if name != p.file {
		s += ": " + name
	}
	if what != "" {
		s += ": " + what
	}
	return s
}

// text parses one text of whatever format it is.
func (p *parsing) text(e entry) error {
	format := p.o.Format
	if format == Auto {
		var err error
		if format, err = detect(e.r); err != nil {
			return err
		}
	}
	p.next.files++
	switch format {
	case STIX:
		return p.stix(e)
	case MISP:
		return p.misp(e)
	case List:
		return p.list(e)
	default:
		return fmt.Errorf("%w: format %q: want stix, misp or list", accord.ErrInvalid, format)
	}
}

// unmarked is what an object without marking counts as.
func (p *parsing) unmarked() accord.TLP {
	if p.o.Unmarked != nil {
		return *p.o.Unmarked
	}
	return p.DefaultTLP
}

// take counts one more row or object against Options.Limit.
func (p *parsing) take() error {
	if p.rows++; p.o.Limit > 0 && p.rows > p.o.Limit {
		return errEnough
	}
	return nil
}

// stix parses the objects of a bundle.
func (p *parsing) stix(e entry) error {
	for raw, err := range stix.Read(e.r, stix.Limits{Total: p.lim.Entry}) {
		if err != nil {
			if !p.refusable(err) {
				return err
			}
			if errors.Is(err, stix.ErrEnded) {
				p.next.broken++
			}
			if err := p.refuse(p.place(e.name, ""), err); err != nil {
				return err
			}
			continue
		}
		if err := p.take(); err != nil {
			return err
		}
		item, err := stix.Parse(raw, p.unmarked())
		if err != nil {
			if err := p.refuse(p.place(e.name, ""), err); err != nil {
				return err
			}
			continue
		}
		if err := p.add(item); err != nil {
			return err
		}
	}
	return nil
}

// misp converts the events of a text.
func (p *parsing) misp(e entry) error {
	n := 0
	for event, err := range misp.Read(e.r, misp.Limits{}) {
		n++
		var items []accord.Item
		var losses []misp.Loss
		if err == nil {
			items, losses, err = event.Items(misp.Options{TLP: p.unmarked()})
		}
		if err != nil {
			if !p.refusable(err) {
				return err
			}
			if errors.Is(err, misp.ErrEnded) {
				p.next.broken++
			}
			if err := p.refuse(p.place(e.name, fmt.Sprintf("event %d", n)), err); err != nil {
				return err
			}
			continue
		}
		for _, l := range losses {
			p.next.losses = append(p.next.losses, lost{p.place(e.name, ""), l})
		}
		for _, item := range items {
			if err := p.add(item); err != nil {
				return err
			}
		}
	}
	return nil
}

// list turns the rows of a list into indicators, a batch at a time.
func (p *parsing) list(e entry) error {
	rows := make([]list.Row, 0, p.lim.Batch)
	for row, err := range list.ReadAs(e.r, list.Limits{}, p.o.Form) {
		if err != nil {
			if !p.refusable(err) {
				return err
			}
			if _, one := errors.AsType[*list.RowError](err); !one {
				p.next.broken++
			}
			if err := p.refuse(p.place(e.name, ""), err); err != nil {
				return err
			}
			continue
		}
		if err := p.take(); err != nil {
			return cmp.Or(p.indicators(e, rows), err)
		}
		if rows = append(rows, row); len(rows) == p.lim.Batch {
			if err := p.indicators(e, rows); err != nil {
				return err
			}
			rows = rows[:0]
		}
	}
	return p.indicators(e, rows)
}

// indicators makes the items of rows. A list has no dates: a row that is new is
// of this run; one that is stored keeps its dates, and when it now says
// something else, it is a new version of this run.
func (p *parsing) indicators(e entry, rows []list.Row) error {
	if len(rows) == 0 {
		return nil
	}
	o := list.Options{
		Source: p.o.Source, CreatedBy: p.Identity, TLP: max(p.unmarked(), p.o.AtLeast), Labels: p.o.Labels,
		Created: cmp.Or(p.o.Created, p.at),
	}
	items := make([]accord.Item, 0, len(rows))
	kept := rows[:0]
	ids := make([]string, 0, len(rows))
	for _, row := range rows {
		item, err := row.Item(o)
		if err != nil {
			if err := p.refuse(p.place(e.name, fmt.Sprintf("line %d", row.Line)), err); err != nil {
				return err
			}
			continue
		}
		items, kept, ids = append(items, item), append(kept, row), append(ids, item.ID)
	}
	had, err := p.Store.Latest(p.ctx, ids)
	if err != nil {
		return storeError{err}
	}
	for i, item := range items {
		if old, stored := had[item.ID]; stored {
			if item, err = p.again(kept[i], o, old); err != nil {
				return err
			}
		}
		if err := p.add(item); err != nil {
			return err
		}
	}
	return nil
}

// again returns the item of a row whose indicator is stored: with its dates, and
// as a new version when it says something else now. Labels add up: those that
// earlier runs gave stay, so that runs with other labels do not make a version
// each time.
func (p *parsing) again(row list.Row, o list.Options, old accord.Item) (accord.Item, error) {
	o.Created, o.Modified = old.Created, old.Version
	back := old.Withdrawn != 0 && p.o.Revive != "" && old.Why == p.o.Revive && old.Origin.Own()
	item, err := row.Item(o)
	if err == nil && !bytes.Equal(item.Bytes, old.Bytes) {
		o.Labels = moreLabels(givenLabels(row, old.Bytes), o.Labels)
		item, err = row.Item(o)
	}
	switch {
	case err != nil || bytes.Equal(item.Bytes, old.Bytes) && !back:
		return item, err
	case old.Withdrawn != 0 && !back || !old.Origin.Own() || p.at <= old.Version:
		return old, nil // what was taken back, or is a partner's, a list does not change
	}
	o.Modified = p.at
	return row.Item(o)
}

// givenLabels are the labels written in b that do not come from the row itself.
func givenLabels(row list.Row, b []byte) []string {
	var has struct {
		Labels []string `json:"labels"`
	}
	if json.Unmarshal(b, &has) != nil {
		return nil // erased
	}
	labels := has.Labels
	if row.Category != "" && len(labels) > 0 && labels[0] == row.Category {
		labels = labels[1:]
	}
	if n := len(labels); row.Family != "" && n > 0 && labels[n-1] == "family:"+row.Family {
		labels = labels[:n-1]
	}
	return slices.Clip(labels)
}

func moreLabels(have, more []string) []string {
	for _, l := range more {
		if !slices.Contains(have, l) {
			have = append(have, l)
		}
	}
	return have
}

// add puts an item into the batch, with what the node knows of it.
func (p *parsing) add(item accord.Item) error {
	item.Source = p.o.Source
	item.TLP = max(item.TLP, p.o.AtLeast)
	item.Labels = withLabels(item.Labels, p.o.Labels)
	if p.Never != nil && item.Type == "indicator" {
		for _, o := range item.Observables {
			if name, held := p.Never.Holds(o); held {
				item.Held = name
				break
			}
		}
	}
	if p.o.Context && item.Type == "indicator" {
		item.Held = accord.HeldContext + p.o.Source
	}
	p.next.items = append(p.next.items, item)
	p.next.size += len(item.Bytes)
	if len(p.next.items) >= p.lim.Batch || p.next.size >= batchBytes {
		return p.flush()
	}
	return nil
}

// refuse notes that something is not taken.
func (p *parsing) refuse(what string, why error) error {
	p.next.refusals = append(p.next.refusals, accord.Refusal{Source: p.o.Source, What: what, Why: why.Error()})
	if len(p.next.refusals) >= p.lim.Batch {
		return p.flush()
	}
	return nil
}

// flush hands the batch to the writer.
func (p *parsing) flush() error {
	b := p.next
	b.out = p.open.out
	if p.open.in != nil {
		b.done = p.open.in.n
	}
	p.next = &batch{items: make([]accord.Item, 0, cap(b.items))}
	select {
	case p.out <- b:
		return nil
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
}
