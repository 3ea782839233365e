// SPDX-License-Identifier: Apache-2.0

// Package misp speaks MISP's HTTP: it reads feeds ([FeedReader]), serves one
// feed per party, and answers the requests that tools built on PyMISP make to
// read events and attributes ([Server]).
//
// Source: the MISP feed layout (manifest.json, {uuid}.json, hashes.csv; MISP
// book, "Managing feeds"), MISP's automation API (events and attributes
// restSearch) as MISP 2.5 and PyMISP 2.5 speak it, and the MISP core format,
// which package format/misp reads and writes. What differs from MISP stands in
// docs/reference/misp.md. The package knows nothing of agreements or of a store:
// a small [Backend] says what a caller may have.
//
// Timestamps are MISP's Unix seconds; sizes are bytes. Everything read is bounded
// first, in size, depth and number. Errors wrap the four kinds of package accord;
// the peer gets to read the text of those alone. A Server is safe for concurrent
// use; a FeedReader is, as long as each run has a State of its own.
package misp
