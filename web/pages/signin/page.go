// SPDX-License-Identifier: Apache-2.0

// Package signin is the page that asks who you are: by account and password, or
// by a one-time link. A link is shown as a button first, because whatever
// prefetches links must not use it up. Checking is web's; this package shows.
package signin

import (
	"embed"

	"accord/web/page"
)

//go:embed page.tmpl page.css
var files embed.FS

// Source is the page's template and style.
var Source = &page.Source{Name: "signin", Files: files}

// View is what the page shows.
type View struct {
	Account string
	Next    string // path to go to afterwards
	Ticket  string // the one-time secret; empty on the password form
	Problem string // key under [signin]
}
