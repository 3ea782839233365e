// SPDX-License-Identifier: Apache-2.0

package accord

import "time"

// Feed is a source of intelligence that the node fetches by itself. Its name is
// the Source of what it brings. What a field's zero means is said beside it.
type Feed struct {
	Name    string       `json:"name"` // as a party's name: see [ValidPartyName]
	Title   string       `json:"title,omitempty"`
	Kind    FeedKind     `json:"kind"`
	URL     string       `json:"url"` // https://…; file:///… for a file or a folder of the node's machine
	Enabled bool         `json:"enabled"`
	Added   Stamp        `json:"added"`
	Every   FeedDuration `json:"every"`             // between runs that went well
	Catalog string       `json:"catalog,omitempty"` // entry of the built-in catalogue it was made from

	// How it is fetched.
	PlainHTTP bool     `json:"plain_http,omitempty"` // http:// is allowed
	Auth      FeedAuth `json:"auth,omitzero"`

	// How it is read.
	List     ListForm `json:"list,omitzero"` // of kind list
	Unmarked *TLP     `json:"unmarked,omitempty"`
	AtLeast  TLP      `json:"at_least,omitempty"`
	Labels   []string `json:"labels,omitempty"`
	// Context marks what the feed says as context: its items are held, looked for
	// and never blocked (a list of Tor exits).
	Context bool `json:"context,omitempty"`

	// Mirror withdraws rows that a list no longer has, but never more than
	// MaxDrop percent of what the feed has live.
	Mirror  bool `json:"mirror,omitempty"`
	MaxDrop int  `json:"max_drop,omitempty"` // 1–100; 0: 25

	// Quotas. 0 is the default.
	MaxBytes int64        `json:"max_bytes,omitempty"` // of one answer, decompressed; 256 MiB
	MaxRun   int64        `json:"max_run,omitempty"`   // rows or objects of one run; 2,000,000
	MaxItems int64        `json:"max_items,omitempty"` // items in all; 5,000,000
	Timeout  FeedDuration `json:"timeout,omitempty"`   // of one run; 30 min

	State FeedState `json:"state"`
}

// FeedKind says what a feed speaks.
type FeedKind string

// The kinds of feed.
const (
	FeedSTIX  FeedKind = "stix"  // a STIX bundle, packed or not
	FeedList  FeedKind = "list"  // CSV, TSV, hosts file, plain list
	FeedMISP  FeedKind = "misp"  // a folder with manifest.json and {uuid}.json
	FeedTAXII FeedKind = "taxii" // a TAXII 2.1 collection
)

// FeedDuration is a time.Duration written as "90s" or "6h".
type FeedDuration time.Duration

// MarshalText writes d as time.Duration does.
func (d FeedDuration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration reads.
func (d *FeedDuration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = FeedDuration(v)
	return err
}

// FeedAuth says how the node makes itself known to a feed's server. The secret
// stands in a file, never here.
type FeedAuth struct {
	Kind string `json:"kind,omitempty" toml:"kind"` // "", "basic" (the file holds user:password), "bearer", "header"
	Name string `json:"name,omitempty" toml:"name"` // of the header
	File string `json:"file,omitempty" toml:"file"`
}

// ListForm says how a list is written, where its content does not tell.
type ListForm struct {
	Column    string `json:"column,omitempty" toml:"column"`       // name or number (from 1) of the column with the value
	Kind      Kind   `json:"kind,omitempty" toml:"kind"`           // kind of every value
	Delimiter string `json:"delimiter,omitempty" toml:"delimiter"` // one byte; "tab" is the tab
	Comment   string `json:"comment,omitempty" toml:"comment"`     // begins a comment, beside # // and ;
}

// FeedState is how a feed stands: what its next run goes on from.
type FeedState struct {
	Due      Stamp      `json:"due"`                // when it runs next; 0 = at once
	Started  Stamp      `json:"started,omitempty"`  // of the last run
	OK       Stamp      `json:"ok,omitempty"`       // last run that went well
	Changed  Stamp      `json:"changed,omitempty"`  // last run that brought something new
	Full     Stamp      `json:"full,omitempty"`     // last answer that was not "not modified"
	Failures int        `json:"failures,omitempty"` // runs that failed since
	Outcome  RunOutcome `json:"outcome,omitempty"`
	Message  string     `json:"message,omitempty"` // why it failed or is held
	ETag     string     `json:"etag,omitempty"`
	Modified string     `json:"modified,omitempty"` // Last-Modified, as the server wrote it
	Sum      string     `json:"sum,omitempty"`      // SHA-256 of the last body taken, hex
	Bytes    int64      `json:"bytes,omitempty"`    // its size
	Objects  int64      `json:"objects,omitempty"`  // rows or objects in it
	Cursor   string     `json:"cursor,omitempty"`   // TAXII: where the next page begins
	Run      int64      `json:"run,omitempty"`      // number of the last run
	Lease    Stamp      `json:"lease,omitempty"`    // a run is under way until then, unless it says more
}

// RunOutcome says how a run of a feed ended.
type RunOutcome string

// The outcomes.
const (
	RunTaken     RunOutcome = "taken"     // something was read
	RunUnchanged RunOutcome = "unchanged" // the server, or the content, says nothing new
	RunHeld      RunOutcome = "held"      // what came is not believable, or a quota is reached: nothing was withdrawn
	RunFailed    RunOutcome = "failed"
)

// FeedCounts say what became of what one run brought.
type FeedCounts struct {
	Objects   int64 `json:"objects"`
	New       int64 `json:"new"`
	Updated   int64 `json:"updated"`
	Same      int64 `json:"same"`
	Conflicts int64 `json:"conflicts"`
	Refused   int64 `json:"refused"`
	Held      int64 `json:"held"`
	Losses    int64 `json:"losses"`
	Withdrawn int64 `json:"withdrawn"`
	Bytes     int64 `json:"bytes"` // fetched, as they came
}

// Add adds o to c.
func (c *FeedCounts) Add(o FeedCounts) {
	c.Objects += o.Objects
	c.New += o.New
	c.Updated += o.Updated
	c.Same += o.Same
	c.Conflicts += o.Conflicts
	c.Refused += o.Refused
	c.Held += o.Held
	c.Losses += o.Losses
	c.Withdrawn += o.Withdrawn
	c.Bytes += o.Bytes
}

// FeedRun is one run of a feed.
type FeedRun struct {
	Feed    string     `json:"feed"`
	N       int64      `json:"n"`
	Started Stamp      `json:"started"`
	Ended   Stamp      `json:"ended"`
	Outcome RunOutcome `json:"outcome"`
	Message string     `json:"message,omitempty"`
	FeedCounts
	Refusals []Refusal `json:"refusals,omitempty"` // the first ones
}

// FeedQuality says what a source is worth. Counts are of the time since the store
// was made; values are observable values of indicators, each counted once per
// source, and stay counted when their item is withdrawn. It lags the change feed
// by Behind entries.
type FeedQuality struct {
	Source     string `json:"source"`
	Items      int64  `json:"items"`      // live, newest versions
	Indicators int64  `json:"indicators"` // distinct indicators it stored
	Values     int64  `json:"values"`     // distinct values it brought
	First      int64  `json:"first"`      // of them, brought before any other source
	Unique     int64  `json:"unique"`     // of them, brought by no other source

	// Of the versions of indicators with dates of their own (a list's rows have none):
	Dated     int64        `json:"dated"`
	Fresh     int64        `json:"fresh"`      // at most 7 days old (modified) when stored
	MedianAge FeedDuration `json:"median_age"` // an upper bound, within a factor of two

	// Distinct indicators that:
	Useful        int64 `json:"useful"` // led to any of the next three
	Matched       int64 `json:"matched"`
	Protected     int64 `json:"protected"`
	Disclosed     int64 `json:"disclosed"`
	Held          int64 `json:"held"`           // a warning list holds now
	FalsePositive int64 `json:"false_positive"` // were held, or called wrong by a person or an object

	Runs      int64 `json:"runs"`
	Failed    int64 `json:"failed"`
	Refused   int64 `json:"refused"`
	Conflicts int64 `json:"conflicts"`

	Behind int64 `json:"behind"`
}

// HeldContext begins an item's Held when a feed says that it is context alone: no
// warning list holds it, and none can release it.
const HeldContext = "context: "
