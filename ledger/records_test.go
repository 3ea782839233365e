// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"accord"
	"accord/ledger"
)

var spans = []accord.IndexSpan{{From: 0, To: 10}, {From: 12, To: 13}, {From: 15, To: 17}}

func samples(t testing.TB, by author) map[accord.LeafKind][]byte {
	t.Helper()
	out := map[accord.LeafKind][]byte{accord.LeafDisclosure: disclosure(t, 7)}
	own, others := ledger.Origin(by.Name, no), ledger.Origin(no, by.Name)
	var err error
	if out[accord.LeafReceipt], err = ledger.NewReceipt(ledger.Receipt{Origin: others, Size: 20, Root: sha256.Sum256([]byte("root")), Spans: spans, At: now}, by.key.Signer()); err != nil {
		t.Fatal(err)
	}
	if out[accord.LeafRetraction], err = ledger.NewRetraction(ledger.Retraction{Origin: own, Item: itemKey(7), Spans: spans, Reason: "false positive", At: now}, by.key.Signer()); err != nil {
		t.Fatal(err)
	}
	if out[accord.LeafConfirmation], err = ledger.NewConfirmation(ledger.Confirmation{Origin: others, Spans: spans, At: now}, by.key.Signer()); err != nil {
		t.Fatal(err)
	}
	return out
}

// opens says which readers accept a record.
func opens(t testing.TB, record []byte, by author) []accord.LeafKind {
	t.Helper()
	v, err := ledger.PartyVerifier(by.Key)
	if err != nil {
		t.Fatal(err)
	}
	var out []accord.LeafKind
	if _, err := ledger.ParseDisclosure(record); err == nil {
		out = append(out, accord.LeafDisclosure)
	}
	if _, err := ledger.OpenReceipt(record, v); err == nil {
		out = append(out, accord.LeafReceipt)
	}
	if _, err := ledger.OpenRetraction(record, v); err == nil {
		out = append(out, accord.LeafRetraction)
	}
	if _, err := ledger.OpenConfirmation(record, v); err == nil {
		out = append(out, accord.LeafConfirmation)
	}
	return out
}

func TestOneKindOfRecordIsNeverTakenForAnother(t *testing.T) {
	by := newAuthor(t, ee)
	all := samples(t, by)
	for kind, record := range all {
		if got := opens(t, record, by); len(got) != 1 || got[0] != kind {
			t.Errorf("a %s is read as %v", kind, got)
		}
		for other, another := range all {
			if other == kind {
				continue
			}
			// Another kind's first line on this body, with this signature.
			head, _, _ := strings.Cut(string(another), "\n")
			_, body, _ := strings.Cut(string(record), "\n")
			if got := opens(t, []byte(head+"\n"+body), by); len(got) != 0 {
				t.Errorf("a %s under the head of a %s is read as %v", kind, other, got)
			}
		}
	}
	origin := ledger.Origin(ee, no)
	check := by.signHead(t, accord.Head{Origin: origin, Size: 3, Root: sha256.Sum256(nil)})
	if got := opens(t, check, by); len(got) != 0 {
		t.Errorf("a checkpoint is read as %v", got)
	}
	for kind, record := range all {
		if _, _, err := ledger.OpenCheckpoint(record, origin, by.logVerifier(t, origin)); err == nil {
			t.Errorf("a %s is read as a checkpoint", kind)
		}
	}
}

func TestARecordReadsBackAsItWasWritten(t *testing.T) {
	by := newAuthor(t, ee)
	v, _ := ledger.PartyVerifier(by.Key)
	all := samples(t, by)
	rc, err := ledger.OpenReceipt(all[accord.LeafReceipt], v)
	if want := (ledger.Receipt{Origin: ledger.Origin(no, ee), Size: 20, Root: sha256.Sum256([]byte("root")), Spans: spans, At: now}); err != nil || !cmp.Equal(rc, want) {
		t.Errorf("receipt: %v %s", err, cmp.Diff(rc, want))
	}
	rt, err := ledger.OpenRetraction(all[accord.LeafRetraction], v)
	if want := (ledger.Retraction{Origin: ledger.Origin(ee, no), Item: itemKey(7), Spans: spans, Reason: "false positive", At: now}); err != nil || !cmp.Equal(rt, want) {
		t.Errorf("retraction: %v %s", err, cmp.Diff(rt, want))
	}
	cf, err := ledger.OpenConfirmation(all[accord.LeafConfirmation], v)
	if want := (ledger.Confirmation{Origin: ledger.Origin(no, ee), Spans: spans, At: now}); err != nil || !cmp.Equal(cf, want) {
		t.Errorf("confirmation: %v %s", err, cmp.Diff(cf, want))
	}
	d, err := ledger.ParseDisclosure(all[accord.LeafDisclosure])
	if want := (accord.Received{Item: itemKey(7), Sum: sha256.Sum256([]byte{7}), Origin: terms, Announced: now + 7}); err != nil || !cmp.Equal(d, want) {
		t.Errorf("disclosure: %v %s", err, cmp.Diff(d, want))
	}
}

func TestEveryDisclosureThatCanBeWrittenReadsBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := ledger.DisclosureRecord{
			Item:     accord.ItemKey{ID: rapid.SampledFrom([]string{itemKey(1).ID, "x-none--" + strings.Repeat("a", 36), "bad", "", "none"}).Draw(rt, "id"), Version: accord.Stamp(rapid.Int64Range(-1e15, 3e17).Draw(rt, "version"))},
			At:       accord.Stamp(rapid.Int64Range(0, 3e17).Draw(rt, "at")),
			Redacted: rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b,c", "none", "object_refs[3]", "x y", "\n"}), 0, 3).Draw(rt, "redacted"),
			Terms: accord.Origin{
				Agreement: rapid.SampledFrom([]string{"a", "none", "", "a b", "x\ny"}).Draw(rt, "agreement"), Version: rapid.IntRange(-1, 3).Draw(rt, "v"),
				Article: rapid.SampledFrom([]string{"1", "2.1", ""}).Draw(rt, "article"), Onward: accord.Onward(rapid.IntRange(0, 3).Draw(rt, "onward")),
				TLP:     accord.TLP(rapid.IntRange(0, 5).Draw(rt, "tlp")),
				Actions: accord.Action(rapid.IntRange(0, 5).Draw(rt, "actions")), Retain: accord.Stamp(rapid.Int64Range(0, 3e17).Draw(rt, "retain")),
			},
		}
		if len(d.Redacted) == 0 {
			d.Redacted = nil
		}
		b, err := d.Encode()
		if err != nil {
			if !errors.Is(err, accord.ErrInvalid) {
				rt.Fatalf("refused with %v", err)
			}
			return
		}
		back, err := ledger.ParseDisclosureRecord(b)
		if err != nil || !cmp.Equal(back, d) {
			rt.Fatalf("%v\n%s", err, cmp.Diff(back, d))
		}
	})
}

func TestRecordsWithAnotherSpellingAreRefused(t *testing.T) {
	good := string(disclosure(t, 7))
	for what, bad := range map[string]string{
		"no final newline":    strings.TrimSuffix(good, "\n"),
		"a line more":         good + "note: x\n",
		"an empty line":       good + "\n",
		"carriage returns":    strings.ReplaceAll(good, "\n", "\r\n"),
		"two spaces":          strings.Replace(good, "item: ", "item:  ", 1),
		"lines swapped":       strings.Replace(strings.Replace(good, "onward: institutions\n", "", 1), "retain-until", "onward: institutions\nretain-until", 1),
		"capital hash":        strings.Replace(good, "sha256: c", "sha256: C", 1),
		"a plus before":       strings.Replace(good, "agreement-version: 2", "agreement-version: +2", 1),
		"an instant in +00":   strings.Replace(good, "Z\n", "+00:00\n", 1),
		"an old version":      strings.Replace(good, " v1\n", " v0\n", 1),
		"a newer version":     strings.Replace(good, " v1\n", " v2\n", 1),
		"no agreement":        strings.Replace(good, "agreement: no-ee", "agreement: none", 1),
		"agreement version 0": strings.Replace(good, "agreement-version: 2", "agreement-version: 0", 1),
		"onward in capitals":  strings.Replace(good, "onward: institutions", "onward: Institutions", 1),
		"a bidi override":     strings.Replace(good, "no-ee", "no-\u202eee", 1),
		"not UTF-8":           strings.Replace(good, "no-ee", "no-\xffee", 1),
		"too large":           strings.Replace(good, "redacted: none", "redacted: "+strings.Repeat("a", ledger.MaxRecord), 1),
	} {
		if bad == good {
			t.Errorf("%s: the test changes nothing:\n%s", what, good)
		}
		if _, err := ledger.ParseDisclosure([]byte(bad)); !errors.Is(err, accord.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestASignedRecordIsRefusedWhenForgedOrSignedByAnother(t *testing.T) {
	by, other := newAuthor(t, ee), newAuthor(t, no)
	v, _ := ledger.PartyVerifier(by.Key)
	ov, _ := ledger.PartyVerifier(other.Key)
	rec := samples(t, by)[accord.LeafReceipt]
	if _, err := ledger.OpenReceipt(bytes.Replace(rec, []byte("size: 20"), []byte("size: 21"), 1), v); !errors.Is(err, accord.ErrForbidden) {
		t.Errorf("altered: %v", err)
	}
	if _, err := ledger.OpenReceipt(rec, ov); !errors.Is(err, accord.ErrForbidden) {
		t.Errorf("another's key: %v", err)
	}
	lines := strings.SplitAfter(string(rec), "\n")
	twice := string(rec) + lines[len(lines)-2]
	if _, err := ledger.OpenReceipt([]byte(twice), v); !errors.Is(err, accord.ErrInvalid) {
		t.Errorf("signed twice: %v", err)
	}
	if _, err := ledger.NewReceipt(ledger.Receipt{Origin: ledger.Origin(ee, no), Size: 20, Spans: spans, At: now}, by.key.Signer()); !errors.Is(err, accord.ErrInvalid) {
		t.Errorf("receipt of one's own log: %v", err)
	}
	if _, err := ledger.NewReceipt(ledger.Receipt{Origin: ledger.Origin(no, ee), Size: 16, Spans: spans, At: now}, by.key.Signer()); !errors.Is(err, accord.ErrInvalid) {
		t.Errorf("receipt beyond the size: %v", err)
	}
	for _, bad := range [][]accord.IndexSpan{{{From: 3, To: 3}}, {{From: 3, To: 5}, {From: 5, To: 6}}, {{From: 5, To: 6}, {From: 3, To: 4}}, {{From: -1, To: 2}}, nil} {
		if _, err := ledger.NewConfirmation(ledger.Confirmation{Origin: ledger.Origin(no, ee), Spans: bad, At: now}, by.key.Signer()); !errors.Is(err, accord.ErrInvalid) {
			t.Errorf("spans %v: %v", bad, err)
		}
	}
	for _, reason := range []string{"none", "a\nb", " x", strings.Repeat("x", 501)} {
		if _, err := ledger.NewRetraction(ledger.Retraction{Origin: ledger.Origin(ee, no), Item: itemKey(1), Spans: spans, Reason: reason, At: now}, by.key.Signer()); !errors.Is(err, accord.ErrInvalid) {
			t.Errorf("reason %q: %v", reason, err)
		}
	}
}

func TestAReasonIsOneLineThatReceiversCanRead(t *testing.T) {
	by := newAuthor(t, no)
	for text, want := range map[string]string{
		" it is\r\n\ta bakery ":             "it is a bakery",
		"هذا مخبز":                          "هذا مخبز",
		strings.Repeat("é", 250):            strings.Repeat("é", 250),
		strings.Repeat(" \n", 900) + "ends": "ends",
	} {
		line, err := ledger.ReasonLine(text)
		if err != nil || line != want {
			t.Errorf("%q: %q, %v", text, line, err)
		}
		c := ledger.Retraction{Origin: ledger.Origin(no, ee), Item: itemKey(1), Spans: []accord.IndexSpan{{From: 1, To: 2}}, Reason: line, At: now}
		if _, err := ledger.NewRetraction(c, by.key.Signer()); err != nil {
			t.Errorf("%q cannot be given on: %v", line, err)
		}
	}
	for _, bad := range []string{"", " \n", strings.Repeat("é", 251), strings.Repeat("x", 501), "none", "a\x1b[31mb", "a\x00", "\u202etxt.exe", "\xff"} {
		if line, err := ledger.ReasonLine(bad); !errors.Is(err, accord.ErrInvalid) {
			t.Errorf("%q is taken as %q", bad, line)
		}
	}
}

func TestSpansAreRisingAndJoined(t *testing.T) {
	got := ledger.Spans([]int64{5, 1, 2, 9, 2, 3})
	want := []accord.IndexSpan{{From: 1, To: 4}, {From: 5, To: 6}, {From: 9, To: 10}}
	if d := cmp.Diff(got, want); d != "" {
		t.Error(d)
	}
}

func FuzzRecord(f *testing.F) {
	by := newAuthor(f, ee)
	v, err := ledger.PartyVerifier(by.Key)
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range samples(f, by) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, err := ledger.ParseDisclosureRecord(b); err == nil {
			again, err := d.Encode()
			if err != nil || !bytes.Equal(again, b) {
				t.Fatalf("%v\n%q\n%q", err, b, again)
			}
		}
		if c, err := ledger.OpenReceipt(b, v); err == nil {
			same(t, b)(ledger.NewReceipt(c, by.key.Signer()))
		}
		if c, err := ledger.OpenRetraction(b, v); err == nil {
			same(t, b)(ledger.NewRetraction(c, by.key.Signer()))
		}
		if c, err := ledger.OpenConfirmation(b, v); err == nil {
			same(t, b)(ledger.NewConfirmation(c, by.key.Signer()))
		}
	})
}

func same(t *testing.T, b []byte) func([]byte, error) {
	return func(again []byte, err error) {
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%v\n%q\n%q", err, b, again)
		}
	}
}

// unsigned lets the fuzzer past the signature, into the readers behind it.
func FuzzSignedText(f *testing.F) {
	by := newAuthor(f, ee)
	v, err := ledger.PartyVerifier(by.Key)
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range samples(f, by) {
		text, _, _ := strings.Cut(string(s), "\n\n— ")
		f.Add(text + "\n")
	}
	f.Fuzz(func(t *testing.T, text string) {
		b, err := noteOf(text, by)
		if err != nil {
			return
		}
		if c, err := ledger.OpenReceipt(b, v); err == nil {
			same(t, b)(ledger.NewReceipt(c, by.key.Signer()))
		}
		if c, err := ledger.OpenRetraction(b, v); err == nil {
			same(t, b)(ledger.NewRetraction(c, by.key.Signer()))
		}
		if c, err := ledger.OpenConfirmation(b, v); err == nil {
			same(t, b)(ledger.NewConfirmation(c, by.key.Signer()))
		}
	})
}
