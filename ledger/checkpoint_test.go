// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"

	"accord"
	"accord/ledger"
)

func noteOf(text string, by author) ([]byte, error) {
	return note.Sign(&note.Note{Text: text}, by.key.Signer())
}

func TestOneKeySignsAsPartyLogAndCosignerWithDifferentIDs(t *testing.T) {
	a := newAuthor(t, ee)
	vs, err := ledger.NewVerifiers(a.Key)
	if err != nil {
		t.Fatal(err)
	}
	log := a.logVerifier(t, ledger.Origin(ee, no))
	ids := map[uint32]bool{vs.Party.KeyHash(): true, vs.Cosigner.KeyHash(): true, log.KeyHash(): true}
	if len(ids) != 3 || vs.Party.Name() != ee || vs.Cosigner.Name() != ee || log.Name() != ledger.Origin(ee, no) {
		t.Errorf("ids %v", ids)
	}
	if a.key.Verifier() != a.Key || fmt.Sprint(a.key) != a.Key || strings.Contains(fmt.Sprintf("%#v %+v", a.key, a.key), "PRIVATE") {
		t.Error("a key does not print as its public half")
	}
	if _, err := vs.Log(ledger.Origin(no, ee)); !errors.Is(err, accord.ErrForbidden) {
		t.Errorf("verifier of another's log: %v", err)
	}
	if _, err := a.key.LogSigner(ledger.Origin(no, ee)); !errors.Is(err, accord.ErrForbidden) {
		t.Errorf("signer of another's log: %v", err)
	}
	// What x/mod generates can be read, with any bytes in its base 64.
	for i := range 64 {
		seed := sha256.Sum256([]byte{byte(i)})
		skey, vkey, err := note.GenerateKey(bytes.NewReader(seed[:]), ee)
		if err != nil {
			t.Fatal(err)
		}
		k, err := ledger.ParseKey(skey + "\n")
		if err != nil || k.Verifier() != vkey {
			t.Fatalf("%s: %v", vkey, err)
		}
		if _, err := ledger.NewVerifiers(vkey); err != nil {
			t.Fatalf("%s: %v", vkey, err)
		}
	}
}

func TestACheckpointIsVerifiedForItsOwnLogOnly(t *testing.T) {
	a, b := newAuthor(t, ee), newAuthor(t, no)
	origin := ledger.Origin(ee, no)
	head := accord.Head{Origin: origin, Size: 5, Root: sha256.Sum256([]byte("x"))}
	msg := a.signHead(t, head)
	size, root, err := ledger.OpenCheckpoint(msg, origin, a.logVerifier(t, origin))
	if err != nil || size != 5 || root != head.Root {
		t.Fatalf("%d %x %v", size, root, err)
	}
	third := ledger.Origin(ee, "cert.lv.example")
	if _, _, err := ledger.OpenCheckpoint(msg, third, a.logVerifier(t, third)); !errors.Is(err, accord.ErrForbidden) {
		t.Errorf("as another log: %v", err)
	}
	if _, _, err := ledger.OpenCheckpoint(msg, third, a.logVerifier(t, origin)); !errors.Is(err, accord.ErrForbidden) {
		t.Errorf("for another origin: %v", err)
	}
	if _, _, err := ledger.OpenCheckpoint(bytes.Replace(msg, []byte("\n5\n"), []byte("\n6\n"), 1), origin, a.logVerifier(t, origin)); !errors.Is(err, accord.ErrForbidden) {
		t.Errorf("altered: %v", err)
	}
	if _, _, err := ledger.OpenCheckpoint(bytes.Repeat([]byte("x"), 1<<20), origin, a.logVerifier(t, origin)); !errors.Is(err, accord.ErrInvalid) {
		t.Errorf("oversized: %v", err)
	}
	// The log's own key may not stand for the cosigner's.
	cv, _ := ledger.CosignVerifier(b.Key)
	if _, _, _, err := ledger.VerifyCosigned(msg, origin, a.logVerifier(t, origin), cv); !errors.Is(err, accord.ErrForbidden) {
		t.Errorf("without cosignature: %v", err)
	}
	both, err := ledger.Cosign(msg, b.key, now)
	if err != nil {
		t.Fatal(err)
	}
	size, root, at, err := ledger.VerifyCosigned(both, origin, a.logVerifier(t, origin), cv)
	if err != nil || size != 5 || root != head.Root || at != now {
		t.Errorf("cosigned: %d %v %v", size, at, err)
	}
	if _, err := ledger.Cosign(msg, a.key, now); !errors.Is(err, accord.ErrForbidden) {
		t.Errorf("cosigned by its own log: %v", err)
	}
	again, err := ledger.Cosign(both, b.key, now+60_000_000)
	if err != nil || bytes.Count(again, []byte("\n— ")) != 2 {
		t.Errorf("cosigned again: %v\n%s", err, again)
	}
	// Any C2SP client reads it.
	c, err := torchwood.ParseCheckpoint(strings.SplitAfter(string(both), "\n\n")[0][:len(strings.SplitAfter(string(both), "\n\n")[0])-1])
	if err != nil || c.N != 5 || c.Origin != origin {
		t.Errorf("torchwood: %+v %v", c, err)
	}
}

func TestAMirrorRefusesForksRollbacksAndGaps(t *testing.T) {
	a := newAuthor(t, no)
	origin := ledger.Origin(no, ee)
	lv := a.logVerifier(t, origin)
	giver, m := newMemory(), newMemory()
	all := disclosures(t, 0, 600)
	giver.add(t, origin, all[:300]...)
	h300, _ := giver.Head(ctx, origin)
	c300 := a.signHead(t, h300)
	giver.add(t, origin, all[300:]...)
	h600, _ := giver.Head(ctx, origin)
	c600 := a.signHead(t, h600)
	leaves := giver.leaves[origin]

	head, _ := m.Head(ctx, origin)
	if _, err := ledger.MirrorAppend(ctx, m, head, leaves[:200], c300, lv); !errors.Is(err, accord.ErrInvalid) {
		t.Errorf("a gap: %v", err)
	}
	if _, err := ledger.MirrorAppend(ctx, m, head, leaves[:301], c300, lv); !errors.Is(err, accord.ErrInvalid) {
		t.Errorf("too many: %v", err)
	}
	other := append(disclosures(t, 0, 299), disclosures(t, 1, 2)...)
	if _, err := ledger.MirrorAppend(ctx, m, head, other, c300, lv); !errors.Is(err, ledger.ErrFork) || !errors.Is(err, accord.ErrConflict) {
		t.Errorf("other leaves: %v", err)
	}
	out, err := ledger.MirrorAppend(ctx, m, head, leaves[:300], c300, lv)
	if err != nil {
		t.Fatal(err)
	}
	m.apply(t, out)
	if out.Head.Root != h300.Root || !bytes.Equal(out.Head.Checkpoint, c300) {
		t.Error("the mirror differs")
	}
	head, _ = m.Head(ctx, origin)

	proof, err := ledger.ProveConsistency(ctx, giver, origin, 600, 450)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.MirrorPage(ctx, m, head, leaves[300:451], c600, lv, proof); !errors.Is(err, ledger.ErrFork) {
		t.Errorf("a page with another's proof: %v", err)
	}
	out, err = ledger.MirrorPage(ctx, m, head, leaves[300:450], c600, lv, proof)
	if err != nil {
		t.Fatal(err)
	}
	m.apply(t, out)
	if !bytes.Equal(out.Head.Checkpoint, c300) {
		t.Error("a page took the checkpoint of a later size")
	}
	head, _ = m.Head(ctx, origin)
	if _, err := ledger.MirrorAppend(ctx, m, head, nil, c300, lv); !errors.Is(err, ledger.ErrRollback) {
		t.Errorf("an old checkpoint: %v", err)
	}
	out, err = ledger.MirrorAppend(ctx, m, head, leaves[450:], c600, lv)
	if err != nil {
		t.Fatal(err)
	}
	m.apply(t, out)
	head, _ = m.Head(ctx, origin)
	if _, err := ledger.MirrorAppend(ctx, m, head, nil, c600, lv); err != nil {
		t.Errorf("nothing new: %v", err)
	}

	forked := newMemory()
	forked.add(t, origin, disclosures(t, 5, 605)...)
	fh, _ := forked.Head(ctx, origin)
	if _, err := ledger.MirrorAppend(ctx, m, head, nil, a.signHead(t, fh), lv); !errors.Is(err, ledger.ErrFork) {
		t.Errorf("a fork of the same size: %v", err)
	}
	forked.add(t, origin, disclosures(t, 605, 700)...)
	fh, _ = forked.Head(ctx, origin)
	if _, err := ledger.MirrorAppend(ctx, m, head, forked.leaves[origin][600:], a.signHead(t, fh), lv); !errors.Is(err, ledger.ErrFork) {
		t.Errorf("a fork that has grown: %v", err)
	}
	m.tiles[tileKey(origin, 0, 2)][3] ^= 1
	if _, err := ledger.Append(ctx, m, head, all[:1]); !errors.Is(err, ledger.ErrFork) {
		t.Errorf("a damaged tile: %v", err)
	}
}

func TestARestoredNodeFindsThatItHasGoneBack(t *testing.T) {
	a, b := newAuthor(t, no), newAuthor(t, ee)
	origin := ledger.Origin(no, ee)
	cv, _ := ledger.CosignVerifier(b.Key)
	m := newMemory()
	m.add(t, origin, disclosures(t, 0, 300)...)
	old, _ := m.Head(ctx, origin)
	m.add(t, origin, disclosures(t, 300, 310)...)
	h, _ := m.Head(ctx, origin)
	cosigned, err := ledger.Cosign(a.signHead(t, h), b.key, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := ledger.CheckHead(ctx, m, h, cosigned, a.logVerifier(t, origin), cv); err != nil {
		t.Errorf("the same: %v", err)
	}
	m.add(t, origin, disclosures(t, 310, 900)...)
	h, _ = m.Head(ctx, origin)
	if err := ledger.CheckHead(ctx, m, h, cosigned, a.logVerifier(t, origin), cv); err != nil {
		t.Errorf("grown since: %v", err)
	}
	if err := ledger.CheckHead(ctx, m, old, cosigned, a.logVerifier(t, origin), cv); !errors.Is(err, ledger.ErrRollback) {
		t.Errorf("restored: %v", err)
	}
	m2 := newMemory()
	m2.add(t, origin, disclosures(t, 1, 900)...)
	h2, _ := m2.Head(ctx, origin)
	if err := ledger.CheckHead(ctx, m2, h2, cosigned, a.logVerifier(t, origin), cv); !errors.Is(err, ledger.ErrFork) {
		t.Errorf("another history: %v", err)
	}
}

func FuzzCheckpoint(f *testing.F) {
	a, b := newAuthor(f, ee), newAuthor(f, no)
	origin := ledger.Origin(ee, no)
	msg := a.signHead(f, accord.Head{Origin: origin, Size: 5, Root: sha256.Sum256([]byte("x"))})
	both, err := ledger.Cosign(msg, b.key, now)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(msg)
	f.Add(both)
	lv := a.logVerifier(f, origin)
	f.Fuzz(func(t *testing.T, m []byte) {
		if size, root, err := ledger.OpenCheckpoint(m, origin, lv); err == nil && (size != 5 || root != sha256.Sum256([]byte("x"))) {
			t.Fatalf("forged: %d", size)
		}
		if out, err := ledger.Cosign(m, b.key, now); err == nil {
			if _, err := ledger.Cosign(out, b.key, now); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzKey(f *testing.F) {
	a := newAuthor(f, ee)
	f.Add(a.Key)
	f.Add("PRIVATE+KEY+" + a.Key)
	f.Fuzz(func(t *testing.T, s string) {
		if v, err := ledger.NewVerifiers(s); err == nil && v.Party.Name() != v.Cosigner.Name() {
			t.Fatal("two names")
		}
		if k, err := ledger.ParseKey(s); err == nil {
			if _, err := ledger.NewVerifiers(k.Verifier()); err != nil {
				t.Fatal(err)
			}
		}
	})
}
