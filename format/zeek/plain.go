// SPDX-License-Identifier: Apache-2.0

package zeek

import (
	"bytes"

	"accord"
)

// plainField names where a value of plain text was.
const plainField = "text"

// parsePlain takes every value that a line of free text holds. The line's first
// word may be its time.
func (z *Reader) parsePlain(line []byte) {
	first := true
	for len(line) > 0 {
		n := wordLen(line)
		if n > 0 {
			word := line[:n]
			if first && z.rec.At == 0 && len(word) >= 9 {
				z.rec.At = plainTime(word)
			}
			first = false
			z.putWord(word)
		}
		line = line[min(n+1, len(line)):]
	}
}

// wordLen is the length of the word that line begins with. A URL goes on to the
// next space, quote or bracket; what then ends a sentence is no part of it.
func wordLen(line []byte) int {
	n := 0
	for n < len(line) && !breaks(line[n]) {
		n++
	}
	if !bytes.Contains(line[:n], []byte("://")) {
		return n
	}
	for n < len(line) && (!breaks(line[n]) || bytes.IndexByte([]byte(",;()|'"), line[n]) >= 0) {
		n++
	}
	return len(bytes.TrimRight(line[:n], ",;.)|'"))
}

// plainTime reads a first word that is surely an instant: RFC 3339, or seconds
// since the epoch of this century.
func plainTime(word []byte) accord.Stamp {
	at := parseTime(word)
	if at < 946684800e6 || at > 4102444800e6 {
		return 0
	}
	return at
}

// breaks tells what ends a word.
func breaks(c byte) bool {
	switch c {
	case ' ', '\t', '"', '\'', '<', '>', ',', ';', '|', '(', ')', '{', '}', '`', '\\':
		return true
	}
	return c < ' '
}

func (z *Reader) putWord(w []byte) {
	if bytes.Contains(w[:min(len(w), 14)], []byte("://")) {
		z.putURL(plainField, w)
		return
	}
	if i := bytes.IndexByte(w, '='); i > 0 && i < len(w)-1 { // key=value
		w = w[i+1:]
		if bytes.Contains(w[:min(len(w), 14)], []byte("://")) {
			z.putURL(plainField, w)
			return
		}
	}
	w = bytes.TrimRight(w, ".:!?")
	if len(w) > 1 && w[0] == '[' && w[len(w)-1] == ']' {
		w = w[1 : len(w)-1]
	}
	if k := hashKind(w); k != "" {
		z.add(Value{Kind: k, Text: w, Field: plainField})
		return
	}
	if bytes.IndexByte(w, '@') > 0 {
		z.putMail(plainField, w)
		return
	}
	if i := bytes.IndexByte(w, '/'); i > 0 && bytes.IndexByte(w[:i], '.') > 0 { // host/path, or a prefix
		z.add(Value{Kind: accord.KindURL, Text: w, Field: plainField})
		w = w[:i]
	}
	z.putName(plainField, w)
}
