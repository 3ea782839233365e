// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord"
	"accord/store"
)

var sourceTests = map[string]func(*testing.T, *store.DB){
	"a feed is kept under its name":                         feedKept,
	"one run of a feed is under way at a time":              oneRunAtATime,
	"the runs of a feed are kept, the newest first":         runsKept,
	"the parts of a feed that were taken are known":         partsTaken,
	"who brought a value first, and who alone, is counted":  firstAndUnique,
	"a feed that brings another's item is counted too":      alsoBrought,
	"a feed makes no new version of what the node wrote":    notUsurped,
	"an indicator is useful once, however often it is used": usefulOnce,
	"what was called wrong is counted":                      calledWrong,
	"what is held counts while it is held":                  heldCounts,
	"versions with dates are aged when they are stored":     aged,
	"a source's live items are paged and withdrawn":         sourcePaged,
	"another version of an id is an update":                 versionIsUpdate,
}

func feedKept(t *testing.T, d *store.DB) {
	ctx := t.Context()
	green := accord.TLPGreen
	f := accord.Feed{
		Name: "feed-a", Kind: accord.FeedList, URL: "https://feeds.example/a", Every: accord.FeedDuration(time.Hour), Added: t0,
		List: accord.ListForm{Column: "2", Delimiter: ";"}, Unmarked: &green, Auth: accord.FeedAuth{Kind: "bearer", File: "a.token"}, Mirror: true,
	}
	check(t, d.AddFeed(ctx, f))
	if err := d.AddFeed(ctx, f); !errors.Is(err, accord.ErrConflict) {
		t.Errorf("added twice: %v", err)
	}
	if diff := cmp.Diff([]accord.Feed{f}, must(d.Feeds(ctx))(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	check(t, d.EnableFeed(ctx, "feed-a", true))
	if got := must(d.Feed(ctx, "feed-a"))(t); !got.Enabled {
		t.Error("not enabled")
	}
	check(t, d.RemoveFeed(ctx, "feed-a"))
	for _, err := range []error{d.RemoveFeed(ctx, "feed-a"), d.EnableFeed(ctx, "feed-a", true)} {
		if !errors.Is(err, accord.ErrNotFound) {
			t.Errorf("of a feed that is not there: %v", err)
		}
	}
}

func oneRunAtATime(t *testing.T, d *store.DB) {
	ctx := t.Context()
	check(t, d.AddFeed(ctx, accord.Feed{Name: "feed-a"}))
	f := must(d.BeginFeedRun(ctx, "feed-a", t0, t0+100))(t)
	if f.State.Run != 1 || f.State.Started != t0 {
		t.Errorf("began %+v", f.State)
	}
	if _, err := d.BeginFeedRun(ctx, "feed-a", t0+99, t0+200); !errors.Is(err, accord.ErrConflict) {
		t.Errorf("a second run: %v", err)
	}
	check(t, d.KeepFeedRun(ctx, "feed-a", 1, "page 7", t0+150))
	if _, err := d.BeginFeedRun(ctx, "feed-a", t0+149, t0+200); !errors.Is(err, accord.ErrConflict) {
		t.Errorf("a run within the lease that was kept: %v", err)
	}
	// The first died: the next takes over where it was, and the first may say no more.
	f = must(d.BeginFeedRun(ctx, "feed-a", t0+150, t0+300))(t)
	if f.State.Run != 2 || f.State.Cursor != "page 7" {
		t.Errorf("took over %+v", f.State)
	}
	for _, err := range []error{
		d.KeepFeedRun(ctx, "feed-a", 1, "", t0+400),
		d.EndFeedRun(ctx, accord.FeedRun{Feed: "feed-a", N: 1}, accord.FeedState{}),
	} {
		if !errors.Is(err, accord.ErrConflict) {
			t.Errorf("the run that was overtaken: %v", err)
		}
	}
	check(t, d.EndFeedRun(ctx, accord.FeedRun{Feed: "feed-a", N: 2, Outcome: accord.RunTaken}, accord.FeedState{ETag: `"x"`, Due: t0 + 500}))
	if got := must(d.Feed(ctx, "feed-a"))(t).State; got.ETag != `"x"` || got.Run != 2 || got.Lease != 0 {
		t.Errorf("ended %+v", got)
	}
	must(d.BeginFeedRun(ctx, "feed-a", t0+151, t0+300))(t)
}

func runsKept(t *testing.T, d *store.DB) {
	ctx := t.Context()
	check(t, d.AddFeed(ctx, accord.Feed{Name: "feed-a"}))
	for i := range 103 {
		f := must(d.BeginFeedRun(ctx, "feed-a", t0, t0+1))(t)
		run := accord.FeedRun{Feed: "feed-a", N: f.State.Run, Outcome: accord.RunTaken, FeedCounts: accord.FeedCounts{New: int64(i), Refused: 2, Conflicts: 1}}
		if i%2 == 0 {
			run.Outcome = accord.RunFailed
		}
		check(t, d.EndFeedRun(ctx, run, f.State))
	}
	runs := must(d.FeedRuns(ctx, "feed-a", 1000))(t)
	if len(runs) != 100 || runs[0].N != 103 || runs[0].New != 102 || runs[99].N != 4 {
		t.Errorf("%d runs, from %+v to %+v", len(runs), runs[0], runs[len(runs)-1])
	}
	q := must(d.FeedQualities(ctx, []string{"feed-a"}))(t)["feed-a"]
	if q.Runs != 103 || q.Failed != 52 || q.Refused != 206 || q.Conflicts != 103 {
		t.Errorf("%+v", q)
	}
}

func partsTaken(t *testing.T, d *store.DB) {
	ctx := t.Context()
	check(t, d.TakeFeedPart(ctx, "feed-a", "1", "x"))
	check(t, d.TakeFeedPart(ctx, "feed-a", "1", "y"))
	check(t, d.TakeFeedPart(ctx, "feed-a", "2", "z"))
	check(t, d.TakeFeedPart(ctx, "feed-b", "1", "q"))
	if diff := cmp.Diff(map[string]string{"1": "y", "2": "z"}, must(d.FeedParts(ctx, "feed-a"))(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// author is who stands as author of what the node itself wrote.
const author = "identity--00000000-0000-4000-8000-00000000000a"

// quality takes the pass to its end and returns what a source is worth.
func quality(t *testing.T, d *store.DB, source string) accord.FeedQuality {
	t.Helper()
	for range 100 {
		busy, err := d.Appraise(t.Context(), author)
		check(t, err)
		if !busy {
			q := must(d.FeedQualities(t.Context(), []string{source}))(t)[source]
			if q.Behind != 0 {
				t.Errorf("%d behind when there is nothing to do", q.Behind)
			}
			return q
		}
	}
	t.Fatal("the pass does not end")
	return accord.FeedQuality{}
}

// of is indicator n as it comes from source, with an id of its own.
func of(source string, n int, value string) accord.Item {
	it := indicator(n, t0)
	it.Source = source
	it.Observables = []accord.Observable{{Kind: accord.KindDomain, Value: value}}
	return it
}

func firstAndUnique(t *testing.T, d *store.DB) {
	ingest(t, d, t0, of("a", 1, "x.example"), of("a", 2, "y.example"), of("a", 3, "y.example"))
	if q := quality(t, d, "a"); q.Values != 2 || q.First != 2 || q.Unique != 2 || q.Indicators != 3 || q.Items != 3 {
		t.Errorf("a alone: %+v", q)
	}
	ingest(t, d, t0, of("b", 4, "y.example"), of("b", 5, "z.example"))
	ingest(t, d, t0, of("c", 6, "y.example"))
	for source, want := range map[string][3]int64{"a": {2, 2, 1}, "b": {2, 1, 1}, "c": {1, 0, 0}, "none": {}} {
		if q := quality(t, d, source); [3]int64{q.Values, q.First, q.Unique} != want {
			t.Errorf("%s: values, first, unique = %d %d %d, want %v", source, q.Values, q.First, q.Unique, want)
		}
	}
}

func alsoBrought(t *testing.T, d *store.DB) {
	ctx := t.Context()
	it := of("a", 1, "x.example")
	ingest(t, d, t0, it)
	again := it
	again.Source = "b"
	for range 3 {
		if res := must(d.FeedIngest(ctx, "b", author, []accord.Item{again}, t0))(t); res.Same != 1 {
			t.Errorf("%+v", res)
		}
	}
	if q := quality(t, d, "b"); q.Values != 1 || q.First != 0 || q.Unique != 0 || q.Indicators != 0 {
		t.Errorf("b: %+v", q)
	}
	if q := quality(t, d, "a"); q.First != 1 || q.Unique != 0 {
		t.Errorf("a: %+v", q)
	}
	// Known by now: bringing it again leaves nothing to do.
	must(d.FeedIngest(ctx, "b", author, []accord.Item{again}, t0))(t)
	if busy, err := d.Appraise(ctx, author); busy || err != nil {
		t.Errorf("busy %v, %v", busy, err)
	}
}

func notUsurped(t *testing.T, d *store.DB) {
	ctx := t.Context()
	own, other := of("analyst", 1, "x.example"), of("a", 2, "y.example")
	own.CreatedBy = author
	ingest(t, d, t0, own, other)
	for _, it := range []accord.Item{own, other} {
		it.Version, it.Revoked, it.Source, it.Bytes = it.Version+1, true, "b", append([]byte(" "), it.Bytes...)
		want := accord.IngestResult{Updated: 1}
		if it.ID == own.ID {
			want = accord.IngestResult{Conflicts: 1, Conflict: []accord.ItemKey{it.ItemKey}}
		}
		if res := must(d.FeedIngest(ctx, "b", author, []accord.Item{it}, t0))(t); res.Conflicts != want.Conflicts || res.Updated != want.Updated {
			t.Errorf("%s: %+v, want %+v", it.ID, res, want)
		}
	}
	if it := must(d.Item(ctx, own.ID))(t); it.Revoked || it.Source != "analyst" {
		t.Errorf("a feed made %+v of what the node wrote", it)
	}
}

func usefulOnce(t *testing.T, d *store.DB) {
	ctx := t.Context()
	items := []accord.Item{of("a", 1, "x.example"), of("a", 2, "y.example"), of("a", 3, "z.example")}
	ingest(t, d, t0, items...)
	match := accord.Match{ID: "m1", Indicator: items[0].ItemKey, Value: items[0].Observables[0], Count: 1, First: t0, Last: t0}
	for range 2 {
		must(d.AddMatches(ctx, []accord.Match{match}, t0))(t)
		match.ID += "x"
	}
	var add []accord.Protection
	for _, it := range items[:2] {
		add = append(add, accord.Protection{Observable: it.Observables[0], Zone: "hot", Item: it.ItemKey, Added: t0, Expires: t0 + day})
	}
	check(t, d.Protect(ctx, accord.Protecting{Stage: "p", Add: add, At: t0}))
	if q := quality(t, d, "a"); q.Matched != 1 || q.Protected != 2 || q.Useful != 2 || q.Disclosed != 0 {
		t.Errorf("%+v", q)
	}
	check(t, d.Protect(ctx, accord.Protecting{Stage: "p", Move: []accord.Observable{items[0].Observables[0]}, At: t0}))
	check(t, d.PutParty(ctx, accord.Party{Name: there, Nation: "IL"}))
	disclosed := func(i int, idx int64) accord.Disclosure {
		return accord.Disclosure{Party: there, Index: idx, Stamp: t0 + accord.Stamp(idx), Item: items[i].ItemKey, Sent: items[i].ItemKey, Agreement: "x", Version: 1, Article: "1"}
	}
	check(t, d.Disclose(ctx, accord.Disclosing{
		Party: there, Stage: "d", From: 0, To: 1, Append: &accord.LogAppend{Head: accord.Head{Origin: "o", Size: 2}, Leaves: []accord.Leaf{{Index: 0}, {Index: 1}}},
		Disclosures: []accord.Disclosure{disclosed(1, 0), disclosed(2, 1)}, At: t0,
	}))
	if q := quality(t, d, "a"); q.Matched != 1 || q.Protected != 2 || q.Disclosed != 2 || q.Useful != 3 {
		t.Errorf("%+v", q)
	}
}

func calledWrong(t *testing.T, d *store.DB) {
	ctx := t.Context()
	for i := range 5 {
		ingest(t, d, t0, of("a", i, fmt.Sprintf("x%d.example", i)))
	}
	check(t, d.MarkFalse(ctx, indicator(4, t0).ID, "our own host", "leila", t0))
	must(d.Withdraw(ctx, indicator(0, t0).ID, "a False-Positive, says the owner", t0))(t)
	must(d.Withdraw(ctx, indicator(1, t0).ID, "no longer of interest", t0))(t)
	says := func(id, text string, ref accord.Ref) accord.Item {
		kind := id[:len(id)-len("--00000000-0000-4000-8000-000000000001")]
		return accord.Item{ItemKey: accord.ItemKey{ID: id, Version: t0}, Type: kind, Spec: "2.1", Bytes: []byte(text), Source: "b", Refs: []accord.Ref{ref}}
	}
	ingest(t, d, t0,
		says("opinion--00000000-0000-4000-8000-000000000001", `{"opinion":"strongly-disagree"}`, accord.Ref{Property: "object_refs", To: indicator(2, t0).ID}),
		says("sighting--00000000-0000-4000-8000-000000000001", `{"count":0}`, accord.Ref{Property: "sighting_of_ref", To: indicator(3, t0).ID}))
	if q := quality(t, d, "a"); q.FalsePositive != 4 || q.Held != 0 {
		t.Errorf("%+v", q)
	}
	// What agrees, or was seen, says nothing of the kind.
	ingest(t, d, t0, of("c", 9, "c.example"),
		says("opinion--00000000-0000-4000-8000-000000000002", `{"opinion":"agree"}`, accord.Ref{Property: "object_refs", To: indicator(9, t0).ID}),
		says("sighting--00000000-0000-4000-8000-000000000002", `{"count":2}`, accord.Ref{Property: "sighting_of_ref", To: indicator(9, t0).ID}))
	if q := quality(t, d, "c"); q.FalsePositive != 0 {
		t.Errorf("%+v", q)
	}
}

func heldCounts(t *testing.T, d *store.DB) {
	ctx := t.Context()
	it, tor := of("a", 1, "x.example"), of("a", 2, "y.example")
	it.Held, tor.Held = "top sites", accord.HeldContext+"a"
	ingest(t, d, t0, it, tor)
	if q := quality(t, d, "a"); q.Held != 1 || q.FalsePositive != 1 {
		t.Errorf("held: %+v", q)
	}
	check(t, d.Hold(ctx, []accord.ItemKey{it.ItemKey}, "", t0))
	if q := quality(t, d, "a"); q.Held != 0 || q.FalsePositive != 1 {
		t.Errorf("released: %+v", q)
	}
}

func aged(t *testing.T, d *store.DB) {
	var items []accord.Item
	for i, age := range []accord.Stamp{0, day, 6 * day, 100 * day} {
		it := indicator(i, t0-age)
		it.Source = "a"
		items = append(items, it)
	}
	row := indicator(9, t0)
	row.Source, row.CreatedBy = "a", author
	ingest(t, d, t0, append(items, row)...)
	q := quality(t, d, "a")
	if q.Dated != 4 || q.Fresh != 3 || time.Duration(q.MedianAge) < 24*time.Hour || time.Duration(q.MedianAge) > 48*time.Hour {
		t.Errorf("%+v", q)
	}
	// The same again is no new version.
	check(t, d.Hold(t.Context(), []accord.ItemKey{items[0].ItemKey}, "list", t0))
	if again := quality(t, d, "a"); again.Dated != 4 {
		t.Errorf("%+v", again)
	}
}

func sourcePaged(t *testing.T, d *store.DB) {
	ctx := t.Context()
	var want []string
	for i := range 7 {
		ingest(t, d, t0, of("a", i, "x.example"), of("b", 10+i, "x.example"))
		want = append(want, indicator(i, t0).ID)
	}
	pages := func() (got []string) {
		for after := int64(0); ; {
			page, next, err := d.SourceItems(ctx, "a", after, 3)
			check(t, err)
			got = append(got, page...)
			if after = next; next == 0 {
				return got
			}
		}
	}
	if diff := cmp.Diff(want, pages()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := must(d.WithdrawMany(ctx, append(want[:2:2], "indicator--none"), "gone", t0))(t); n != 2 {
		t.Errorf("%d withdrawn", n)
	}
	if n := must(d.WithdrawMany(ctx, want[:2], "gone", t0))(t); n != 0 {
		t.Errorf("%d withdrawn again", n)
	}
	if got := pages(); !slices.Equal(got, want[2:]) {
		t.Errorf("left: %v", got)
	}
}

func versionIsUpdate(t *testing.T, d *store.DB) {
	ingest(t, d, t0, indicator(1, t0))
	if res := ingest(t, d, t0, indicator(1, t0+1), indicator(2, t0)); res.New != 1 || res.Updated != 1 {
		t.Errorf("%+v", res)
	}
}
