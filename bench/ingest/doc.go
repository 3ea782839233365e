// SPDX-License-Identifier: Apache-2.0

// Package ingest measures how many items a second the store takes in, against
// bare batched inserts of the same bytes under the same indexes in the same run.
//
//	go test -bench . -benchtime 3x ./bench/ingest -items 200000
package ingest
