// SPDX-License-Identifier: Apache-2.0

package pattern

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// tokenKind is what sort of token the lexer found.
type tokenKind uint8

const (
	tokEnd    tokenKind = iota
	tokWord             // a bare identifier or a keyword, by its place
	tokString           // '…', unescaped
	tokInt
	tokFloat
	tokHex       // h'…', text is the decoded octets
	tokBinary    // b'…', text is the decoded octets
	tokTime      // t'…', text is the timestamp
	tokQuotedKey // "…", an identifier of STIX 2.0
	tokPunct     // text is one of [ ] ( ) : . , * = != < <= > >=
)

// token is one lexical element; at is its byte offset.
type token struct {
	kind tokenKind
	text string
	at   int
}

// shown is the token as an error message names it.
func (t token) shown() string {
	switch t.kind {
	case tokEnd:
		return "the end of the pattern"
	case tokString:
		return "string " + clip(quote(t.text))
	case tokHex, tokBinary:
		return "a binary constant"
	default:
		return strconv.Quote(clip(t.text))
	}
}

func clip(s string) string {
	if len(s) <= 40 {
		return s
	}
	n := 37
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// lexer cuts a pattern into tokens, one at a time.
type lexer struct {
	src string
	pos int
}

// next returns the token at the lexer's position and moves past it.
func (l *lexer) next() (token, error) {
	if err := l.skip(); err != nil {
		return token{}, err
	}
	at := l.pos
	if at == len(l.src) {
		return token{kind: tokEnd, at: at}, nil
	}
	c := l.src[at]
	switch {
	case c == '\'':
		s, err := l.str()
		return token{tokString, s, at}, err
	case (c == 'h' || c == 'b' || c == 't') && at+1 < len(l.src) && l.src[at+1] == '\'':
		l.pos++
		return l.prefixed(c, at)
	case c == '"':
		return l.quotedKey()
	case isWordStart(c):
		for l.pos < len(l.src) && isWordPart(l.src[l.pos]) {
			l.pos++
		}
		return token{tokWord, l.src[at:l.pos], at}, nil
	case c >= '0' && c <= '9' || l.startsNumber():
		return l.number()
	}
	return l.punct()
}

// punct reads an operator or a separator.
func (l *lexer) punct() (token, error) {
	at := l.pos
	rest := l.src[at:]
	for _, p := range [...]struct{ text, means string }{
		{"==", "="},
		{"!=", "!="},
		{"<>", "!="},
		{"<=", "<="},
		{">=", ">="},
		{"=", "="},
		{"<", "<"},
		{">", ">"},
		{"[", "["},
		{"]", "]"},
		{"(", "("},
		{")", ")"},
		{":", ":"},
		{".", "."},
		{",", ","},
		{"*", "*"},
	} {
		if strings.HasPrefix(rest, p.text) {
			l.pos += len(p.text)
			return token{tokPunct, p.means, at}, nil
		}
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return token{}, fault(l.src, at, "%q has no meaning here", r)
}

// skip passes white space (any code point with the White_Space property, §9.1)
// and the comments of the grammar of STIX 2.0.
func (l *lexer) skip() error {
	for l.pos < len(l.src) {
		rest := l.src[l.pos:]
		r, n := utf8.DecodeRuneInString(rest)
		switch {
		case unicode.IsSpace(r):
			l.pos += n
		case strings.HasPrefix(rest, "//"):
			if n = strings.IndexAny(rest, "\r\n"); n < 0 {
				n = len(rest)
			}
			l.pos += n
		case strings.HasPrefix(rest, "/*"):
			if n = strings.Index(rest[2:], "*/"); n < 0 {
				return fault(l.src, l.pos, "the comment is not closed: want */")
			}
			l.pos += n + 4
		default:
			return nil
		}
	}
	return nil
}

// str reads a string literal at the position of its opening apostrophe.
func (l *lexer) str() (string, error) {
	start := l.pos
	l.pos++
	plain := l.pos
	if end := strings.IndexAny(l.src[plain:], `'\`); end >= 0 && l.src[plain+end] == '\'' {
		l.pos = plain + end + 1
		return l.src[plain : plain+end], nil
	}
	var b strings.Builder
	for l.pos < len(l.src) {
		c := l.src[l.pos]
		switch c {
		case '\'':
			l.pos++
			return b.String(), nil
		case '\\':
			if l.pos+1 == len(l.src) || l.src[l.pos+1] != '\'' && l.src[l.pos+1] != '\\' {
				return "", fault(l.src, l.pos, `only \' and \\ may follow the escape character (§9.2); write \\ for a backslash`)
			}
			l.pos++
			c = l.src[l.pos]
		}
		b.WriteByte(c)
		l.pos++
	}
	return "", fault(l.src, start, "the string is not closed: want '")
}

// prefixed reads h'…', b'…' or t'…'; the position is at the apostrophe.
func (l *lexer) prefixed(c byte, at int) (token, error) {
	s, err := l.str()
	if err != nil {
		return token{}, err
	}
	switch c {
	case 'h':
		b, err := hex.DecodeString(s)
		if err != nil {
			return token{}, fault(l.src, at, "a hex constant holds an even number of hexadecimal digits (§9.2)")
		}
		return token{tokHex, string(b), at}, nil
	case 'b':
		clean := strings.NewReplacer("\n", "", "\r", "").Replace(s)
		b, err := base64.StdEncoding.DecodeString(clean)
		if err != nil {
			return token{}, fault(l.src, at, "a binary constant holds base64 (RFC 4648, §9.2)")
		}
		return token{tokBinary, string(b), at}, nil
	}
	if _, err := timestamp(s); err != nil {
		return token{}, fault(l.src, at, "%v", err)
	}
	return token{tokTime, s, at}, nil
}

// timestamp reads what §2.16 allows: RFC 3339 with a T and a Z, both capital.
func timestamp(s string) (instant, error) {
	at, ok := readInstant(s)
	if !ok {
		return at, fmt.Errorf("timestamp %q: want RFC 3339 in UTC, such as 2026-01-02T03:04:05Z (§2.16)", clip(s))
	}
	return at, nil
}

// quotedKey reads "…" with "" for a quote, an identifier of STIX 2.0.
func (l *lexer) quotedKey() (token, error) {
	at := l.pos
	var b strings.Builder
	for l.pos++; l.pos < len(l.src); l.pos++ {
		if l.src[l.pos] != '"' {
			b.WriteByte(l.src[l.pos])
			continue
		}
		l.pos++
		if l.pos == len(l.src) || l.src[l.pos] != '"' {
			return token{tokQuotedKey, b.String(), at}, nil
		}
		b.WriteByte('"')
	}
	return token{}, fault(l.src, at, `the quoted name is not closed: want "`)
}

// startsNumber reports whether a sign or point at the position begins a number.
func (l *lexer) startsNumber() bool {
	i := l.pos
	if l.src[i] == '+' || l.src[i] == '-' {
		i++
	}
	if i < len(l.src) && l.src[i] == '.' {
		i++
	} else if i == l.pos {
		return false
	}
	return i < len(l.src) && l.src[i] >= '0' && l.src[i] <= '9'
}

// number reads an integer or a floating-point constant. A plus sign, which STIX
// 2.0 allowed, is read and dropped.
func (l *lexer) number() (token, error) {
	at := l.pos
	if c := l.src[l.pos]; c == '+' || c == '-' {
		l.pos++
	}
	digits := l.digits()
	kind := tokInt
	if l.pos+1 < len(l.src) && l.src[l.pos] == '.' && l.src[l.pos+1] >= '0' && l.src[l.pos+1] <= '9' {
		l.pos++
		l.digits()
		kind = tokFloat
	}
	text := strings.TrimPrefix(l.src[at:l.pos], "+")
	if l.pos < len(l.src) && isWordStart(l.src[l.pos]) {
		return token{}, fault(l.src, at, "%q is neither a number nor a name", clip(l.src[at:l.pos+1]))
	}
	if kind == tokInt {
		if len(digits) > 1 && digits[0] == '0' {
			return token{}, fault(l.src, at, "an integer has no leading zero")
		}
		if _, err := strconv.ParseInt(text, 10, 64); err != nil {
			return token{}, fault(l.src, at, "the integer %s does not fit 64 bits (§2.10)", clip(text))
		}
		return token{tokInt, text, at}, nil
	}
	if _, err := strconv.ParseFloat(text, 64); err != nil {
		return token{}, fault(l.src, at, "the number %s does not fit a double (§2.6)", clip(text))
	}
	return token{tokFloat, text, at}, nil
}

func (l *lexer) digits() string {
	start := l.pos
	for l.pos < len(l.src) && l.src[l.pos] >= '0' && l.src[l.pos] <= '9' {
		l.pos++
	}
	return l.src[start:l.pos]
}

func isWordStart(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
}

func isWordPart(c byte) bool {
	return isWordStart(c) || c >= '0' && c <= '9' || c == '-'
}
