// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"accord"
	"accord/match"
)

// turn is how many chunks of one file are read before the next has its turn.
const turn = 16

// follower reads logs from where their marks stand.
type follower struct {
	s      *Sensor
	open   map[string]*tail  // by file
	packed map[string]string // size and time of packed files, when last looked at
	done   map[string]string // the same of those that need no other look
	said   map[string]bool   // paths whose failure has been logged
	alone  map[string]bool   // patterns that no log matched, when that has been logged
	logs   bool              // some path led to a log
}

var errNoLog = errors.New("not a regular file")

func newFollower(s *Sensor) *follower {
	return &follower{
		s: s, open: map[string]*tail{}, packed: map[string]string{}, done: map[string]string{}, said: map[string]bool{},
		alone: map[string]bool{},
	}
}

func (f *follower) close() {
	for _, t := range f.open {
		t.close()
	}
}

// pass looks at every log once and reports whether there is more to read at
// once. With whole, a last line needs no line feed.
func (f *follower) pass(ctx context.Context, whole bool) (more bool, err error) {
	paths, err := f.paths(ctx)
	if err != nil {
		return false, err
	}
	here := map[string]bool{}
	for _, path := range paths {
		t, err := f.find(path, whole)
		f.logs = f.logs || !errors.Is(err, errNoLog)
		if err != nil {
			f.complain(ctx, path, err)
			continue
		}
		delete(f.said, path)
		if t != nil {
			here[t.mark.File] = true
		}
	}
	for _, file := range sorted(f.open) {
		t := f.open[file]
		if full, err := f.full(ctx); full || err != nil {
			return false, err
		}
		if t.missing++; here[file] {
			t.missing = 0
		}
		gone := t.missing > 2
		again, err := f.read(ctx, t, whole || gone)
		if err != nil {
			return false, err
		}
		more = more || again
		if !again && (gone || t.packed || whole) {
			t.close()
			delete(f.open, file)
		}
	}
	if f.s.DryRun {
		return more, nil
	}
	return more, f.s.state.save(f.s.Now())
}

func sorted(m map[string]*tail) []string {
	files := make([]string, 0, len(m))
	for file := range m {
		files = append(files, file)
	}
	slices.SortFunc(files, func(a, b string) int { return bytes.Compare([]byte(m[a].path), []byte(m[b].path)) })
	return files
}

// full reports whether the spool has no room.
func (f *follower) full(ctx context.Context) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	_, size := f.s.state.spoolSize()
	if size < f.s.MaxSpool {
		delete(f.said, "")
		return false, nil
	}
	f.complain(ctx, "", fmt.Errorf("%w: spool holds %d bytes, reading stops until the node takes them", accord.ErrConflict, size))
	return !f.s.Once, nil
}

func (f *follower) complain(ctx context.Context, path string, err error) {
	if !f.said[path] {
		f.said[path] = true
		level := slog.LevelError
		if errors.Is(err, errNoLog) { // a wide pattern may well match folders
			level = slog.LevelWarn
		}
		f.s.Log.Log(ctx, level, "log is not read", "path", path, "error", err)
	}
}

// paths are what the patterns match. One that matches nothing is told of once: a
// log may come later.
func (f *follower) paths(ctx context.Context) ([]string, error) {
	var all []string
	for _, g := range f.s.Logs {
		p, err := filepath.Glob(g)
		if err != nil {
			return nil, fmt.Errorf("find logs: %w", err)
		}
		if len(p) == 0 && !f.alone[g] {
			f.alone[g] = true
			f.s.Log.WarnContext(ctx, "no log matches", "pattern", g)
		}
		all = append(all, p...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// find opens the file at path, or finds it open; nil when there is nothing new
// to read in it.
func (f *follower) find(path string, now bool) (*tail, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNoLog
	}
	if info.Size() == 0 {
		return nil, nil
	}
	file := fileID(info, path)
	if t := f.open[file]; t != nil {
		t.path = path
		if t.intact() {
			return t, nil
		}
		t.close() // truncated and begun anew
		delete(f.open, file)
	}
	state := fmt.Sprint(info.Size(), " ", info.ModTime().UnixNano())
	if f.done[file] == state {
		return nil, nil
	}
	t, err := openTail(f.s.state, path, file)
	if err != nil {
		f.done[file] = state
		return nil, err
	}
	still := f.packed[file] == state
	f.packed[file] = state
	if t.mark.Done || t.packed && !still && !now { // perhaps it is still being written
		if t.mark.Done {
			f.done[file] = state
		}
		t.close()
		return nil, nil
	}
	f.open[file] = t
	return t, nil
}

// read scans what t has, up to a turn, and reports whether there is more.
func (f *follower) read(ctx context.Context, t *tail, whole bool) (more bool, err error) {
	for range turn {
		chunk, last, err := t.chunk(whole)
		if err != nil { // what is before it counts; the rest when the file has changed
			f.complain(ctx, t.path, err)
			f.done[t.mark.File] = f.packed[t.mark.File]
			last = true
		}
		t.mark.Done = err == nil && last && t.packed
		if len(chunk) > 0 || t.mark.Done {
			if err := f.scan(ctx, t, chunk); err != nil {
				return false, err
			}
		}
		if last {
			return false, nil
		}
	}
	return true, nil
}

// scan matches one chunk and commits what it gave with the mark after it.
func (f *follower) scan(ctx context.Context, t *tail, chunk []byte) error {
	s := f.s
	var found []accord.Match
	in := io.MultiReader(bytes.NewReader(t.mark.Header), bytes.NewReader(chunk))
	st, err := match.Scan(ctx, s.live.Index(), in, match.ScanOptions{
		Name: filepath.Base(t.path), Sensor: s.Name, Unpacked: true, At: accord.StampOf(s.Now()), AnyTime: s.AnyTime,
	}, func(m accord.Match) error {
		found = append(found, m)
		return nil
	})
	if err != nil {
		return err
	}
	headers := int64(bytes.Count(t.mark.Header, []byte("\n")))
	t.advance(chunk, st.Header)
	t.mark.Looked = s.Now().Unix()
	s.status.Lines += st.Lines - headers
	s.status.Bytes += int64(len(chunk))
	s.status.Bad += st.Bad
	s.status.Matches += int64(len(found))
	if s.DryRun {
		return errors.Join(s.show(found), s.state.move(t.mark, nil)) // never saved
	}
	var out []jsontext.Value
	if out, err = reports(found); err != nil {
		return err
	}
	if err := s.state.move(t.mark, out); err != nil {
		return err
	}
	if len(out) > 0 {
		select {
		case s.posted <- struct{}{}:
		default:
		}
	}
	return nil
}
