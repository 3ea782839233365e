// SPDX-License-Identifier: Apache-2.0

package taxii

import (
	"context"
	"iter"

	"accord"
)

// Caller is who makes a request, as [Config.Authenticate] found.
type Caller struct {
	Name  string      // of the account or token, for the record
	Party string      // party it stands for; empty for none
	Role  accord.Role // what it may do besides; empty for none
}

// Backend holds the collections. Every method is told who asks and answers only
// with what that caller may have (§8.2.2: a server may omit objects,
// information or optional properties per client).
//
// An error that wraps accord.ErrNotFound becomes 404, ErrForbidden 403,
// ErrConflict 409, ErrInvalid 400 (422 on Add), whose text the peer gets to
// read; an [*Error] is sent as it is; context.DeadlineExceeded becomes 503 and
// any other error 500, logged and not shown.
//
// Methods are called concurrently.
type Backend interface {
	// Collections returns what the caller may know of in a root, in an order
	// that stays the same (§3.3), with CanRead and CanWrite as they hold for it.
	// The server finds a collection and its permissions in this list before it
	// calls any other method. ErrNotFound: the root is not for this caller.
	Collections(ctx context.Context, c Caller, root string) ([]Collection, error)

	// Objects returns the object versions that q asks for, at most q.Limit,
	// ascending by Added. Added MUST be unique and strictly rising within a
	// collection as one caller sees it, and never given twice: it is the paging
	// position. Versions are chosen among all that the caller may see, before
	// AddedAfter cuts: so the pages of a query add up to its whole answer.
	Objects(ctx context.Context, c Caller, root, collection string, q Query) (Page, error)

	// Add takes objects, each the bytes of one JSON object as received, of which
	// nothing has been checked but that they are strict JSON of bounded depth. What it
	// accepts is durable when it returns. An exact duplicate of what is there
	// is a success (§5.5). One bad object is a failure in the Status, not an error. The
	// slices may be kept; they share one buffer.
	Add(ctx context.Context, c Caller, root, collection string, objects [][]byte) (Status, error)

	// Status returns the status that Add gave, for at least 24 hours (§4.3), to
	// the caller's own party.
	Status(ctx context.Context, c Caller, root, id string) (Status, error)

	// Delete removes the versions q chooses (Versions and SpecVersions; all when
	// the client named none) of one object. ErrNotFound when there is none.
	Delete(ctx context.Context, c Caller, root, collection, id string, q Query) error
}

// Query selects object versions (§3.4). Fields that are set must all hold;
// values within a field are alternatives. The zero Query is the latest version
// of everything, from the oldest on.
type Query struct {
	AddedAfter   accord.Stamp // only objects added later; 0 = all
	Limit        int          // most objects wanted; a Backend always gets a positive one
	IDs          []string
	Types        []string
	Versions     Versions
	SpecVersions []string // "2.0", "2.1"; none = the latest the server has of each object
	// Next is the cursor of an earlier answer. It is the client's: the server
	// turns it into AddedAfter, and a Backend finds it empty.
	Next string
	// Bare is set for manifest and versions: Object.Bytes may be left nil.
	Bare bool
}

// Versions chooses versions of each object (§3.4.1). The zero value is the latest.
type Versions struct {
	All, First, Last bool
	Exact            []accord.Stamp
}

// Page is a stretch of a collection.
type Page struct {
	Objects []Object
	More    bool // the query has more after the last of Objects; never with no Objects
	// Content reads the bytes of objects, which begin Objects, while they are being
	// sent: it yields them in that order, so that a page of large ones is never held
	// as a whole. One that is gone since is yielded nil and left out. Nil: Objects
	// hold their bytes.
	Content func(ctx context.Context, objects []Object) iter.Seq2[[]byte, error]
}

// Object is one version of one STIX object in a collection.
type Object struct {
	ID   string
	Type string
	Spec string // "2.0" or "2.1"; empty is "2.1"
	// Version is modified, else created; 0 when the object has neither, in which
	// case its version is Added.
	Version accord.Stamp
	// VersionText is Version as the object's bytes spell it; empty is Version's
	// own text.
	VersionText string
	Added       accord.Stamp
	Bytes       []byte // the JSON object
	Size        int64  // its octets, where Bytes is left to Page.Content
	Row         int64  // the Backend's own name for it, for Page.Content
}

func (o Object) size() int64 { return max(o.Size, int64(len(o.Bytes))) }

// VersionOf returns the instant that names o's version: Version, else Added
// (§3.4.1: "a value for the version that is consistent to the server").
func (o Object) VersionOf() accord.Stamp {
	if o.Version != 0 {
		return o.Version
	}
	return o.Added
}

func (o Object) versionText() string {
	if o.VersionText != "" {
		return o.VersionText
	}
	return o.VersionOf().String()
}

func (o Object) mediaType() string {
	if o.Spec == "" {
		return stixType + ";version=2.1"
	}
	return stixType + ";version=" + o.Spec
}
