// SPDX-License-Identifier: Apache-2.0

package pattern

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// maxRegexCost bounds the instructions that the expressions of one pattern may
// compile to.
const maxRegexCost = 50_000

// regex checks the expression of MATCHES. The standard wants PCRE; this node
// runs RE2, which takes linear time on any input and therefore has no
// look-around, back-references, atomic groups or possessive repeats.
func (p *parser) regex(s string, at int) error {
	if len(s) > MaxRegex {
		return fault(p.src, at, "the regular expression has %d bytes; at most %d are read", len(s), MaxRegex)
	}
	re, err := syntax.Parse(norm.NFC.String(s), syntax.Perl|syntax.DotNL)
	if err != nil {
		return p.regexFault(err, at)
	}
	if p.regexCost += cost(re); p.regexCost > maxRegexCost {
		e := fault(p.src, at, "the regular expressions would compile to more than %d instructions", maxRegexCost)
		e.Unsupported = true
		return e
	}
	return nil
}

// regexFault names the construct that RE2 refuses.
func (p *parser) regexFault(err error, at int) error {
	e := fault(p.src, at, "the regular expression is refused: %v", err)
	var se *syntax.Error
	if !errors.As(err, &se) {
		return e
	}
	what := ""
	switch se.Code {
	case syntax.ErrInvalidPerlOp, syntax.ErrInvalidNamedCapture:
		what = perlOp(se.Expr)
	case syntax.ErrInvalidEscape:
		if len(se.Expr) == 2 && se.Expr[1] >= '1' && se.Expr[1] <= '9' || strings.HasPrefix(se.Expr, `\k`) || strings.HasPrefix(se.Expr, `\g`) {
			what = "a back-reference"
		} else {
			what = "the escape " + clip(se.Expr)
		}
	case syntax.ErrInvalidRepeatOp:
		what = "a possessive or doubled repeat (" + clip(se.Expr) + ")"
	case syntax.ErrInvalidRepeatSize:
		what = "a repeat above 1000 (" + clip(se.Expr) + ")"
	case syntax.ErrInvalidCharRange, syntax.ErrInvalidCharClass:
		what = "the character class " + clip(se.Expr)
	case syntax.ErrLarge, syntax.ErrNestingDepth:
		what = "an expression this large"
	default:
		return e
	}
	e = fault(p.src, at, "the regular expression uses %s, which RE2 does not have", what)
	e.Unsupported = true
	return e
}

// perlOp names what begins with (?.
func perlOp(s string) string {
	for _, op := range [...]struct{ prefix, name string }{
		{"(?<=", "look-behind (?<="},
		{"(?<!", "negative look-behind (?<!"},
		{"(?=", "look-ahead (?="},
		{"(?!", "negative look-ahead (?!"},
		{"(?>", "an atomic group (?>"},
		{"(?(", "a conditional (?("},
		{"(?R", "recursion (?R"},
		{"(?#", "a comment (?#"},
		{"(?|", "a branch reset (?|"},
	} {
		if strings.HasPrefix(s, op.prefix) {
			return op.name
		}
	}
	return "the construct " + clip(s)
}

// cost estimates the instructions that re compiles to.
func cost(re *syntax.Regexp) int {
	n := 1
	for _, sub := range re.Sub {
		n = capped(n + cost(sub))
	}
	switch re.Op {
	case syntax.OpLiteral:
		n += len(re.Rune)
	case syntax.OpCharClass:
		n += len(re.Rune) / 8
	case syntax.OpRepeat:
		n = capped(n * max(re.Min, re.Max, 1))
	}
	return n
}

func capped(n int) int { return min(n, 1<<30) }

// compileRegex makes an expression that Parse has accepted ready: NFC (§9.6.2),
// "." matches a line feed too (DOTALL, §9.6.1), and "$" matches before a line feed
// that ends the text, as in PCRE. It returns nil for one that Parse refuses.
func compileRegex(s string) (re *regexp.Regexp, perByte int64) {
	tree, err := syntax.Parse(norm.NFC.String(s), syntax.Perl|syntax.DotNL)
	if err != nil {
		return nil, 0
	}
	dollars(tree)
	re, err = regexp.Compile(tree.String())
	if err != nil {
		return nil, 0
	}
	return re, int64(1 + cost(tree)/16)
}

// dollars replaces each "$" by \n?\z.
func dollars(re *syntax.Regexp) {
	for _, sub := range re.Sub {
		dollars(sub)
	}
	if re.Op == syntax.OpEndText && re.Flags&syntax.WasDollar != 0 {
		end := &syntax.Regexp{Op: syntax.OpEndText}
		feed := &syntax.Regexp{Op: syntax.OpLiteral, Rune: []rune{'\n'}}
		*re = syntax.Regexp{Op: syntax.OpConcat, Sub: []*syntax.Regexp{{Op: syntax.OpQuest, Sub: []*syntax.Regexp{feed}}, end}}
	}
}
