// SPDX-License-Identifier: Apache-2.0

package locale

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func load(t *testing.T) *Set {
	t.Helper()
	s, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEveryLanguageHasTheSameKeys(t *testing.T) {
	s := load(t)
	want := s.All()[0].Keys()
	for _, l := range s.All()[1:] {
		if diff := cmp.Diff(want, l.Keys()); diff != "" {
			t.Errorf("%s differs from en (-en +%s):\n%s", l.Tag, l.Tag, diff)
		}
	}
}

func TestNoMessageIsEmptyAndPlacesAgree(t *testing.T) {
	place := regexp.MustCompile(`\{[0-9]\}`)
	s := load(t)
	places := func(l *Locale, key string) []string {
		m, _ := l.Message(key)
		// A plural form may leave its number out ("two days" as one word).
		if strings.Contains(m, "|") {
			return []string{"plural"}
		}
		p := place.FindAllString(m, -1)
		slices.Sort(p)
		return p
	}
	en := s.All()[0]
	for _, l := range s.All() {
		for _, key := range en.Keys() {
			m, _ := l.Message(key)
			if strings.TrimSpace(m) == "" && key != "language.group" {
				t.Errorf("%s: %s is empty", l.Tag, key)
			}
			if diff := cmp.Diff(places(en, key), places(l, key)); diff != "" {
				t.Errorf("%s: places of %s differ from en: %s", l.Tag, key, diff)
			}
		}
	}
}

func TestTheBrowserIsAnsweredInALanguageItAsksFor(t *testing.T) {
	s := load(t)
	for header, want := range map[string]string{
		"":                           "en",
		"fr-MA,fr;q=0.9,en;q=0.8":    "fr",
		"ar-MA":                      "ar",
		"iw,en;q=0.5":                "he", // the old code of Hebrew
		"de,he;q=0.7,en;q=0.3":       "he",
		"de":                         "en",
		"nonsense;;q=,":              "en",
		strings.Repeat("fr,", 10000): "en", // too long to be honest
	} {
		if got := s.Accept(header).Tag; got != want {
			t.Errorf("Accept(%.40q) = %s, want %s", header, got, want)
		}
	}
}

func TestArgumentsAreEscapedIsolatedAndNotFilledTwice(t *testing.T) {
	l := &Locale{Tag: "en", messages: map[string]string{"k": "<{0}> & {1}"}}
	got := l.Say("k", `{1}<script>`, int64(7))
	want := `&lt;<bdi>{1}&lt;script&gt;</bdi>&gt; &amp; <bdi>7</bdi>`
	if string(got) != want {
		t.Errorf("Say() = %s, want %s", got, want)
	}
}

func TestNumbersAreGrouped(t *testing.T) {
	l := &Locale{messages: map[string]string{"language.group": ","}}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "−1,234"} {
		if got := l.Number(n); got != want {
			t.Errorf("Number(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestPluralsFollowTheLanguage(t *testing.T) {
	s := load(t)
	for _, tt := range []struct {
		tag  string
		n    int64
		want string
	}{
		{"en", 1, "1 day"},
		{"en", 90, "90 days"},
		{"fr", 0, "0 jour"},
		{"fr", 2, "2 jours"},
		{"he", 2, "יומיים"},
		{"he", 30, "30 ימים"},
		{"ar", 1, "يوم واحد"},
		{"ar", 2, "يومان"},
		{"ar", 7, "7 أيام"},
		{"ar", 90, "90 يومًا"},
		{"ar", 100, "100 يوم"},
	} {
		l, _ := s.Get(tt.tag)
		if got := l.Plural("period.d", tt.n); got != tt.want {
			t.Errorf("%s %d: %q, want %q", tt.tag, tt.n, got, tt.want)
		}
	}
}
