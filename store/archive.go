// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"

	"github.com/go-json-experiment/json"
	"github.com/klauspost/compress/zstd"

	"accord"
)

// A backup is the line archiveMagic, then one zstd stream of frames: a byte that
// says what it is, its length as a uvarint, its octets. First a manifest, then
// files, then for every table its beginning, blocks of rows and its end, and last
// an end with the SHA-256 of every frame before it. docs/reference/backup.md.
const archiveMagic = "accord-backup/1\n"

const (
	frameManifest = 'M'
	frameFile     = 'F'
	frameTable    = 'T'
	frameRows     = 'R'
	frameTableEnd = 'E'
	frameEnd      = 'Z'
)

// Bounds of what is read: an object has at most 8 MiB, and a few copies in a row.
const (
	longestFrame = 80 << 20
	blockOfRows  = 64 << 10
	mostFiles    = 64
	longestFile  = 1 << 20
)

// tableHead begins a table, tableFoot ends it.
type tableHead struct {
	Name    string   `json:"name"`
	Columns []string `json:"columns"`
}
type tableFoot struct {
	Rows int64  `json:"rows"`
	Sum  string `json:"sha256"` // of its blocks of rows
}
type archiveFoot struct {
	Tables int    `json:"tables"`
	Rows   int64  `json:"rows"`
	Sum    string `json:"sha256"` // of every frame before
}

// archiveWriter writes frames.
type archiveWriter struct {
	zip   *zstd.Encoder
	sum   hash.Hash // of all frames
	table hash.Hash // of the rows of the table under way
	block []byte
	rows  int64 // of the table
	foot  archiveFoot
}

func newArchiveWriter(w io.Writer) (*archiveWriter, error) {
	if _, err := io.WriteString(w, archiveMagic); err != nil {
		return nil, err
	}
	zip, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
	return &archiveWriter{zip: zip, sum: sha256.New()}, err
}

func (a *archiveWriter) frame(kind byte, payload []byte) error {
	head := binary.AppendUvarint([]byte{kind}, uint64(len(payload)))
	a.sum.Write(head)
	a.sum.Write(payload)
	_, err := a.zip.Write(head)
	if err == nil {
		_, err = a.zip.Write(payload)
	}
	return err
}

func (a *archiveWriter) object(kind byte, v any) error {
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return err
	}
	return a.frame(kind, b)
}

func (a *archiveWriter) beginTable(h tableHead) error {
	a.table, a.rows = sha256.New(), 0
	return a.object(frameTable, h)
}

func (a *archiveWriter) row(values []any) (err error) {
	for _, v := range values {
		if a.block, err = appendValue(a.block, v); err != nil {
			return err
		}
	}
	a.rows++
	if len(a.block) >= blockOfRows {
		return a.flush()
	}
	return nil
}

func (a *archiveWriter) flush() error {
	if len(a.block) == 0 {
		return nil
	}
	a.table.Write(a.block)
	err := a.frame(frameRows, a.block)
	a.block = a.block[:0]
	return err
}

func (a *archiveWriter) endTable() error {
	if err := a.flush(); err != nil {
		return err
	}
	a.foot.Tables++
	a.foot.Rows += a.rows
	return a.object(frameTableEnd, tableFoot{a.rows, hex.EncodeToString(a.table.Sum(nil))})
}

func (a *archiveWriter) close() error {
	a.foot.Sum = hex.EncodeToString(a.sum.Sum(nil))
	return errors.Join(a.object(frameEnd, a.foot), a.zip.Close())
}

// appendValue encodes a column: a letter for what it is, then its value.
func appendValue(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(b, 'n'), nil
	case int64:
		return binary.AppendVarint(append(b, 'i'), v), nil
	case bool:
		return binary.AppendVarint(append(b, 'i'), number(v)), nil
	case float64:
		return binary.BigEndian.AppendUint64(append(b, 'f'), math.Float64bits(v)), nil
	case string:
		return append(binary.AppendUvarint(append(b, 's'), uint64(len(v))), v...), nil
	case []byte:
		return append(binary.AppendUvarint(append(b, 'b'), uint64(len(v))), v...), nil
	}
	return b, fmt.Errorf("a column holds %T, which a backup cannot", v)
}

// errArchive begins what is said of a backup that cannot be used.
func errArchive(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{accord.ErrInvalid}, args...)...)
}

// takeValue decodes a column and returns what follows it.
func takeValue(b []byte) (v any, rest []byte, err error) {
	broken := errArchive("the backup is damaged: a row is cut short")
	if len(b) == 0 {
		return nil, nil, broken
	}
	kind, b := b[0], b[1:]
	switch kind {
	case 'n':
		return nil, b, nil
	case 'i':
		n, size := binary.Varint(b)
		if size <= 0 {
			return nil, nil, broken
		}
		return n, b[size:], nil
	case 'f':
		if len(b) < 8 {
			return nil, nil, broken
		}
		return math.Float64frombits(binary.BigEndian.Uint64(b)), b[8:], nil
	case 's', 'b':
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			return nil, nil, broken
		}
		text, rest := b[size:size+int(n)], b[size+int(n):]
		if kind == 's' {
			return string(text), rest, nil
		}
		return text, rest, nil
	}
	return nil, nil, errArchive("the backup is damaged: no column begins with %q", kind)
}

// archiveReader reads frames, and trusts none.
type archiveReader struct {
	zip *zstd.Decoder
	r   *bufio.Reader
	sum hash.Hash
}

func newArchiveReader(r io.Reader) (*archiveReader, error) {
	magic := make([]byte, len(archiveMagic))
	if _, err := io.ReadFull(r, magic); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	if string(magic) != archiveMagic {
		if bytes.HasPrefix(magic, []byte("accord-backup/")) {
			return nil, errArchive("the backup is of a form this program does not know (%q): restore it with a newer accord", bytes.TrimSpace(magic))
		}
		return nil, errArchive("this is no backup that \"accord backup\" made")
	}
	zip, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(256<<20), zstd.WithDecoderMaxWindow(32<<20))
	if err != nil {
		return nil, err
	}
	return &archiveReader{zip: zip, r: bufio.NewReaderSize(zip, 1<<16), sum: sha256.New()}, nil
}

func (a *archiveReader) close() { a.zip.Close() }

// frame returns the next frame. The payload is the caller's to keep.
func (a *archiveReader) frame() (kind byte, payload []byte, err error) {
	if kind, err = a.r.ReadByte(); err != nil {
		return 0, nil, cutShort(err)
	}
	n, err := binary.ReadUvarint(a.r)
	if err != nil {
		return 0, nil, cutShort(err)
	}
	if n > longestFrame {
		return 0, nil, errArchive("the backup is damaged: a frame of %d bytes", n)
	}
	var b bytes.Buffer // grows with what is there, not with what is claimed
	if _, err := io.CopyN(&b, a.r, int64(n)); err != nil {
		return 0, nil, cutShort(err)
	}
	payload = b.Bytes()
	if kind != frameEnd {
		a.sum.Write(binary.AppendUvarint([]byte{kind}, n))
		a.sum.Write(payload)
	}
	return kind, payload, nil
}

// cutShort says of a stream that ended where it must not, or does not decode,
// what that means. Other errors are the file's.
func cutShort(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errArchive("the backup is cut short: take another copy of it")
	}
	return errArchive("the backup is damaged: take another copy of it: %w", err)
}

func readObject(payload []byte, v any) error {
	if err := json.Unmarshal(payload, v); err != nil {
		return errArchive("the backup is damaged: %w", err)
	}
	return nil
}

// tableRows gives a table's rows one after another; it is a source of pgx's COPY.
type tableRows struct {
	a      *archiveReader
	kinds  []byte // what each column takes: i, f, s, b or ? for anything
	names  []string
	block  []byte
	values []any
	sum    hash.Hash
	rows   int64
	over   bool
	err    error
}

// Next decodes the next row and reports whether there is one.
func (t *tableRows) Next() bool {
	for len(t.block) == 0 && !t.over && t.err == nil {
		t.err = t.more()
	}
	if t.over || t.err != nil {
		return false
	}
	t.values = t.values[:0]
	for i, want := range t.kinds {
		var v any
		if v, t.block, t.err = takeValue(t.block); t.err != nil {
			return false
		}
		if !fits(v, want) {
			t.err = errArchive("the backup is damaged: column %s holds %T", t.names[i], v)
			return false
		}
		t.values = append(t.values, v)
	}
	t.rows++
	return true
}

func fits(v any, want byte) bool {
	switch v.(type) {
	case int64:
		return want == 'i' || want == '?'
	case float64:
		return want == 'f' || want == '?'
	case string:
		return want == 's' || want == '?'
	case []byte:
		return want == 'b' || want == '?'
	}
	return true
}

// Values returns the row that Next decoded, until it is called again.
func (t *tableRows) Values() ([]any, error) { return t.values, nil }

// Err returns what ended the rows too early.
func (t *tableRows) Err() error { return t.err }

// more reads a block of rows, or the end of the table.
func (t *tableRows) more() error {
	kind, payload, err := t.a.frame()
	if err != nil {
		return err
	}
	switch kind {
	case frameRows:
		t.sum.Write(payload)
		t.block = payload
		return nil
	case frameTableEnd:
		var foot tableFoot
		if err := readObject(payload, &foot); err != nil {
			return err
		}
		if foot.Rows != t.rows || foot.Sum != hex.EncodeToString(t.sum.Sum(nil)) {
			return errArchive("the backup is damaged: a table of %d rows has %d, or others", foot.Rows, t.rows)
		}
		t.over = true
		return nil
	}
	return errArchive("the backup is damaged: frame %q within a table", kind)
}
