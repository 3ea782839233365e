// SPDX-License-Identifier: Apache-2.0

package accord

// Disclosing is what the decision stage commits in one transaction: decisions
// for one party over a stretch of the change feed, their leaves, and the cursor.
type Disclosing struct {
	Party       string
	Stage       string     // cursor name
	From, To    int64      // the cursor moves From → To; ErrConflict when it is not at From
	Append      *LogAppend // nil when nothing is disclosed or retracted
	Disclosures []Disclosure
	Withheld    []Withheld // replaces an earlier withholding of the same item; a disclosure removes it
	Retracted   []int64    // disclosure indexes whose retraction is in Append
	At          Stamp
}

// Mirroring is what a partner's log brings, committed in one transaction.
type Mirroring struct {
	Party     string // the partner
	Append    LogAppend
	Pending   []Received  // disclosures announced
	Receipted []IndexSpan // our disclosures the partner has now receipted
	Retract   []Received  // our received rows now retracted: Party and Index are set
	Confirmed []int64     // our disclosures whose retraction the partner confirmed
	At        Stamp
}

// IndexSpan is the leaf indexes From ≤ i < To.
type IndexSpan struct{ From, To int64 }

// Receiving is a pushed batch accepted: the items, the rows they fulfil, and the
// receipt appended to this node's log to the giver, in one transaction.
type Receiving struct {
	Party  string
	Items  []Item // Items[i] fulfils leaf Index[i] of the giver's log
	Index  []int64
	Append LogAppend // the receipt
	At     Stamp
}

// Confirming records that retractions of a partner have taken effect here.
type Confirming struct {
	Party  string
	Index  []int64 // received rows confirmed
	Append LogAppend
	At     Stamp
}

// Protecting is what the protect stage commits in one transaction.
type Protecting struct {
	Stage    string
	From, To int64 // as in Disclosing; both equal when no feed entry is consumed (expiry, moves)
	Add      []Protection
	Drop     []Observable // values whose protections end, whichever item asked for them
	Remove   []string     // item ids whose protections end; an item may be in Remove and Add: its values are replaced
	Move     []Observable // values that move from the hot to the base zone
	Expired  Stamp        // protections with Expires ≤ Expired (and > 0) end
	At       Stamp
}

// ZoneChange is one line of a zone's journal.
type ZoneChange struct {
	Serial uint32
	Add    bool
	Observable
}

// IngestResult counts what became of a batch of items.
type IngestResult struct {
	New, Updated, Same, Conflicts int
	// Conflict holds the keys whose stored bytes differ under the same version;
	// the stored ones were kept.
	Conflict []ItemKey
}

// Query selects items. Zero fields select all; what is given must all hold.
type Query struct {
	// Q is a query in the language of docs/reference/search.md, such as
	// `type:indicator label:phishing score:>50 "free words"`. With it the newest
	// come first.
	Q string
	// Now is the instant that a score, and valid:now, are about.
	Now    Stamp
	Text   string // words in the name, or an exact id or observable value
	Type   string
	TLP    *TLP
	Source string
	Party  string // origin party; "own" for the node's own
	State  string // "live" (default), "withdrawn", "held"
	After  string // opaque cursor from the page before
	Limit  int    // 1–500, default 50
}

// MatchQuery selects matches, newest first.
type MatchQuery struct {
	Text      string // exact value or indicator id
	Indicator string
	After     string
	Limit     int
}

// ProtectionQuery selects protections, newest first.
type ProtectionQuery struct {
	Text  string // exact value or a prefix of it
	Zone  string
	Item  string
	After string
	Limit int
}

// Counts are the totals the situation page shows.
type Counts struct {
	Items       int64            `json:"items"` // newest versions, withdrawn ones included
	Indicators  int64            `json:"indicators"`
	Withdrawn   int64            `json:"withdrawn"`
	Held        int64            `json:"held"`
	Matches     int64            `json:"matches"`
	MatchCount  int64            `json:"match_count"` // repeats included
	Protections map[string]int64 `json:"protections"` // by zone
	Disclosed   map[string]int64 `json:"disclosed"`   // by party, as are the next six
	Withheld    map[string]int64 `json:"withheld"`
	Receipted   map[string]int64 `json:"receipted"`
	Retracted   map[string]int64 `json:"retracted"`
	Confirmed   map[string]int64 `json:"confirmed"`
	Received    map[string]int64 `json:"received"`
	ByType      map[string]int64 `json:"by_type"`
	BySource    map[string]int64 `json:"by_source"`
	Seq         int64            `json:"seq"` // end of the change feed
}
