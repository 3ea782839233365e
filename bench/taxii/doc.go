// SPDX-License-Identifier: Apache-2.0

// Package taxii measures reading by TAXII 2.1: all of a collection beside medallion,
// the OASIS server, with the same client and objects in the same run; and one page,
// at the beginning, the middle and the end of a small and a large store.
//
//	go test -run - -bench . -benchtime 1x ./bench/taxii -objects 10000 -large 1000000
package taxii
