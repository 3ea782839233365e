// SPDX-License-Identifier: Apache-2.0

// Package ingest brings intelligence into a node: files, archives and streams of
// STIX bundles, MISP events and indicator lists become items in the store.
//
// Formats: STIX 2.1 and 2.0, MISP core format, CSV/TSV/plain lists, each also in
// gzip, tar, tar.gz or zip; which one it is, the content decides, never the
// name. Sizes are bytes, instants accord.Stamp.
//
// Failures: what cannot be read is refused by itself (an object, a line, an
// archive's entry, a file), recorded with its reason, and the rest goes on. Only
// the store's errors, a file that cannot be opened or read, and the end of the
// context stop a run, always between batches: what is reported as stored is
// stored, and running again is harmless, for ids and bytes do not depend on the
// run. One Ingester may be used by several goroutines if its parts may.
package ingest

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"accord"
	"accord/format/misp"
)

// Store is what ingesting needs of the store.
type Store interface {
	Ingest(ctx context.Context, items []accord.Item, at accord.Stamp) (accord.IngestResult, error)
	// Latest gives the newest version of each id that is stored: a list has no
	// dates of its own, so its rows keep those they were first stored with.
	Latest(ctx context.Context, ids []string) (map[string]accord.Item, error)
	RecordRefusal(ctx context.Context, source, what, why string, at accord.Stamp) error
}

// Never knows the values that must not be blocked.
type Never interface {
	// Holds returns the name of the list that holds o.
	Holds(o accord.Observable) (string, bool)
}

// Ingester ingests. Store and Now are needed; Never and Log may be nil.
type Ingester struct {
	Store      Store
	Never      Never
	Now        func() time.Time
	Log        *slog.Logger
	Identity   string     // id of the STIX identity of this node, the author of what lists bring
	DefaultTLP accord.TLP // what an object without marking counts as
	Limits     Limits
}

// Format is how a file's text is written.
type Format string

// The formats. Auto looks at the content.
const (
	Auto Format = ""
	STIX Format = "stix"
	MISP Format = "misp"
	List Format = "list"
)

// Options say how to take one file or directory.
type Options struct {
	Source   string      // name of the feed; default the file's own name
	Name     string      // what a file is called in reports; default its own name
	Unmarked *accord.TLP // what an object without marking counts as, instead of the node's default
	AtLeast  accord.TLP  // markings more open than this are raised to it
	Labels   []string    // added to every item's labels
	Format   Format
	Form     accord.ListForm // how a list is written, where its content does not tell
	// Context holds every indicator as context: it is looked for, never blocked.
	Context bool
	// Revive brings a list's row back that was withdrawn for this reason; what was
	// withdrawn for another stays withdrawn.
	Revive string
	Limit  int64 // list rows and STIX objects to take at most; 0 = all
	// Created is the date of list rows not stored before; 0 = now.
	Created accord.Stamp
	// Progress is told after each batch how many bytes of the file, as it lies on
	// disk, are read; total is 0 when unknown. Lost is told of each loss in a
	// conversion. Both are called by the goroutine that called the Ingester.
	Progress func(done, total int64, r Report)
	Lost     func(file string, l misp.Loss)
}

// Report says what became of the input.
type Report struct {
	Files     int              `json:"files"`   // files and archive entries read
	Objects   int64            `json:"objects"` // items parsed
	New       int64            `json:"new"`
	Updated   int64            `json:"updated"`
	Same      int64            `json:"same"`
	Conflicts int64            `json:"conflicts"` // same id and version, other bytes: the stored ones were kept
	Refused   int64            `json:"refused"`
	Broken    int64            `json:"broken"` // texts that could not be read to their end; what came before was taken
	Held      int64            `json:"held"`   // items that a warning list keeps from becoming protections
	Bytes     int64            `json:"bytes"`  // of text, decompressed
	ByType    map[string]int64 `json:"by_type"`
	Losses    int64            `json:"losses"`   // objects of which the conversion lost something
	LossWhy   map[string]int64 `json:"loss_why"` // how often each kind of loss was met
	// Refusals are the first ones in detail, at most Limits.Refusals.
	Refusals []accord.Refusal `json:"refusals"`
	// Conflicting are the first keys in conflict, at most Limits.Refusals.
	Conflicting []accord.ItemKey `json:"conflicting"`
}

// String is the one-line summary.
func (r Report) String() string {
	return fmt.Sprintf("%d objects from %d files: %d new, %d updated, %d same, %d conflicts, %d held, %d refused, %d losses",
		r.Objects, r.Files, r.New, r.Updated, r.Same, r.Conflicts, r.Held, r.Refused, r.Losses)
}

// Add adds o to r; details are kept up to keep.
func (r *Report) Add(o Report, keep int) {
	r.Files += o.Files
	r.Objects += o.Objects
	r.New += o.New
	r.Updated += o.Updated
	r.Same += o.Same
	r.Conflicts += o.Conflicts
	r.Refused += o.Refused
	r.Broken += o.Broken
	r.Held += o.Held
	r.Bytes += o.Bytes
	r.Losses += o.Losses
	r.ByType = addCounts(r.ByType, o.ByType)
	r.LossWhy = addCounts(r.LossWhy, o.LossWhy)
	r.Refusals = append(r.Refusals, o.Refusals[:min(len(o.Refusals), max(0, keep-len(r.Refusals)))]...)
	r.Conflicting = append(r.Conflicting, o.Conflicting[:min(len(o.Conflicting), max(0, keep-len(r.Conflicting)))]...)
}

func addCounts(to, from map[string]int64) map[string]int64 {
	if to == nil && len(from) > 0 {
		to = map[string]int64{}
	}
	for k, n := range from {
		to[k] += n
	}
	return to
}

// clone returns a copy that the receiver may keep.
func (r Report) clone() Report {
	r.ByType, r.LossWhy = maps.Clone(r.ByType), maps.Clone(r.LossWhy)
	r.Refusals, r.Conflicting = slices.Clone(r.Refusals), slices.Clone(r.Conflicting)
	return r
}

// File ingests one file, or standard input when path is "-". The report is
// true also when an error comes with it.
func (in *Ingester) File(ctx context.Context, path string, o Options) (Report, error) {
	if path == "-" {
		o.Source = cmp.Or(o.Source, "stdin")
		return in.Stream(ctx, os.Stdin, "stdin", o)
	}
	f, err := os.Open(path)
	if err != nil {
		return Report{}, fmt.Errorf("ingest: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err != nil {
		return Report{}, fmt.Errorf("ingest: %w", err)
	}
	if info.IsDir() {
		return Report{}, fmt.Errorf("ingest %s: %w: a directory: take it with Dir", path, accord.ErrInvalid)
	}
	name := cmp.Or(o.Name, filepath.Base(path))
	o.Source = cmp.Or(o.Source, name)
	return in.run(ctx, input{r: f, at: f, size: info.Size(), name: name}, o)
}

// Dir ingests the regular files under dir, in the order of their names. Links and
// names that begin with a dot are passed over.
func (in *Ingester) Dir(ctx context.Context, dir string, o Options) (Report, error) {
	var all Report
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("ingest: %w", err)
		}
		if hidden := strings.HasPrefix(d.Name(), ".") && path != dir; hidden || !d.Type().IsRegular() {
			if hidden && d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		one := o
		if o.Progress != nil {
			one.Progress = func(done, total int64, r Report) {
				sum := all.clone()
				sum.Add(r, in.Limits.orDefault().Refusals)
				o.Progress(done, total, sum)
			}
		}
		r, err := in.File(ctx, path, one)
		all.Add(r, in.Limits.orDefault().Refusals)
		return err
	})
	return all, err
}
