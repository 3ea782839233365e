// SPDX-License-Identifier: Apache-2.0

// Package matchbench measures package match against other ways to find the same
// names in the same logs, in one run, so that the ratios mean something:
//
//	go test -bench . ./bench/match
//
// Against a decoder of every record with a Go map of names, and against grep -F
// and rg -F where they are installed. Logs and indicators are real where
// ACCORD_DATA (or shared/data beside the repository) has them, else made up, and
// then the run says so. Units are bytes and seconds of one core; "x-…" is how
// many times faster match is.
package matchbench
