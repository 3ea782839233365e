// SPDX-License-Identifier: Apache-2.0

package taxii

import (
	"context"
	"testing"
)

func TestTheGateKeepsOneCallerFromTakingAllPlaces(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel() // who must wait is turned away at once
	var g gate
	var leave []func()
	for i, caller := range []string{"il", "il", "ma", "ma", "gr", "gr", "cy", "cy"} {
		l, err := g.enter(t.Context(), caller, 8)
		if err != nil {
			t.Fatalf("%s, request %d: %v", caller, i, err)
		}
		leave = append(leave, l)
	}
	for _, caller := range []string{"il", "mt"} {
		if _, err := g.enter(over, caller, 8); err == nil {
			t.Errorf("%s came in where all is taken", caller)
		}
	}
	leave[0]()
	if _, err := g.enter(t.Context(), "mt", 8); err != nil {
		t.Error("a place that was left is not given again")
	}
	leave[2]()
	if _, err := g.enter(t.Context(), "il", 8); err != nil {
		t.Error("il has one place left of its two, and does not get it")
	}
	if _, err := new(gate).enter(t.Context(), "one", 1); err != nil {
		t.Error("a gate of one place lets nobody in")
	}
}
