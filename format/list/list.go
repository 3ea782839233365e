// SPDX-License-Identifier: Apache-2.0

// Package list reads indicator lists: CSV, TSV, and plain text with one value
// per line.
//
// There is no standard; what is read is what public feeds publish. A header
// line names columns (type, value, category, family and their usual other
// names); without one, a line holds one value, or cells of which the first that
// is an indicator counts. Lines beginning with # or // are comments. Defanged values
// (hxxp, [.], [@]) are read as what they stand for. Text is UTF-8, a leading
// byte-order mark is allowed. Lines are counted from 1, sizes are bytes.
//
// A bad line yields a [*RowError] and reading goes on; any other error (the
// underlying reader's) is the last thing yielded. Nothing here is shared:
// separate readers may run concurrently.
package list

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode/utf8"

	"accord"
)

// Limits bound what is read. Zero fields mean the defaults.
type Limits struct {
	Line int // bytes in one line, default 16 KiB
}

const defaultLine = 16 << 10

// Row is one usable line.
type Row struct {
	Line int
	// Values are the forms of the one value: seeing any of them is seeing it.
	// More than one only for a URL given without its scheme (http and https).
	// Empty when Path is set.
	Values []accord.Observable
	// Path is the path of a URL on any host ("/gate.php"); it cannot be looked
	// for by an index.
	Path     string
	Category string
	Family   string
	Comment  string
}

// RowError says why a line was not read. It is [accord.ErrInvalid].
type RowError struct {
	Line int
	Text string // the line's beginning, at most 80 bytes, printable
	Err  error
}

// Error names the line and the reason.
func (e *RowError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap gives accord.ErrInvalid and the reason.
func (e *RowError) Unwrap() []error { return []error{accord.ErrInvalid, e.Err} }

var (
	errLong = errors.New("line too long")
	errUTF8 = errors.New("not UTF-8 text")
)

// Read yields the rows of a list in order.
func Read(r io.Reader, lim Limits) iter.Seq2[Row, error] { return ReadAs(r, lim, accord.ListForm{}) }

// ReadAs is Read for a list of which form says how it is written. A form that
// [CheckForm] refuses is the first and last thing yielded.
func ReadAs(r io.Reader, lim Limits, form accord.ListForm) iter.Seq2[Row, error] {
	f, err := formOf(form)
	if err != nil {
		return func(yield func(Row, error) bool) { yield(Row{}, err) }
	}
	if lim.Line <= 0 {
		lim.Line = defaultLine
	}
	return func(yield func(Row, error) bool) {
		br := bufio.NewReaderSize(r, max(lim.Line+1, 64<<10))
		p := parser{form: f}
		for n := 1; ; n++ {
			line, err := readLine(br, lim.Line)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil && !errors.Is(err, errLong) {
				yield(Row{}, fmt.Errorf("read list: line %d: %w", n, err))
				return
			}
			if n == 1 {
				line = strings.TrimPrefix(line, "\ufeff")
			}
			row, ok, err := Row{}, false, err
			if err == nil {
				row, ok, err = p.line(line)
			}
			row.Line = n
			switch {
			case err != nil && !yield(Row{Line: n}, &RowError{Line: n, Text: beginning(line), Err: err}):
				return
			case err == nil && ok && !yield(row, nil):
				return
			}
		}
	}
}

// readLine returns the next line without its end. A line over limit gives its
// beginning and errLong, and the rest of it is skipped. io.EOF comes alone.
func readLine(br *bufio.Reader, limit int) (string, error) {
	b, err := br.ReadSlice('\n')
	if err == io.EOF && len(b) > 0 {
		err = nil
	}
	if err == nil && len(strings.TrimRight(string(b), "\r\n")) <= limit {
		return strings.TrimRight(string(b), "\r\n"), nil
	}
	if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
		return "", err
	}
	head := string(b[:min(len(b), 80)])
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = br.ReadSlice('\n')
	}
	if err != nil && err != io.EOF {
		return "", err
	}
	return head, fmt.Errorf("%w: over %d bytes", errLong, limit)
}

// beginning returns s cut to 80 bytes with everything unprintable as '?'.
func beginning(s string) string {
	if len(s) > 80 {
		s = s[:80]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
}
