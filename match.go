// SPDX-License-Identifier: Apache-2.0

package accord

// Seen is one observed value in telemetry.
type Seen struct {
	Observable
	At    Stamp  // the record's own time
	Field string // the log's field, such as "query" or "id.resp_h"
	Log   string // the log's kind, such as "dns"
	From  string // who was seen doing it (originator address), may be empty
	UID   string // the log's own pivot, such as Zeek's uid
}

// Match is an indicator that met a seen. Repeats are folded: same indicator,
// same value, same sensor, same originator, same day (UTC).
type Match struct {
	ID        string // deterministic: UUIDv5 of what is folded together
	Indicator ItemKey
	Value     Observable // the indicator's value that matched
	Seen      Seen       // the first one
	Sensor    string     // name of the sensor, or "centre"
	First     Stamp
	Last      Stamp
	Count     int64
	Origin    Origin // the indicator's, so that taint follows
	Name      string // the indicator's name
	Reported  Stamp  // when this node stored it
}

// Protection is what an indicator becomes when enforced.
type Protection struct {
	Observable
	Zone    string // "hot", "base" or "allow"
	Item    ItemKey
	Source  string // party or feed, for the explanation
	Added   Stamp
	Expires Stamp // always set: every protection ends
}

// Disclosure is an item version given to a party under an article.
type Disclosure struct {
	Party     string // receiver
	Index     int64  // leaf index in the ledger from this node to Party
	Stamp     Stamp  // unique and strictly rising per party: TAXII's date added
	Item      ItemKey
	Agreement string
	Version   int // of the agreement
	Article   string
	Redacted  []string // what was removed or replaced, as property paths; nil when sent as is
	Sent      ItemKey  // id and version as sent (differs from Item when pseudonymised)
	Bytes     []byte   // as sent; nil when identical to the item's
	Sum       [32]byte // SHA-256 of the bytes sent
	Receipted Stamp    // when the receiver's receipt came; 0 = not yet
	Retracted Stamp    // when its retraction was logged; 0 = stands
	Confirmed Stamp    // when the receiver confirmed the retraction
}
