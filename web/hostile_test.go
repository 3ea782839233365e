// SPDX-License-Identifier: Apache-2.0

package web

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"accord"
	"accord/web/locale"
	"accord/web/page"
	"accord/web/pages/account"
	"accord/web/pages/agreement"
	"accord/web/pages/agreements"
	"accord/web/pages/attack"
	"accord/web/pages/feeds"
	"accord/web/pages/item"
	"accord/web/pages/items"
	"accord/web/pages/ledger"
	"accord/web/pages/matches"
	"accord/web/pages/parties"
	"accord/web/pages/problem"
	"accord/web/pages/protections"
	"accord/web/pages/retract"
	"accord/web/pages/signin"
	"accord/web/pages/situation"
	"accord/web/pages/technique"
)

// views is every page with an empty view to be filled.
var views = []struct {
	source    *page.Source
	view      func() any
	fragments []string
}{
	{signin.Source, func() any { return &signin.View{} }, nil},
	{situation.Source, func() any { return &situation.View{} }, []string{"live"}},
	{items.Source, func() any { return &items.View{} }, nil},
	{item.Source, func() any { return &item.View{} }, nil},
	{retract.Source, func() any { return &retract.View{} }, nil},
	{attack.Source, func() any { return &attack.View{} }, nil},
	{technique.Source, func() any { return &technique.View{} }, nil},
	{matches.Source, func() any { return &matches.View{} }, nil},
	{protections.Source, func() any { return &protections.View{} }, nil},
	{feeds.Source, func() any { return &feeds.View{} }, nil},
	{agreements.Source, func() any { return &agreements.View{} }, nil},
	{agreement.Source, func() any { return &agreement.View{} }, nil},
	{ledger.Source, func() any { return &ledger.View{} }, nil},
	{parties.Source, func() any { return &parties.View{} }, nil},
	{account.Source, func() any { return &account.View{} }, nil},
	{problem.Source, func() any { return &problem.View{} }, nil},
}

var payloads = []string{
	`"><img src=x onerror=alert(1)>`,
	`'><svg onload=alert(1)>`,
	`</script><script>alert(1)</script>`,
	`</textarea></title></code></pre><iframe src="https://evil.example"></iframe>`,
	`" autofocus onfocus=alert(1) style="position:fixed" x="`,
	`javascript:alert(1)`,
	`data:text/html,<script>alert(1)</script>`,
	`{{template "layout" .}}{0}{1}`,
	"\u202eevil\u2066\x00\xff\r\n&lt;b&gt;",
}

// fill puts payload into every string reachable from v, two of it in every list,
// n in every number and b in every flag.
func fill(v reflect.Value, payload string, n int64, b bool) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(payload)
	case reflect.Bool:
		v.SetBool(b)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(n)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(n % 3))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), payload, n, b)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(payload))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), payload, n, b)
		fill(v.Index(1), payload, n, b)
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), payload, n, b)
		}
	case reflect.Struct:
		for _, f := range v.Fields() {
			if f.CanSet() {
				fill(f, payload, n, b)
			}
		}
	}
}

func TestEveryTemplateInEveryLanguageStaysWholeUnderHostileStrings(t *testing.T) {
	languages, err := locale.Load()
	if err != nil {
		t.Fatal(err)
	}
	assets, err := newAssets(sources)
	if err != nil {
		t.Fatal(err)
	}
	pages, err := page.Compile(sources, languages, assets.url)
	if err != nil {
		t.Fatal(err)
	}
	if len(views) != len(sources) {
		t.Fatalf("%d pages are tested, there are %d", len(views), len(sources))
	}
	for _, v := range views {
		for _, l := range languages.All() {
			for i, payload := range payloads {
				for _, b := range []bool{true, false} {
					view := v.view()
					fill(reflect.ValueOf(view).Elem(), payload, int64(i)*1_000_003, b)
					f := page.Frame{Locale: l, Languages: languages.All(), Nav: rooms, View: view, Version: payload, Path: payload}
					fill(reflect.ValueOf(&f.Self).Elem(), payload, 7, b)
					if b {
						fill(reflect.ValueOf(&f.Account).Elem(), payload, 7, b)
					}
					for _, fragment := range append([]string{""}, v.fragments...) {
						out, err := pages.Render(v.source, fragment, f)
						if err != nil {
							t.Fatalf("%s %s: %v", v.source.Name, l.Tag, err)
						}
						for _, bad := range examine(string(out)) {
							t.Errorf("%s %s %q: %s", v.source.Name, l.Tag, payload, bad)
						}
					}
				}
			}
		}
	}
}

var elements = strings.Fields(`html head meta title link script body a header svg circle p bdi form button nav ul li main footer span
	h1 h2 h3 h4 div section table thead tbody tr th td dl dt dd ol time pre code label input select option textarea details summary strong q article datalist br figure figcaption rect line polyline`)

// examine reports everything in a page that a page of this console may not hold.
func examine(doc string) []string {
	var bad []string
	scripts := 0
	z := html.NewTokenizer(strings.NewReader(doc))
	for {
		switch z.Next() {
		case html.ErrorToken:
			if scripts > 1 {
				bad = append(bad, "more than one script")
			}
			return bad
		case html.StartTagToken, html.SelfClosingTagToken:
			tok := z.Token()
			if !slices.Contains(elements, tok.Data) {
				bad = append(bad, "element "+tok.Data)
			}
			if tok.Data == "script" {
				scripts++
			}
			for _, a := range tok.Attr {
				if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "srcdoc" {
					bad = append(bad, "attribute "+a.Key)
				}
				if slices.Contains([]string{"href", "src", "action", "formaction"}, a.Key) && !harmless(a.Val) {
					bad = append(bad, a.Key+" "+a.Val)
				}
				if strings.Contains(a.Val, "ZgotmplZ") && !slices.Contains([]string{"href"}, a.Key) {
					bad = append(bad, "filtered "+a.Key)
				}
			}
		}
	}
}

// harmless reports whether a URL stays on this console.
func harmless(u string) bool {
	scheme, _, found := strings.Cut(u, ":")
	return !found || strings.ContainsAny(scheme, "/?#")
}

func TestPagesOfTheWorldHoldNothingInline(t *testing.T) {
	w := start(t)
	for _, s := range shots {
		secret := ""
		if !s.out {
			secret = w.session(t, "operator")
		}
		for _, lang := range []string{"en", "fr", "ar", "he"} {
			res, body := w.ask(t, "GET", s.path, secret, nil, "Cookie", "lang="+lang)
			if res.Header.Get("Content-Security-Policy") != policy {
				t.Errorf("%s has another policy", s.path)
			}
			for _, bad := range examine(body) {
				t.Errorf("%s %s: %s", s.path, lang, bad)
			}
			if !strings.Contains(body, `<html lang="`+lang+`"`) {
				t.Errorf("%s is not in %s", s.path, lang)
			}
			if strings.Contains(body, "ZgotmplZ") || strings.Contains(body, "<no value>") {
				t.Errorf("%s %s holds a template's complaint", s.path, lang)
			}
		}
	}
}

// TestTheCatalogueHasWhatPagesSayAndNoMore looks for every key in templates and
// pages, and for every message in some of them.
func TestTheCatalogueHasWhatPagesSayAndNoMore(t *testing.T) {
	languages, err := locale.Load()
	if err != nil {
		t.Fatal(err)
	}
	en, _ := languages.Get("en")
	said := regexp.MustCompile(`\bt "([a-z.-]+)"`)
	named := regexp.MustCompile(`\b(?:label|Label\() ?"([a-z]+)"`)
	used, vocabularies := map[string]bool{}, map[string]bool{"language": true, "room": true, "clause": true, "reason": true, "anyone": true, "kind": true, "pap": true, "period": true, "attribution": true, "common": true, "part": true, "attacklist": true, "scored": true, "decaymodel": true}
	err = fs.WalkDir(os.DirFS("."), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".tmpl") {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range said.FindAllStringSubmatch(string(b), -1) {
			used[m[1]] = true
			if _, ok := en.Message(m[1]); !ok {
				t.Errorf("%s says %s, which is not in the catalogue", path, m[1])
			}
		}
		for _, m := range named.FindAllStringSubmatch(string(b), -1) {
			vocabularies[m[1]] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range en.Keys() {
		vocabulary, _, _ := strings.Cut(key, ".")
		if !used[key] && !vocabularies[vocabulary] {
			t.Errorf("nothing says %s", key)
		}
	}
	for _, l := range rooms {
		if _, ok := en.Message(l.Label); !ok {
			t.Errorf("room %s has no name", l.Path)
		}
	}
}

// TestEveryReasonOfADecisionHasASentence reads the codes where they are defined.
func TestEveryReasonOfADecisionHasASentence(t *testing.T) {
	languages, err := locale.Load()
	if err != nil {
		t.Fatal(err)
	}
	en, _ := languages.Get("en")
	file, err := parser.ParseFile(token.NewFileSet(), "../agreement/reason.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Code") {
			return true
		}
		code, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		n++
		if _, ok := en.Message("reason." + code); !ok {
			t.Errorf("reason.%s is not in the catalogue", code)
		}
		return true
	})
	if n < 20 {
		t.Errorf("%d codes found: have they moved?", n)
	}
}

// TestPayloadsOfTheWorldAreShownAsText asks real pages about hostile items.
func TestPayloadsOfTheWorldAreShownAsText(t *testing.T) {
	w := start(t)
	for i, payload := range payloads {
		clean := strings.ToValidUTF8(payload, "�")
		x := indicator("indicator--"+clean, clean, ago(0))
		x.Source, x.Bytes, x.Labels = clean, []byte(payload), []string{clean}
		x.Observables = []accord.Observable{{Kind: accord.Kind(clean), Value: clean}}
		w.store.items = append([]accord.Item{x}, w.store.items...)
		_, list := w.ask(t, "GET", "/items?q="+strconv.Itoa(i)+"%22%3E%3Cscript%3E", w.session(t, "reader"), nil)
		for _, bad := range examine(list) {
			t.Errorf("list %q: %s", payload, bad)
		}
		res, one := w.ask(t, "GET", "/items", w.session(t, "reader"), nil)
		if res.StatusCode != http.StatusOK {
			t.Errorf("items with %q: %s", payload, res.Status)
		}
		for _, bad := range examine(one) {
			t.Errorf("items with %q: %s", payload, bad)
		}
	}
}

func TestExamineSeesWhatItIsFor(t *testing.T) {
	for _, doc := range []string{
		`<img src=x>`, `<p onclick=x>`, `<p style="x">`, `<a href="javascript:x">`, `<a href="https://evil.example">`,
		`<script src="/a"></script><script src="/b"></script>`, `<form action="data:x">`, `<iframe>`,
	} {
		if len(examine(doc)) == 0 {
			t.Errorf("%s passes", doc)
		}
	}
	if bad := examine(`<a href="/items?q=a:b">x</a><a href="?lang=ar">x</a>`); len(bad) > 0 {
		t.Errorf("harmless links are refused: %v", bad)
	}
}
