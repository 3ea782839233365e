// SPDX-License-Identifier: Apache-2.0

package pattern_test

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"accord/format/stix/pattern"
)

// grammar draws patterns from the whole grammar of §9, the same ones for the same
// seed.
type grammar struct{ *rand.Rand }

func newGrammar(seed uint64) grammar { return grammar{rand.New(rand.NewPCG(seed, 9))} }

func (g grammar) one(of ...string) string { return of[g.IntN(len(of))] }

// mostly draws one of good, rarely one of bad.
func (g grammar) mostly(bad []string, good ...string) string {
	if g.IntN(50) == 0 {
		return g.one(bad...)
	}
	return g.one(good...)
}

func (g grammar) space() string { return g.one("", " ", " ", " ", "\n", "\t ", " /* x */ ", " // y\n") }

func (g grammar) pattern(depth int) string {
	out := g.observation(depth)
	for range g.IntN(3) {
		out += " " + g.one("AND", "OR", "FOLLOWEDBY") + g.space() + " " + g.observation(depth)
	}
	return out
}

func (g grammar) observation(depth int) string {
	var out string
	if depth > 0 && g.IntN(3) == 0 {
		out = "(" + g.space() + g.pattern(depth-1) + g.space() + ")"
	} else {
		out = "[" + g.space() + g.comparisons(depth, g.one("file", "a-b", "network-traffic", "x_y")) + g.space() + "]"
	}
	for range g.IntN(3) * g.IntN(2) {
		out += " " + g.qualifier()
	}
	return out
}

func (g grammar) qualifier() string {
	switch g.IntN(4) {
	case 0:
		return "WITHIN " + g.mostly([]string{"0", "-1", "x"}, "5", "0.5", "1.25", "300", "+7", ".5") + " SECONDS"
	case 1:
		return "REPEATS " + g.mostly([]string{"0", "1.5", "-1"}, "1", "2", "5", "+3") + " TIMES"
	case 2:
		return "START " + g.timestamp() + " STOP t'2018-01-01T00:00:00.2Z'"
	}
	return "START t'2016-01-01T00:00:00Z' STOP t'2017-01-01T00:00:00.5Z'"
}

func (g grammar) comparisons(depth int, object string) string {
	out := g.comparison(depth, object)
	for range g.IntN(3) {
		op := g.one("AND", "OR")
		if op == "OR" && g.IntN(3) == 0 || g.IntN(60) == 0 {
			object = "directory"
		}
		out += " " + op + " " + g.comparison(depth, object)
	}
	return out
}

func (g grammar) comparison(depth int, object string) string {
	if depth > 0 && g.IntN(5) == 0 {
		return "(" + g.comparisons(depth-1, object) + ")"
	}
	path := g.path(object)
	not := g.one("", "", "", " NOT")
	switch g.IntN(10) {
	case 0:
		return "EXISTS " + path
	case 1, 2:
		return path + not + g.space() + " IN" + g.space() + "(" + g.set() + ")"
	case 3:
		return path + not + " LIKE " + g.text()
	case 4:
		return path + not + " MATCHES " + g.mostly([]string{`'(?=a)b'`, `'(a'`}, `'^a.*z$'`, `'\\d+'`, `'[a-z]{2,5}'`, `'\\xff'`, `'(?i)x'`)
	case 5:
		return path + not + " " + g.one("ISSUBSET", "ISSUPERSET") + " " + g.mostly([]string{`'x'`}, `'192.0.2.0/24'`, `'2001:db8::/32'`, `'192.0.2.1'`)
	case 6:
		return path + not + g.space() + g.one("<", "<=", ">", ">=") + g.space() + g.constant(g.IntN(6))
	}
	return path + not + g.space() + g.one("=", "!=", "=", "<>", "==") + g.space() + g.constant(g.IntN(7))
}

func (g grammar) set() string {
	kind := g.IntN(7)
	var out []string
	for range g.IntN(4) {
		if g.IntN(60) == 0 {
			kind = g.IntN(7)
		}
		out = append(out, g.constant(kind))
	}
	return strings.Join(out, g.space()+","+g.space())
}

func (g grammar) constant(kind int) string {
	switch kind {
	case 0:
		return g.text()
	case 1:
		return g.mostly([]string{"9223372036854775808", "01"}, "0", "1", "-5", "42", "+7", "9223372036854775807", "-0")
	case 2:
		return g.one("0.5", "-1.25", ".5", "-.5", "+2.0", "00.1")
	case 3:
		return g.mostly([]string{"h'f'", "h'0g'"}, "h'ffc3'", "h''", "h'00'", "h'FF'")
	case 4:
		return g.mostly([]string{"b'A'", "b'AAA'", "b'AB I='", "b''", "b'AA\nAA'"}, "b'ABI='", "b'AAAA'", "b'AA=='")
	case 5:
		return g.timestamp()
	}
	return g.one("true", "false")
}

func (g grammar) text() string {
	return g.mostly([]string{`'\x'`, `'\'`}, "'x'", "'foo.dll'", "''", `'it\'s'`, `'C:\\Windows\\%'`, "'é ü'", "'a\nb'", "'a_%'", "'\U0001f600'")
}

func (g grammar) timestamp() string {
	return g.mostly([]string{"t'2016-02-30T00:00:00Z'", "t'2016-13-01T00:00:00Z'", "t'2016-01-01 00:00:00Z'", "t'2016-01-01T00:00:00+01:00'", "t'2016-01-01T12:34:60Z'"},
		"t'2016-05-01T00:00:00Z'", "t'2016-06-01T12:34:56.789Z'", "t'2015-12-31T23:59:60Z'", "t'2018-01-01T00:00:00.1234567890123Z'")
}

func (g grammar) path(object string) string {
	out := object + ":" + g.one("name", "size", "'quoted-name'", "x_y", "value", "_z")
	for range g.IntN(3) {
		switch g.IntN(4) {
		case 0:
			out += g.mostly([]string{"[-1]", "[01]"}, "[0]", "[*]", "[12]", "[ * ]")
		case 1:
			out += ".'SHA-256'"
		case 2:
			out += g.mostly([]string{".''", ".hashes.MD5"}, ".a", ". b", ".'x y'")
		default:
			out += g.one(".parent_ref", ".contains_refs[*]")
		}
	}
	return out
}

// mutate changes a text a little: what was valid is mostly no longer.
func (g grammar) mutate(s string) string {
	for range 1 + g.IntN(2) {
		if s == "" {
			return s
		}
		r := []rune(s)
		i := g.IntN(len(r))
		switch g.IntN(6) {
		case 0:
			r = append(r[:i:i], r[i+1:]...)
		case 1:
			r = append(r[:i:i], append([]rune{r[i]}, r[i:]...)...)
		case 2:
			r[i] = []rune(`[]()'":.,*=<>!-+ tTxX0_\/éh`)[g.IntN(26)]
		case 3:
			j := g.IntN(len(r))
			r[i], r[j] = r[j], r[i]
		case 4:
			words := strings.Fields(s)
			k := g.IntN(len(words))
			r = []rune(strings.Join(append(words[:k:k], words[k+1:]...), " "))
		default:
			words := strings.Fields(s)
			k, l := g.IntN(len(words)), g.IntN(len(words))
			words[k], words[l] = words[l], words[k]
			r = []rune(strings.Join(words, " "))
		}
		s = string(r)
	}
	return s
}

// corpus is every kind of text that the parsers are compared on.
func corpus(generated int) []string {
	var out []string
	for _, v := range valid {
		out = append(out, v.in)
	}
	for _, v := range invalid {
		out = append(out, v.in)
	}
	out = append(out, onlyHere...)
	g := newGrammar(21)
	for i := range generated {
		s := g.pattern(2)
		out = append(out, s)
		if i%2 == 0 {
			out = append(out, g.mutate(s))
		}
	}
	return out
}

// onlyHere are texts written for the comparison of parsers.
var onlyHere = []string{
	"[file:hashes.MD5 = 'xyz']",
	"[file:hashes.'SHA-256' = '" + strings.Repeat("0f", 32) + "']",
	"([a:b = 1]) WITHIN 5 SECONDS WITHIN 6 SECONDS",
	"([a:b = 1] WITHIN 5 SECONDS) WITHIN 6 SECONDS",
	"[a:b = 1] WITHIN 5 SECONDS REPEATS 2 TIMES WITHIN 6 SECONDS",
	"[a:b = b'']", "[a:b = b'AA\nAA']", "[a:b = t'9999-12-31T23:59:59.999999999999Z']",
	"[a:b NOT NOT = 1]", "[NOT (a:b = 1)]", "[a:b = 1] NOT", "[(a:b = 1)]", "([a:b = 1])", "(([a:b = 1]))", "[[a:b = 1]]",
	"[a:b = 1] AND", "AND [a:b = 1]", "[a:b = 1][a:b = 1]", "[a:b = 1] , [a:b = 1]", "[a:true = 1]", "[LAST:a = 1]", "[a:LAST = 1]", "[a:start = 1]",
	"[A-b:c-d = 1]", "['a':b = 1]", "[a-:b = 1]", "[a:b-c = 1]", "[1a:b = 1]", "[a:1b = 1]", "[a:b = a:b]", "[a:b = 'x' 'y']", "[a:b = \"x\"]",
	"[a:b = 1.]", "[a:b = 1e5]", "[a:b = 0x1]", "[a:b = --1]", "[a:b = 1_0]", "[a:b = nan]", "[a:b = null]", "[a:b = TRUE]",
	fmt.Sprintf("[a:b = %s]", strings.Repeat("9", 400)), fmt.Sprintf("[a:b = %s.5]", strings.Repeat("9", 400)),
	"[a:b MATCHES 'a{1001}']", "[a:b MATCHES '\\\\1(a)']", "[a:b MATCHES '*']", "[a:b LIKE h'00']", "[a:b MATCHES 5]",
	"[a:b IN 1]", "[a:b IN (1,)]", "[a:b IN (,1)]", "[a:b IN ((1))]", "[a:b IN (true, false)]", "[a:b IN (1, true)]", "[a:b IN (h'00', b'AAAA')]", "[a:b > false]",
	"[a:b[0][1] = 1]", "[a:b[*][*].c = 1]", "[a:[0] = 1]", "[a:b. = 1]", "[a:b..c = 1]", "[a::b = 1]", "[a:b:c = 1]", "[a:b[] = 1]", "[a:b[0.5] = 1]",
	"\ufeff[a:b = 1]", "[a:b = 1]\x00", "[a:b = '\x00']", "[a:b = 1] # c", "[a:b = 1] /* open", "[a:b = 1] -- c", "", " ", "//", "[a:b/*c*/=1]",
	"[a:b\u00a0=\u30001]", "[a:b\u200b=1]", "[a:b = 1]\u2028OR\u2029[a:b = 2]",
	"[a:b = 1] START t'2016-01-01T00:00:00Z'", "[a:b = 1] STOP t'2016-01-01T00:00:00Z' START t'2016-01-01T00:00:00Z'", "[a:b = 1] REPEATS TIMES", "[a:b = 1] REPEATS 5",
	"[a:b = 1] REPEATS 99999999999999999999 TIMES", "[a:b = 1] WITHIN 99999999999999999999 SECONDS", "[a:b = 1] WITHIN 5", "[a:b = 1] WITHIN 5 seconds", "[a:b = 1] within 5 SECONDS",
	strings.Repeat("(", 65) + "[a:b = 1]" + strings.Repeat(")", 65), "[" + strings.Repeat("(", 65) + "a:b = 1" + strings.Repeat(")", 65) + "]",
	string(pattern.AppendQuote(nil, "x")), "[exists:a = 1]", "[in:a = 1]", "[a:in = 1]", "[EXISTS EXISTS a:b]", "[EXISTS a:b[*]]", "[EXISTS a]", "[a:b EXISTS]",
}
