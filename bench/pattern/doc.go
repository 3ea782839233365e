// SPDX-License-Identifier: Apache-2.0

// Package patternbench measures format/stix/pattern against the reference
// implementations of OASIS, stix2-patterns and stix2-matcher, on the same patterns
// and observations in one run, so that the ratios mean something:
//
//	go test -bench . ./bench/pattern
//
// Units are patterns, and matches of a pattern with a set of observations, a second
// on one core; "x-oasis" is how many times faster this package is, when the reference
// implementations are installed (make tools; ACCORD_PYPEERS). The start of their
// interpreter is not counted, nor is reading of JSON on either side.
package patternbench
