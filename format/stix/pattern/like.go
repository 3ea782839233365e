// SPDX-License-Identifier: Apache-2.0

package pattern

import (
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// like is the constant of LIKE: % is any number of characters, _ is one, and there
// is no escape (§9.6.1). It is in NFC, and so is what it is held against.
type like struct {
	pattern string
	latin   bool // its code points are octets too
}

func newLike(s string) *like {
	s = norm.NFC.String(s)
	_, latin := octetsOf(s)
	return &like{pattern: s, latin: latin}
}

// match reports whether the whole of s, which is in NFC, is like l. The last % seen
// takes one character more whenever what follows it does not fit.
func (l *like) match(s string, b *budget) bool {
	var p, i int
	star, mark := -1, 0
	for i < len(s) {
		if !b.spend(1) {
			return false
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		want, wn := utf8.DecodeRuneInString(l.pattern[p:])
		switch {
		case wn > 0 && want == '%':
			star, mark = p+1, i
			p++
		case wn > 0 && (want == '_' || want == r):
			p, i = p+wn, i+n
		case star >= 0:
			_, n = utf8.DecodeRuneInString(s[mark:])
			mark += n
			p, i = star, mark
		default:
			return false
		}
	}
	for p < len(l.pattern) && l.pattern[p] == '%' {
		p++
	}
	return p == len(l.pattern)
}
