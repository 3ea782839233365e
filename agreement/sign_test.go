// SPDX-License-Identifier: Apache-2.0

package agreement_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"

	"accord"
	"accord/agreement"
)

func trio(t testing.TB) (no, ee, lv node) {
	t.Helper()
	return newNode(t, "cert.no.example", "NO"), newNode(t, "cert.ee.example", "EE"), newNode(t, "cert.lv.example", "LV")
}

// forge adds a signature line of n's key that does not verify.
func forge(t testing.TB, msg []byte, n node) []byte {
	t.Helper()
	other, err := note.Sign(&note.Note{Text: "another text\n"}, n.signer)
	if err != nil {
		t.Fatal(err)
	}
	return append(bytes.Clone(msg), other[bytes.LastIndex(other, []byte("\n— "))+1:]...)
}

func TestOpenCountsEachPartyOnceAndTrustsPinnedKeysOnly(t *testing.T) {
	no, ee, lv := trio(t)
	ee2 := ee.another(t)
	text := draftOf(t, no, ee)
	text2 := draftOf(t, no, ee2) // the same, naming ee's other key
	one := signed(t, text, no)
	both := signed(t, text, no, ee)
	rawSign := func(msg string, by ...node) []byte {
		n := &note.Note{Text: msg}
		var ss []note.Signer
		for _, b := range by {
			ss = append(ss, b.signer)
		}
		out, err := note.Sign(n, ss...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	twice := append(bytes.Clone(both), both[bytes.LastIndex(both, []byte("\n— "))+1:]...)
	for _, tt := range []struct {
		name   string
		msg    []byte
		pinned []accord.Party
		want   error
		signed []string
	}{
		{"both sign", both, parties(no, ee), nil, []string{ee.Name, no.Name}},
		{"more parties are known", both, parties(lv, ee, no), nil, []string{ee.Name, no.Name}},
		{"one signs", one, parties(no, ee), nil, []string{no.Name}},
		{"a stranger signs too", rawSign(text, no, lv), parties(no, ee), nil, []string{no.Name}},
		{"a known third party signs too", rawSign(text, no, lv), parties(no, ee, lv), nil, []string{no.Name}},
		{"two keys of one party, one of them unknown", rawSign(text, ee, ee2), parties(no, ee), nil, []string{ee.Name}},
		{"two known keys of one party", rawSign(text, ee, ee2), parties(no, ee, ee2), nil, []string{ee.Name}},
		{"the other key of a party, unknown here", rawSign(text, no, ee2), parties(no, ee), nil, []string{no.Name}},
		{"only strangers sign", rawSign(text, lv), parties(no, ee), accord.ErrForbidden, nil},
		{"only a known third party signs", rawSign(text, lv), parties(no, ee, lv), accord.ErrForbidden, nil},
		{"nobody signs", []byte(text), parties(no, ee), accord.ErrForbidden, nil},
		{"a forged line of a known party", forge(t, one, ee), parties(no, ee), accord.ErrForbidden, nil},
		{"a forged line of a known third party", forge(t, both, lv), parties(no, ee, lv), accord.ErrForbidden, nil},
		{"a line twice", twice, parties(no, ee), accord.ErrInvalid, nil},
		{"a second, forged line of one key", forge(t, both, no), parties(no, ee), accord.ErrInvalid, nil},
		{"a party is not pinned", both, parties(no), accord.ErrForbidden, nil},
		{"the text names another key than the pinned one", signed(t, text2, no, ee2), parties(no, ee), accord.ErrForbidden, nil},
		{"the text is altered", bytes.Replace(both, []byte(`max_tlp = "amber"`), []byte(`max_tlp = "red"`), 1), parties(no, ee), accord.ErrForbidden, nil},
		{"the pinned nation differs", both, []accord.Party{no.Party, {Name: ee.Name, Nation: "FI", Key: ee.Key}}, accord.ErrForbidden, nil},
		{"a tab in the note", bytes.Replace(both, []byte("title ="), []byte("title\t="), 1), parties(no, ee), accord.ErrInvalid, nil},
		{"too large", append(bytes.Repeat([]byte("#\n"), agreement.MaxSize), both...), parties(no, ee), accord.ErrInvalid, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, err := agreement.Open(tt.msg, tt.pinned)
			if !errors.Is(err, tt.want) {
				t.Fatalf("Open() = %v, want %v", err, tt.want)
			}
			if tt.want != nil {
				return
			}
			var got []string
			for name := range a.Signed {
				got = append(got, name)
			}
			slices.Sort(got)
			if d := cmp.Diff(got, tt.signed); d != "" {
				t.Error(d)
			}
			if len(a.Missing())+len(got) != 2 {
				t.Errorf("missing %v", a.Missing())
			}
			if err == nil && len(got) < 2 {
				in := []agreement.InForce{{Agreement: a}}
				if d := agreement.Decide(in, &accord.Item{Type: "indicator"}, false, no.Name, ee.Name, a.From); d.Effect.Shares() {
					t.Error("it is in force without all signatures")
				}
			}
		})
	}
}

func TestSignRefusesStrangersOtherKeysAndASecondTime(t *testing.T) {
	no, ee, lv := trio(t)
	text := draftOf(t, no, ee)
	one := signed(t, text, no)
	for _, tt := range []struct {
		name string
		msg  []byte
		by   node
		want error
	}{
		{"again", one, no, accord.ErrConflict},
		{"a stranger", one, lv, accord.ErrForbidden},
		{"with another key", one, ee.another(t), accord.ErrForbidden},
		{"malformed text", []byte("id = 1\n"), no, accord.ErrInvalid},
		{"the second", one, ee, nil},
	} {
		if _, err := agreement.Sign(tt.msg, tt.by.signer); !errors.Is(err, tt.want) {
			t.Errorf("%s: Sign() = %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestMergeJoinsSignaturesOfOneTextAndRefusesTwo(t *testing.T) {
	no, ee, _ := trio(t)
	text := draftOf(t, no, ee)
	a, b := signed(t, text, no), signed(t, text, ee)
	for _, pair := range [][2][]byte{{a, b}, {b, a}, {[]byte(text), signed(t, text, no, ee)}, {signed(t, text, no, ee), a}} {
		m, err := agreement.Merge(pair[0], pair[1])
		if err != nil {
			t.Fatal(err)
		}
		if got, err := agreement.Open(m, parties(no, ee)); err != nil || len(got.Missing()) != 0 {
			t.Errorf("merged: %v, missing %v", err, got.Missing())
		}
	}
	other := signed(t, strings.Replace(text, "730d", "731d", 1), ee)
	if _, err := agreement.Merge(a, other); !errors.Is(err, accord.ErrConflict) {
		t.Errorf("two texts: %v", err)
	}
	// A forged line for a key that has signed does not displace the true one.
	forged := forge(t, b, no)
	m, err := agreement.Merge(a, forged)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := agreement.Open(m, parties(no, ee)); err != nil || len(got.Missing()) != 0 {
		t.Errorf("merged with a forged line: %v", err)
	}
}

func TestTheStateChangesAtTheExactInstant(t *testing.T) {
	no, ee, _ := trio(t)
	text := draftOf(t, no, ee)
	draft, err := agreement.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	open := func(by ...node) *agreement.Agreement {
		a, err := agreement.Open(signed(t, text, by...), parties(no, ee))
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	full := open(no, ee)
	by := map[string]bool{ee.Name: true, "cert.lv.example": true}
	for _, tt := range []struct {
		name      string
		a         *agreement.Agreement
		suspended map[string]bool
		at        accord.Stamp
		want      agreement.State
		shares    bool
	}{
		{"unsigned", draft, nil, full.From, agreement.State{Standing: agreement.Draft, Missing: []string{no.Name, ee.Name}}, false},
		{"one", open(ee), nil, full.From, agreement.State{Standing: agreement.Signing, Missing: []string{no.Name}}, false},
		{"the last microsecond before", full, nil, full.From - 1, agreement.State{Standing: agreement.NotYet}, false},
		{"the first instant", full, nil, full.From, agreement.State{Standing: agreement.Force}, true},
		{"the last instant", full, nil, full.Until - 1, agreement.State{Standing: agreement.Force}, true},
		{"until", full, nil, full.Until, agreement.State{Standing: agreement.Expired}, false},
		{"suspended", full, by, full.From, agreement.State{Standing: agreement.Suspended, By: []string{ee.Name}}, false},
		{"suspended and expired", full, by, full.Until, agreement.State{Standing: agreement.Expired}, false},
	} {
		if d := cmp.Diff(agreement.StateOf(tt.a, tt.suspended, tt.at), tt.want); d != "" {
			t.Errorf("%s: %s", tt.name, d)
		}
		in := []agreement.InForce{{Agreement: tt.a, Suspended: tt.suspended}}
		if d := agreement.Decide(in, &accord.Item{Type: "indicator"}, false, no.Name, ee.Name, tt.at); d.Effect.Shares() != tt.shares {
			t.Errorf("%s: %+v", tt.name, d)
		}
	}
}

func TestASuspensionIsReadAsWrittenAndOnlyFromItsParty(t *testing.T) {
	no, ee, lv := trio(t)
	a, err := agreement.Open(signed(t, draftOf(t, no, ee), no, ee), parties(no, ee))
	if err != nil {
		t.Fatal(err)
	}
	now := a.From + 5
	msg, err := agreement.Suspend(a, ee.signer, "a court ordered it", now)
	if err != nil {
		t.Fatal(err)
	}
	n, err := agreement.OpenSuspension(msg, parties(no, ee))
	want := agreement.Notice{Agreement: "no-ee", Version: 1, Party: ee.Name, At: now, Reason: "a court ordered it"}
	if err != nil || n != want {
		t.Errorf("%v %s", err, cmp.Diff(n, want))
	}
	up, err := agreement.Resume(a, ee.signer, "", now+1)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := agreement.OpenSuspension(up, parties(no, ee)); err != nil || !n.Lifts || n.At != now+1 {
		t.Errorf("resumption: %+v %v", n, err)
	}
	for name, tt := range map[string]struct {
		msg  []byte
		want error
	}{
		"another party's name":        {bytes.Replace(msg, []byte("party: cert.ee"), []byte("party: cert.no"), 1), accord.ErrForbidden},
		"another instant":             {bytes.Replace(msg, []byte("court"), []byte("curt"), 1), accord.ErrForbidden},
		"taken for a resumption":      {bytes.Replace(msg, []byte("suspension"), []byte("resumption"), 1), accord.ErrForbidden},
		"a line more":                 {bytes.Replace(msg, []byte("\n\n—"), []byte("\nx: y\n\n—"), 1), accord.ErrInvalid},
		"unsigned":                    {msg[:bytes.LastIndex(msg, []byte("\n— "))], accord.ErrForbidden},
		"an agreement":                {signed(t, draftOf(t, no, ee), no, ee), accord.ErrInvalid},
		"a future version":            {bytes.Replace(msg, []byte(" v1"), []byte(" v2"), 1), accord.ErrInvalid},
		"larger than a notice may be": {bytes.Repeat([]byte("x"), 1<<20), accord.ErrInvalid},
	} {
		if _, err := agreement.OpenSuspension(tt.msg, parties(no, ee)); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	if _, err := agreement.Open(msg, parties(no, ee)); !errors.Is(err, accord.ErrInvalid) {
		t.Errorf("a suspension opened as an agreement: %v", err)
	}
	if _, err := agreement.Suspend(a, lv.signer, "", now); !errors.Is(err, accord.ErrForbidden) {
		t.Errorf("suspended by a stranger: %v", err)
	}
	for _, reason := range []string{"two\nlines", "a\ttab", strings.Repeat("x", 600), "\u202e"} {
		if _, err := agreement.Suspend(a, ee.signer, reason, now); !errors.Is(err, accord.ErrInvalid) {
			t.Errorf("reason %q: %v", reason, err)
		}
	}
}

func TestTheLatestNoticeSpeaksInWhateverOrderTheyCome(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var ns []agreement.Notice
		latest := map[bool]accord.Stamp{}
		for range rapid.IntRange(1, 6).Draw(rt, "n") {
			n := agreement.Notice{Party: "a", Lifts: rapid.Bool().Draw(rt, "lifts"), At: accord.Stamp(rapid.IntRange(1, 5).Draw(rt, "at"))}
			ns = append(ns, n)
			latest[n.Lifts] = max(latest[n.Lifts], n.At)
		}
		want := latest[false] != 0 && latest[false] >= latest[true]
		var rows []accord.Suspension
		stored := map[accord.Stamp]accord.Suspension{} // as a store keeps them: by instant, for good
		for _, i := range rapid.SliceOfN(rapid.IntRange(0, len(ns)-1), 0, 6).Draw(rt, "replays") {
			ns = append(ns, ns[i])
		}
		for _, n := range rapid.Permutation(ns).Draw(rt, "order") {
			for _, s := range agreement.Apply(rows, n, nil) {
				stored[s.At] = s
			}
			rows = slices.SortedFunc(maps.Values(stored), func(x, y accord.Suspension) int { return int(x.At - y.At) })
		}
		if got := agreement.SuspendedBy(rows, 100)["a"]; got != want {
			rt.Fatalf("suspended %v, want %v: %+v", got, want, rows)
		}
	})
}

func TestANewerVersionTakesThePlaceOfTheOlderForGood(t *testing.T) {
	no, ee, _ := trio(t)
	v1 := draftOf(t, no, ee)
	v2 := strings.NewReplacer("version = 1", "version = 2", "2026-01-01", "2027-01-01", "2029-01-01", "2028-01-01", `"730d"`, `"30d"`).Replace(v1)
	open := func(text string, by ...node) agreement.InForce {
		a, err := agreement.Open(signed(t, text, by...), parties(no, ee))
		if err != nil {
			t.Fatal(err)
		}
		return agreement.InForce{Agreement: a}
	}
	old, amended, half := open(v1, no, ee), open(v2, no, ee), open(v2, no)
	for _, tt := range []struct {
		name string
		in   []agreement.InForce
		at   string
		want int // version; 0 = withheld
	}{
		{"before the amendment", []agreement.InForce{old, amended}, "2026-12-31T23:59:59Z", 1},
		{"from its first instant", []agreement.InForce{amended, old}, "2027-01-01T00:00:00Z", 2},
		{"after it ended", []agreement.InForce{old, amended}, "2028-01-01T00:00:00Z", 0},
		{"while one has not signed it", []agreement.InForce{old, half}, "2027-06-01T00:00:00Z", 1},
	} {
		d := agreement.Decide(tt.in, &accord.Item{Type: "indicator"}, false, no.Name, ee.Name, at(t, tt.at))
		if d.Effect.Shares() != (tt.want != 0) || d.Version != tt.want {
			t.Errorf("%s: %+v", tt.name, d)
		}
	}
	if g := agreement.Governing([]agreement.InForce{amended, old}, at(t, "2027-02-01T00:00:00Z")); len(g) != 1 || g[0].Agreement.Version != 2 {
		t.Errorf("governing: %v", g)
	}
}

func TestAStoredAgreementIsReadWithItsSuspensions(t *testing.T) {
	no, ee, _ := trio(t)
	rec := accord.AgreementRecord{
		ID: "no-ee", Version: 1, Note: signed(t, draftOf(t, no, ee), no, ee),
		Suspensions: []accord.Suspension{{Party: ee.Name, At: 1}, {Party: no.Name, At: 1, Lifted: 2}},
	}
	in, err := agreement.FromRecord(rec, parties(no, ee), at(t, "2026-06-01T00:00:00Z"))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(in.Suspended, map[string]bool{ee.Name: true}); d != "" {
		t.Error(d)
	}
	d := agreement.Decide([]agreement.InForce{in}, &accord.Item{Type: "indicator"}, false, no.Name, ee.Name, at(t, "2026-06-01T00:00:00Z"))
	if d.Effect.Shares() || d.Agreement != "no-ee" || d.Article != "0" || d.Reasons[0].String() != "cert.ee.example has suspended no-ee" {
		t.Errorf("%+v", d)
	}
}

func FuzzOpen(f *testing.F) {
	no, ee, _ := trio(f)
	text := draftOf(f, no, ee)
	f.Add([]byte(text))
	f.Add(signed(f, text, no))
	f.Add(signed(f, text, no, ee))
	f.Add(forge(f, signed(f, text, no), ee))
	f.Add([]byte(agreement.Header + "\n\n— x " + base64.StdEncoding.EncodeToString(make([]byte, 9)) + "\n"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		start := time.Now()
		a, err := agreement.Open(msg, parties(no, ee))
		if err == nil && a.Text != text {
			t.Fatalf("a text nobody signed:\n%s", a.Text)
		}
		if b, err := agreement.Parse(msg); err == nil {
			agreement.Decide([]agreement.InForce{{Agreement: b}}, &accord.Item{}, false, no.Name, ee.Name, 0)
			b.Explain()
			if _, err := agreement.Sign(msg, no.signer); errors.Is(err, accord.ErrInvalid) {
				t.Fatal(err)
			}
		}
		if time.Since(start) > 2*time.Second {
			t.Fatal("slow")
		}
	})
}

func FuzzSuspension(f *testing.F) {
	no, ee, _ := trio(f)
	f.Add("accord suspension v1\nagreement: a\nversion: 1\nparty: cert.no.example\ntime: 2026-01-01T00:00:00.000000Z\n")
	f.Add("accord resumption v1\nagreement: a\nversion: 1\nparty: cert.no.example\ntime: 2026-01-01T00:00:00.000000Z\nreason: x\n")
	f.Fuzz(func(t *testing.T, text string) {
		msg, err := note.Sign(&note.Note{Text: text}, no.signer)
		if err != nil {
			return
		}
		n, err := agreement.OpenSuspension(msg, parties(no, ee))
		if err != nil {
			return
		}
		a := &agreement.Agreement{ID: n.Agreement, Version: n.Version, Parties: parties(no)}
		write := agreement.Suspend
		if n.Lifts {
			write = agreement.Resume
		}
		if again, err := write(a, no.signer, n.Reason, n.At); err != nil || !bytes.Equal(again, msg) {
			t.Fatalf("%v\n%s\n%s", err, msg, again)
		}
	})
}
