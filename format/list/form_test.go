// SPDX-License-Identifier: Apache-2.0

package list_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/format/list"
)

// as reads text as form says: its values, and its refusals as "refused".
func as(text string, form accord.ListForm) (out []string) {
	for row, err := range list.ReadAs(strings.NewReader(text), list.Limits{}, form) {
		if err != nil {
			out = append(out, "refused")
			continue
		}
		out = append(out, string(row.Values[0].Kind)+" "+row.Values[0].Value)
	}
	return out
}

func TestAFormSaysWhereTheValueStands(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		form       accord.ListForm
		want       []string
	}{
		{"by number, after a header", "when,where\n2026,192.0.2.1\n2026,192.0.2.2\n", accord.ListForm{Column: "2"}, []string{"ipv4 192.0.2.1", "ipv4 192.0.2.2"}},
		{"by number, and the row is short", "a,192.0.2.1\nb\n", accord.ListForm{Column: "2"}, []string{"ipv4 192.0.2.1", "refused"}},
		{"by number, with another separator", "AS64500 | name | 192.0.2.1 | x\n", accord.ListForm{Column: "3", Delimiter: "|"}, []string{"ipv4 192.0.2.1"}},
		{"by name", "Firstseen,DstIP,DstPort\n2026,192.0.2.1,443\n", accord.ListForm{Column: "DstIP"}, []string{"ipv4 192.0.2.1"}},
		{"by name in a comment", "# Firstseen,DstIP,DstPort\n2026,192.0.2.1,443\n", accord.ListForm{Column: "dstip"}, []string{"ipv4 192.0.2.1"}},
		{"by name, before the usual ones", "url,victim\nhttps://a.example/,b.example\n", accord.ListForm{Column: "victim"}, []string{"domain b.example"}},
		{"a kind", "00000000000000000000000000000001\nx.example\n", accord.ListForm{Kind: accord.KindMD5}, []string{"md5 00000000000000000000000000000001", "refused"}},
		{"a comment sign", "! note\n||\na.example\n", accord.ListForm{Comment: "!"}, []string{"refused", "domain a.example"}},
		{"a tab", "a,b\tx.example\n", accord.ListForm{Column: "2", Delimiter: "tab"}, []string{"domain x.example"}},
	} {
		if diff := cmp.Diff(tt.want, as(tt.text, tt.form)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestAFormThatCannotBeReadByIsRefused(t *testing.T) {
	for _, f := range []accord.ListForm{{Column: "0"}, {Column: "65"}, {Column: "-1"}, {Kind: "colour"}, {Delimiter: "::"}, {Delimiter: `"`}, {Delimiter: "\x00"}, {Comment: " x"}, {Comment: strings.Repeat("#", 17)}} {
		if err := list.CheckForm(f); !errors.Is(err, accord.ErrInvalid) {
			t.Errorf("%+v: %v", f, err)
		}
		if got := as("a.example\n", f); !cmp.Equal(got, []string{"refused"}) {
			t.Errorf("%+v read %v", f, got)
		}
	}
}

func FuzzReadAs(f *testing.F) {
	f.Add("a,b\nx.example,192.0.2.1\n", "2", "ipv4", ",", "!")
	f.Add("# Firstseen;DstIP\n1;192.0.2.1", "dstip", "", ";", "")
	f.Fuzz(func(t *testing.T, text, column, kind, sep, comment string) {
		form := accord.ListForm{Column: column, Kind: accord.Kind(kind), Delimiter: sep, Comment: comment}
		ok := list.CheckForm(form) == nil
		for row, err := range list.ReadAs(strings.NewReader(text), list.Limits{Line: 256}, form) {
			if err == nil && !ok {
				t.Fatalf("%+v was read by a form that is refused", row)
			}
			if err == nil && (len(row.Values) == 0) == (row.Path == "") {
				t.Fatalf("row %+v: want values or a path", row)
			}
		}
	})
}
