// SPDX-License-Identifier: Apache-2.0

package taxii

import "testing"

func TestTheGateKeepsOneCallerFromTakingAllPlaces(t *testing.T) {
	var g gate
	for i, want := range []bool{true, true, false} {
		if got := g.enter("il", 8); got != want {
			t.Errorf("il, request %d: %t, want %t", i, got, want)
		}
	}
	in := 2
	for _, caller := range []string{"ma", "ma", "gr", "gr", "cy", "cy", "mt", "mt"} {
		if g.enter(caller, 8) {
			in++
		}
	}
	if in != 8 {
		t.Errorf("%d are in, want 8", in)
	}
	g.leave("il")
	if !g.enter("mt", 8) {
		t.Error("a place that was left is not given again")
	}
	if !new(gate).enter("one", 1) {
		t.Error("a gate of one place lets nobody in")
	}
}
