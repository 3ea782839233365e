// SPDX-License-Identifier: Apache-2.0

package stix

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What MITRE publishes is valid, but for six empty lists in its own properties.
func TestATTACKIsCheckedAndItsFewFaultsFound(t *testing.T) {
	for name, want := range map[string]map[string]int{
		"attack-mobile.stix21.json.gz":     {},
		"attack-ics.stix21.json.gz":        {"empty-list": 6},
		"attack-enterprise.stix20.json.gz": {},
	} {
		t.Run(name, func(t *testing.T) {
			got := map[string]int{}
			v := NewValidator(DefaultLimits)
			err := v.Read(realData(t, name), func(f Finding) error {
				if f.Level == Must {
					got[f.Code]++
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got); d != "" || v.Report().Objects < 1000 {
				t.Errorf("%+v: -want +got:\n%s", v.Report(), d)
			}
			t.Logf("%+v", v.Report())
		})
	}
}
