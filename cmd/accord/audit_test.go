// SPDX-License-Identifier: Apache-2.0

package main

import "testing"

func TestTextFromOutsideStaysInItsCell(t *testing.T) {
	for text, want := range map[string]string{
		"مخبز café":      "مخبز café",
		"a\tb\nc":        `a\tb\nc`,
		"\x1b[31mred":    `\x1b[31mred`,
		"\u202etxt.exe":  `\u202etxt.exe`,
		"a\u2028b\u200b": `a\u2028b\u200b`,
		"\xff":           "\ufffd",
	} {
		if got := cell(text); got != want {
			t.Errorf("cell(%q) = %s, want %s", text, got, want)
		}
	}
}
