// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"context"
	"iter"
	"slices"

	"accord"
	"accord/taxii"
)

// entries pages through one collection.
type entries struct {
	list   func(ctx context.Context, after accord.Stamp, limit int, f accord.EntryFilter) ([]accord.Entry, error)
	bytes  func(ctx context.Context, rows []int64) (map[int64][]byte, error)
	filter accord.EntryFilter      // what every query is narrowed by
	shown  func(accord.Entry) bool // nil shows all
}

// contentBytes is how much of a page is read at once while it is being sent.
const (
	contentBytes = 1 << 20
	contentRows  = 256
	skipRows     = 1000 // looked at together once a first look did not fill the page
)

// page answers a TAXII query. Versions are chosen among all that the collection
// has; what is hidden at this moment is left out after.
func (r entries) page(ctx context.Context, q taxii.Query) (taxii.Page, error) {
	if len(q.SpecVersions) > 0 && !slices.Contains(q.SpecVersions, "2.1") {
		return taxii.Page{}, nil // all is kept in 2.1
	}
	f := r.filter
	f.IDs, f.Latest = q.IDs, !q.Versions.All && !q.Versions.First && len(q.Versions.Exact) == 0
	if f.Types = q.Types; len(r.filter.Types) > 0 {
		if f.Types = both(r.filter.Types, q.Types); len(f.Types) == 0 {
			return taxii.Page{}, nil
		}
	}
	page := taxii.Page{Content: r.content}
	for after, size := q.AddedAfter, q.Limit+1; ; size = max(size, skipRows) {
		list, err := r.list(ctx, after, size, f)
		if err != nil {
			return taxii.Page{}, err
		}
		for _, e := range list {
			after = e.Stamp
			if !chosen(q.Versions, e) || r.shown != nil && !r.shown(e) {
				continue
			}
			if len(page.Objects) == q.Limit {
				page.More = true
				return page, nil
			}
			page.Objects = append(page.Objects, taxii.Object{
				ID: e.ID, Type: typeOf(e.ID), Version: e.Version, VersionText: versionText(e.Version),
				Added: e.Stamp, Size: e.Size, Row: e.Row,
			})
		}
		if len(list) < size {
			return page, nil
		}
	}
}

// both returns what is in all, and in some unless that is empty.
func both(all, some []string) (out []string) {
	for _, s := range all {
		if len(some) == 0 || slices.Contains(some, s) {
			out = append(out, s)
		}
	}
	return out
}

// chosen reports whether match[version] asks for e (TAXII 2.1 §3.4.1). What has no
// version of its own is named by its stamp.
func chosen(v taxii.Versions, e accord.Entry) bool {
	none := !v.All && !v.First && !v.Last && len(v.Exact) == 0
	version := e.Version
	if version == 0 {
		version = e.Stamp
	}
	return v.All || v.First && e.First || (v.Last || none) && e.Last || slices.Contains(v.Exact, version)
}

// versionText returns a version as STIX writes it: to the millisecond (STIX 2.1
// §3.2), finer only where the object is. A peer compares it with the object's text.
func versionText(v accord.Stamp) string {
	if v == 0 || v%1000 != 0 {
		return v.String()
	}
	return v.Time().Format("2006-01-02T15:04:05.000Z")
}

// content reads the bytes of objects, so much at a time that little is held.
func (r entries) content(ctx context.Context, objects []taxii.Object) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for len(objects) > 0 {
			n, size := 0, int64(0)
			var rows []int64
			for n < len(objects) && n < contentRows && (n == 0 || size+objects[n].Size <= contentBytes) {
				size += objects[n].Size
				rows = append(rows, objects[n].Row)
				n++
			}
			found, err := r.bytes(ctx, rows)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, row := range rows {
				if !yield(found[row], nil) {
					return
				}
				delete(found, row)
			}
			objects = objects[n:]
		}
	}
}
