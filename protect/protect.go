// SPDX-License-Identifier: Apache-2.0

// Package protect turns indicators into what institutions enforce, and keeps
// a list of what must never be blocked.
//
// [Worker] follows the change feed and keeps the hot and base zones: live, valid
// indicators that the agreement they came under permits, each with an end.
// [NeverBlock] holds names and addresses that no indicator may turn into a
// block, whoever gave it: public suffixes (https://publicsuffix.org/, ICANN and
// private), special-use names (RFC 6761, RFC 6762, RFC 7686, RFC 8375),
// special-purpose addresses (RFC 6890), resolvers, time and certificate status,
// MISP warning lists, and the nation's own critical list. Package
// protect/rpzserver serves the zones to resolvers.
//
// Instants are [accord.Stamp]; periods are [time.Duration]. Time comes from the
// Now field alone. Malformed lists fail with [accord.ErrInvalid]; the worker
// logs the store's errors and tries again; a lost race for its cursor is
// [accord.ErrConflict].
// A built NeverBlock is safe for concurrent use; a Worker runs once at a time.
package protect

//go:generate go run gen.go
