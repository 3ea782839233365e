// SPDX-License-Identifier: Apache-2.0

package pattern

import (
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"
)

// parser is a recursive-descent parser with one token of look-ahead.
type parser struct {
	lexer
	tok       token
	depth     int
	nodes     int
	regexCost int
	types     []string // the object types named so far
}

// Parse reads a pattern of STIX 2.1 §9 or STIX 2.0 part 5. Its error is an
// *Error that says where it stopped and what it wanted.
func Parse(s string) (*Pattern, error) {
	if len(s) > MaxSize {
		return nil, fault(s, MaxSize, "the pattern has %d bytes; at most %d are read", len(s), MaxSize)
	}
	if !utf8.ValidString(s) {
		return nil, fault(s, 0, "the pattern is not valid UTF-8")
	}
	p := &parser{lexer: lexer{src: s}}
	if err := p.advance(); err != nil {
		return nil, err
	}
	root, err := p.observations(0)
	if err != nil {
		return nil, err
	}
	if p.tok.kind != tokEnd {
		return nil, p.want("AND, OR, FOLLOWEDBY, a qualifier or the end")
	}
	return &Pattern{root: root}, nil
}

func (p *parser) advance() (err error) {
	p.tok, err = p.next()
	return err
}

// want says what would have been right at the current token.
func (p *parser) want(what string) error {
	return fault(p.src, p.tok.at, "want %s, got %s", what, p.tok.shown())
}

// is reports whether the current token is punctuation s.
func (p *parser) is(s string) bool { return p.tok.kind == tokPunct && p.tok.text == s }

// isWord reports whether the current token is keyword s, in any case.
func (p *parser) isWord(s string) bool {
	return p.tok.kind == tokWord && strings.EqualFold(p.tok.text, s)
}

// expect passes punctuation s.
func (p *parser) expect(s string) error {
	if !p.is(s) {
		return p.want("\"" + s + "\"")
	}
	return p.advance()
}

// expectWord passes keyword s.
func (p *parser) expectWord(s string) error {
	if !p.isWord(s) {
		return p.want(s)
	}
	return p.advance()
}

// count adds to the nodes and refuses too many.
func (p *parser) count() error {
	if p.nodes++; p.nodes > MaxNodes {
		return fault(p.src, p.tok.at, "more than %d parts in one pattern", MaxNodes)
	}
	return nil
}

// enter goes one parenthesis deeper; the caller leaves with p.depth--.
func (p *parser) enter() error {
	if p.depth++; p.depth > MaxDepth {
		return fault(p.src, p.tok.at, "parentheses nest deeper than %d", MaxDepth)
	}
	return nil
}

// observationOps are the joining operators from the loosest to the tightest.
var observationOps = [...]string{"FOLLOWEDBY", "OR", "AND"}

// observations reads observations joined by observationOps[level] or tighter.
func (p *parser) observations(level int) (observation, error) {
	if level == len(observationOps) {
		return p.observation()
	}
	op := observationOps[level]
	first, err := p.observations(level + 1)
	if err != nil || !p.isWord(op) {
		return first, err
	}
	// A left operand in parentheses joined by the same operator, and for AND
	// and OR a right one too, means the same without them.
	out := observation{op: op, parts: flattenObservation(nil, op, first)}
	for p.isWord(op) {
		if err := p.advance(); err != nil {
			return out, err
		}
		next, err := p.observations(level + 1)
		if err != nil {
			return out, err
		}
		if op == "FOLLOWEDBY" {
			out.parts = append(out.parts, next)
		} else {
			out.parts = flattenObservation(out.parts, op, next)
		}
	}
	return out, nil
}

func flattenObservation(to []observation, op string, o observation) []observation {
	if o.op == op && len(o.qualifiers) == 0 {
		return append(to, o.parts...)
	}
	return append(to, o)
}

// observation reads a test in brackets or observations in parentheses, and the
// qualifiers that follow.
func (p *parser) observation() (out observation, err error) {
	switch {
	case p.is("["):
		if err = p.advance(); err != nil {
			return out, err
		}
		at := p.tok.at
		test, err := p.comparisons("OR")
		if err != nil {
			return out, err
		}
		if err = p.expect("]"); err != nil {
			return out, err
		}
		if p.objects(&test) == 0 {
			return out, fault(p.src, at, "the operands of AND name different object types, so no object can satisfy them (§9.5)")
		}
		out.test = &test
	case p.is("("):
		if err = p.enter(); err != nil {
			return out, err
		}
		if err = p.advance(); err != nil {
			return out, err
		}
		if out, err = p.observations(0); err != nil {
			return out, err
		}
		if err = p.expect(")"); err != nil {
			return out, err
		}
		p.depth--
		if len(out.qualifiers) > 0 && p.atQualifier() {
			// (a) Q1) Q2: the parentheses keep both apart.
			out = observation{op: "AND", parts: []observation{out}}
		}
	default:
		return out, p.want("\"[\" or \"(\"")
	}
	return out, p.qualify(&out)
}

func (p *parser) atQualifier() bool {
	return p.isWord("WITHIN") || p.isWord("REPEATS") || p.isWord("START")
}

// qualify reads the qualifiers after an observation; each kind at most once.
func (p *parser) qualify(o *observation) error {
	for p.atQualifier() {
		at := p.tok.at
		q := qualifier{kind: strings.ToUpper(p.tok.text)}
		if slices.ContainsFunc(o.qualifiers, func(had qualifier) bool { return had.kind == q.kind }) {
			return fault(p.src, at, "a second %s on the same observation (§9.5.1)", q.kind)
		}
		if err := p.count(); err != nil {
			return err
		}
		if err := p.advance(); err != nil {
			return err
		}
		var err error
		switch q.kind {
		case "WITHIN":
			q.number, err = p.positive(true, "SECONDS")
		case "REPEATS":
			q.number, err = p.positive(false, "TIMES")
		case "START":
			err = p.startStop(&q, at)
		}
		if err != nil {
			return err
		}
		o.qualifiers = append(o.qualifiers, q)
	}
	return nil
}

// positive reads a number above zero and the unit after it.
func (p *parser) positive(float bool, unit string) (literal, error) {
	v := literal{p.tok.kind, p.tok.text}
	whole := v.kind == tokInt
	if !whole && !(float && v.kind == tokFloat) || v.text[0] == '-' || strings.Trim(v.text, "0.") == "" {
		what := "a positive integer"
		if float {
			what = "a positive number"
		}
		return v, p.want(what + " (§9.5.1)")
	}
	if err := p.advance(); err != nil {
		return v, err
	}
	return v, p.expectWord(unit)
}

// startStop reads the two instants of START … STOP …; STIX 2.0 wrote them as
// plain strings.
func (p *parser) startStop(q *qualifier, at int) error {
	instant := func(to *string) error {
		if p.tok.kind != tokTime && p.tok.kind != tokString {
			return p.want("a timestamp such as t'2026-01-02T03:04:05Z'")
		}
		if _, err := timestamp(p.tok.text); err != nil {
			return fault(p.src, p.tok.at, "%v", err)
		}
		*to = p.tok.text
		return p.advance()
	}
	if err := instant(&q.start); err != nil {
		return err
	}
	if err := p.expectWord("STOP"); err != nil {
		return err
	}
	if err := instant(&q.stop); err != nil {
		return err
	}
	from, _ := timestamp(q.start)
	to, _ := timestamp(q.stop)
	if from.compare(to) >= 0 {
		return fault(p.src, at, "STOP is not after START: no instant is in between")
	}
	return nil
}

// comparisons reads comparisons joined by op ("OR", then the tighter "AND").
func (p *parser) comparisons(op string) (comparison, error) {
	part := p.test
	if op == "OR" {
		part = func() (comparison, error) { return p.comparisons("AND") }
	}
	first, err := part()
	if err != nil || !p.isWord(op) {
		return first, err
	}
	out := comparison{op: op, parts: flatten(nil, op, first)}
	for p.isWord(op) {
		if err := p.advance(); err != nil {
			return out, err
		}
		next, err := part()
		if err != nil {
			return out, err
		}
		out.parts = flatten(out.parts, op, next)
	}
	return out, nil
}

func flatten(to []comparison, op string, c comparison) []comparison {
	if c.joined() && c.op == op {
		return append(to, c.parts...)
	}
	return append(to, c)
}

// test reads one comparison, or comparisons in parentheses.
func (p *parser) test() (c comparison, err error) {
	if err = p.count(); err != nil {
		return c, err
	}
	if p.is("(") {
		if err = p.enter(); err != nil {
			return c, err
		}
		if err = p.advance(); err != nil {
			return c, err
		}
		if c, err = p.comparisons("OR"); err != nil {
			return c, err
		}
		p.depth--
		return c, p.expect(")")
	}
	// NOT and EXISTS may also be the beginning of a path: a colon decides.
	if p.isWord("NOT") && !p.colonNext() {
		c.not = true
		if err = p.advance(); err != nil {
			return c, err
		}
		if !p.isWord("EXISTS") || p.colonNext() {
			return c, p.want("EXISTS (write NOT after the path: a NOT = b)")
		}
	}
	if p.isWord("EXISTS") && !p.colonNext() {
		c.op = "EXISTS"
		if err = p.advance(); err != nil {
			return c, err
		}
		c.path, err = p.path()
		return c, err
	}
	if c.path, err = p.path(); err != nil {
		return c, err
	}
	return c, p.operator(&c)
}

// colonNext reports whether a colon follows the current token.
func (p *parser) colonNext() bool {
	ahead := p.lexer
	t, err := ahead.next()
	return err == nil && t.kind == tokPunct && t.text == ":"
}

// objects returns the object types that can satisfy c, as bits by their place in
// p.types.
func (p *parser) objects(c *comparison) (bits uint64) {
	if !c.joined() {
		return 1 << slices.Index(p.types, c.path.object)
	}
	bits = p.objects(&c.parts[0])
	for i := range c.parts[1:] {
		next := p.objects(&c.parts[i+1])
		if c.op == "AND" {
			bits &= next
		} else {
			bits |= next
		}
	}
	return bits
}

// operator reads the operator and the constants of a comparison.
func (p *parser) operator(c *comparison) error {
	if p.isWord("NOT") {
		c.not = true
		if err := p.advance(); err != nil {
			return err
		}
	}
	switch {
	case p.tok.kind == tokPunct && slices.Contains([]string{"=", "!=", "<", "<=", ">", ">="}, p.tok.text):
		c.op = p.tok.text
	case p.tok.kind == tokWord && slices.Contains([]string{"IN", "LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET"}, strings.ToUpper(p.tok.text)):
		c.op = strings.ToUpper(p.tok.text)
	default:
		return p.want("a comparison operator (= != < <= > >= IN LIKE MATCHES ISSUBSET ISSUPERSET)")
	}
	if err := p.advance(); err != nil {
		return err
	}
	if c.op == "IN" {
		return p.set(c)
	}
	at := p.tok.at
	v, err := p.literal()
	if err != nil {
		return err
	}
	c.value = []literal{v}
	switch c.op {
	case "<", "<=", ">", ">=":
		if v.kind == tokWord {
			return fault(p.src, at, "%s compares what has an order; true and false have none", c.op)
		}
	case "LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET":
		if v.kind != tokString {
			return fault(p.src, at, "want a string after %s", c.op)
		}
	}
	switch c.op {
	case "MATCHES":
		return p.regex(v.text, at)
	case "ISSUBSET", "ISSUPERSET":
		if _, ok := prefixOf(v.text); !ok {
			return fault(p.src, at, "%s wants an address or a subnet such as '192.0.2.0/24' (§9.6.1), got %s", c.op, clip(quote(v.text)))
		}
	}
	return nil
}

// prefixOf reads an address or a subnet as a prefix.
func prefixOf(s string) (netip.Prefix, bool) {
	if f, err := netip.ParsePrefix(s); err == nil {
		return f, true
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, a.BitLen()), true
}

// set reads the constants of IN, all of one type.
func (p *parser) set(c *comparison) error {
	if err := p.expect("("); err != nil {
		return err
	}
	if p.is(")") {
		return p.advance()
	}
	for {
		at := p.tok.at
		v, err := p.literal()
		if err != nil {
			return err
		}
		if len(c.value) > 0 && sort(v.kind) != sort(c.value[0].kind) {
			return fault(p.src, at, "the constants of IN are all of one type (§9.6.1)")
		}
		c.value = append(c.value, v)
		if p.is(")") {
			return p.advance()
		}
		if !p.is(",") {
			return p.want(`"," or ")"`)
		}
		if err := p.advance(); err != nil {
			return err
		}
	}
}

// sort is the kind of a constant, with the numbers as one.
func sort(k tokenKind) tokenKind {
	if k == tokFloat {
		return tokInt
	}
	return k
}

// literal reads a constant.
func (p *parser) literal() (literal, error) {
	if err := p.count(); err != nil {
		return literal{}, err
	}
	v := literal{p.tok.kind, p.tok.text}
	switch {
	case p.isWord("true") || p.isWord("false"):
		v.text = strings.ToLower(v.text)
	case v.kind == tokString || v.kind == tokInt || v.kind == tokFloat || v.kind == tokHex || v.kind == tokBinary || v.kind == tokTime:
	default:
		return v, p.want("a constant: 'string', number, true, false, h'hex', b'base64' or t'timestamp'")
	}
	return v, p.advance()
}
