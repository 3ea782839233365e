// SPDX-License-Identifier: Apache-2.0

package rpzserver

import (
	"context"
	"strings"

	"accord"
)

// snapshot reads a zone, page by page, as it was at one serial, while it goes on
// changing and without a long transaction.
//
// Each page is read as the zone is now; then the journal since the serial is
// read. A value with no line there is now as it was then. A value with lines was
// there if and only if its first line removes it. Since the journal is read after
// the page, it holds every change that the page can have seen. Pages are ordered, so
// a value that is removed later lies either before the page, and was sent, or
// after it, and is put back when its turn comes. Memory: one page and the values
// changed since the serial.
type snapshot struct {
	store  Store
	zone   string
	at     uint32                     // the journal is read up to here
	after  accord.Observable          // end of the last page
	undo   map[accord.Observable]bool // value → its first change since the serial is an addition
	gone   map[accord.Observable]bool // values to put back, not yet sent
	opened bool
}

const (
	pageValues = 2000
	maxUndo    = 500_000
)

func newSnapshot(store Store, zone string, serial uint32) *snapshot {
	return &snapshot{store: store, zone: zone, at: serial, undo: map[accord.Observable]bool{}, gone: map[accord.Observable]bool{}}
}

// next returns the values of the next page; done is true with the last.
func (p *snapshot) next(ctx context.Context) (values []accord.Observable, done bool, err error) {
	page, err := p.store.ZoneValues(ctx, p.zone, p.after, pageValues)
	if err != nil {
		return nil, false, err
	}
	if err := p.catchUp(ctx); err != nil {
		return nil, false, err
	}
	done = len(page) == 0
	for _, o := range page {
		if _, changed := p.undo[o]; !changed {
			values = append(values, o)
		}
	}
	for o := range p.gone {
		if !done && compare(o, page[len(page)-1]) > 0 {
			continue
		}
		if !p.opened || compare(o, p.after) > 0 {
			values = append(values, o)
		}
		delete(p.gone, o)
	}
	if !done {
		p.after, p.opened = page[len(page)-1], true
	}
	return values, done, nil
}

// catchUp reads the journal to its end.
func (p *snapshot) catchUp(ctx context.Context) error {
	for {
		changes, complete, err := p.store.ZoneJournal(ctx, p.zone, p.at, journalPage)
		if err != nil {
			return err
		}
		if !complete || len(p.undo)+len(changes) > maxUndo {
			return errStale
		}
		if len(changes) == 0 {
			return nil
		}
		for _, c := range changes {
			if _, seen := p.undo[c.Observable]; !seen {
				p.undo[c.Observable] = c.Add
				if !c.Add {
					p.gone[c.Observable] = true
				}
			}
			p.at = c.Serial
		}
	}
}

// compare orders values as the store's pages do.
func compare(a, b accord.Observable) int {
	if c := strings.Compare(string(a.Kind), string(b.Kind)); c != 0 {
		return c
	}
	return strings.Compare(a.Value, b.Value)
}
