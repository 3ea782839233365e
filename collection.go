// SPDX-License-Identifier: Apache-2.0

package accord

// Entry is one object version as a collection lists it, without its bytes.
type Entry struct {
	ItemKey             // as sent
	Stamp        Stamp  // when it was added: its own alone in the collection, and rising
	Size         int64  // of its bytes
	Row          int64  // by which its bytes are read
	First        bool   // the earliest version of its object that stands; told unless EntryFilter.Latest
	Last         bool   // the latest
	Under        string // agreement it was disclosed under; empty in a node's own collections
	UnderVersion int    // of that agreement
}

// EntryFilter narrows what is read of a collection. Empty lists select all.
type EntryFilter struct {
	IDs       []string // STIX ids as sent
	Types     []string // STIX types
	Agreement string   // disclosed under it, or any; not for a node's own collections
	Latest    bool     // the latest version of each object alone
}

// Adding is a TAXII request to add objects that was answered: what its answer is
// now, and what is still to be done.
type Adding struct {
	ID     string // of its status resource
	Party  string // who made it
	Done   Stamp  // when all of it was done; 0 = not yet
	Status []byte // the status resource
	Parts  [][]byte
}

// AddingPart is one part of an [Adding] that is to be done.
type AddingPart struct {
	ID      string
	Party   string
	Number  int64 // of the request, rising
	Part    int
	Objects []byte
	Status  []byte // the status resource as it stands
}
