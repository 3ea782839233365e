// SPDX-License-Identifier: Apache-2.0

package ingest_test

import (
	"testing"

	"accord"
	"accord/ingest"
	"accord/store"
	"accord/store/storetest"
)

// stored is an ingester into a real store.
func stored(t *testing.T) (*ingest.Ingester, *store.DB) {
	t.Helper()
	d := storetest.Open(t, storetest.SQLite(t))
	in := ingester(newMemory())
	in.Store = d
	return in, d
}

func TestOtherLabelsAddUpAndMakeNoIndicatorsAndNoVersionsEachTime(t *testing.T) {
	in, d := stored(t)
	text := []byte("type,value,category,family\ndomain,a.example,botnet,Loader\ndomain,b.example,,\nurl,c.example/x,,\n")
	versions := func() (n int) {
		items, _, err := d.Search(t.Context(), accord.Query{Source: "s"})
		if err != nil || len(items) != 3 {
			t.Fatalf("%d items, %v: want the three rows", len(items), err)
		}
		for _, it := range items {
			vs, err := d.Versions(t.Context(), it.ID)
			if err != nil {
				t.Fatal(err)
			}
			n += len(vs)
		}
		return n
	}
	for i, step := range []struct {
		labels            []string
		new, updated, all int64
	}{
		{nil, 3, 0, 3}, {[]string{"x"}, 0, 3, 6}, {[]string{"y"}, 0, 3, 9}, {[]string{"x"}, 0, 0, 9}, {nil, 0, 0, 9}, {[]string{"y", "x"}, 0, 0, 9},
	} {
		r := run(t, in, "l", text, ingest.Options{Source: "s", Labels: step.labels})
		if r.New != step.new || r.Updated != step.updated || r.Conflicts != 0 || int64(versions()) != step.all {
			t.Errorf("step %d, labels %v: %v, %d versions; want %d new, %d updated, %d versions", i, step.labels, r, versions(), step.new, step.updated, step.all)
		}
	}
	items, _, err := d.Search(t.Context(), accord.Query{Text: "a.example"})
	if err != nil || len(items) != 1 {
		t.Fatal(items, err)
	}
	if want := []string{"botnet", "family:loader", "malicious-activity", "x", "y"}; len(items[0].Labels) != len(want) {
		t.Errorf("labels %v, want %v", items[0].Labels, want)
	}
}

func TestARowWithdrawnByAMirrorComesBackAndOneWithdrawnByAPersonDoesNot(t *testing.T) {
	in, d := stored(t)
	text := []byte("a.example\nb.example\n")
	o := ingest.Options{Source: "s", Revive: "gone from s"}
	run(t, in, "l", text, o)
	byMirror, byPerson := only(t, d, "a.example"), only(t, d, "b.example")
	for id, why := range map[string]string{byMirror.ID: o.Revive, byPerson.ID: "an analyst says so"} {
		if _, err := d.Withdraw(t.Context(), id, why, byMirror.Added+1); err != nil {
			t.Fatal(err)
		}
	}
	if r := run(t, in, "l", text, ingest.Options{Source: "s"}); r.Updated != 0 {
		t.Errorf("without a mirror: %v", r)
	}
	if r := run(t, in, "l", text, o); r.Updated != 1 {
		t.Errorf("%v", r)
	}
	if it := only(t, d, "a.example"); it.Withdrawn != 0 || it.ID != byMirror.ID {
		t.Errorf("%+v did not come back", it)
	}
	if it, err := d.Item(t.Context(), byPerson.ID); err != nil || it.Withdrawn == 0 {
		t.Errorf("%+v, %v came back", it, err)
	}
}

// only returns the one item with a value.
func only(t *testing.T, d *store.DB, value string) accord.Item {
	t.Helper()
	items, _, err := d.Search(t.Context(), accord.Query{Text: value})
	if err != nil || len(items) != 1 {
		t.Fatalf("%s: %d items, %v", value, len(items), err)
	}
	return items[0]
}

func TestContextIsHeldAndStaysHeldWhateverTheListsSay(t *testing.T) {
	in, d := stored(t)
	run(t, in, "l", []byte("192.0.2.1\n"), ingest.Options{Source: "tor", Context: true})
	if it := only(t, d, "192.0.2.1"); it.Held != accord.HeldContext+"tor" {
		t.Errorf("held %q", it.Held)
	}
	re := &ingest.Recheck{Store: d, Never: never{}, Now: in.Now, Lists: 1}
	if sum, err := re.Run(t.Context()); err != nil || sum != (ingest.Rechecked{Looked: 1}) {
		t.Errorf("%+v, %v", sum, err)
	}
	// A list that names it, when it came or later, and then no more, does not set it free.
	in.Never = never{Kind: accord.KindIPv4, Value: "192.0.2.2"}
	run(t, in, "l", []byte("192.0.2.2\n"), ingest.Options{Source: "tor", Context: true})
	for lists, value := range []string{2: "192.0.2.1", 3: "192.0.2.9"} {
		if value == "" {
			continue
		}
		re := &ingest.Recheck{Store: d, Never: never{Kind: accord.KindIPv4, Value: value}, Now: in.Now, Lists: int64(lists)}
		if _, err := re.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, value := range []string{"192.0.2.1", "192.0.2.2"} {
		if it := only(t, d, value); it.Held != accord.HeldContext+"tor" {
			t.Errorf("%s is held by %q, want as context", value, it.Held)
		}
	}
}

func TestAChangeOfTheWarningListsHoldsAndReleasesWhatIsStored(t *testing.T) {
	in, d := stored(t)
	text := ""
	for _, name := range []string{"a", "b", "c"} {
		text += name + ".example\n"
	}
	in.Never = never{Kind: accord.KindDomain, Value: "a.example"}
	run(t, in, "l", []byte(text), ingest.Options{Source: "s"})
	recheck := func(value string, lists int64) ingest.Rechecked {
		t.Helper()
		re := &ingest.Recheck{Store: d, Never: never{Kind: accord.KindDomain, Value: value}, Now: in.Now, Lists: lists}
		sum, err := re.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	if sum := recheck("a.example", 1); sum != (ingest.Rechecked{Looked: 3}) {
		t.Errorf("in keeping: %+v", sum)
	}
	if sum := recheck("b.example", 1); sum != (ingest.Rechecked{}) {
		t.Errorf("the same lists: %+v", sum)
	}
	if sum := recheck("b.example", 2); sum != (ingest.Rechecked{Looked: 3, Held: 1, Released: 1}) {
		t.Errorf("other lists: %+v", sum)
	}
	if a, b := only(t, d, "a.example"), only(t, d, "b.example"); a.Held != "" || b.Held != "sample list" {
		t.Errorf("a is held by %q, b by %q", a.Held, b.Held)
	}
	if sum := recheck("b.example", 3); sum.Held+sum.Released != 0 {
		t.Errorf("other lists that say the same: %+v", sum)
	}
}
