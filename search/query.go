// SPDX-License-Identifier: Apache-2.0

package search

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"accord"
)

// Limits of a query.
const (
	MaxQuery        = 4096 // bytes
	MaxTerms        = 32
	MaxAlternatives = 32
)

// Query is what a text asks for: every term must hold.
type Query struct{ Terms []Term }

// Term is one condition.
type Term struct {
	Not   bool
	Field string // a field, or empty for words
	// Values are alternatives, in the form the field has: labels in lower case,
	// TLP labels spelled out. For words there is one, as written.
	Values []string
	// Words are those of free words; one after another when Phrase.
	Words  []string
	Phrase bool
	Prefix bool // the last of Words may be a beginning
	// Value is what the text of field value, exact, or of a free word, reads as.
	Value *accord.Observable
	// Op compares: "<", "<=", ">", ">=" or "=", with Number or At.
	Op     string
	Number float64
	At     accord.Stamp
	Until  accord.Stamp // with Op "=" on a day: the first instant after it
}

// fields are those that a query may name, with what stands after the colon.
var fields = map[string]string{
	"type": "a STIX type", "tlp": "a TLP label, or <green, >=amber", "source": "a feed, file or party", "party": "a party, or own",
	"label": "a label or tag", "tag": "a label or tag", "kind": "a kind of value", "value": "a value, what it lies under and what lies under it",
	"exact": "a value", "id": "a STIX identifier", "family": "a malware, tool, actor or campaign", "technique": "an ATT&CK technique",
	"added": "<, > or nothing, and a date", "valid": "now or no", "score": "<, <=, > or >=, and 0 to 100",
	"confidence": "<, <=, > or >=, and 0 to 100", "state": "live, withdrawn, held, false or any", "sighted": "yes or no",
}

var kinds = []string{
	string(accord.KindDomain), string(accord.KindIPv4), string(accord.KindIPv6), string(accord.KindCIDR), string(accord.KindAddrPort),
	string(accord.KindURL), string(accord.KindEmail), string(accord.KindMD5), string(accord.KindSHA1), string(accord.KindSHA256), string(accord.KindSHA512),
}

var tlps = []string{"clear", "green", "amber", "amber+strict", "red"}

// Parse reads a query.
func Parse(text string) (q Query, err error) {
	if len(text) > MaxQuery {
		return q, wrong("it has more than %d bytes: leave terms out", MaxQuery)
	}
	if !utf8.ValidString(text) {
		return q, wrong("it is not UTF-8")
	}
	for rest := strings.TrimLeftFunc(text, unicode.IsSpace); rest != ""; rest = strings.TrimLeftFunc(rest, unicode.IsSpace) {
		var tok token
		if tok, rest, err = next(rest); err != nil {
			return Query{}, err
		}
		t, err := tok.term()
		if err != nil {
			return Query{}, err
		}
		if t.Field == "" && t.Value == nil && len(t.Words) == 0 {
			continue // punctuation alone
		}
		t.Prefix = t.Prefix || t.Field == "" && !t.Phrase && !t.Not && rest == "" && t.Value == nil
		if q.Terms = append(q.Terms, t); len(q.Terms) > MaxTerms {
			return Query{}, wrong("it has more than %d terms", MaxTerms)
		}
	}
	return q, nil
}

func wrong(format string, args ...any) error {
	return fmt.Errorf("%w: query: %s", accord.ErrInvalid, fmt.Sprintf(format, args...))
}

// token is one term as written.
type token struct {
	not    bool
	field  string   // what stands before a colon
	quoted bool     // the text was in quotes as a whole
	text   string   // without the quotes around it
	parts  []string // text split at commas outside quotes
	whole  string   // with the field
}

// next cuts the first token off.
func next(s string) (t token, rest string, err error) {
	if len(s) > 1 && s[0] == '-' && s[1] != ' ' {
		t.not, s = true, s[1:]
	}
	name := 0
	for name < len(s) && (s[name] >= 'a' && s[name] <= 'z' || s[name] >= 'A' && s[name] <= 'Z' || s[name] == '_') {
		name++
	}
	begin := 0
	if name > 0 && name < len(s) && s[name] == ':' {
		t.field, begin = strings.ToLower(s[:name]), name+1
	}
	end, err := t.scan(s, begin)
	t.whole = s[:end]
	return t, s[end:], err
}

// scan reads the text that begins at s[i:] and returns where it ends.
func (t *token) scan(s string, i int) (end int, err error) {
	var all, part strings.Builder
	start, quoted, only := i, false, i < len(s) && s[i] == '"'
	for ; i < len(s); i++ {
		c := s[i]
		switch {
		case quoted && c == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
			part.WriteByte(s[i])
			all.WriteByte(s[i])
			continue
		case c == '"':
			quoted = !quoted
			if !quoted && only && i > start {
				i++
				goto done
			}
			if only {
				continue
			}
		case !quoted && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			goto done
		case !quoted && c == ',' && t.field != "":
			t.parts = append(t.parts, part.String())
			part.Reset()
			all.WriteByte(c)
			continue
		}
		part.WriteByte(c)
		all.WriteByte(c)
	}
done:
	if quoted {
		return i, wrong("a quotation mark in %q is not closed", clip(s[start:]))
	}
	t.text, t.quoted = all.String(), only
	t.parts = append(t.parts, part.String())
	return i, nil
}

func clip(s string) string {
	if len(s) <= 60 {
		return s
	}
	return strings.ToValidUTF8(s[:60], "") + "…"
}

// term reads a token.
func (t token) term() (Term, error) {
	if t.field != "" && fields[t.field] != "" {
		return t.fielded()
	}
	text := t.whole
	if t.field == "" {
		text = t.text
	}
	term := Term{Not: t.not, Values: []string{text}, Phrase: t.quoted && t.field == ""}
	if o, ok := ValueOf(text); ok && !term.Phrase {
		term.Value = &o
	} else if t.field != "" {
		return term, wrong("there is no field %q: want one of %s; to search for the words, write them in quotes: \"%s\"",
			clip(t.field), strings.Join(slices.Sorted(maps.Keys(fields)), ", "), clip(strings.ReplaceAll(t.whole, `"`, "")))
	}
	term.Words = Words(text)
	if strings.HasSuffix(text, "*") && len(term.Words) > 0 && !term.Phrase {
		term.Prefix = true
	}
	term.Phrase = term.Phrase || len(term.Words) > 1 // cve-2021-44228
	return term, nil
}

func (t token) fielded() (Term, error) {
	term := Term{Not: t.not, Field: t.field}
	if t.text == "" {
		return term, wrong("nothing stands after %s: want %s", t.field+":", fields[t.field])
	}
	if term.Field == "tag" {
		term.Field = "label"
	}
	switch t.field {
	case "score", "confidence":
		return term, term.number(t.text)
	case "added":
		return term, term.date(t.text)
	case "value", "exact":
		o, ok := ValueOf(t.text)
		if !ok {
			return term, wrong("%s:%s is no value that can be looked for: want a domain, an address, a network, a URL, an e-mail address or a digest; the middle of a value is not indexed", t.field, clip(t.text))
		}
		term.Value, term.Values = &o, []string{o.Value}
		return term, nil
	case "tlp":
		if done, err := term.tlp(t.text); done || err != nil {
			return term, err
		}
	}
	if t.quoted {
		t.parts = []string{t.text}
	}
	for _, p := range t.parts {
		v, err := valueOf(term.Field, p)
		if err != nil {
			return term, err
		}
		term.Values = append(term.Values, v)
	}
	if len(term.Values) > MaxAlternatives {
		return term, wrong("%s: has more than %d alternatives", t.field, MaxAlternatives)
	}
	return term, nil
}

// valueOf checks one alternative of a field.
func valueOf(field, s string) (string, error) {
	v := strings.TrimSpace(s)
	among := func(these ...string) (string, error) {
		if slices.Contains(these, strings.ToLower(v)) {
			return strings.ToLower(v), nil
		}
		return "", wrong("%s:%s: want one of %s", field, clip(v), strings.Join(these, ", "))
	}
	switch field {
	case "tlp":
		l, err := accord.ParseTLP(v)
		if err != nil {
			return among(tlps...)
		}
		return l.String(), nil
	case "kind":
		return among(kinds...)
	case "valid":
		return among("now", "no")
	case "state":
		return among("live", "withdrawn", "held", "false", "any")
	case "sighted":
		return among("yes", "no")
	case "type", "label":
		v = strings.ToLower(v)
	case "family", "technique":
		if NameKey(v) == "" {
			v = ""
		}
	}
	if v == "" {
		return "", wrong("%s: has an empty alternative: want %s", field, fields[field])
	}
	return v, nil
}

// operator cuts a comparison off.
func operator(s string) (op, rest string) {
	for _, op := range []string{"<=", ">=", "<", ">", "="} {
		if rest, ok := strings.CutPrefix(s, op); ok {
			return op, rest
		}
	}
	return "", s
}

func (t *Term) number(s string) error {
	op, rest := operator(s)
	n, err := strconv.ParseFloat(rest, 64)
	if err != nil || op == "" || !(n >= 0 && n <= 100) {
		return wrong("%s:%s: want %s, such as %s:>50", t.Field, clip(s), fields[t.Field], t.Field)
	}
	t.Op, t.Number = op, n
	return nil
}

// date reads a day or an instant. "added:2026-11-01" is the whole day; so
// "added:>2026-11-01" is after it, and "added:>=2026-11-01" from it on.
func (t *Term) date(s string) error {
	op, rest := operator(s)
	day := false
	at, err := time.Parse(time.RFC3339, rest)
	if err != nil {
		at, err = time.Parse(time.DateOnly, rest)
		day = true
	}
	if err != nil || at.Year() < 1970 || at.Year() > 9000 {
		return wrong("added:%s: want a date, such as added:>2026-11-01, or an instant such as added:<2026-11-01T12:00:00Z", clip(s))
	}
	t.Op, t.At, t.Until = op, accord.StampOf(at), accord.StampOf(at)+1
	if day {
		t.Until = accord.StampOf(at.AddDate(0, 0, 1))
	}
	if op == "" {
		t.Op = "="
	}
	return nil
}

// Holds reports whether an instant satisfies a comparison of dates.
func (t *Term) Holds(at accord.Stamp) bool {
	switch t.Op {
	case "<":
		return at < t.At
	case "<=":
		return at < t.Until
	case ">":
		return at >= t.Until
	case ">=":
		return at >= t.At
	}
	return at >= t.At && at < t.Until
}

// Compares reports whether a number satisfies a comparison.
func (t *Term) Compares(n float64) bool {
	switch t.Op {
	case "<":
		return n < t.Number
	case "<=":
		return n <= t.Number
	case ">":
		return n > t.Number
	case ">=":
		return n >= t.Number
	}
	return n == t.Number
}

// tlp spells out a comparison of labels.
func (t *Term) tlp(s string) (done bool, err error) {
	op, rest := operator(s)
	if op == "" || op == "=" {
		return false, nil
	}
	l, err := accord.ParseTLP(rest)
	if err != nil {
		return false, wrong("tlp:%s: want one of %s after %s", clip(s), strings.Join(tlps, ", "), op)
	}
	c := Term{Op: op, Number: float64(l)}
	for i, name := range tlps {
		if c.Compares(float64(i)) {
			t.Values = append(t.Values, name)
		}
	}
	if len(t.Values) == 0 {
		return false, wrong("tlp:%s: no label is %s %s", clip(s), map[string]string{"<": "below", ">": "above"}[op], l)
	}
	return true, nil
}
