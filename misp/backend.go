// SPDX-License-Identifier: Apache-2.0

package misp

import (
	"context"

	"accord"
	"accord/format/misp"
)

// Caller is who makes a request, as [Config.Authenticate] found.
type Caller struct {
	Name  string      // of the token, for the record and for users/view/me
	Party string      // party it stands for; empty for none
	Role  accord.Role // what it may do besides; empty for none
}

// Head is what is known of an event without reading it.
type Head struct {
	UUID      string
	Timestamp int64 // Unix seconds of its last change, as the caller sees it
	Info      string
	Date      string // YYYY-MM-DD
	Threat    string // threat_level_id
	Analysis  string
	Orgc      misp.OrgJSON
	Tags      []misp.TagJSON
}

// Backend holds the events. Every method is told who asks and answers with what
// that caller may have and nothing else. Errors that wrap the kinds of package
// accord become the HTTP statuses they stand for; others 500, logged and not shown.
// Methods are called concurrently.
type Backend interface {
	// Feeds names the feeds that the caller may read, in order.
	Feeds(ctx context.Context, c Caller) ([]string, error)
	// Heads returns the events that the caller may have, in order of uuid: of one
	// feed, or all with feed empty. ErrNotFound: no such feed for this caller. A
	// head's Timestamp rises whenever its event changes, and only then.
	Heads(ctx context.Context, c Caller, feed string) ([]Head, error)
	// Event reads one of them, as it stands in that feed. What was taken back since
	// it was given is in it as deleted, without what it said.
	Event(ctx context.Context, c Caller, feed, uuid string) (*misp.EventJSON, error)
}

// Narrower is a Backend that knows of events, without reading them, what they do not
// hold: then a search for values reads few.
type Narrower interface {
	// Lacking returns a function that reports whether the caller's event with a uuid
	// is known to hold no attribute that has any of these among its [Texts]. It may
	// be false of an event that holds none, never true of one that holds one.
	Lacking(ctx context.Context, c Caller, values []string) (func(uuid string) bool, error)
}
