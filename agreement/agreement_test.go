// SPDX-License-Identifier: Apache-2.0

package agreement_test

import (
	"bytes"
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"accord"
	"accord/agreement"
)

// node is a party with its private key.
type node struct {
	accord.Party
	signer note.Signer
}

func newNode(t testing.TB, name, nation string) node {
	t.Helper()
	seed := sha256.Sum256([]byte(name))
	skey, vkey, err := note.GenerateKey(bytes.NewReader(seed[:]), name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	return node{accord.Party{Name: name, Nation: accord.Nation(nation), Title: "Authority of " + nation, Key: vkey}, s}
}

// another gives n a second key.
func (n node) another(t testing.TB) node {
	t.Helper()
	m := newNode(t, n.Name, string(n.Nation))
	seed := sha256.Sum256([]byte(n.Name + " again"))
	skey, vkey, err := note.GenerateKey(bytes.NewReader(seed[:]), n.Name)
	if err != nil {
		t.Fatal(err)
	}
	if m.signer, err = note.NewSigner(skey); err != nil {
		t.Fatal(err)
	}
	m.Key = vkey
	return m
}

func at(t testing.TB, s string) accord.Stamp {
	t.Helper()
	v, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return accord.StampOf(v)
}

func draftOf(t testing.TB, a, b node) string {
	t.Helper()
	text, err := agreement.Template(agreement.Terms{
		ID: "no-ee", From: at(t, "2026-01-01T00:00:00Z"), Until: at(t, "2029-01-01T00:00:00Z"), Self: a.Party, Partner: b.Party,
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func signed(t testing.TB, text string, by ...node) []byte {
	t.Helper()
	msg := []byte(text)
	for _, n := range by {
		var err error
		if msg, err = agreement.Sign(msg, n.signer); err != nil {
			t.Fatal(err)
		}
	}
	return msg
}

func parties(ns ...node) []accord.Party {
	var ps []accord.Party
	for _, n := range ns {
		ps = append(ps, n.Party)
	}
	return ps
}

func TestTheTemplateSignedByBothGrantsIndicatorsAndWithholdsRed(t *testing.T) {
	no, ee := newNode(t, "cert.no.example", "NO"), newNode(t, "cert.ee.example", "EE")
	a, err := agreement.Open(signed(t, draftOf(t, no, ee), no, ee), parties(no, ee))
	if err != nil {
		t.Fatal(err)
	}
	in := []agreement.InForce{{Agreement: a}}
	now := at(t, "2026-06-01T00:00:00Z")
	item := accord.Item{Type: "indicator", TLP: accord.TLPAmber, Confidence: -1}
	d := agreement.Decide(in, &item, false, no.Name, ee.Name, now)
	if d.Effect != agreement.Share || d.Article != "1" || d.Terms.Onward != accord.OnwardInstitutions ||
		d.Terms.Retain != now+accord.Stamp((730*24*time.Hour).Microseconds()) || d.AcknowledgeWithin != time.Hour {
		t.Errorf("amber indicator: %+v", d)
	}
	item.TLP = accord.TLPRed
	d = agreement.Decide(in, &item, false, no.Name, ee.Name, now)
	if d.Effect != agreement.Withhold || d.Article != "5" {
		t.Errorf("red indicator: %+v", d)
	}
	t.Log(strings.Join(a.Explain(), "\n"))
}
