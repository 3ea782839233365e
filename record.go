// SPDX-License-Identifier: Apache-2.0

package accord

import "slices"

// Leaf is one record of a ledger log, with the salt that hides it from those
// who see only its hash.
type Leaf struct {
	Index  int64
	Kind   LeafKind
	Salt   [16]byte
	Record []byte // text that begins with a line naming its kind and version
}

// LeafKind says what a leaf records.
type LeafKind string

// The kinds of leaf.
const (
	LeafDisclosure   LeafKind = "disclosure"
	LeafReceipt      LeafKind = "receipt"
	LeafRetraction   LeafKind = "retraction"
	LeafConfirmation LeafKind = "confirmation"
)

// Head is where a log stands. A log is named by its origin, "<from>/to/<to>".
type Head struct {
	Origin     string
	Size       int64
	Root       [32]byte
	Checkpoint []byte // C2SP checkpoint with signature and cosignature lines; of Size, or older by what is not yet signed
	Cosigned   int64  // largest size the other party has cosigned
	Cosigner   []byte // the checkpoint of size Cosigned with the cosignature
}

// Tile is a row of Merkle hashes: up to 256 of 32 bytes (C2SP tlog-tiles,
// height 8). A partial tile is overwritten as it grows.
type Tile struct {
	Level int
	Index int64
	Data  []byte
}

// LogAppend is an append to one log, computed outside the store and applied in
// the transaction of what it records. It fails with ErrConflict when the log's
// size is not Prev.
type LogAppend struct {
	Prev   int64
	Head   Head
	Leaves []Leaf
	Tiles  []Tile
}

// Withheld is a decision not to give an item to a party.
type Withheld struct {
	Party     string
	Item      ItemKey
	Type      string
	Agreement string // empty when none is in force with the party
	Version   int    // of the agreement
	Article   string // article that withheld it; "0" when no article grants it
	Reasons   []string
	At        Stamp
}

// ArticleKey names an article of one version of an agreement. What no article
// grants has Article "0", and no Agreement when none governs.
type ArticleKey struct {
	Agreement string
	Version   int
	Article   string
}

// Received is the receiver's side of a disclosure: announced in the giver's
// log, then held, perhaps retracted.
type Received struct {
	Party     string // giver
	Index     int64  // leaf index in the giver's log
	Item      ItemKey
	Sum       [32]byte // SHA-256 of the bytes announced
	Origin    Origin
	Announced Stamp
	Held      Stamp // when the object arrived; 0 = announced only
	Retracted Stamp // when the giver's retraction came; 0 = stands
	Confirmed Stamp // when this node confirmed the retraction
}

// Sought is one value looked for on behalf of one indicator: what an index is
// made of.
type Sought struct {
	Observable
	Indicator  ItemKey
	Name       string
	TLP        TLP
	Origin     Origin
	ValidFrom  Stamp
	ValidUntil Stamp
	Held       string // a warning list's name: match it, never block it
}

// SoughtChange is an indicator's present state in the change feed: the values to
// look for now, none when it is withdrawn, revoked or superseded.
type SoughtChange struct {
	Seq    int64
	ID     string
	Sought []Sought
}

// AgreementRecord is an agreement version as stored: the signed note is the
// record, the rest is for finding it.
type AgreementRecord struct {
	ID          string
	Version     int
	Note        []byte // C2SP signed note, with the signatures collected so far
	Added       Stamp
	InForce     Stamp // when the last needed signature came; 0 = not yet
	Suspensions []Suspension
}

// Suspension is one party's signed word that it stops giving under an agreement.
type Suspension struct {
	Party  string
	Note   []byte
	At     Stamp
	Lifted Stamp // 0 = still suspended
}

// Account is a person who may sign in to the console.
type Account struct {
	Name     string
	Role     Role
	Password string // argon2id in PHC string form; empty = sign-in links only
	Locale   string // "en", "fr", "ar", "he"; empty = what the browser asks for
	Disabled bool
	Created  Stamp
}

// Role is what a signed-in person or a token may do: see [Role.Includes].
type Role string

// The roles. Reader, analyst, director and operator are people's, each with all
// that those before it may do; sensor stands apart.
const (
	RoleReader   Role = "reader"
	RoleAnalyst  Role = "analyst"
	RoleDirector Role = "director" // signs, suspends
	RoleOperator Role = "operator" // accounts, partners, feeds
	RoleSensor   Role = "sensor"   // tokens only: take the index, report matches; nothing else
)

// Includes reports whether r may do what want may. A role that is none of these
// may do nothing, and nobody may do it.
func (r Role) Includes(want Role) bool {
	if r == RoleSensor || want == RoleSensor {
		return r == want // a sensor lies at an institution: it reads nothing
	}
	ladder := []Role{RoleReader, RoleAnalyst, RoleDirector, RoleOperator}
	have, need := slices.Index(ladder, r), slices.Index(ladder, want)
	return need >= 0 && have >= need
}

// Token is a bearer credential, stored as its SHA-256.
type Token struct {
	Sum     [32]byte
	Name    string
	Role    Role   // empty when it stands for a party
	Party   string // a TAXII client of that party
	Created Stamp
	Expires Stamp // 0 = does not expire
	Used    Stamp // last use
	Revoked bool
}

// Session is a signed-in browser. Ticket is a one-time sign-in link; both are
// stored as the SHA-256 of their secret.
type Session struct {
	Sum     [32]byte
	Account string
	Ticket  bool
	Created Stamp
	Expires Stamp
}

// AuditEntry is a stored record of who did what.
type AuditEntry struct {
	At     Stamp
	Who    string // account, token or party name; "cli" for the command line
	What   string // verb, such as "agreement.sign"
	Object string
	Detail string
}

// Refusal is input that was turned away, kept so that a person can see why.
type Refusal struct {
	At     Stamp  `json:"at"`
	Source string `json:"source"` // feed, file or party
	What   string `json:"what"`   // which object or line
	Why    string `json:"why"`
}
