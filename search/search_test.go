// SPDX-License-Identifier: Apache-2.0

package search_test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"accord"
	"accord/search"
)

func TestWordsOfEveryLanguage(t *testing.T) {
	for text, want := range map[string]string{
		"The Emotet loader, again.":      "the emotet loader again",
		"CVE-2021-44228 T1059.003":       "cve 2021 44228 t1059 003",
		"Sécurité à l’ÉTAT":              "securite a l etat",
		"STRASSE Straße ﬁn":              "strasse strasse fin",
		"أَلْهُجُوم إلى آخر مُتصـيّد":    "الهجوم الى اخر متصيد",
		"שָׁלוֹם דיוג":                   "שלום דיוג",
		"Ελλάδα ΘΕΌΣ":                    "ελλαδα θεοσ",
		"網路釣魚 attack":                    "網路 路釣 釣魚 attack",
		"ＡＢＣ１２":                          "abc12",
		"한국어 공격":                         "한국어 공격",
		"a_b.c@d\x00e�f":                 "a b c d e f",
		strings.Repeat("x", 100):         strings.Repeat("x", search.MaxWord),
		"…!? --":                         "",
		"кибер\u00adбезопасность Москвѐ": "кибербезопасность москве",
	} {
		if got := strings.Join(search.Words(text), " "); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestWordsOfAnObject(t *testing.T) {
	it := accord.Item{
		Type: "malware", Name: "Emotet", Labels: []string{"trojan"}, Tags: []string{"watch"},
		Bytes: []byte(`{"type":"malware","name":"Emotet","description":"A \u006coader","aliases":["Heodo"],"x_other":"no","external_references":[{"source_name":"mitre-attack","external_id":"S0367","description":"not this"}],"nested":{"description":"nor this"}}`),
	}
	text := search.TextOf(&it)
	if got := strings.Join(text.Distinct(), " "); got != "emotet a loader heodo s0367 trojan watch" {
		t.Errorf("words %q", got)
	}
	if diff := cmp.Diff([]string{"Emotet", "Heodo", "S0367"}, text.Names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	listed := accord.Item{
		Type: "indicator", Name: "Bad.example (heodo)", Observables: []accord.Observable{{Kind: accord.KindDomain, Value: "bad.example"}},
		Bytes: []byte(`{"type":"indicator","name":"bad.example (heodo)"}`),
	}
	listed.Name = "bad.example (heodo)"
	if got := strings.Join(search.TextOf(&listed).Distinct(), " "); got != "heodo" {
		t.Errorf("the words of a listed value: %q", got)
	}
	for _, broken := range []string{"", "[]", `{"description":`, `{"description":{"a":["b"`, `{"description" 1}`} {
		it.Bytes = []byte(broken)
		_ = search.TextOf(&it).Words() // must not fail
	}
}

func TestAPhraseStandsInOneText(t *testing.T) {
	words := search.Text{Texts: []string{"one two", "three"}}.Words()
	for phrase, want := range map[string]bool{"one two": true, "two three": false, "two": true, "two one": false} {
		if got := search.Follow(words, search.Words(phrase), false); got != want {
			t.Errorf("%q: %t", phrase, got)
		}
	}
	if !search.Follow(words, []string{"one", "tw"}, true) || search.Follow(words, []string{"on", "two"}, true) {
		t.Error("the last word, and no other, may be a beginning")
	}
}

func TestValuesAreReadHoweverTheyAreWritten(t *testing.T) {
	for text, want := range map[string]string{
		"hxxp://Evil[.]Example/Path": "url http://evil.example/Path", "hxxps[://]evil.example": "url https://evil.example/",
		"evil(.)example": "domain evil.example", "<evil[dot]example>": "domain evil.example", "EVIL.example.": "domain evil.example",
		"bücher.example": "domain xn--bcher-kva.example", "user[at]evil.example": "email user@evil.example",
		"192[.]0[.]2[.]7": "ipv4 192.0.2.7", "192.0.2.0/24": "cidr 192.0.2.0/24", "192.0.2.9/24": "cidr 192.0.2.0/24",
		"2001:DB8:0::1": "ipv6 2001:db8::1", "[2001:db8::1]:443": "addrport [2001:db8::1]:443", "192.0.2.7:80": "addrport 192.0.2.7:80",
		"D41D8CD98F00B204E9800998ECF8427E": "md5 d41d8cd98f00b204e9800998ecf8427e", "evil.example/x": "url http://evil.example/x",
		"emotet": "", "two words.example": "", "": "", "a..b": "", "tlp:amber": "",
	} {
		o, ok := search.ValueOf(text)
		got := strings.TrimSpace(string(o.Kind) + " " + o.Value)
		if ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

var drawValue = rapid.Custom(func(t *rapid.T) accord.Observable {
	name := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "evil", "co", "www"}), 0, 4).Draw(t, "labels"), ".")
	host := strings.TrimPrefix(name+"."+rapid.SampledFrom([]string{"example", "evil.example", "evil.co.uk", "example.com"}).Draw(t, "top"), ".")
	addr := rapid.SampledFrom([]string{"192.0.2.7", "192.0.2.200", "198.51.100.1", "2001:db8::1", "2001:db8:0:1::1", "2001:db8:1::", "2001:db8:7:0:0:0:0:9"}).Draw(t, "addr")
	bits := rapid.IntRange(0, 128).Draw(t, "bits")
	if !strings.Contains(addr, ":") {
		bits = min(bits, 32)
	}
	text := rapid.SampledFrom([]string{host, addr, addr + "/" + strconv.Itoa(bits), "http://" + host + "/x", "http://" + bracket(addr) + ":81/x", "u@" + host, bracket(addr) + ":443"}).Draw(t, "text")
	o, ok := search.ValueOf(text)
	if !ok {
		t.Skip("no value")
	}
	return o
})

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func bracket(addr string) string {
	if strings.Contains(addr, ":") {
		return "[" + addr + "]"
	}
	return addr
}

func TestWhatIsWiderHoldsAndWhatLiesUnderIsFiled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, o := drawValue.Draw(t, "value"), drawValue.Draw(t, "other")
		wider := search.Wider(v)
		for _, w := range wider {
			if !search.Lies(v, w) {
				t.Fatalf("%v is wider than %v, which does not lie under it", w, v)
			}
		}
		if !search.Lies(v, o) {
			return
		}
		if search.Lies(o, v) {
			t.Fatalf("%v and %v lie under each other", v, o)
		}
		if !slices.Contains(wider, o) {
			t.Fatalf("%v lies under %v, which is not among the wider %v", v, o, wider)
		}
		if key, ok := search.FiledUnder(o); ok { // found by the index
			if under, ok := search.Under(v); !ok || under != key {
				t.Fatalf("%v lies under %v and is filed under %q, not %q", v, o, under, key)
			}
		}
		if begin := search.Beginning(o); begin != "" && (v.Kind == accord.KindIPv4 || v.Kind == accord.KindIPv6) && !strings.HasPrefix(v.Value, begin) {
			t.Fatalf("%v lies in %v and does not begin with %q", v, o, begin)
		}
	})
}

func TestAQueryIsRead(t *testing.T) {
	q, err := search.Parse(`type:indicator,malware -label:"to do" "two words" family:Emotet score:>=50 hxxp://e.example/a,b tag:misp-galaxy:x="Cobalt Strike" emo`)
	if err != nil {
		t.Fatal(err)
	}
	url := accord.Observable{Kind: accord.KindURL, Value: "http://e.example/a,b"}
	want := []search.Term{
		{Field: "type", Values: []string{"indicator", "malware"}},
		{Not: true, Field: "label", Values: []string{"to do"}},
		{Values: []string{"two words"}, Words: []string{"two", "words"}, Phrase: true},
		{Field: "family", Values: []string{"Emotet"}},
		{Field: "score", Op: ">=", Number: 50},
		{Values: []string{"hxxp://e.example/a,b"}, Words: []string{"hxxp", "e", "example", "a", "b"}, Phrase: true, Value: &url},
		{Field: "label", Values: []string{`misp-galaxy:x="cobalt strike"`}},
		{Values: []string{"emo"}, Words: []string{"emo"}, Prefix: true},
	}
	if diff := cmp.Diff(want, q.Terms); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAWrongQuerySaysWhatToWrite(t *testing.T) {
	for text, words := range map[string]string{
		"colour:red": `no field "colour": want one of added, confidence`, `"open`: "not closed", "type:": "nothing stands after type:",
		"type:a,,b": "empty alternative", "tlp:purple": "clear, green, amber", "kind:name": "domain, ipv4", "score:50": "score:>50",
		"score:>x": "0 to 100", "score:>101": "0 to 100", "added:yesterday": "added:>2026-11-01", "state:gone": "live, withdrawn", "valid:yes": "now, no",
		"sighted:maybe": "yes, no", "value:emotet": "the middle of a value is not indexed", "tlp:>red": "no label is above red",
		"family:--": "empty alternative", strings.Repeat("x ", 3000): "4096 bytes", strings.Repeat("x ", 33): "32 terms", "\xff": "not UTF-8",
		"type:" + strings.Repeat("a,", 33) + "a": "32 alternatives",
	} {
		if _, err := search.Parse(text); !errors.Is(err, accord.ErrInvalid) || !strings.Contains(err.Error(), words) {
			t.Errorf("%.40q: %v, want %q", text, err, words)
		}
	}
	for _, text := range []string{"", "  ", "-", "--", "...", `""`, "https://x.example/?a:b", "2001:db8::1"} {
		if _, err := search.Parse(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestDatesCompareByTheDay(t *testing.T) {
	read := func(s string) search.Term {
		t.Helper()
		q, err := search.Parse("added:" + s)
		if err != nil {
			t.Fatal(err)
		}
		return q.Terms[0]
	}
	on := read("2026-11-01")
	for _, tt := range []struct {
		at   accord.Stamp
		want string // of < <= = >= >
	}{{on.At - 1, "11000"}, {on.At, "01110"}, {on.Until - 1, "01110"}, {on.Until, "00011"}} {
		got := ""
		for _, op := range []string{"<", "<=", "", ">=", ">"} {
			term := read(op + "2026-11-01")
			got += strconv.Itoa(b2i(term.Holds(tt.at)))
		}
		if got != tt.want {
			t.Errorf("%v: %s, want %s", tt.at, got, tt.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`type:indicator -label:"to do" "two words" score:>=50 hxxp://e.example/a,b`, `value:192.0.2.0/24 tlp:>=amber added:<2026-01-01T00:00:00Z`,
		`tag:a:b="c d" "\"\\" -`, "family:emotet,heodo technique:t1059*", "هجوم 網路 �",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q, err := search.Parse(s)
		if err != nil {
			if !errors.Is(err, accord.ErrInvalid) || len(q.Terms) > 0 {
				t.Errorf("%v", err)
			}
			return
		}
		if len(q.Terms) > search.MaxTerms {
			t.Errorf("%d terms", len(q.Terms))
		}
		for _, term := range q.Terms {
			if len(term.Values) > search.MaxAlternatives {
				t.Errorf("%d alternatives", len(term.Values))
			}
			for _, w := range term.Words {
				if w == "" || len(w) > search.MaxWord {
					t.Errorf("word %q", w)
				}
			}
		}
	})
}
