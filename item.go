// SPDX-License-Identifier: Apache-2.0

package accord

// ItemKey names one version of one STIX object.
type ItemKey struct {
	ID      string `json:"id"`      // STIX identifier, type--uuid
	Version Stamp  `json:"version"` // modified, else created, else 0 (observables, which have no versions)
}

// Item is one version of one STIX object, with the bytes it came in.
type Item struct {
	ItemKey
	Type  string // STIX type, the part of ID before "--"
	Spec  string // specification it was written in: "2.0" or "2.1"
	Bytes []byte // JSON of one STIX 2.1 object: as received, or as upgraded from 2.0

	Name       string // name, else the primary value, for lists and search
	Created    Stamp
	ValidFrom  Stamp // indicators; 0 = no bound
	ValidUntil Stamp
	CreatedBy  string // created_by_ref
	Class      string // identity_class of an identity
	Confidence int    // 0–100; -1 when the object does not say
	Revoked    bool
	TLP        TLP // the strictest marking that applies to the whole object
	PAP        PAP
	Labels     []string // labels, indicator_types, malware_types…, lower case, sorted, no duplicates
	Sectors    []string // sectors of an identity

	// Observables are the values a pattern (or an observable object) can be
	// indexed by; for an indicator, a log that shows any one of them matches
	// only if Atomic.
	Observables []Observable
	Atomic      bool
	Refs        []Ref // references to other objects, markings excluded

	// What the node knows of it, not read from its bytes:
	Source string // name of the feed, file or party it came from
	Origin Origin // zero when it is the node's own
	Held   string // why it must not become a protection (a warning list's name); empty = free
	Added  Stamp  // when this node stored it
	Seq    int64  // its place in the change feed
	// Withdrawn is when it was retracted, by its giver or by this node; 0 = live.
	Withdrawn Stamp
	Why       string // the reason of a withdrawal, which its receivers are told

	// What analysts and telemetry added. TLP, PAP and Held above are raised by it:
	// a tag may tighten and never loosen.
	Tags    []string // the node's own, beside the object's labels; sorted, no duplicates
	False   string   // why an analyst says that it is a false positive; empty = does not
	Sighted Sighted
}

// Ref is one reference from an object to another.
type Ref struct {
	Property string // the property that holds it, such as "source_ref" or "object_refs"
	To       string // STIX identifier
}

// Origin is where an item came from and what its receiver may do with it: the
// taint that every later decision respects. The zero Origin is "our own".
type Origin struct {
	Party     string // party that gave it
	Agreement string // agreement id
	Version   int    // agreement version
	Article   string // article's number
	Onward    Onward
	Actions   Action // most that may be done with it
	Retain    Stamp  // must be deleted at this instant; 0 = no limit
	// TLP is what its giver holds it to be: an object need not be marked to be
	// restricted. The receiver takes the stricter of this and the object's own.
	TLP TLP
}

// Own reports whether the item is the node's own intelligence.
func (o Origin) Own() bool { return o.Party == "" }

// Kind is what sort of value an observable is.
type Kind string

// The kinds that can be matched. Values are normalised by [Observable] rules in
// format/stix/pattern: domains in lower-case A-label form without the final
// dot, addresses in canonical text, hashes in lower-case hex.
const (
	KindDomain   Kind = "domain"
	KindIPv4     Kind = "ipv4"
	KindIPv6     Kind = "ipv6"
	KindCIDR     Kind = "cidr"     // "192.0.2.0/24", either family
	KindAddrPort Kind = "addrport" // "192.0.2.1:443", "[2001:db8::1]:443"
	KindURL      Kind = "url"
	KindEmail    Kind = "email"
	KindMD5      Kind = "md5"
	KindSHA1     Kind = "sha1"
	KindSHA256   Kind = "sha256"
	KindSHA512   Kind = "sha512"
)

// Observable is one value that can be looked for.
type Observable struct {
	Kind  Kind   `json:"kind"`
	Value string `json:"value"`
}

// Change is one entry of the change feed: something was written. Every write
// appends its changes in its own transaction; stages consume the feed from
// durable cursors.
type Change struct {
	Seq  int64 // strictly rising, no gaps become visible later
	Kind ChangeKind
	Key  ItemKey // the item concerned; zero for agreement changes
	At   Stamp
}

// ChangeKind says what was written.
type ChangeKind string

// The kinds of change.
const (
	ChangeItem      ChangeKind = "item"      // an item version was stored or its terms changed
	ChangeWithdrawn ChangeKind = "withdrawn" // an item was retracted
	ChangeAgreement ChangeKind = "agreement" // an agreement came, or was suspended or resumed
	ChangeMatch     ChangeKind = "match"     // a match was stored
)
