// SPDX-License-Identifier: Apache-2.0

package zeek

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"accord"
)

// MaxLine is the longest line read, in bytes without its line feed.
const MaxLine = 1 << 20

// maxHeader bounds what Header gives back.
const maxHeader = 64 << 10

// Format says how lines are to be read.
type Format string

// The formats. Auto decides line by line: '{' begins JSON, '#' a header, what
// follows a #fields header is tab-separated, and the rest is plain text.
const (
	Auto  Format = ""
	TSV   Format = "tsv"
	JSON  Format = "json"
	Plain Format = "plain"
)

// Value is one value of a record that an indicator can name. Text, and Rest,
// point into the reader's buffer and last until the next call of Next.
type Value struct {
	Kind  accord.Kind
	Text  []byte // as logged: letters of any case, perhaps a final dot
	Rest  []byte // of a URL whose Text is only its host: path and query
	Port  uint16 // of KindAddrPort, whose Text is the address
	Field string // the log's field, in Zeek's spelling
}

// Record is one line of a log.
type Record struct {
	Path   string       // the log's kind, such as "dns"; empty when unknown
	At     accord.Stamp // the record's own time; 0 when it has none
	UID    []byte       // Zeek's pivot; lasts until the next call of Next
	OrigH  []byte       // originator's address; likewise
	Values []Value      // likewise
}

// LineError is a line that was skipped, and why.
type LineError struct {
	Name string // what was being read
	Line int64  // counted from 1
	Why  string
}

// Error names the place and the reason.
func (e *LineError) Error() string { return fmt.Sprintf("%s:%d: %s", e.Name, e.Line, e.Why) }

// Unwrap makes a LineError an accord.ErrInvalid.
func (e *LineError) Unwrap() error { return accord.ErrInvalid }

// Reader reads records from a log.
type Reader struct {
	// Format may be set before the first call of Next.
	Format Format
	// Unpacked says that the input is not gzip or zstd, whatever it begins with.
	Unpacked bool
	// BeforeRead, when set, is called each time all lines at hand have been given
	// and the reader is about to read, and perhaps wait, for more.
	BeforeRead func()

	name  string
	src   *unpacker
	in    lines
	tsv   tsvState
	json  jsonState
	rec   Record
	parts parts
	hint  string // the log's kind, from the name
	spare []byte // unescaped text
}

// NewReader returns a reader of r. Name is what errors call it; its base, as in
// "dns.log.gz" or "conn.03:00:00-04:00:00.log", tells the log's kind when the
// records do not. Close the reader after use; r itself is not closed.
func NewReader(r io.Reader, name string) *Reader {
	src := &unpacker{r: r}
	z := &Reader{name: name, src: src, in: lines{r: src}}
	base := path.Base(strings.ReplaceAll(name, `\`, "/"))
	if i := strings.IndexByte(base, '.'); i > 0 {
		z.hint = base[:i]
	}
	z.tsv.reset()
	return z
}

// Close frees what unpacking holds.
func (z *Reader) Close() error { return z.src.Close() }

// Lines is how many lines were taken, headers and bad ones included.
func (z *Reader) Lines() int64 { return z.in.count }

// Offset is how many bytes of unpacked input the lines taken so far fill.
func (z *Reader) Offset() int64 { return z.in.offset }

// Header returns the tab-separated header in force, to be put before the rest of
// the log when reading resumes later; nil when there is none.
func (z *Reader) Header() []byte { return z.tsv.header }

// Next returns the next record, which lasts until the next call. At the end of
// the input the error is io.EOF; a *LineError tells of a line skipped.
func (z *Reader) Next() (*Record, error) {
	for {
		z.src.unpacked = z.Unpacked
		if z.BeforeRead != nil && !z.in.ready() {
			z.BeforeRead()
		}
		line, err := z.in.next()
		if errors.Is(err, errTooLong) {
			return nil, z.bad(fmt.Sprintf("line longer than %d bytes", MaxLine))
		}
		if err != nil {
			return nil, err
		}
		got, why := z.parse(line)
		if why != "" {
			return nil, z.bad(why)
		}
		if got {
			return &z.rec, nil
		}
	}
}

func (z *Reader) bad(why string) error {
	return &LineError{Name: z.name, Line: z.in.count, Why: why}
}

// parse reads one line into z.rec and reports whether it was a record; why is
// the reason a line cannot be read.
func (z *Reader) parse(line []byte) (got bool, why string) {
	z.rec = Record{Values: z.rec.Values[:0], Path: z.hint}
	z.parts = parts{}
	z.spare = z.spare[:0]
	if len(bytes.TrimSpace(line)) == 0 {
		return false, ""
	}
	switch z.formatOf(line) {
	case JSON:
		why = z.parseJSON(line)
	case TSV:
		if line[0] == '#' {
			return false, z.tsv.headerLine(line)
		}
		why = z.parseTSV(line)
	default:
		if line[0] == '#' {
			return false, ""
		}
		z.parsePlain(line)
	}
	if why != "" {
		return false, why
	}
	z.combine()
	return true, ""
}

func (z *Reader) formatOf(line []byte) Format {
	switch {
	case z.Format != Auto:
		return z.Format
	case line[0] == '{', line[0] == ' ' && bytes.TrimLeft(line, " ")[0] == '{':
		return JSON
	case line[0] == '#' && isHeader(line), line[0] != '#' && len(z.tsv.plan) > 0, z.tsv.seen && line[0] != '#':
		return TSV
	}
	return Plain
}

var errTooLong = errors.New("line too long")

// lines splits input into lines, in one buffer that grows up to MaxLine.
type lines struct {
	r          io.Reader
	buf        []byte
	start, end int
	searched   int // buf[start:searched] holds no line feed
	err        error
	count      int64
	offset     int64
}

// ready reports whether a whole line is at hand.
func (l *lines) ready() bool {
	return l.err != nil || bytes.IndexByte(l.buf[l.start:l.end], '\n') >= 0
}

// next returns the next line without its end. It is valid until the next call.
func (l *lines) next() ([]byte, error) {
	l.searched = l.start
	for {
		if i := bytes.IndexByte(l.buf[l.searched:l.end], '\n'); i >= 0 {
			return l.take(l.searched+i, 1)
		}
		l.searched = l.end
		if l.err != nil {
			if l.start == l.end || !errors.Is(l.err, io.EOF) {
				return nil, l.err
			}
			return l.take(l.end, 0)
		}
		if l.end-l.start > MaxLine {
			return nil, l.skip()
		}
		l.fill()
	}
}

func (l *lines) take(end, feed int) ([]byte, error) {
	line := l.buf[l.start:end]
	l.count++
	l.offset += int64(len(line) + feed)
	l.start = end + feed
	if len(line) > MaxLine {
		return nil, errTooLong
	}
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line, nil
}

// skip drops the rest of a line that is too long.
func (l *lines) skip() error {
	l.count++
	for {
		if i := bytes.IndexByte(l.buf[l.start:l.end], '\n'); i >= 0 {
			l.offset += int64(i + 1)
			l.start += i + 1
			return errTooLong
		}
		l.offset += int64(l.end - l.start)
		l.start = l.end
		if l.err != nil {
			return errTooLong
		}
		l.fill()
	}
}

func (l *lines) fill() {
	if l.start > 0 {
		copy(l.buf, l.buf[l.start:l.end])
		l.end -= l.start
		l.searched -= min(l.searched, l.start)
		l.start = 0
	}
	if l.end == len(l.buf) {
		grown := make([]byte, max(256<<10, 2*len(l.buf)))
		copy(grown, l.buf[:l.end])
		l.buf = grown
	}
	for range 100 {
		n, err := l.r.Read(l.buf[l.end:])
		l.end += n
		if err != nil {
			l.err = err
		}
		if n > 0 || err != nil {
			return
		}
	}
	l.err = io.ErrNoProgress
}
