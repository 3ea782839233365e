// SPDX-License-Identifier: Apache-2.0

// Package page is what every page of the console is made of: the request as a
// page sees it, its answer, the layout around it, and the helpers its template
// may call.
//
// A page is a folder under web/pages: page.go reads what it needs through a
// small interface and fills a typed view; page.tmpl defines "title" and "main"
// (and perhaps a fragment) over that view; page.css, if any, joins the one style
// sheet. Pages are html/template (contextual escaping); nothing here may turn a
// string from outside into template.HTML unescaped. A page fails with the root's
// four kinds of error, which web turns into a page of their own. Sets are safe
// for concurrent use once compiled.
package page

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"

	"accord"
	"accord/web/locale"
)

//go:embed layout.tmpl parts.tmpl
var files embed.FS

// Request is a request as a page sees it.
type Request struct {
	*http.Request
	Account accord.Account // zero when nobody is signed in
	Now     accord.Stamp
	Locale  *locale.Locale
}

// May reports whether the account's role includes role.
func (r *Request) May(role accord.Role) bool { return r.Account.Role.Includes(role) }

// Handler answers one route.
type Handler func(ctx context.Context, r *Request) (*Answer, error)

// Answer is what a page answers: a view through a template, or a redirect.
type Answer struct {
	Status   int // 0 = 200
	Source   *Source
	View     any
	Fragment string // the template to run alone instead of the whole page
	To       string // redirect there with 303 See Other, when set
	Cookies  []*http.Cookie

	// A download instead of a page, when Type is set.
	Body []byte
	Type string
	File string // what it is called, in plain ASCII
}

// Source is a page's template and style.
type Source struct {
	Name  string // folder name
	Files fs.FS  // page.tmpl and perhaps page.css
}

// CSS returns the page's style, empty when it has none of its own.
func (s *Source) CSS() []byte {
	b, err := fs.ReadFile(s.Files, "page.css")
	if err != nil {
		return nil
	}
	return b
}

// Frame is what the layout shows around a page.
type Frame struct {
	Locale    *locale.Locale
	Languages []*locale.Locale
	Self      accord.Party
	Version   string
	Account   accord.Account // zero: nobody is signed in, so no navigation
	Path      string
	Query     url.Values
	Nav       []Link
	View      any
}

// InLanguage returns the URL of this very page in another language.
func (f Frame) InLanguage(tag string) string {
	q := url.Values{"lang": {tag}}
	for _, k := range []string{"t", "next"} {
		if v := f.Query.Get(k); v != "" && len(v) <= 2000 {
			q.Set(k, v)
		}
	}
	return "?" + q.Encode()
}

// Link is one entry of the navigation.
type Link struct {
	Path    string
	Label   string // catalogue key
	Current bool
}

// Set is every page compiled in every language.
type Set struct {
	compiled map[string]map[string]*template.Template // page, language
}

// Compile parses sources in every language. asset gives the URL of an asset.
func Compile(sources []*Source, languages *locale.Set, asset func(name string) (string, error)) (*Set, error) {
	s := &Set{compiled: map[string]map[string]*template.Template{}}
	for _, src := range sources {
		byTag := map[string]*template.Template{}
		for _, l := range languages.All() {
			t := template.New(src.Name).Funcs(funcs(l)).Funcs(template.FuncMap{"asset": asset}).Option("missingkey=error")
			if _, err := t.ParseFS(files, "*.tmpl"); err != nil {
				return nil, fmt.Errorf("parse layout: %w", err)
			}
			if _, err := t.ParseFS(src.Files, "page.tmpl"); err != nil {
				return nil, fmt.Errorf("parse page %s: %w", src.Name, err)
			}
			byTag[l.Tag] = t
		}
		s.compiled[src.Name] = byTag
	}
	return s, nil
}

// Render returns the whole page, or one fragment of it when fragment is set.
func (s *Set) Render(src *Source, fragment string, f Frame) ([]byte, error) {
	t, ok := s.compiled[src.Name][f.Locale.Tag]
	if !ok {
		return nil, fmt.Errorf("render %s in %s: not compiled", src.Name, f.Locale.Tag)
	}
	var b bytes.Buffer
	var err error
	if fragment != "" {
		err = t.ExecuteTemplate(&b, fragment, f.View)
	} else {
		err = t.ExecuteTemplate(&b, "layout", f)
	}
	if err != nil {
		return nil, fmt.Errorf("render %s: %w", src.Name, err)
	}
	return b.Bytes(), nil
}
