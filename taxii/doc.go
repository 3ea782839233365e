// SPDX-License-Identifier: Apache-2.0

// Package taxii speaks TAXII 2.1: a server handler over a small [Backend], and
// a client.
//
// Source: OASIS TAXII Version 2.1 (OASIS Standard, 10 June 2021); sections are
// quoted as §n beside the rule they make. Where this package does something the
// text leaves open, or does not follow it, docs/reference/divergences-taxii.md
// says so. It knows nothing of agreements or stores: who may see what is the
// Backend's answer. STIX objects pass through as the bytes they came in.
//
// Instants are [accord.Stamp], microseconds, as §2 demands; sizes are octets.
//
// Failures that a peer must know are [*Error], which carries the HTTP status
// and unwraps to one of the four errors of package accord. Paging that can not
// be trusted fails with [ErrPaging]. Input is bounded before it is parsed.
//
// A [Server] and a [Client] are safe for concurrent use; their fields and
// configuration must not change once in use.
package taxii
