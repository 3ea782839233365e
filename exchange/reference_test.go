// SPDX-License-Identifier: Apache-2.0

package exchange_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"accord"
	"accord/exchange"
	"accord/testworld"
)

// standing are the disclosures of an item that were not taken back.
func standing(from, to *testworld.Nation, id string) (all []accord.Disclosure) {
	for _, d := range from.Given(to) {
		if d.Item.ID == id && d.Retracted == 0 {
			all = append(all, d)
		}
	}
	return all
}

func link(t *testing.T, name, from, to string, more ...testworld.Props) accord.Item {
	t.Helper()
	return testworld.Object(t, "relationship", name, testworld.With(append(more, testworld.Props{"source_ref": from, "target_ref": to})...))
}

func refTo(ids ...string) testworld.Props { return testworld.Props{"object_refs": ids} }

func TestAReferenceToWhatMayNotGoIsRemovedAndTheRemovalRecorded(t *testing.T) {
	t.Parallel()
	w, wire := watched(t, nil)
	open := testworld.Object(t, "malware", "open", nil)
	red := testworld.Object(t, "malware", "red", testworld.Marked(accord.TLPRed))
	unknown := testworld.ID("malware", "nobody has it")
	report := testworld.Object(t, "report", "news", refTo(red.ID, open.ID, unknown))
	w.IL.Ingest(open, red, report)
	w.Settle()
	d := only(t, w.IL, w.MA, report.ID)
	if want := []string{"object_refs.[0]", "object_refs.[2]"}; !slices.Equal(d.Redacted, want) {
		t.Errorf("removed %q, want %q", d.Redacted, want)
	}
	if d.Sent.ID != report.ID {
		t.Errorf("a copy with only a reference removed went as %s", d.Sent.ID)
	}
	got := w.MA.Held(report.ID)[report.ID]
	if want := []accord.Ref{{Property: "object_refs", To: open.ID}}; !slices.Equal(got.Refs, want) {
		t.Errorf("MA's copy refers to %v, want %v", got.Refs, want)
	}
	for _, id := range []string{red.ID, unknown} {
		if wire.Says(id) {
			t.Errorf("%s crossed the border", id)
		}
	}
}

func TestARelationshipIsWithheldWithItsTargetAndGivenWithIt(t *testing.T) {
	t.Parallel()
	w, wire := watched(t, nil)
	wiper := testworld.Object(t, "malware", "wiper", nil)
	red := testworld.Object(t, "malware", "loader", testworld.Marked(accord.TLPRed))
	uses := link(t, "uses", wiper.ID, red.ID)
	w.IL.Ingest(wiper, red, uses)
	w.Settle()
	never(t, w.IL, w.MA, wire, uses.ID, "2")

	open := testworld.Object(t, "malware", "loader", testworld.With(testworld.Marked(accord.TLPGreen), testworld.Props{"modified": testworld.Version(2)}))
	w.IL.Ingest(open)
	w.Settle()
	only(t, w.IL, w.MA, uses.ID)
	if len(w.MA.Held(uses.ID, open.ID)) != 2 {
		t.Error("the relationship did not follow its target")
	}
	if w.IL.Withholds(uses.ID, w.MA) != nil {
		t.Error("it counts as withheld still")
	}
}

func TestAReportIsGivenAgainCompleteWhenWhatItNamesArrives(t *testing.T) {
	t.Parallel()
	w, _ := watched(t, nil)
	// The report names a relationship whose target comes last: two steps away.
	wiper := testworld.Object(t, "malware", "wiper", nil)
	late := testworld.Object(t, "malware", "late", nil)
	uses := link(t, "uses", wiper.ID, late.ID)
	report := testworld.Object(t, "report", "news", refTo(wiper.ID, uses.ID))
	w.IL.Ingest(wiper, uses, report)
	w.Settle()
	if got := w.MA.Held(report.ID)[report.ID].Refs; len(got) != 1 {
		t.Fatalf("MA's copy refers to %v, want the one it may have", got)
	}
	w.IL.Ingest(late)
	w.Settle()
	got := w.MA.Held(report.ID, uses.ID, late.ID)
	if string(got[report.ID].Bytes) != string(report.Bytes) {
		t.Errorf("MA holds %s, want the complete report", got[report.ID].Bytes)
	}
	if len(got) != 3 {
		t.Errorf("MA holds %d of 3", len(got))
	}
	if d := standing(w.IL, w.MA, report.ID); len(d) != 2 || d[1].Redacted != nil || d[1].Receipted == 0 {
		t.Errorf("disclosures of the report: %+v, want a second one, complete and receipted", d)
	}
}

func TestAReportIsCutAgainWhenWhatItNamesBecomesRed(t *testing.T) {
	t.Parallel()
	w, _ := watched(t, nil)
	wiper := testworld.Object(t, "malware", "wiper", nil)
	source := testworld.Object(t, "malware", "source", nil)
	report := testworld.Object(t, "report", "news", refTo(wiper.ID, source.ID))
	w.IL.Ingest(wiper, source, report)
	w.Settle()
	w.IL.Ingest(testworld.Object(t, "malware", "source", testworld.With(testworld.Marked(accord.TLPRed), testworld.Props{"modified": testworld.Version(2)})))
	w.Settle()
	held := w.MA.Held(report.ID, source.ID)
	if _, there := held[source.ID]; there {
		t.Error("MA still has what became RED")
	}
	if got := held[report.ID]; len(got.Refs) != 1 || got.Refs[0].To != wiper.ID {
		t.Errorf("MA's report refers to %v", got.Refs)
	}
}

// sightings lets the draft give sightings too, which its article on context does not.
func sightings(text string) string {
	return strings.Replace(text, `"report", "malware",`, `"report", "sighting", "malware",`, 1)
}

func TestAVictimGoesUnderAPseudonymEverywhereAndItsNameNowhere(t *testing.T) {
	t.Parallel()
	w, wire := watched(t, sightings)
	const name = "Hôpital d'Exemple"
	victim := testworld.Object(t, "identity", "victim", testworld.Props{
		"name": name, "identity_class": "organization", "sectors": []string{"healthcare"},
		"contact_information": "+000 " + name, "description": "beds of " + name,
	})
	author := testworld.Object(t, "identity", "author", testworld.Props{"name": "An Analyst", "identity_class": "organization"})
	by := testworld.Props{"created_by_ref": author.ID}
	malware := testworld.Object(t, "malware", "wiper", by)
	indicator := testworld.Object(t, "indicator", "c2", by)
	targets := link(t, "targets", malware.ID, victim.ID, by, testworld.Props{"relationship_type": "targets"})
	sighting := testworld.Object(t, "sighting", "seen", testworld.With(by, testworld.Props{
		"sighting_of_ref": indicator.ID, "where_sighted_refs": []string{victim.ID},
	}))
	report := testworld.Object(t, "report", "news", testworld.With(by, refTo(malware.ID, victim.ID, targets.ID, sighting.ID)))
	w.IL.Ingest(victim, author, malware, indicator, targets, sighting, report)
	w.Settle()

	p := only(t, w.IL, w.MA, victim.ID)
	if p.Sent.ID == victim.ID || p.Article != "3" || len(p.Redacted) == 0 {
		t.Errorf("the victim went as %+v", p)
	}
	if d := only(t, w.IL, w.MA, author.ID); d.Sent.ID != author.ID || d.Bytes == nil || d.Redacted != nil {
		t.Errorf("the author went as %+v, want as it is", d)
	}
	renamed := map[string]string{victim.ID: p.Sent.ID}
	for _, it := range []accord.Item{targets, sighting, report} {
		d := only(t, w.IL, w.MA, it.ID)
		if d.Sent.ID == it.ID {
			t.Errorf("%s was changed and kept its id", it.ID)
		}
		renamed[it.ID] = d.Sent.ID
		got := w.MA.Held(d.Sent.ID)[d.Sent.ID]
		if got.CreatedBy != w.IL.Self.Identity {
			t.Errorf("%s is by %s, want by the sharer", d.Sent.ID, got.CreatedBy)
		}
	}
	refs := func(id string) (to []string) {
		for _, r := range w.MA.Held(renamed[id])[renamed[id]].Refs {
			if r.Property != "created_by_ref" {
				to = append(to, r.To)
			}
		}
		return to
	}
	if got, want := refs(targets.ID), []string{malware.ID, p.Sent.ID}; !slices.Equal(got, want) {
		t.Errorf("the relationship joins %v, want %v", got, want)
	}
	if got, want := refs(sighting.ID), []string{indicator.ID, p.Sent.ID}; !slices.Equal(got, want) {
		t.Errorf("the sighting joins %v, want %v", got, want)
	}
	if got, want := refs(report.ID), []string{malware.ID, p.Sent.ID, renamed[targets.ID], renamed[sighting.ID]}; !slices.Equal(got, want) {
		t.Errorf("the report joins %v, want %v", got, want)
	}
	for _, text := range []string{name, victim.ID, targets.ID, sighting.ID, report.ID} {
		if wire.Says(text) {
			t.Errorf("%q crossed the border", text)
		}
	}
	for _, d := range w.IL.Given(w.MA) {
		if strings.Contains(string(d.Bytes), victim.ID) {
			t.Errorf("the bytes of disclosure %d name the victim", d.Index)
		}
	}
}

func TestWhatNamesAVictimInItsTextIsWithheldHoweverItSpellsIt(t *testing.T) {
	t.Parallel()
	const name = "Hôpital d'Exemple"
	for how, text := range map[string]string{
		"as it is":      "the wards of Hôpital d'Exemple",
		"in capitals":   "THE HÔPITAL D'EXEMPLE CASE",
		"decomposed":    "at Ho\u0302pital d'Exemple",
		"over lines":    "Hôpital\n  d'Exemple",
		"in fullwidth":  "Hôpital d＇Exemple",
		"soft hyphened": "Hôpi\u00adtal d'Exemple",
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			w, wire := watched(t, nil)
			victim := testworld.Object(t, "identity", "victim", testworld.Props{"name": name, "identity_class": "organization"})
			malware := testworld.Object(t, "malware", "wiper", nil)
			tells := link(t, "targets", malware.ID, victim.ID, testworld.Props{"description": text})
			// One that does not refer to the victim, only to what does.
			quiet := link(t, "quiet", malware.ID, victim.ID)
			report := testworld.Object(t, "report", "news", testworld.With(refTo(malware.ID, quiet.ID), testworld.Props{"description": text}))
			w.IL.Ingest(victim, malware, tells, quiet, report)
			w.Settle()
			never(t, w.IL, w.MA, wire, tells.ID, "2")
			never(t, w.IL, w.MA, wire, report.ID, "2")
			only(t, w.IL, w.MA, quiet.ID)
			if wire.Says(text) {
				t.Error("the text crossed the border")
			}
		})
	}
}

func TestANameEscapedInJSONIsFoundToo(t *testing.T) {
	t.Parallel()
	w, wire := watched(t, nil)
	victim := testworld.Object(t, "identity", "victim", testworld.Props{"name": "Hôpital", "identity_class": "organization"})
	malware := testworld.Object(t, "malware", "wiper", nil)
	tells := link(t, "targets", malware.ID, victim.ID, testworld.Props{"description": "MARK"})
	escaped := testworld.Parsed(t, []byte(strings.Replace(string(tells.Bytes), "MARK", `H\u00f4pital`, 1)))
	w.IL.Ingest(victim, malware, escaped)
	w.Settle()
	never(t, w.IL, w.MA, wire, tells.ID, "2")
}

func TestAShortNameWithholdsOnlyWhereItIsAWord(t *testing.T) {
	t.Parallel()
	w, wire := watched(t, nil)
	victim := testworld.Object(t, "identity", "victim", testworld.Props{"name": "EXA", "identity_class": "organization"})
	malware := testworld.Object(t, "malware", "wiper", nil)
	part := link(t, "part", malware.ID, victim.ID, testworld.Props{"description": "for example"})
	word := link(t, "word", malware.ID, victim.ID, testworld.Props{"description": "against exa, again"})
	w.IL.Ingest(victim, malware, part, word)
	w.Settle()
	only(t, w.IL, w.MA, part.ID)
	never(t, w.IL, w.MA, wire, word.ID, "2")
}

func TestAVictimThatTurnsOutToBeAnAuthorIsGivenAsItIsAndThePseudonymTakenBack(t *testing.T) {
	t.Parallel()
	w, _ := watched(t, nil)
	id := testworld.Object(t, "identity", "both", testworld.Props{"name": "Sector Body", "identity_class": "organization"})
	w.IL.Ingest(id)
	w.Settle()
	p := only(t, w.IL, w.MA, id.ID)
	w.IL.Ingest(testworld.Object(t, "malware", "wiper", testworld.Props{"created_by_ref": id.ID}))
	w.Settle()
	held := w.MA.Held(id.ID, p.Sent.ID)
	if _, there := held[p.Sent.ID]; there {
		t.Error("MA still has the pseudonym")
	}
	if string(held[id.ID].Bytes) != string(id.Bytes) {
		t.Errorf("MA holds %s of the author", held[id.ID].Bytes)
	}
}

func TestAReportThatLosesThousandsOfReferencesIsStillGiven(t *testing.T) {
	t.Parallel()
	w, _ := watched(t, nil)
	open := testworld.Object(t, "malware", "open", nil)
	ids := []string{open.ID}
	for i := range 6000 {
		ids = append(ids, testworld.ID("indicator", fmt.Sprint("nobody has ", i)))
	}
	big := testworld.Object(t, "report", "big", refTo(ids...))
	odd := testworld.Object(t, "report", "odd", testworld.With(refTo(open.ID), testworld.Props{"x a,b\n": []string{ids[1]}}))
	after := testworld.Object(t, "indicator", "after", nil)
	w.IL.Ingest(open, big, odd, after)
	w.Settle()
	for _, id := range []string{big.ID, odd.ID, after.ID} {
		only(t, w.IL, w.MA, id)
	}
	if d := only(t, w.IL, w.MA, big.ID); len(d.Redacted) == 0 || len(d.Redacted) > 1000 {
		t.Errorf("the removal is recorded in %d places", len(d.Redacted))
	}
	w.MA.Verify(w.IL.Self)
}

func TestLongRecordsAreAnnouncedInPiecesThatFit(t *testing.T) {
	long := accord.Leaf{Kind: accord.LeafDisclosure, Record: make([]byte, 64<<10)}
	short := accord.Leaf{Kind: accord.LeafDisclosure, Record: make([]byte, 600)}
	answer := accord.Leaf{Kind: accord.LeafReceipt, Record: make([]byte, 600)}
	for _, tt := range []struct {
		leaves []accord.Leaf
		want   int
	}{
		{slices.Repeat([]accord.Leaf{short}, 1000), 1000},
		{slices.Repeat([]accord.Leaf{long}, 1000), 16},
		{slices.Repeat([]accord.Leaf{answer}, 1000), 100},
		{[]accord.Leaf{{Record: make([]byte, 2<<20)}, short}, 1},
	} {
		if got := exchange.AnnounceFit(tt.leaves); got != tt.want {
			t.Errorf("of %d leaves of %d bytes %d go, want %d", len(tt.leaves), len(tt.leaves[0].Record), got, tt.want)
		}
	}
}

func TestWhatWasRemovedIsToldInASpaceThatARecordHas(t *testing.T) {
	entries := func(format string, n int) (out []string) {
		for i := range n {
			out = append(out, fmt.Sprintf(format, i))
		}
		return out
	}
	for _, tt := range []struct {
		name       string
		given, out []string
	}{
		{"few", []string{"object_refs.[2]", "description", "description"}, []string{"description", "object_refs.[2]"}},
		{"many entries", append(entries("object_refs.[%d]", 5000), "name"), []string{"name", "object_refs.[*]"}},
		{"many properties", entries("x_here.p%d", 5000), []string{"x_here"}},
		{"more than that", entries("x_p%d", 5000), []string{"many"}},
		{"what no record takes", []string{"x a,b\n"}, []string{"x_a_b_"}},
	} {
		if got := exchange.Places(tt.given); !slices.Equal(got, tt.out) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.out)
		}
	}
}
