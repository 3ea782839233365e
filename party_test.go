// SPDX-License-Identifier: Apache-2.0

package accord_test

import (
	"strings"
	"testing"

	"accord"
)

func TestAPartyNameStandsForOnePartyAlone(t *testing.T) {
	for name, want := range map[string]bool{
		"cert.xa.example": true, "a": true, "1": true, "any.example": true, "none.example": true, "anyone": true, strings.Repeat("a", 100): true,
		"any": false, "none": false, "": false, "Any": false, "a..b": false, ".a": false, "a-": false, "a b": false, "a\n": false,
		"é.example": false, "a+b": false, strings.Repeat("a", 101): false,
	} {
		if got := accord.ValidPartyName(name); got != want {
			t.Errorf("%q: %t", name, got)
		}
	}
}
