// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"
	"time"

	"accord"
	"accord/protect"
)

// What may leave for institutions is decided once: what is blocked there may be
// looked for there, and of what may be looked for only PAP keeps a block back.
func TestOneRuleDecidesWhatLeavesForInstitutions(t *testing.T) {
	at := accord.StampOf(now())
	worker := &protect.Worker{
		Never: protect.NewNever().Build(), Permit: mayBlock, Config: protect.Config{}.WithDefaults(),
	}
	var blocked, sought int
	check := func(origin accord.Origin, tlp accord.TLP, pap accord.PAP) {
		it := accord.Item{
			ItemKey: accord.ItemKey{ID: "indicator--00000000-0000-4000-8000-000000000001"}, Type: "indicator", Atomic: true, Confidence: -1,
			Observables: []accord.Observable{{Kind: accord.KindDomain, Value: "bad.example"}}, TLP: tlp, PAP: pap, Origin: origin, Added: at,
		}
		values, why := worker.Decide(it, at)
		leaves := mayLeave(accord.Sought{Observable: it.Observables[0], Indicator: it.ItemKey, TLP: tlp, Origin: origin})
		if want := leaves && pap <= accord.PAPGreen; (len(values) > 0) != want {
			t.Errorf("%s %s %+v: blocked %v (%s), to be looked for %v", tlp, pap, origin, len(values) > 0, why, leaves)
		}
		if past := origin.Retain != 0 && origin.Retain <= at; past && !origin.Own() && (leaves || len(values) > 0) {
			t.Errorf("%s %s %+v leaves past its time", tlp, pap, origin)
		}
		blocked, sought = blocked+min(len(values), 1), sought+map[bool]int{true: 1}[leaves]
	}
	for tlp := range accord.TLPRed + 1 {
		for pap := range accord.PAPRed + 1 {
			check(accord.Origin{}, tlp, pap)
			for onward := range accord.OnwardParties + 1 {
				for action := range accord.ActExternalDirect + 1 {
					for _, retain := range []accord.Stamp{0, at - 1, at, at + accord.Stamp(time.Hour/time.Microsecond)} {
						check(accord.Origin{Party: "cert.partner.example", Onward: onward, Actions: action, Retain: retain}, tlp, pap)
					}
				}
			}
		}
	}
	if blocked == 0 || sought <= blocked {
		t.Errorf("%d blocked, %d looked for: the test tries nothing", blocked, sought)
	}
}
