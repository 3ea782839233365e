// SPDX-License-Identifier: Apache-2.0

package taxii

import (
	"bytes"
	"io"
	"runtime"
	"testing"
)

func TestABodyThatIsOnlyAnnouncedCostsNoRoom(t *testing.T) {
	const most, bodies = 16 << 20, 50
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range bodies {
		if _, err := readBody(bytes.NewReader([]byte("{}")), "", most, most, 10); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / bodies; each > 256<<10 {
		t.Errorf("two octets under a length of 16 MiB took %d octets", each)
	}
}

func TestABodyLargerThanTheFirstRoomArrivesWhole(t *testing.T) {
	want := bytes.Repeat([]byte("abcdefg"), 200_000)
	for _, length := range []int64{-1, 10, int64(len(want))} {
		got, err := readBody(io.MultiReader(bytes.NewReader(want[:70_000]), bytes.NewReader(want[70_000:])), "", length, 16<<20, 10)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("announced as %d: %d of %d octets, %v", length, len(got), len(want), err)
		}
	}
}
