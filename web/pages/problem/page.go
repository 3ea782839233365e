// SPDX-License-Identifier: Apache-2.0

// Package problem is the page shown when a request cannot be answered: what
// happened, what to do next, and a reference that finds the log line.
package problem

import (
	"embed"

	"accord/web/page"
)

//go:embed page.tmpl
var files embed.FS

// Source is the page's template.
var Source = &page.Source{Name: "problem", Files: files}

// View is what the page shows.
type View struct {
	Status    int
	Kind      string // key under [problem], and with "-next" what to do
	Reference string // of the log line; empty when nothing was logged
	Home      bool   // somebody is signed in, so that there is a first page to go to
}
