// SPDX-License-Identifier: Apache-2.0

package sensor

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"

	"accord/format/zeek"
)

const (
	chunkSize = 4 << 20 // bytes scanned between two commits
	printSize = 1024    // bytes at each end by which a file is known
	leastHead = 64      // fewer say too little to know a file under another name
)

// tail is a file being read, at its mark.
type tail struct {
	f       *os.File
	path    string
	mark    mark
	packed  bool
	unpack  io.ReadCloser // of a packed file
	rest    []byte        // unpacked and not yet scanned
	before  []byte        // the last bytes before the mark
	missing int           // passes since no log's path led here
	buf     []byte
}

func (t *tail) close() {
	if t.unpack != nil {
		_ = t.unpack.Close() // only read
	}
	_ = t.f.Close() // only read
}

func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// openTail opens the file at path where the best of its marks stands.
func openTail(st *state, path, file string) (*tail, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	t := &tail{f: f, path: path}
	if err := t.begin(st, file); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func (t *tail) begin(st *state, file string) error {
	magic := make([]byte, 4)
	n, err := t.f.ReadAt(magic, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	t.packed = bytes.HasPrefix(magic[:n], []byte{0x1f, 0x8b}) || bytes.HasPrefix(magic[:n], []byte{0x28, 0xb5, 0x2f, 0xfd})
	head, err := t.readHead()
	if err != nil {
		return err
	}
	candidates := st.candidates(file, head)
	for _, m := range append(candidates, mark{HeadLen: len(head), Head: hashOf(head), Tail: hashOf(nil)}) {
		ok, err := t.stand(m)
		if err != nil {
			return err
		}
		if ok {
			t.mark.Done = m.Done && t.packed
			t.mark.File, t.mark.Path = file, t.path
			return nil
		}
	}
	return nil // not reached: any file can be read from its beginning
}

// readHead returns the first unpacked bytes.
func (t *tail) readHead() ([]byte, error) {
	head := make([]byte, printSize)
	var r io.Reader = io.NewSectionReader(t.f, 0, 1<<62)
	if t.packed {
		z := zeek.Unpack(r)
		defer func() { _ = z.Close() }() // only read
		r = z
	}
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	return head[:n], nil
}

// stand takes m as t's mark, and reports whether the bytes before it are those
// that were read: if not, m is of another file that begins alike.
func (t *tail) stand(m mark) (bool, error) {
	var r io.Reader = io.NewSectionReader(t.f, m.Offset-int64(m.TailLen), 1<<62-m.Offset)
	if t.packed {
		if t.unpack != nil {
			_ = t.unpack.Close() // only read
		}
		t.unpack = zeek.Unpack(io.NewSectionReader(t.f, 0, 1<<62))
		r = t.unpack
		_, err := io.CopyN(io.Discard, r, m.Offset-int64(m.TailLen))
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	before := make([]byte, m.TailLen)
	if _, err := io.ReadFull(r, before); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return false, nil
		}
		return false, err
	}
	if hashOf(before) != m.Tail {
		return false, nil
	}
	t.mark, t.before = m, before
	return true, nil
}

// intact reports whether an open file still holds what was read of it.
func (t *tail) intact() bool {
	if t.packed {
		return true
	}
	head := make([]byte, t.mark.HeadLen)
	_, err := io.ReadFull(io.NewSectionReader(t.f, 0, 1<<62), head)
	if err != nil || hashOf(head) != t.mark.Head {
		return false
	}
	m := t.mark
	ok, err := t.stand(m)
	return ok && err == nil
}

// chunk returns the next whole lines, and whether they are the last at hand; with
// whole, a last line needs no line feed. With an error come the lines before it.
func (t *tail) chunk(whole bool) (chunk []byte, last bool, err error) {
	if t.buf == nil {
		t.buf = make([]byte, chunkSize)
	}
	b, n := t.buf, 0
	if t.packed {
		n = copy(b, t.rest)
		var m int
		m, err = io.ReadFull(t.unpack, b[n:])
		n, whole = n+m, true
		// A torn file ends in io.ErrUnexpectedEOF too, but wrapped.
		if last = err != nil; err == io.EOF || err == io.ErrUnexpectedEOF { //nolint:errorlint // see above
			err = nil
		}
	} else {
		n, err = t.f.ReadAt(b, t.mark.Offset)
		if last = n < len(b); errors.Is(err, io.EOF) {
			err = nil
		}
	}
	b = b[:n]
	chunk = b
	if !last || !whole || err != nil {
		chunk = b[:bytes.LastIndexByte(b, '\n')+1]
		if len(chunk) == 0 && n == chunkSize { // a line beyond all bounds
			chunk = b
		}
	}
	if t.packed {
		t.rest = append(t.rest[:0], b[len(chunk):]...)
	}
	return chunk, last, err
}

// advance moves the mark past a chunk.
func (t *tail) advance(chunk, header []byte) {
	t.mark.Offset += int64(len(chunk))
	t.mark.Header = bytes.Clone(header)
	t.before = append(t.before, chunk[max(0, len(chunk)-printSize):]...)
	t.before = t.before[max(0, len(t.before)-printSize):]
	t.mark.TailLen, t.mark.Tail = len(t.before), hashOf(t.before)
	if t.packed || t.mark.HeadLen >= printSize || t.mark.Offset <= int64(t.mark.HeadLen) {
		return
	}
	head := make([]byte, min(printSize, t.mark.Offset)) // the file was short when it was met
	if _, err := t.f.ReadAt(head, 0); err == nil {
		t.mark.HeadLen, t.mark.Head = len(head), hashOf(head)
	}
}
