// SPDX-License-Identifier: Apache-2.0

// Package search says what is searched for: the words of a text in any language,
// the query language, and the forms in which people write a value.
//
// Words are runs of letters, digits and marks (Unicode general categories), in
// NFKC, case folded, without the accents of Latin, Greek, Cyrillic, Arabic and
// Hebrew; scripts that are written without spaces give their pairs of characters.
// Values are normalised as format/stix/pattern does. The language is described in
// docs/reference/search.md.
//
// Errors wrap accord.ErrInvalid and say what to write instead. The package does no
// I/O; its functions may be called from many goroutines.
package search

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Limits of what is indexed of one item.
const (
	MaxWord  = 64      // bytes; a longer word stands by its beginning
	MaxWords = 5000    // distinct words
	maxText  = 1 << 20 // bytes of one text
)

// Words returns the words of a text in their order, repeated ones too.
func Words(text string) []string {
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "")
	}
	if ascii(text) {
		return runs(strings.ToLower(text))
	}
	text = cases.Fold().String(norm.NFKC.String(text))
	return runs(norm.NFC.String(bare(norm.NFD.String(text))))
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// bare drops accents, vowel points, and what is there for looks alone.
func bare(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 0x300 && r <= 0x36f, // Latin, Greek, Cyrillic
			r >= 0x591 && r <= 0x5c7,                                       // Hebrew points
			r >= 0x610 && r <= 0x61a, r >= 0x64b && r <= 0x65f, r == 0x670, // Arabic
			r >= 0x6d6 && r <= 0x6ed && !unicode.IsDigit(r), r == 0x640, r == 0x200c, r == 0x200d, r == 0xad:
			return -1
		}
		return r
	}, s)
}

// runs splits a folded text.
func runs(s string) (out []string) {
	start := -1
	flush := func(end int) {
		if start >= 0 {
			out = append(out, split(s[start:end])...)
		}
		start = -1
	}
	for i, r := range s {
		if r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r)) {
			if start < 0 {
				start = i
			}
			continue
		}
		flush(i)
	}
	flush(len(s))
	return out
}

// dense are the scripts written without spaces between words.
var dense = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar,
}

// split returns a run as one word, or where it is of a dense script as pairs.
func split(run string) []string {
	if ascii(run) || !strings.ContainsFunc(run, func(r rune) bool { return unicode.In(r, dense...) }) {
		return []string{cut(run)}
	}
	var out []string
	runes := []rune(run)
	for i := 0; i < len(runes); {
		j := i
		for j < len(runes) && unicode.In(runes[j], dense...) == unicode.In(runes[i], dense...) {
			j++
		}
		part := runes[i:j]
		switch {
		case !unicode.In(part[0], dense...), len(part) == 1:
			out = append(out, cut(string(part)))
		default:
			for k := range len(part) - 1 {
				out = append(out, string(part[k:k+2]))
			}
		}
		i = j
	}
	return out
}

func cut(word string) string {
	if len(word) <= MaxWord {
		return word
	}
	return strings.ToValidUTF8(word[:MaxWord], "")
}

// Follow reports whether phrase stands in words, one after another; the last word
// of the phrase may be a beginning when prefix.
func Follow(words, phrase []string, prefix bool) bool {
	for i := 0; i+len(phrase) <= len(words); i++ {
		for j, w := range phrase {
			if words[i+j] != w && !(prefix && j == len(phrase)-1 && strings.HasPrefix(words[i+j], w)) {
				break
			}
			if j == len(phrase)-1 {
				return true
			}
		}
	}
	return false
}
