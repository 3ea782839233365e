// SPDX-License-Identifier: Apache-2.0

package accord_test

import (
	"testing"

	"accord"
)

func TestRolesIncludeThoseBeforeAndASensorStandsApart(t *testing.T) {
	ladder := []accord.Role{accord.RoleReader, accord.RoleAnalyst, accord.RoleDirector, accord.RoleOperator}
	for i, have := range ladder {
		for j, want := range ladder {
			if got := have.Includes(want); got != (i >= j) {
				t.Errorf("%s.Includes(%s) = %t", have, want, got)
			}
		}
		if have.Includes(accord.RoleSensor) || accord.RoleSensor.Includes(have) {
			t.Errorf("%s and the sensor may do what the other may", have)
		}
		for _, none := range []accord.Role{"", "king"} {
			if none.Includes(have) || have.Includes(none) || none.Includes(none) {
				t.Errorf("%q stands beside %s", none, have)
			}
		}
	}
	if !accord.RoleSensor.Includes(accord.RoleSensor) {
		t.Error("a sensor is no sensor")
	}
}
