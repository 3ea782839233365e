// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// shortName is below how many letters a name counts only where it stands as a
// word of its own.
const shortName = 4

// says reports whether a string in raw, an object, holds one of names: in any
// case, composed or not, over line breaks, with invisible characters between.
// What cannot be read is taken to say it.
func says(raw []byte, names []string) bool {
	var wanted []string
	for _, name := range names {
		if f := folded(name); f != "" {
			wanted = append(wanted, f)
		}
	}
	if len(wanted) == 0 {
		return false
	}
	d := jsontext.NewDecoder(bytes.NewReader(raw), jsontext.AllowDuplicateNames(true))
	for {
		t, err := d.ReadToken()
		if err != nil {
			return !errors.Is(err, io.EOF)
		}
		if t.Kind() != '"' {
			continue
		}
		text := folded(t.String())
		if slices.ContainsFunc(wanted, func(name string) bool { return holdsName(text, name) }) {
			return true
		}
	}
}

// folded is s as a reader would compare it.
func folded(s string) string {
	s = cases.Fold().String(norm.NFKC.String(s))
	s = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.Fields(norm.NFKC.String(s)), " ")
}

func holdsName(text, name string) bool {
	if utf8.RuneCountInString(name) >= shortName {
		return strings.Contains(text, name)
	}
	for from := 0; ; {
		i := strings.Index(text[from:], name)
		if i < 0 {
			return false
		}
		start, end := from+i, from+i+len(name)
		before, _ := utf8.DecodeLastRuneInString(text[:start])
		after, _ := utf8.DecodeRuneInString(text[end:])
		if !wordy(before) && !wordy(after) {
			return true
		}
		from = start + 1
	}
}

func wordy(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// placesMost bounds what a record says of what was removed, in bytes.
const placesMost = 8 << 10

var listIndex = regexp.MustCompile(`\.\[[0-9]+\]`)

// places are selectors as a record can hold them: in order, each once, one word.
// Too many entries of a list are told as the list, object_refs.[*], and too many
// of those as their properties.
func places(removed []string) []string {
	out := make([]string, len(removed))
	for i, p := range removed {
		out[i] = strings.Map(func(r rune) rune {
			if r == ',' || !unicode.IsPrint(r) || unicode.IsSpace(r) {
				return '_'
			}
			return r
		}, p)
	}
	for _, shorten := range []func(string) string{
		func(p string) string { return p },
		func(p string) string { return listIndex.ReplaceAllString(p, ".[*]") },
		func(p string) string { top, _, _ := strings.Cut(p, "."); return top },
		func(string) string { return "many" },
	} {
		size := 0
		for i := range out {
			out[i] = shorten(out[i])
		}
		slices.Sort(out)
		out = slices.Compact(out)
		for _, p := range out {
			size += len(p) + 1
		}
		if size <= placesMost {
			return out
		}
	}
	return out
}
