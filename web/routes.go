// SPDX-License-Identifier: Apache-2.0

package web

import (
	"accord"
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

// route is one line of the table: who may ask what.
type route struct {
	method  string
	pattern string
	role    accord.Role // the least that may; empty = anyone
	handle  page.Handler
	live    bool // a fragment that refreshes itself: it must not keep a session awake
}

// anyone is the role of those who have not signed in.
const anyone accord.Role = ""

// routes is the whole console. Assets aside, nothing else answers.
func (c *console) routes() []route {
	const reader, analyst, operator = accord.RoleReader, accord.RoleAnalyst, accord.RoleOperator
	return []route{
		{"GET", "/sign-in", anyone, c.signIn, false},
		{"POST", "/sign-in", anyone, c.doSignIn, false},
		{"GET", "/sign-in/link", anyone, c.link, false},
		{"POST", "/sign-in/link", anyone, c.doLink, false},
		{"POST", "/sign-out", anyone, c.doSignOut, false},

		{"GET", "/{$}", reader, situation.Whole(c.Store, c.Node, c.Self), false},
		{"GET", "/situation/live", reader, situation.Live(c.Store, c.Node, c.Self), true},
		{"GET", "/items", reader, items.New(c.Store, c.Self), false},
		{"GET", "/items/export", analyst, items.Export(c.Store), false},
		{"GET", "/items/{id}", reader, item.New(c.Store, c.Node, c.Attack, c.Self), false},
		{"POST", "/items/{id}/tags", analyst, item.Tags(c.Store), false},
		{"POST", "/items/{id}/false", analyst, item.False(c.Store), false},
		{"GET", "/items/{id}/retract", analyst, retract.Ask(c.Store, c.Self), false},
		{"POST", "/items/{id}/retract", analyst, retract.Do(c.Store, c.Node, c.Self), false},
		{"GET", "/attack", reader, attack.New(c.Attack), false},
		{"GET", "/attack/{id}", reader, technique.New(c.Store, c.Attack), false},
		{"GET", "/matches", reader, matches.New(c.Store), false},
		{"GET", "/protections", reader, protections.New(c.Store, c.Node), false},
		{"GET", "/feeds", reader, feeds.New(c.Store, c.Node), false},
		{"POST", "/feeds/switch", operator, feeds.Switch(c.Store), false},
		{"POST", "/feeds/add", operator, feeds.Add(c.Node), false},
		{"GET", "/agreements", reader, agreements.New(c.Node), false},
		{"GET", "/agreements/{id}", reader, agreement.New(c.Node), false},
		{"GET", "/ledger", reader, ledger.New(c.Store, c.Self), false},
		{"POST", "/ledger/verify", reader, ledger.Verify(c.Store, c.Node, c.Self), false},
		{"GET", "/parties", reader, parties.New(c.Store, c.Self), false},
		{"GET", "/account", reader, c.account, false},
		{"POST", "/account/language", reader, c.doLanguage, false},
		{"POST", "/account/password", reader, c.doPassword, false},
	}
}

// rooms is the navigation, in the order intelligence flows.
var rooms = []page.Link{
	{Path: "/", Label: "room.situation"},
	{Path: "/items", Label: "room.items"},
	{Path: "/attack", Label: "room.attack"},
	{Path: "/matches", Label: "room.matches"},
	{Path: "/protections", Label: "room.protections"},
	{Path: "/feeds", Label: "room.feeds"},
	{Path: "/agreements", Label: "room.agreements"},
	{Path: "/ledger", Label: "room.ledger"},
	{Path: "/parties", Label: "room.parties"},
}

// sources are the pages, in the order their styles are joined.
var sources = []*page.Source{
	signin.Source, situation.Source, items.Source, item.Source, retract.Source, attack.Source, technique.Source,
	matches.Source, protections.Source, feeds.Source, agreements.Source, agreement.Source,
	ledger.Source, parties.Source, account.Source, problem.Source,
}
