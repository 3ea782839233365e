// SPDX-License-Identifier: Apache-2.0

// Package locale holds what the console says, in every language it speaks.
//
// One TOML file a language, English first; the keys of all are the same, which
// a test proves. A message may hold {0}, {1}…, filled in order. Languages are
// named by BCP 47 tags and chosen as RFC 4647 §3.4 (lookup) says. [Load] fails
// on a file that is not TOML or holds anything but strings in tables. A Locale
// is immutable and safe for concurrent use.
package locale

import (
	"embed"
	"fmt"
	"html"
	"html/template"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

//go:embed *.toml
var files embed.FS

// tags are the languages, the first being what is spoken when nothing fits.
var tags = []string{"en", "fr", "ar", "he"}

// Locale is one language's messages.
type Locale struct {
	Tag      string // "en", "fr", "ar" or "he"
	Name     string // what speakers call it
	Dir      string // "ltr" or "rtl"
	messages map[string]string
}

// Set is every language, with the rule that chooses among them.
type Set struct {
	list    []*Locale
	matcher language.Matcher
}

// Load reads the catalogue.
func Load() (*Set, error) {
	s := &Set{}
	var known []language.Tag
	for _, tag := range tags {
		text, err := fs.ReadFile(files, tag+".toml")
		if err != nil {
			return nil, fmt.Errorf("read catalogue: %w", err)
		}
		l, err := parse(tag, string(text))
		if err != nil {
			return nil, fmt.Errorf("read catalogue %s: %w", tag, err)
		}
		s.list = append(s.list, l)
		known = append(known, language.Make(tag))
	}
	s.matcher = language.NewMatcher(known)
	return s, nil
}

func parse(tag, text string) (*Locale, error) {
	var tree map[string]any
	if _, err := toml.Decode(text, &tree); err != nil {
		return nil, err
	}
	l := &Locale{Tag: tag, messages: map[string]string{}}
	if err := l.flatten("", tree); err != nil {
		return nil, err
	}
	l.Name, l.Dir = l.messages["language.name"], l.messages["language.dir"]
	return l, nil
}

func (l *Locale) flatten(prefix string, tree map[string]any) error {
	for k, v := range tree {
		switch v := v.(type) {
		case string:
			l.messages[prefix+k] = v
		case map[string]any:
			if err := l.flatten(prefix+k+".", v); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%s%s is a %T: want a string", prefix, k, v)
		}
	}
	return nil
}

// All returns every language, in the order people are offered them.
func (s *Set) All() []*Locale { return s.list }

// Get returns the language named exactly so.
func (s *Set) Get(tag string) (*Locale, bool) {
	i := slices.Index(tags, tag)
	if i < 0 {
		return nil, false
	}
	return s.list[i], true
}

// Accept returns the language that fits an Accept-Language header best.
func (s *Set) Accept(header string) *Locale {
	if len(header) > 1000 {
		return s.list[0]
	}
	_, i := language.MatchStrings(s.matcher, header)
	return s.list[i]
}

// Keys returns the message keys, sorted.
func (l *Locale) Keys() []string {
	keys := make([]string, 0, len(l.messages))
	for k := range l.messages {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Message returns the message of key as it stands; ok is false when there is none.
func (l *Locale) Message(key string) (message string, ok bool) {
	message, ok = l.messages[key]
	return message, ok
}

// Say returns the message of key with its places filled, as HTML: the message
// and the arguments are escaped, and each argument stands in a <bdi>, so that a
// name in one direction cannot disturb a sentence in the other. An argument that
// is template.HTML stands as it is and must isolate itself. A key without a
// message is returned itself.
func (l *Locale) Say(key string, args ...any) template.HTML {
	m, ok := l.messages[key]
	if !ok {
		m = key
	}
	out := html.EscapeString(m)
	// One pass, so that an argument that holds "{1}" is not filled in turn.
	pairs := make([]string, 0, 2*len(args))
	for i, a := range args {
		pairs = append(pairs, "{"+strconv.Itoa(i)+"}", l.argument(a))
	}
	return template.HTML(strings.NewReplacer(pairs...).Replace(out)) //nolint:gosec // every part is escaped above
}

func (l *Locale) argument(a any) string {
	var text string
	switch a := a.(type) {
	case template.HTML:
		return string(a)
	case int64:
		text = l.Number(a)
	case int:
		text = l.Number(int64(a))
	default:
		text = html.EscapeString(fmt.Sprint(a))
	}
	return "<bdi>" + text + "</bdi>"
}

// Label returns what the word value of a closed vocabulary is called, such as
// the role "analyst"; a word the catalogue does not know is returned as it is.
func (l *Locale) Label(vocabulary, value string) string {
	if m, ok := l.messages[vocabulary+"."+strings.ReplaceAll(value, ".", "-")]; ok {
		return m
	}
	return value
}

// Plural returns the message of key in the form that n takes, with {0} filled
// by n. The message lists its forms between "|": one, other; or one, two, other;
// or one, two, few, many, other (CLDR's names).
func (l *Locale) Plural(key string, n int64) string {
	forms := strings.Split(l.messages[key], "|")
	if forms[0] == "" {
		return key + " " + l.Number(n)
	}
	order := []plural.Form{plural.One, plural.Two, plural.Few, plural.Many, plural.Other}
	switch len(forms) {
	case 2:
		order = []plural.Form{plural.One, plural.Other}
	case 3:
		order = []plural.Form{plural.One, plural.Two, plural.Other}
	}
	want := plural.Cardinal.MatchPlural(language.Make(l.Tag), int(n%1_000_000), 0, 0, 0, 0)
	i := slices.Index(order, want)
	if i < 0 || i >= len(forms) {
		i = len(forms) - 1
	}
	return strings.ReplaceAll(forms[i], "{0}", l.Number(n))
}

// Number returns n with its thousands grouped as the language does.
func (l *Locale) Number(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if s[0] == '-' {
		sign, s = "−", s[1:]
	}
	group := l.messages["language.group"]
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + group + s[i:]
	}
	return sign + s
}
