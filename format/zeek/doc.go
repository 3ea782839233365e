// SPDX-License-Identifier: Apache-2.0

// Package zeek reads the logs of the Zeek network monitor and gives, record by
// record, the values in them that an indicator can name.
//
// Source: Zeek's ASCII writer (tab-separated values with #separator, #fields
// and #types headers, \xNN escapes) and its JSON writer (one object a line), as
// documented at docs.zeek.org, "Log Formats and Inspection". Field names are
// taken in both spellings, id.orig_h and id_orig_h, and nested. A line that is
// neither is read as plain text: every address, name, URL, mail address and
// hash in it is a value. Input may be gzip or zstd.
//
// Instants are microseconds since the epoch, UTC; offsets and sizes are bytes
// of the unpacked input. A line longer than [MaxLine] or malformed is a
// [*LineError]: the reader has skipped it and Next may be called again; any
// other error is final. The JSON side is a scanner, not a validator: it finds
// values in what is well-formed and reports broken structure, but lets odd
// text inside strings pass, and of repeated names it gives every value.
//
// A Reader belongs to one goroutine; it starts none.
package zeek
