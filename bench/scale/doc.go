// SPDX-License-Identifier: Apache-2.0

// Package scale measures what a store of many items costs: how much slower it
// takes in the last ones than the first, how much slower it answers than with
// 10,000, how many bytes an item takes, and how long and how much memory a
// process needs that opens it and loads the index of what is sought. Each figure
// is a ratio of two moments of one run, or of a process that does nothing else.
//
//	go test -run xxx -bench . -benchtime 1x -timeout 0 ./bench/scale -items 10000000 -dir /a/big/disk
//
// Items are made up: indicators of one value each, seven in ten a name. Units are seconds, bytes and items.
package scale
