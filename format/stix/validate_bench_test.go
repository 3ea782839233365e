// SPDX-License-Identifier: Apache-2.0

package stix_test

import (
	"testing"

	"accord/format/stix"
)

func BenchmarkValidate(b *testing.B) {
	objects := validObjects(b)
	size := 0
	for _, o := range objects {
		size += len(o)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		for _, o := range objects {
			_ = stix.Validate(stix.Raw{Bytes: o})
		}
	}
	b.ReportMetric(float64(b.N*len(objects))/b.Elapsed().Seconds(), "objects/s")
}
