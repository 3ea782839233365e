// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord/ledger"
	view "accord/web/node"
)

func TestEachCheckOfALogIsShownByItself(t *testing.T) {
	for what, tt := range map[string]struct {
		report ledger.Report
		want   []view.Check
	}{
		"whole": {
			ledger.Report{Size: 9, Signed: 9, Cosigned: 7, Tree: true, Signature: true, Cosignature: true, Records: true},
			[]view.Check{{Name: "tree", OK: true, Detail: "9"}, {Name: "signature", OK: true, Detail: "9"}, {Name: "cosignature", OK: true, Detail: "7 / 9"}, {Name: "records", OK: true}},
		},
		"a bad tile": {
			ledger.Report{Size: 9, Signed: 9, Cosigned: 7, Signature: true, Cosignature: true, Records: true, Problems: []string{"tile 0/0"}},
			[]view.Check{{Name: "tree", Detail: "9"}, {Name: "signature", OK: true, Detail: "9"}, {Name: "cosignature", OK: true, Detail: "7 / 9"}, {Name: "records", OK: true}, {Name: "problem", Detail: "tile 0/0"}},
		},
		"not cosigned yet": {
			ledger.Report{Size: 9, Signed: 9, Tree: true, Signature: true, Cosignature: true, Records: true},
			[]view.Check{{Name: "tree", OK: true, Detail: "9"}, {Name: "signature", OK: true, Detail: "9"}, {Name: "records", OK: true}},
		},
		"a cosignature by another": {
			ledger.Report{Size: 9, Signed: 9, Tree: true, Signature: true, Records: true, Problems: []string{"cosignature"}},
			[]view.Check{{Name: "tree", OK: true, Detail: "9"}, {Name: "signature", OK: true, Detail: "9"}, {Name: "cosignature", Detail: "0 / 9"}, {Name: "records", OK: true}, {Name: "problem", Detail: "cosignature"}},
		},
	} {
		if d := cmp.Diff(tt.want, reportView(tt.report, len(tt.report.Problems) == 0, 1).Checks); d != "" {
			t.Errorf("%s:\n%s", what, d)
		}
	}
}
