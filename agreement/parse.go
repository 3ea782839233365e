// SPDX-License-Identifier: Apache-2.0

package agreement

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
	"golang.org/x/mod/sumdb/note"

	"accord"
)

// document is the text's shape.
type document struct {
	ID       string    `toml:"id"`
	Version  int       `toml:"version"`
	Title    string    `toml:"title"`
	From     moment    `toml:"from"`
	Until    moment    `toml:"until"`
	Parties  []party   `toml:"party"`
	Articles []Article `toml:"article"`
}

type party struct {
	Name   string `toml:"name"`
	Nation string `toml:"nation"`
	Title  string `toml:"title"`
	Key    string `toml:"key"`
}

// keysOf is what each table may say. TOML keys are compared exactly: the
// decoder would take MAX_TLP for max_tlp.
var keysOf = map[string]map[string]bool{
	"":        tomlKeys(reflect.TypeFor[document]()),
	"party":   tomlKeys(reflect.TypeFor[party]()),
	"article": tomlKeys(reflect.TypeFor[Article]()),
}

func tomlKeys(t reflect.Type) map[string]bool {
	m := map[string]bool{}
	for f := range t.Fields() {
		m[f.Tag.Get("toml")] = true
	}
	return m
}

// Parse reads an agreement's text, unsigned. Nobody's consent follows from it.
func Parse(text []byte) (*Agreement, error) {
	a, err := parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("parse agreement: %w", err)
	}
	return a, nil
}

func parse(text string) (*Agreement, error) {
	if err := checkText(text, Header); err != nil {
		return nil, err
	}
	if err := checkNesting(text); err != nil {
		return nil, err
	}
	var d document
	md, err := toml.Decode(text, &d)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", accord.ErrInvalid, err)
	}
	if err := checkKeys(md.Keys()); err != nil {
		return nil, err
	}
	if err := checkDecoded(reflect.ValueOf(d), ""); err != nil {
		return nil, err
	}
	a := &Agreement{ID: d.ID, Version: d.Version, Title: d.Title, Articles: d.Articles, Text: text, Signed: map[string]bool{}}
	if err := a.setHead(d); err != nil {
		return nil, err
	}
	if err := a.setParties(d.Parties); err != nil {
		return nil, err
	}
	if err := a.checkArticles(); err != nil {
		return nil, err
	}
	a.plan = compile(a)
	return a, nil
}

func checkKeys(keys []toml.Key) error {
	for _, k := range keys {
		table, name := "", k[0]
		if len(k) == 2 {
			table, name = k[0], k[1]
		}
		known := keysOf[table]
		if len(k) > 2 || known == nil || !known[name] {
			return fmt.Errorf("%w: unknown key %q", accord.ErrInvalid, k.String())
		}
	}
	return nil
}

// checkText enforces what a signed note's text may hold (C2SP signed-note,
// "Format"), and that what people see is what they sign: no characters that
// reorder or hide text, no line that looks like a signature.
func checkText(text, header string) error {
	first, _, found := strings.Cut(text, "\n")
	switch {
	case len(text) > MaxSize:
		return fmt.Errorf("%w: larger than %d bytes", accord.ErrInvalid, MaxSize)
	case !found || first != header:
		return fmt.Errorf("%w: the first line must be %q", accord.ErrInvalid, header)
	case !strings.HasSuffix(text, "\n"):
		return fmt.Errorf("%w: the text must end in a newline", accord.ErrInvalid)
	case !utf8.ValidString(text):
		return fmt.Errorf("%w: not UTF-8", accord.ErrInvalid)
	}
	n := 0
	for line := range strings.Lines(text) {
		n++
		if len(line) > maxLine {
			return fmt.Errorf("%w: line %d is longer than %d bytes", accord.ErrInvalid, n, maxLine)
		}
		if strings.HasPrefix(line, "— ") {
			return fmt.Errorf("%w: line %d begins like a signature", accord.ErrInvalid, n)
		}
		for _, r := range line {
			if unseen(r) {
				return fmt.Errorf("%w: line %d: character %U (a tab, control or reordering character) is not allowed", accord.ErrInvalid, n, r)
			}
		}
	}
	return nil
}

// unseen reports whether r may not stand in a text: C0 and C1 controls other
// than the newline, line and paragraph separators, and format characters, such
// as directional embeddings, overrides and isolates (Unicode Cc, Zl, Zp, Cf). The marks U+200C to
// U+200F stay: Persian, Arabic and Hebrew need them.
func unseen(r rune) bool {
	switch {
	case r == '\n', r >= 0x200C && r <= 0x200F:
		return false
	case r >= 0x2060 && r <= 0x206F, r >= 0xE0000 && r <= 0xE0FFF: // some not assigned yet
		return true
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// checkDecoded refuses in a document's values what checkText refuses in its
// text, which escapes such as "\u202e" get around, and lists that are there but
// empty: one reader takes them for "nothing", another for "no condition".
func checkDecoded(v reflect.Value, key string) error {
	switch v.Kind() {
	case reflect.String:
		for _, r := range v.String() {
			if r == '\n' || unseen(r) {
				return fmt.Errorf("%w: %s %+q: character %U (a line break, tab, control or reordering character) is not allowed", accord.ErrInvalid, key, v.String(), r)
			}
		}
	case reflect.Slice:
		if !v.IsNil() && v.Len() == 0 {
			return fmt.Errorf("%w: %s is an empty list: name something, or leave the key out", accord.ErrInvalid, key)
		}
		for i := range v.Len() {
			if err := checkDecoded(v.Index(i), key); err != nil {
				return err
			}
		}
	case reflect.Struct:
		for f, field := range v.Fields() {
			if err := checkDecoded(field, f.Tag.Get("toml")); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkNesting refuses brackets and dotted keys deeper than any agreement
// needs, before the TOML parser recurses into them.
func checkNesting(text string) error {
	depth, dots := 0, 0
	for _, c := range []byte(text) {
		switch c {
		case '[', '{':
			depth++
		case ']', '}':
			depth = max(depth-1, 0)
		case '\n', '=', '"', '\'', ' ', '#':
			dots = 0
		case '.':
			dots++
		}
		if depth > maxNesting || dots > maxList {
			return fmt.Errorf("%w: nested too deeply", accord.ErrInvalid)
		}
	}
	return nil
}

func (a *Agreement) setHead(d document) error {
	if !validID(a.ID) {
		return fmt.Errorf("%w: id %q: want 1 to 100 of a–z, 0–9, '.', '-'", accord.ErrInvalid, a.ID)
	}
	if a.Version < 1 || a.Version > 1_000_000 {
		return fmt.Errorf("%w: version %d: want 1 or more", accord.ErrInvalid, a.Version)
	}
	if strings.TrimSpace(a.Title) == "" {
		return fmt.Errorf("%w: title is missing", accord.ErrInvalid)
	}
	a.From, a.Until = accord.Stamp(d.From), accord.Stamp(d.Until)
	if a.From == 0 {
		return fmt.Errorf("%w: from is missing", accord.ErrInvalid)
	}
	if a.Until != 0 && a.Until <= a.From {
		return fmt.Errorf("%w: until must be after from", accord.ErrInvalid)
	}
	return nil
}

// validID: as a party's name, but for the word that records use for its absence.
func validID(s string) bool { return accord.ValidPartyName(s) && s != "none" }

// moment is a TOML date-time with an offset. One without would mean another
// instant on another machine.
type moment accord.Stamp

// UnmarshalTOML implements toml.Unmarshaler.
func (m *moment) UnmarshalTOML(v any) error {
	t, ok := v.(time.Time)
	if !ok || strings.HasSuffix(t.Location().String(), "-local") {
		return fmt.Errorf("%w: write an instant with its offset, such as 2026-01-01T00:00:00Z", accord.ErrInvalid)
	}
	if y := t.UTC().Year(); y < 1971 || y > 9999 || t.Nanosecond() != 0 {
		return fmt.Errorf("%w: an instant: want whole seconds from the year 1971 on", accord.ErrInvalid)
	}
	*m = moment(accord.StampOf(t))
	return nil
}

func (a *Agreement) setParties(ps []party) error {
	if len(ps) < 2 || len(ps) > MaxParties {
		return fmt.Errorf("%w: %d parties: want 2 to %d", accord.ErrInvalid, len(ps), MaxParties)
	}
	keys := map[string]string{}
	for _, p := range ps {
		if !accord.ValidPartyName(p.Name) || p.Name == Any {
			return fmt.Errorf("%w: party name %q", accord.ErrInvalid, p.Name)
		}
		if _, twice := a.Party(p.Name); twice {
			return fmt.Errorf("%w: party %s is named twice", accord.ErrInvalid, p.Name)
		}
		nation, err := accord.ParseNation(p.Nation)
		if err != nil || string(nation) != p.Nation {
			return fmt.Errorf("%w: party %s: nation %q: want two capital letters (ISO 3166-1 alpha-2)", accord.ErrInvalid, p.Name, p.Nation)
		}
		v, err := note.NewVerifier(p.Key)
		if err != nil || v.Name() != p.Name {
			return fmt.Errorf("%w: party %s: key %q: want its verifier key, %s+hash+base64", accord.ErrInvalid, p.Name, p.Key, p.Name)
		}
		material := strings.SplitN(p.Key, "+", 3)[2] // name+id+base64, which may hold a plus of its own
		if other, shared := keys[material]; shared {
			return fmt.Errorf("%w: parties %s and %s have the same key", accord.ErrInvalid, other, p.Name)
		}
		keys[material] = p.Name
		a.Parties = append(a.Parties, accord.Party{Name: p.Name, Nation: nation, Title: p.Title, Key: p.Key})
	}
	return nil
}

func (a *Agreement) checkArticles() error {
	if len(a.Articles) == 0 || len(a.Articles) > MaxArticles {
		return fmt.Errorf("%w: %d articles: want 1 to %d", accord.ErrInvalid, len(a.Articles), MaxArticles)
	}
	seen := map[string]bool{}
	for i := range a.Articles {
		r := &a.Articles[i]
		if !validNumber(r.Number) {
			return fmt.Errorf("%w: article number %q: want numbers from 1 joined by dots, such as \"2.1\"", accord.ErrInvalid, r.Number)
		}
		if seen[r.Number] {
			return fmt.Errorf("%w: article %s appears twice", accord.ErrInvalid, r.Number)
		}
		seen[r.Number] = true
		if err := a.checkArticle(r); err != nil {
			return fmt.Errorf("article %s: %w", r.Number, err)
		}
	}
	return nil
}

// validNumber reports whether s is one to four numbers of up to four digits, the
// first digit not 0, joined by dots. "0" stands for "no article".
func validNumber(s string) bool {
	parts := strings.Split(s, ".")
	return len(parts) <= 4 && !slices.ContainsFunc(parts, func(p string) bool {
		return len(p) == 0 || len(p) > 4 || p[0] == '0' || strings.Trim(p, "0123456789") != ""
	})
}
