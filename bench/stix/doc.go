// SPDX-License-Identifier: Apache-2.0

// Package stixbench measures the validation of STIX against stix2-validator and
// the parser of python-stix2, over the same objects in the same run:
//
//	go test -bench . ./bench/stix
//
// Objects are of ATT&CK where ACCORD_DATA (or shared/data beside the repository) has
// it, else the corpus of format/stix, and then the run says so. Each side is
// timed by itself, without start-up, on one core; "x-…" is how many times faster
// Accord is. Without the peers ($ACCORD_PYPEERS, see make tools) their benchmark is skipped.
package stixbench
