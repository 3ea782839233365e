// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"accord"
)

// MaxReason is the most bytes that the reason of a retraction has.
const MaxReason = 500

const (
	maxSpans = 4096
	none     = "none"
)

// A record is a line that names its kind, then "key: value" lines in a fixed
// order, all of them always there. There is one way to write a record, and
// readers refuse every other.

// writer builds a record's text.
type writer struct{ strings.Builder }

func (w *writer) line(key, value string) { w.WriteString(key + ": " + value + "\n") }

// reader takes a record apart, and remembers the first thing wrong.
type reader struct {
	rest string
	err  error
}

func newReader(text string, kind accord.LeafKind) *reader {
	first, rest, _ := strings.Cut(text, "\n")
	r := &reader{rest: rest}
	if first != headers[kind] {
		r.fail("not a %s record", kind)
	}
	if len(text) > MaxRecord {
		r.fail("record larger than %d bytes", MaxRecord)
	}
	return r
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", accord.ErrInvalid, fmt.Sprintf(format, args...))
	}
}

func (r *reader) line(key string) string {
	line, rest, found := strings.Cut(r.rest, "\n")
	value, ok := strings.CutPrefix(line, key+": ")
	if !found || !ok || value == "" || !plain(value) {
		r.fail("want a line %q", key+": …")
		return ""
	}
	r.rest = rest
	return value
}

// plain reports whether s is UTF-8 without controls, and without spaces around.
func plain(s string) bool {
	return utf8.ValidString(s) && s == strings.TrimSpace(s) && strings.IndexFunc(s, func(c rune) bool {
		return c < 0x20 || c >= 0x7F && c < 0xA0 || c == 0x2028 || c == 0x2029 || c >= 0x202A && c <= 0x202E || c >= 0x2066 && c <= 0x2069
	}) < 0
}

func (r *reader) stamp(key string) (s accord.Stamp) {
	v := r.line(key)
	if v == none || r.err != nil {
		return 0
	}
	if err := s.UnmarshalText([]byte(v)); err != nil || s == 0 || s.String() != v {
		r.fail("%s: %q is not an instant", key, v)
	}
	return s
}

func stampText(s accord.Stamp) string {
	if s == 0 {
		return none
	}
	return s.String()
}

func (r *reader) number(key string) int64 {
	v := r.line(key)
	n, err := strconv.ParseInt(v, 10, 64)
	if r.err == nil && (err != nil || n < 0 || strconv.FormatInt(n, 10) != v) {
		r.fail("%s: %q is not a number", key, v)
	}
	return n
}

func (r *reader) hash(key string) (h [32]byte) {
	v := r.line(key)
	b, err := base64.StdEncoding.Strict().DecodeString(v)
	if r.err == nil && (err != nil || len(b) != len(h)) {
		r.fail("%s: %q is not a hash", key, v)
		return h
	}
	copy(h[:], b)
	return h
}

func hashText(h [32]byte) string { return base64.StdEncoding.EncodeToString(h[:]) }

func (r *reader) sum(key string) (h [32]byte) {
	v := r.line(key)
	b, err := hex.DecodeString(v)
	if r.err == nil && (err != nil || len(b) != len(h) || strings.ToLower(v) != v) {
		r.fail("%s: %q is not a SHA-256 in hex", key, v)
		return h
	}
	copy(h[:], b)
	return h
}

// name reads a value that is one word.
func (r *reader) name(key string) string {
	v := r.line(key)
	if v == none {
		return ""
	}
	if strings.Contains(v, " ") {
		r.fail("%s: %q is not one word", key, v)
	}
	return v
}

func nameText(s string) string {
	if s == "" {
		return none
	}
	return s
}

func (r *reader) origin(key string) string {
	v := r.line(key)
	if _, _, err := ParseOrigin(v); r.err == nil && err != nil {
		r.fail("%s: %q is not a log", key, v)
	}
	return v
}

// spans reads leaf indexes: "0-9 12 14-15", rising, not touching.
func (r *reader) spans(key string) []accord.IndexSpan {
	var out []accord.IndexSpan
	v := r.line(key)
	if v == none || r.err != nil {
		return nil
	}
	for word := range strings.SplitSeq(v, " ") {
		first, last, wide := strings.Cut(word, "-")
		if !wide {
			last = first
		}
		a, err1 := strconv.ParseInt(first, 10, 64)
		b, err2 := strconv.ParseInt(last, 10, 64)
		if err1 != nil || err2 != nil || len(out) >= maxSpans {
			r.fail("%s: %q is not a list of leaf indexes", key, word)
			return nil
		}
		out = append(out, accord.IndexSpan{From: a, To: b + 1})
	}
	if text, err := spansText(out); err != nil || text != v {
		r.fail("%s: leaf indexes out of order", key)
		return nil
	}
	return out
}

func spansText(spans []accord.IndexSpan) (string, error) {
	if len(spans) == 0 {
		return none, nil
	}
	if len(spans) > maxSpans {
		return "", fmt.Errorf("%w: more than %d spans", accord.ErrInvalid, maxSpans)
	}
	words := make([]string, len(spans))
	next := int64(-1)
	for i, s := range spans {
		if s.From <= next || s.To <= s.From || s.From < 0 || s.To > maxSize {
			return "", fmt.Errorf("%w: leaf indexes %d to %d: want rising spans that do not touch", accord.ErrInvalid, s.From, s.To)
		}
		next = s.To
		words[i] = strconv.FormatInt(s.From, 10)
		if s.To-s.From > 1 {
			words[i] += "-" + strconv.FormatInt(s.To-1, 10)
		}
	}
	return strings.Join(words, " "), nil
}

// Spans returns leaf indexes, in any order, as rising spans.
func Spans(indexes []int64) []accord.IndexSpan {
	var out []accord.IndexSpan
	for _, i := range sortedUnique(indexes) {
		if n := len(out); n > 0 && out[n-1].To == i {
			out[n-1].To++
			continue
		}
		out = append(out, accord.IndexSpan{From: i, To: i + 1})
	}
	return out
}

// end returns what was wrong, or that something is left over.
func (r *reader) end() error {
	if r.rest != "" {
		r.fail("unexpected line after the record")
	}
	return r.err
}
