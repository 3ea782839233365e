// SPDX-License-Identifier: Apache-2.0

// Package match finds what is sought in what is seen: an index of indicators, a
// scanner of telemetry, and the form in which a sensor takes the one and
// reports on the other.
//
// Its vocabulary is [accord.Sought], [accord.Seen] and [accord.Match]; a match is
// stored and shown, and not yet written as a STIX 2.1 sighting. A domain indicator matches
// its name and every name under it, a CIDR indicator every address in it (the
// narrowest speaks first), all others the same value after normalisation. A URL
// of http matches the same of https and the reverse; one without a scheme
// matches any. An indicator speaks only of what was seen
// from its ValidFrom until before its ValidUntil. Results are exact: a hash only
// says where to look; but of one value at most 1,000 indicators speak.
//
// What may leave for a sensor is the caller's rule: this package has none. What
// leaves and is above TLP:GREEN goes as a keyed digest, without its name. The key
// is the salt, which travels with the index, for a sensor cannot match without it.
// So the digest hides a list from a glance and from a log, not from an institution
// that tries values: names from a dictionary, and every IPv4 address, are
// recovered by trying.
//
// Instants are microseconds, UTC; sizes are bytes. [ReadIndex] and
// [DecodeReport] read bytes from outside and refuse, with accord.ErrInvalid,
// what is malformed or beyond their limits.
//
// An [Index] is immutable and may be used by many goroutines at once; [Live]
// holds the present one. A [Builder] and a [Fold] belong to one goroutine.
package match
