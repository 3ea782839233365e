// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord/store"
)

func TestItemsAreReadByTheirBytes(t *testing.T) {
	const mib = 1 << 20
	for _, tt := range []struct {
		sizes []int64
		want  [][]int64
	}{
		{nil, nil},
		{[]int64{1, 0, 1, 1}, [][]int64{{0, 1, 2}, {3}}},
		{[]int64{8 * mib, 8 * mib, 1}, [][]int64{{0, 1}, {2}}},
		{[]int64{17 * mib, 1, 16 * mib}, [][]int64{{0}, {1}, {2}}}, // one is read however long it is
	} {
		if diff := cmp.Diff(tt.want, store.Parts(3, tt.sizes...)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tt.sizes, diff)
		}
	}
}
