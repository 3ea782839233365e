// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"accord"
)

// mark says how far one file has been read. Head and Tail are the SHA-256 of its
// first HeadLen unpacked bytes and of the TailLen bytes before Offset, by which
// it is known again under any name.
type mark struct {
	File    string `json:"file"` // "device:inode"
	Path    string `json:"path"` // where it was last
	Offset  int64  `json:"offset"`
	HeadLen int    `json:"head_len"`
	Head    string `json:"head"`
	TailLen int    `json:"tail_len"`
	Tail    string `json:"tail"`
	Header  []byte `json:"header,omitempty"` // Zeek's, in force at Offset
	Done    bool   `json:"done,omitempty"`   // a packed file that has been read whole
	Looked  int64  `json:"looked"`           // seconds since the epoch
}

// key names a mark: a file that was truncated and begun anew has two.
func (m *mark) key() string { return m.File + " " + m.Head }

// commit is one step: a file's new mark, and the reports that led there.
type commit struct {
	Seq     int64            `json:"seq"`
	Mark    mark             `json:"mark"`
	Reports []jsontext.Value `json:"reports"`
}

// bookmark is all marks, as of a commit.
type bookmark struct {
	Seq   int64  `json:"seq"`
	Marks []mark `json:"marks"`
}

// state is the directory: "bookmark.json", "spool/SEQ.json" and "lock". A spooled
// commit is newer than the bookmark or contained in it, and is removed only when
// its reports are delivered and the bookmark on disk contains it.
type state struct {
	dir  string
	lock *os.File

	mu    sync.Mutex
	seq   int64           // last commit
	saved int64           // what the bookmark on disk contains
	marks map[string]mark // by key
	dirty bool            // marks moved without a commit

	indexSaved time.Time // of the index worker alone
}

// forget is how long a mark is kept of a file that is not there.
const forget = 30 * 24 * 3600

func openState(dir string) (*state, error) {
	if err := os.MkdirAll(filepath.Join(dir, "spool"), 0o700); err != nil {
		return nil, fmt.Errorf("open state: %w", err)
	}
	lock, err := lockFile(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("open state %s: %w", dir, err)
	}
	st := &state{dir: dir, lock: lock, marks: map[string]mark{}}
	if err := st.read(); err != nil {
		return nil, fmt.Errorf("open state %s: %w", dir, errors.Join(err, lock.Close()))
	}
	return st, nil
}

// read takes the bookmark and then every spooled commit after it.
func (st *state) read() error {
	var b bookmark
	switch err := readJSON(filepath.Join(st.dir, "bookmark.json"), &b); {
	case errors.Is(err, accord.ErrInvalid):
		return fmt.Errorf("%w: remove this file to start over: every log that is still there is then read again from its beginning, "+
			"and what was reported from it is counted twice", err)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	st.seq, st.saved = b.Seq, b.Seq
	for _, m := range b.Marks {
		st.marks[m.key()] = m
	}
	seqs, err := st.spooled()
	if err != nil {
		return err
	}
	for _, seq := range seqs {
		var c commit
		if err := readJSON(st.spoolPath(seq), &c); err != nil {
			return err
		}
		if seq > b.Seq {
			st.marks[c.Mark.key()] = c.Mark
			st.seq = max(st.seq, seq)
		}
	}
	return nil
}

func readJSON(path string, to any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, to); err != nil {
		return fmt.Errorf("%s: %w: %w", path, accord.ErrInvalid, err)
	}
	return nil
}

func (st *state) spoolPath(seq int64) string {
	return filepath.Join(st.dir, "spool", fmt.Sprintf("%016d.json", seq))
}

// spooled lists the commits in the spool, oldest first.
func (st *state) spooled() ([]int64, error) {
	entries, err := os.ReadDir(filepath.Join(st.dir, "spool"))
	if err != nil {
		return nil, err
	}
	var seqs []int64
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".json")
		seq, err := strconv.ParseInt(name, 10, 64)
		if ok && err == nil {
			seqs = append(seqs, seq)
		}
	}
	slices.Sort(seqs)
	return seqs, nil
}

// spoolSize is how many commits wait, and their bytes.
func (st *state) spoolSize() (n, size int64) {
	entries, _ := os.ReadDir(filepath.Join(st.dir, "spool")) // an error shows when it is written
	for _, e := range entries {
		if info, err := e.Info(); err == nil && strings.HasSuffix(e.Name(), ".json") {
			n, size = n+1, size+info.Size()
		}
	}
	return n, size
}

// candidates are the marks that may stand in a file with this beginning: its
// own, then those of other files, the farthest first.
func (st *state) candidates(file string, head []byte) []mark {
	st.mu.Lock()
	defer st.mu.Unlock()
	var list []mark
	for _, m := range st.marks {
		if (m.File == file || m.HeadLen >= leastHead) && m.HeadLen <= len(head) && hashOf(head[:m.HeadLen]) == m.Head {
			list = append(list, m)
		}
	}
	slices.SortFunc(list, func(x, y mark) int {
		if own := x.File == file; own != (y.File == file) {
			if own {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(y.Offset, x.Offset), cmp.Compare(x.File, y.File))
	})
	return list[:min(len(list), 8)]
}

// move sets a mark. With reports it is durable when move returns; without, when
// the bookmark is next saved: reading the same stretch again costs nothing.
func (st *state) move(m mark, reports []jsontext.Value) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	if len(reports) > 0 {
		c := commit{Seq: st.seq + 1, Mark: m, Reports: reports}
		b, err := json.Marshal(c)
		if err != nil {
			return fmt.Errorf("spool: %w", err)
		}
		if err := writeFile(st.spoolPath(c.Seq), b); err != nil {
			return fmt.Errorf("spool: %w", err)
		}
		st.seq = c.Seq
	}
	st.marks[m.key()] = m
	st.dirty = true
	return nil
}

// save writes the bookmark when it has moved.
func (st *state) save(now time.Time) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	if !st.dirty && st.saved == st.seq {
		return nil
	}
	b := bookmark{Seq: st.seq, Marks: make([]mark, 0, len(st.marks))}
	for key, m := range st.marks {
		if m.Looked < now.Unix()-forget {
			delete(st.marks, key)
			continue
		}
		b.Marks = append(b.Marks, m)
	}
	slices.SortFunc(b.Marks, func(x, y mark) int { return strings.Compare(x.key(), y.key()) })
	text, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("save bookmark: %w", err)
	}
	if err := writeFile(filepath.Join(st.dir, "bookmark.json"), text); err != nil {
		return fmt.Errorf("save bookmark: %w", err)
	}
	st.saved, st.dirty = b.Seq, false
	return nil
}

// delivered removes a commit from the spool.
func (st *state) delivered(seq int64, now time.Time) error {
	st.mu.Lock()
	behind := st.saved < seq
	st.mu.Unlock()
	if behind {
		if err := st.save(now); err != nil {
			return err
		}
	}
	return os.Remove(st.spoolPath(seq))
}

// refused puts a report that the node will never take where a person finds it.
func (st *state) refused(batch string, report []byte) error {
	dir := filepath.Join(st.dir, "refused")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, batch+".json"), report)
}

func (st *state) close() error { return st.lock.Close() }

// writeFile replaces a file in one step that survives power loss: write beside,
// fsync, rename, fsync of the directory.
func writeFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
