// SPDX-License-Identifier: Apache-2.0

package list_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/format/list"
	"accord/format/stix"
)

const made = accord.Stamp(1770000000_000000)

// item returns the item of the one row of text.
func item(t *testing.T, text string, o list.Options) accord.Item {
	t.Helper()
	for row, err := range list.Read(strings.NewReader("type\tvalue\tcategory\tfamily\n"+text+"\n"), list.Limits{}) {
		if err != nil {
			t.Fatal(err)
		}
		it, err := row.Item(o)
		if err != nil {
			t.Fatal(err)
		}
		return it
	}
	t.Fatal("no row")
	return accord.Item{}
}

func TestAnItemIsWhatItsBytesSay(t *testing.T) {
	for _, row := range []string{
		"domain\ta.example\tmalware\tsalt", "ipv4:port\t192.0.2.1:443\tmalware\tsalt", "cidr\t192.0.2.0/24\tsuspicious\t",
		"url\thttp://a.example/x\t\t", "url\ta.example/it's\tmalware\tsalt", "url\t/gate.php?x='\tmalware\tsalt", "sha256\t" + strings.Repeat("ab", 32) + "\tmalware\tsalt",
	} {
		o := list.Options{Source: "s", TLP: accord.TLPAmberStrict, Created: made, Labels: []string{"exercise"}, CreatedBy: "identity--0b1c2d3e-0000-4000-a000-000000000001"}
		it := item(t, row, o)
		again, err := stix.Parse(stix.Raw{Bytes: it.Bytes, Spec: "2.1"}, accord.TLPClear)
		if err != nil {
			t.Errorf("%q: %v", row, err)
			continue
		}
		if diff := cmp.Diff(again, it); diff != "" {
			t.Errorf("%q: read back:\n%s", row, diff)
		}
		if it.TLP != accord.TLPAmberStrict || it.Created != made || it.Version != made || !slices.Contains(it.Labels, "exercise") {
			t.Errorf("%q: %+v", row, it)
		}
	}
}

func TestTheSameRowIsTheSameIndicatorAndAnotherIsNot(t *testing.T) {
	o := list.Options{Source: "s", Created: made}
	for _, row := range []string{"domain\ta.example\tmalware\tsalt", "url\ta.example/x\tmalware\tsalt", "url\t/x\tmalware\tsalt"} {
		first := item(t, row, o)
		if again := item(t, row, o); again.ID != first.ID || string(again.Bytes) != string(first.Bytes) {
			t.Errorf("%q: twice %s and %s", row, first.ID, again.ID)
		}
		if later := item(t, row, list.Options{Source: "s", Created: made, Modified: made + 1e6}); later.ID != first.ID || later.Version != made+1e6 {
			t.Errorf("%q: a later version is %s at %v", row, later.ID, later.Version)
		}
		for _, other := range []accord.Item{
			item(t, row, list.Options{Source: "t", Created: made}),
			item(t, strings.Replace(row, "salt", "lamp", 1), o),
			item(t, strings.Replace(row, "malware", "suspicious", 1), o),
			item(t, strings.Replace(row, "x", "y", 1), o),
		} {
			if other.ID == first.ID {
				t.Errorf("%q has the id of %s", row, other.Bytes)
			}
		}
	}
}

func TestARowWithoutDateIsRefused(t *testing.T) {
	for _, row := range []list.Row{{Values: []accord.Observable{{Kind: accord.KindDomain, Value: "a.example"}}}, {Path: "/x"}} {
		if _, err := row.Item(list.Options{Source: "s"}); !errors.Is(err, accord.ErrInvalid) {
			t.Errorf("%+v without a date: %v, want ErrInvalid", row, err)
		}
	}
}
