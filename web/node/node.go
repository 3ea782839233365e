// SPDX-License-Identifier: Apache-2.0

// Package node says, in plain structs, what the console asks of the running
// node beyond its store: decisions explained, agreements read, retraction,
// verification, health.
//
// It is the seam between the console and the program that wires everything;
// there is no code here. Words of closed vocabularies (Effect, Status, State,
// names of checks and parts, reasons) are written as codes, and the console says them in
// the reader's language; a code it does not know is shown as it is. Counts of
// -1 are unknown. Methods fail with accord.ErrNotFound, ErrForbidden,
// ErrConflict or ErrInvalid where a person can do something about it, and must
// be safe for concurrent use.
package node

import (
	"context"

	"accord"
	"accord/agreement"
)

// Node is what the console asks.
type Node interface {
	// Explain decides now, for every party, whether item could go to it.
	Explain(ctx context.Context, item accord.Item) ([]Explanation, error)
	// Retract takes the node's own item back from everyone who has it. who is
	// the account; the reason is recorded and told to the receivers.
	Retract(ctx context.Context, id, reason, who string) error
	// VerifyLedger recomputes the log of origin from its leaves and checks it
	// against its checkpoint and cosignatures.
	VerifyLedger(ctx context.Context, origin string) (LedgerReport, error)
	// Agreements returns the newest version of each agreement.
	Agreements(ctx context.Context) ([]Agreement, error)
	// Agreement returns one agreement; version 0 is the newest.
	Agreement(ctx context.Context, id string, version int) (Agreement, error)
	// Allowed is how many names and networks the allow zone serves: they come from
	// the node's own lists and are not in the store.
	Allowed() int64
	// Catalogue is the feeds that can be switched on.
	Catalogue() []CatalogueFeed
	// AddFeed takes a feed from the catalogue and switches it on. who is the account.
	AddFeed(ctx context.Context, entry, who string) error
	// Health says how each part of the node is, worst first.
	Health(ctx context.Context) ([]Health, error)
}

// Explanation is what the decision function says of one item and one party.
type Explanation struct {
	Party     string
	Effect    string // as agreement.Effect names it: "share", "share-redacted" or "withhold"
	Agreement string // id; empty when none is in force with the party
	Version   int
	Article   string   // its number; empty when none grants it
	Title     string   // the article's title, as signed
	Reasons   []string // as agreement.Texts writes them
	Redacted  []string // property paths that would be removed or replaced
}

// Agreement is one version of an agreement, opened.
type Agreement struct {
	ID      string
	Version int
	Title   string
	Status  string // an agreement.Standing, or "superseded" by a newer version in force
	Text    string // what is signed, verbatim
	Note    []byte // the whole signed note: text and signature lines, verbatim
	From    accord.Stamp
	Until   accord.Stamp // the first instant it no longer holds; 0 = open
	InForce accord.Stamp // when the last needed signature came; 0 = not yet

	Signatures  []Signature // one a party named in it, in its order
	Suspensions []accord.Suspension
	Articles    []Article
	Versions    []int // every version held, newest first
}

// Signature is one party's signature, or its absence.
type Signature struct {
	Party  string
	Title  string // the party's title, for people
	Nation accord.Nation
	Signed bool
	At     accord.Stamp // when this node came to hold it; 0 = unknown
	Key    string       // verifier key it was checked with; empty when none is pinned
}

// Article is one numbered article, with what came of it over the agreement's
// whole life; -1 is "not counted".
type Article struct {
	agreement.Article
	Given, Got, Withheld int64
}

// CatalogueFeed is a public feed that comes with the program, switched off.
type CatalogueFeed struct {
	Name      string
	Title     string
	Publisher string
	Docs      string // the publisher's own page on it
	Kind      string // an accord.FeedKind
	Size      int64  // rows or objects to expect
	Key       string // "none", "optional" or "required"
	Terms     string // licence, and what to mind
}

// LedgerReport is what verifying one log found.
type LedgerReport struct {
	Origin string
	OK     bool
	Size   int64
	Root   [32]byte
	At     accord.Stamp // when it was verified
	Checks []Check
}

// Check is one thing that was verified.
type Check struct {
	Name   string // code: a key under [check] in web/locale/en.toml, or shown as it is
	OK     bool
	Detail string // for people; what to do next when not OK
}

// Health is how one part of the node is.
type Health struct {
	Part   string // code: a key under [part], or a name such as a feed's or partner's
	Name   string // which of several such parts, such as a resolver's address; may be empty
	State  string // "ok", "late" or "failed"
	Detail string
	Since  accord.Stamp // when it came into this state; 0 = unknown
}
