// SPDX-License-Identifier: Apache-2.0

package ingest

// Limits bound one file or stream. Zero fields mean the defaults.
type Limits struct {
	Bytes    int64 // decompressed, default 8 GiB
	Entry    int64 // decompressed bytes of one entry of an archive, default 2 GiB
	Entries  int   // entries of an archive, default 100,000
	Ratio    int64 // decompressed over compressed bytes, once 16 MiB have come out; default 200
	Batch    int   // items in one write, default 1000
	Refusals int   // refusals kept in detail, default 100
}

// ratioFree is how much may be decompressed before the ratio is looked at: small
// files of one repeated line are innocent.
const ratioFree = 16 << 20

// batchBytes is the most bytes of items in one write.
const batchBytes = 8 << 20

func (l Limits) orDefault() Limits {
	if l.Bytes <= 0 {
		l.Bytes = 8 << 30
	}
	if l.Entry <= 0 {
		l.Entry = 2 << 30
	}
	if l.Entries <= 0 {
		l.Entries = 100_000
	}
	if l.Ratio <= 0 {
		l.Ratio = 200
	}
	if l.Batch <= 0 {
		l.Batch = 1000
	}
	if l.Refusals <= 0 {
		l.Refusals = 100
	}
	return l
}
