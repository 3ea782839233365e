// SPDX-License-Identifier: Apache-2.0

// Package account is the page where a person sets their language and password.
// What is posted is checked by web, which keeps passwords; this package only
// shows the forms and what came of them.
package account

import (
	"embed"

	"accord"
	"accord/web/locale"
	"accord/web/page"
)

//go:embed page.tmpl
var files embed.FS

// Source is the page's template.
var Source = &page.Source{Name: "account", Files: files}

// View is what the page shows.
type View struct {
	Account     accord.Account
	Languages   []Language
	HasPassword bool
	MinPassword int
	Done        string // key under [account] of what was done
	Problem     string // key under [account] of what was refused
}

// Language is one choice of language.
type Language struct {
	Tag, Name, Dir string
	Selected       bool
}

// ViewOf fills the view for an account.
func ViewOf(a accord.Account, languages *locale.Set, minPassword int) *View {
	v := &View{Account: a, HasPassword: a.Password != "", MinPassword: minPassword}
	for _, l := range languages.All() {
		v.Languages = append(v.Languages, Language{l.Tag, l.Name, l.Dir, l.Tag == a.Locale})
	}
	return v
}
